//! What every handler is given: the use cases, chance, time, and whether the server stops.

use std::sync::Arc;
use std::time::SystemTime;

use airlock_control_plane::ControlPlane;
use tokio::sync::watch;

use super::agent_door::Holders;
use crate::job_ssh::Lines;

/// 32 bytes from the operating system.
pub type Random = Arc<dyn Fn() -> [u8; 32] + Send + Sync>;

/// The time of day, against which certificates are checked.
pub type Now = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// What every handler is given. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct State {
    /// The use cases.
    pub plane: ControlPlane,
    /// Where tokens and request ids come from.
    pub random: Random,
    pub(crate) now: Now,
    pub(crate) closing: Closing,
    pub(crate) holders: Arc<Holders>,
    pub(crate) lines: Arc<Lines>,
}

impl State {
    /// The state of one server.
    #[must_use]
    pub fn new(plane: ControlPlane, random: Random) -> Self {
        Self {
            plane,
            random,
            now: Arc::new(SystemTime::now),
            closing: Closing::default(),
            holders: Arc::default(),
            lines: Arc::default(),
        }
    }

    /// The lines to agents on which people enter jobs, for the door that they come through.
    #[must_use]
    pub fn lines(&self) -> Arc<Lines> {
        Arc::clone(&self.lines)
    }

    /// The same with another clock.
    #[must_use]
    pub fn with_now(self, now: Now) -> Self {
        Self { now, ..self }
    }
}

/// Told once that the server stops. Long answers look here.
#[derive(Clone)]
pub(crate) struct Closing(Arc<watch::Sender<bool>>);

impl Default for Closing {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Closing {
    /// The server stops.
    pub(crate) fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Whether the server stops.
    pub(crate) fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the server stops.
    pub(crate) async fn begun(&self) {
        let mut news = self.0.subscribe();
        // The sender lives in `self`, so waiting ends only with the news.
        let _news = news.wait_for(|begun| *begun).await;
    }
}
