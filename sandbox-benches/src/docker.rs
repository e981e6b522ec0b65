//! A Docker engine of our own, started by hand and gone afterwards: no bridge, no rules, its data in our directory.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::limits::{CPU_MILLIS, ENGINE_POLL, ENGINE_READY, MEMORY_BYTES, PIDS};
use crate::peers::{Peer, find};
use crate::place::{COMMAND, Place};

#[derive(Debug)]
pub(crate) struct Engine {
    daemon: Child,
    client: PathBuf,
    host: String,
}

impl Engine {
    /// `None` where it is not installed.
    pub(crate) fn start(place: &Place) -> Result<Option<Self>> {
        let (Some(daemon), Some(client)) = (find("dockerd"), find("docker")) else {
            return Ok(None);
        };
        let at = |name: &str| place.join("docker").join(name);
        std::fs::create_dir(place.join("docker"))?;
        let host = format!("unix://{}", at("s").display());
        let log = std::fs::File::create(at("log"))?;
        let daemon = Command::new(daemon)
            .args(["--iptables=false", "--ip-forward=false", "--bridge=none"])
            .args(["--data-root".into(), at("data"), "--exec-root".into(), at("exec")])
            .args(["--pidfile".into(), at("pid")])
            .args(["-H", &host])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("starting dockerd")?;
        let mut this = Self { daemon, client, host };
        this.wait_until_ready()
            .with_context(|| std::fs::read_to_string(at("log")).unwrap_or_default())?;
        this.import(place)?;
        Ok(Some(this))
    }

    fn client(&self) -> Command {
        let mut command = Command::new(&self.client);
        command
            .args(["-H", &self.host])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a foreign daemon says nothing when it is ready"
    )]
    fn wait_until_ready(&mut self) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < ENGINE_READY {
            if let Some(status) = self.daemon.try_wait()? {
                bail!("dockerd ended with {status}");
            }
            if self
                .client()
                .arg("version")
                .stderr(Stdio::null())
                .status()?
                .success()
            {
                return Ok(());
            }
            std::thread::sleep(ENGINE_POLL);
        }
        bail!("dockerd did not answer")
    }

    fn import(&self, place: &Place) -> Result<()> {
        let archive = place.join("small.tar");
        let packed = Command::new("tar")
            .arg("-C")
            .arg(place.small())
            .arg("-cf")
            .arg(&archive)
            .arg(".")
            .status()?;
        ensure!(packed.success(), "tar ended with {packed}");
        let imported = self.client().arg("import").arg(&archive).arg("bench").status()?;
        ensure!(imported.success(), "`docker import` ended with {imported}");
        Ok(())
    }

    /// The command in a container of it.
    pub(crate) fn peer(&self) -> Peer {
        let words = [
            "-H".to_owned(),
            self.host.clone(),
            "run".into(),
            "--rm".into(),
            "--network=none".into(),
            format!("--memory={MEMORY_BYTES}"),
            format!("--pids-limit={PIDS}"),
            format!("--cpus={}", f64::from(CPU_MILLIS) / 1000.0),
            "bench".into(),
            COMMAND.into(),
        ];
        Peer::new(&self.client, words)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // TERM, so that it takes its containerd and its mounts along.
        let pid = i32::try_from(self.daemon.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.daemon.wait();
    }
}
