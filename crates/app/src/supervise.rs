//! Runs the key holder, the server and an agent as child processes: starts them in order, starts again what dies, ends
//! them in the opposite order. Holds no state of its own: killing it at any time loses nothing.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

use crate::processes::Ready;

/// A child that stays up this long counts as well, and its next death is answered at once.
const SETTLED: Duration = Duration::from_mins(1);
/// The first pause before a restart; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause before a restart.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a child may take to end after SIGTERM: an agent has to stop its jobs first.
const END_GRACE: Duration = Duration::from_secs(20);
/// How long a child may take to say that it serves.
const READY_PATIENCE: Duration = Duration::from_secs(30);

/// A child could not start and has said why on standard error itself: there is nothing to add.
#[derive(Debug, thiserror::Error)]
#[error("a process could not be started")]
pub(crate) struct AlreadyTold;

/// A process to keep running.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    /// Its name for people: the subcommand.
    pub(crate) name: &'static str,
    /// Its arguments after the subcommand.
    pub(crate) arguments: Vec<String>,
}

/// A running child.
pub(crate) struct Running {
    service: Service,
    child: Child,
    started: Instant,
    pause: Duration,
}

impl Running {
    /// Starts a service and waits until it serves.
    pub(crate) async fn start(service: Service) -> anyhow::Result<(Self, Ready)> {
        let mut child = spawn(&service)?;
        let ready = ready(&service, &mut child).await?;
        Ok((
            Self {
                service,
                child,
                started: Instant::now(),
                pause: FIRST_PAUSE,
            },
            ready,
        ))
    }

    /// Completes when the child has ended, with what the person should read.
    pub(crate) async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => format!("airlock {} ended ({status})", self.service.name),
            Err(error) => format!("airlock {} cannot be waited for: {error}", self.service.name),
        }
    }

    /// Starts the child again after a pause that grows while it keeps dying.
    pub(crate) async fn restart(&mut self) {
        if self.started.elapsed() >= SETTLED {
            self.pause = FIRST_PAUSE;
        }
        loop {
            tokio::time::sleep(self.pause).await;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            let again = async {
                let mut child = spawn(&self.service)?;
                ready(&self.service, &mut child).await?;
                anyhow::Ok(child)
            };
            match again.await {
                Ok(child) => {
                    tracing::warn!(service = self.service.name, "running again");
                    self.child = child;
                    self.started = Instant::now();
                    return;
                }
                Err(error) => tracing::error!(service = self.service.name, "{error:#}; trying again"),
            }
        }
    }

    /// The arguments of the next start.
    pub(crate) fn set_arguments(&mut self, arguments: Vec<String>) {
        self.service.arguments = arguments;
    }

    /// Ends the child: politely, then not.
    pub(crate) async fn stop(mut self) {
        let pid = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(rustix::process::Pid::from_raw);
        let Some(pid) = pid else { return };
        if rustix::process::kill_process(pid, rustix::process::Signal::TERM).is_ok()
            && timeout(END_GRACE, self.child.wait()).await.is_ok()
        {
            return;
        }
        tracing::warn!(
            service = self.service.name,
            "did not end when asked and is killed"
        );
        if let Err(error) = self.child.kill().await {
            tracing::error!(service = self.service.name, %error, "could not be killed");
        }
    }
}

fn spawn(service: &Service) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("finding this program")?;
    Command::new(program)
        .arg(service.name)
        .args(&service.arguments)
        .args(["--supervisor", &std::process::id().to_string()])
        // A group of its own: Ctrl-C reaches the supervisor only, which ends its children in order.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("starting airlock {}", service.name))
}

async fn ready(service: &Service, child: &mut Child) -> anyhow::Result<Ready> {
    let name = service.name;
    let output = child
        .stdout
        .take()
        .with_context(|| format!("airlock {name} has no standard output"))?;
    let mut lines = BufReader::new(output).lines();
    let line = timeout(READY_PATIENCE, lines.next_line()).await;
    match line {
        Ok(Ok(Some(line))) => serde_json::from_str(&line)
            .with_context(|| format!("airlock {name} said something unknown: {line}")),
        Ok(Ok(None)) => Err(AlreadyTold.into()),
        Ok(Err(error)) => Err(error).with_context(|| format!("listening to airlock {name}")),
        Err(_) => anyhow::bail!(
            "airlock {name} does not serve after {} seconds",
            READY_PATIENCE.as_secs()
        ),
    }
}
