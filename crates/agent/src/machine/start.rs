//! Starts a planned machine in a sandbox that has its monitor, and waits until the step runner in it takes commands.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use airlock_sandbox::channel::{Configure, StartStep, StepUser, ToInit};
use airlock_sandbox::machine::relay_on_host;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::plan::Plan;
use crate::images::Derived;
use crate::inside::{Connection, Event, Inside};
use crate::leash::Leash;
use crate::limits;
use crate::spin_up::{SpinUpError, await_ready};

/// The monitor's one step in its sandbox.
const MONITOR: u32 = 0;

/// Whom the monitor runs as in its sandbox: nobody in particular.
const MONITOR_USER: u32 = 1000;

/// A running machine. It ends with its sandbox.
pub(crate) struct Guest {
    /// The monitor's side; kept, as the sandbox ends when the agent lets go of it.
    _monitor: Inside,
    console: Console,
    _listening: AbortOnDropHandle<()>,
    /// The files stay while this lives.
    _layers: [Derived; 2],
}

impl Guest {
    /// Waits until the guest's step runner takes commands.
    pub(crate) async fn await_ready(&self, inside: &mut Inside, leash: &Leash) -> Result<(), SpinUpError> {
        let event = tokio::select! {
            cause = leash.stopped() => return Err(SpinUpError::Stopped(cause)),
            event = tokio::time::timeout(limits::MACHINE_READY, inside.event()) => event,
        };
        match event {
            Ok(Event::Ready) => Ok(()),
            Ok(Event::Gone(_) | Event::Finished { .. } | Event::Halt) => {
                Err(failed("the virtual machine did not come up", &self.console))
            }
            Err(_) => {
                let seconds = limits::MACHINE_READY.as_secs();
                let what = format!("the virtual machine was not up within {seconds} s");
                Err(failed(&what, &self.console))
            }
        }
    }
}

/// Starts the machine in the sandbox behind `channel` and gives the agent's end of the guest's own channel.
pub(crate) async fn start(
    plan: Plan,
    channel: OwnedFd,
    leash: &Leash,
) -> Result<(Guest, OwnedFd), SpinUpError> {
    let (doors, mut connections) = mpsc::channel(1);
    let mut monitor = Inside::attach(channel, doors)?;
    await_ready(&mut monitor).await?;
    let configure = Configure {
        home: "/".into(),
        user: StepUser {
            uid: MONITOR_USER,
            gid: MONITOR_USER,
            groups: Vec::new(),
        },
        ..Configure::default()
    };
    monitor.send(ToInit::Configure(configure)).await?;
    let console = Console::default();
    let (says, heard) = mpsc::channel(limits::MACHINE_CONSOLE_PIECES);
    monitor.listen_raw(MONITOR, says);
    let listening = AbortOnDropHandle::new(tokio::spawn(console.clone().listen(heard)));
    let start = StartStep {
        step: MONITOR,
        program: plan.command.clone(),
        env: vec![("TMPDIR".into(), "/var/tmp".into())],
        working_directory: "/".into(),
        ..StartStep::default()
    };
    monitor.send(ToInit::StartStep(start)).await?;
    let port = await_port(&mut monitor, &mut connections, leash, &console).await?;
    let (ours, theirs) = airlock_sandbox::channel::pair()?;
    std::thread::Builder::new()
        .name("machine".into())
        .spawn(move || {
            if let Err(error) = relay_on_host(port, theirs) {
                tracing::warn!(%error, "the conversation with a machine broke off");
            }
        })?;
    let guest = Guest {
        _monitor: monitor,
        console,
        _listening: listening,
        _layers: plan.layers,
    };
    Ok((guest, ours))
}

/// The monitor connects as soon as it runs.
async fn await_port(
    monitor: &mut Inside,
    connections: &mut mpsc::Receiver<Connection>,
    leash: &Leash,
    console: &Console,
) -> Result<OwnedFd, SpinUpError> {
    let patience = tokio::time::sleep(limits::MACHINE_MONITOR);
    tokio::pin!(patience);
    loop {
        tokio::select! {
            cause = leash.stopped() => return Err(SpinUpError::Stopped(cause)),
            Some((_door, port)) = connections.recv() => return Ok(port),
            event = monitor.event() => match event {
                Event::Finished { .. } => return Err(failed("the machine's monitor ended", console)),
                Event::Gone(reason) => return Err(failed(&reason, console)),
                Event::Ready | Event::Halt => {}
            },
            () = &mut patience => return Err(failed("the machine's monitor did not start", console)),
        }
    }
}

fn failed(what: &str, console: &Console) -> SpinUpError {
    SpinUpError::Failed(format!("{what}; it said:\n{}", console.text()))
}

/// The end of what the monitor and the guest's console said.
#[derive(Clone, Default)]
struct Console(Arc<Mutex<VecDeque<u8>>>);

impl Console {
    async fn listen(self, mut pieces: mpsc::Receiver<Vec<u8>>) {
        while let Some(piece) = pieces.recv().await {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend(piece);
            let over = kept.len().saturating_sub(limits::MACHINE_CONSOLE_BYTES);
            kept.drain(..over);
        }
    }

    fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = kept.iter().copied().collect();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }
}
