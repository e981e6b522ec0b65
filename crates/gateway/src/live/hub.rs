//! Hears the bus once and tells every connection that joined a channel. Never waits for a slow viewer: what does not
//! fit its queue is dropped, and the viewer is told that it missed something.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use airlock_control_plane::{ControlPlane, Heard};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::channel::Channel;
use super::limits::{CONNECTIONS, QUEUE};
use super::notice::notices;
use crate::http::state::Closing;

/// All connections of this server.
pub(crate) struct Hub {
    plane: ControlPlane,
    closing: Closing,
    places: Arc<Semaphore>,
    routes: Mutex<Routes>,
}

#[derive(Default)]
struct Routes {
    /// Whether somebody hears the bus.
    listening: bool,
    next: u64,
    channels: HashMap<Channel, HashMap<u64, Arc<Viewer>>>,
}

/// The way to one connection.
struct Viewer {
    queue: mpsc::Sender<Arc<str>>,
    missed: AtomicBool,
}

/// The connection's end of it. Dropping it leaves every channel.
pub(crate) struct Listener {
    hub: Arc<Hub>,
    number: u64,
    viewer: Arc<Viewer>,
    queue: mpsc::Receiver<Arc<str>>,
    joined: Vec<Channel>,
    _place: OwnedSemaphorePermit,
}

impl Hub {
    pub(crate) fn new(plane: ControlPlane, closing: Closing) -> Arc<Self> {
        Arc::new(Self {
            plane,
            closing,
            places: Arc::new(Semaphore::new(CONNECTIONS)),
            routes: Mutex::default(),
        })
    }

    /// A place for one more connection; `None` when there is none.
    pub(crate) fn listener(self: &Arc<Self>) -> Option<Listener> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let (sender, queue) = mpsc::channel(QUEUE);
        let mut routes = self.routes();
        routes.next += 1;
        Some(Listener {
            hub: Arc::clone(self),
            number: routes.next,
            viewer: Arc::new(Viewer {
                queue: sender,
                missed: AtomicBool::new(false),
            }),
            queue,
            joined: Vec::new(),
            _place: place,
        })
    }

    fn routes(&self) -> std::sync::MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(self: &Arc<Self>, channel: Channel, number: u64, viewer: &Arc<Viewer>) {
        let mut routes = self.routes();
        let viewers = routes.channels.entry(channel).or_default();
        viewers.insert(number, Arc::clone(viewer));
        if routes.listening {
            return;
        }
        routes.listening = true;
        // Subscribed before the lock is let go: whoever joined misses nothing that happens after.
        let mut subscription = self.plane.listen(None);
        let hub = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                let heard = tokio::select! {
                    () = hub.closing.begun() => break,
                    heard = subscription.next() => heard,
                };
                match heard {
                    Heard::Happening(happening) => {
                        for (channel, message) in notices(&happening) {
                            hub.tell(channel, &message);
                        }
                    }
                    Heard::Missed(_count) => hub.all_missed(),
                    Heard::Closed => break,
                }
            }
        });
    }

    fn leave(&self, channel: Channel, number: u64) {
        let mut routes = self.routes();
        if let Some(viewers) = routes.channels.get_mut(&channel) {
            viewers.remove(&number);
            if viewers.is_empty() {
                routes.channels.remove(&channel);
            }
        }
    }

    fn tell(&self, channel: Channel, message: &str) {
        let routes = self.routes();
        let Some(viewers) = routes.channels.get(&channel) else {
            return;
        };
        let message: Arc<str> = message.into();
        for viewer in viewers.values() {
            viewer.tell(&message);
        }
    }

    fn all_missed(&self) {
        for viewer in self.routes().channels.values().flat_map(HashMap::values) {
            viewer.miss();
        }
    }
}

impl Viewer {
    fn tell(&self, message: &Arc<str>) {
        if self.queue.try_send(Arc::clone(message)).is_err() {
            self.miss();
        }
    }

    fn miss(&self) {
        self.missed.store(true, Ordering::Release);
        // Wakes a connection whose queue is empty; a full one is awake.
        let _full = self.queue.try_send(Arc::from(""));
    }
}

impl Listener {
    pub(crate) fn join(&mut self, channel: Channel) {
        self.joined.push(channel);
        self.hub.join(channel, self.number, &self.viewer);
    }

    pub(crate) fn leave(&mut self, channel: Channel) {
        self.joined.retain(|joined| *joined != channel);
        self.hub.leave(channel, self.number);
    }

    /// The next message; empty when it is only a wake-up. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Option<Arc<str>> {
        self.queue.recv().await
    }

    /// Whether something was dropped since this was last asked and everything before it was taken.
    pub(crate) fn take_missed(&mut self) -> bool {
        self.queue.is_empty() && self.viewer.missed.swap(false, Ordering::AcqRel)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        for channel in std::mem::take(&mut self.joined) {
            self.hub.leave(channel, self.number);
        }
    }
}
