//! One running `airlock up` on free ports of loopback, and what is found in its data directory. Ends it when asked, or
//! when dropped.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Instant, UNIX_EPOCH};

use airlock_testkit::{SshKey, Watched};
use anyhow::Context as _;
use serde::Deserialize;
use serde_json::json;

use crate::api::Api;
use crate::limits;
use crate::moments::Start;
use crate::world::World;

/// The last line of the greeting.
const GREETED: &str = "Stop with Ctrl-C";

/// Where the instance is reached, as it writes it down itself.
#[derive(Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    pub(crate) ssh: String,
    pub(crate) ca_file: PathBuf,
    pub(crate) admin_token: String,
    pub(crate) pid: u32,
}

/// A running instance.
pub(crate) struct Instance {
    up: Mutex<Watched>,
    pub(crate) endpoint: Endpoint,
    pub(crate) api: Api,
}

/// When a start came how far.
pub(crate) struct Took {
    pub(crate) start: Start,
    /// Named moments since then, in order.
    pub(crate) moments: Vec<(String, f64)>,
}

impl Instance {
    /// Starts it and waits for the end of its greeting.
    pub(crate) fn start(world: &World) -> anyhow::Result<(Self, Took)> {
        let folder = world.instance();
        let up = world
            .airlock()
            .args([
                "up",
                "--https",
                "127.0.0.1:0",
                "--ssh",
                "127.0.0.1:0",
                "--data-dir",
            ])
            .arg(&folder);
        let start = Start::now();
        let mut up = Watched::start(&up)?;
        up.wait_for_line("the end of the greeting", limits::RUN, |line| {
            line.text.contains(GREETED)
        })?;
        let greeted = start.until(Instant::now());
        let written = |name: &str| -> anyhow::Result<f64> {
            let path = folder.join("run").join(name);
            let changed = std::fs::metadata(&path).and_then(|found| found.modified());
            let changed = changed.with_context(|| format!("looking at {}", path.display()))?;
            let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
            Ok(start.until_wall(changed.as_secs_f64() * 1000.0))
        };
        let moments = vec![
            ("the key holder listens".to_owned(), written("vault.sock")?),
            ("the server serves".to_owned(), written("endpoint.json")?),
            ("the agent is ready, the greeting is printed".to_owned(), greeted),
        ];
        let endpoint = std::fs::read(folder.join("run/endpoint.json")).context("reading endpoint.json")?;
        let endpoint: Endpoint = serde_json::from_slice(&endpoint).context("reading endpoint.json")?;
        let api = Api::new(&endpoint)?;
        let up = Mutex::new(up);
        Ok((Self { up, endpoint, api }, Took { start, moments }))
    }

    /// Makes a project that this key may push to.
    pub(crate) async fn create_project(&self, project: &str, key: &SshKey) -> anyhow::Result<()> {
        let wanted = json!({ "slug": project, "key": key.public_line()? });
        let _made = self.api.post("/airlock/project", &wanted).await?;
        Ok(())
    }

    /// Where a project is pushed to.
    pub(crate) fn git_url(&self, project: &str) -> String {
        format!("{}/{project}.git", self.endpoint.ssh)
    }

    /// Ends it as Ctrl-C would.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        let mut up = self
            .up
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let status = up.stop()?;
        anyhow::ensure!(
            status.success(),
            "airlock up ended with {status}:\n{}",
            up.transcript()
        );
        Ok(())
    }
}
