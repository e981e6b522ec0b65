//! The conversation with process 1 of a sandbox. One thread reads its channel and puts output where it belongs; commands
//! are written by threads that may block. What comes from inside is treated as the work of a hostile job: unknown steps
//! are ignored, floods are bounded.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use airlock_sandbox::channel::{ChannelError, Door, FromInit, NO_STEP, Reader, StepEnd, ToInit, Writer};
use tokio::sync::mpsc;

use crate::reporter::LogSink;

/// What happened inside.
#[derive(Debug)]
pub(crate) enum Event {
    /// Commands are taken.
    Ready,
    /// A step is over; its log is complete.
    Finished { step: u32, end: StepEnd },
    /// The job wants to end after the current step. Comes once.
    Halt,
    /// The conversation is over.
    Gone(String),
}

/// A connection that a process of the job made.
pub(crate) type Connection = (Door, OwnedFd);

/// The agent's end of the channel.
pub(crate) struct Inside {
    writer: Arc<Mutex<Writer<ToInit>>>,
    logs: Logs,
    events: mpsc::UnboundedReceiver<Event>,
}

type Logs = Arc<Mutex<HashMap<u32, Ear>>>;

/// Where the output of a step goes.
#[derive(Clone)]
enum Ear {
    Log(LogSink),
    Raw(mpsc::Sender<Vec<u8>>),
}

impl Inside {
    /// Begins reading. Connections go to `doors`, and are closed when it is full.
    pub(crate) fn attach(channel: OwnedFd, doors: mpsc::Sender<Connection>) -> io::Result<Self> {
        let writer = Writer::new(channel.try_clone()?);
        let logs = Logs::default();
        let (tell, events) = mpsc::unbounded_channel();
        std::thread::Builder::new().name("sandbox".into()).spawn({
            let logs = Arc::clone(&logs);
            move || read(Reader::new(channel), &logs, &tell, &doors)
        })?;
        Ok(Self {
            writer: Arc::new(Mutex::new(writer)),
            logs,
            events,
        })
    }

    /// From now on, output of this step goes there.
    pub(crate) fn listen(&self, step: u32, log: &LogSink) {
        lock(&self.logs).insert(step, Ear::Log(log.clone()));
    }

    /// From now on, output of this step goes there as it comes.
    pub(crate) fn listen_raw(&self, step: u32, output: mpsc::Sender<Vec<u8>>) {
        lock(&self.logs).insert(step, Ear::Raw(output));
    }

    /// Sends a command.
    pub(crate) async fn send(&self, message: ToInit) -> Result<(), ChannelError> {
        let writer = Arc::clone(&self.writer);
        let sent = tokio::task::spawn_blocking(move || lock(&writer).send(&message)).await;
        sent.unwrap_or_else(|error| {
            Err(ChannelError::Io {
                doing: "writing",
                source: io::Error::other(error),
            })
        })
    }

    /// The next thing that happened.
    pub(crate) async fn event(&mut self) -> Event {
        let event = self.events.recv().await;
        event.unwrap_or_else(|| Event::Gone("the sandbox's channel was closed".into()))
    }
}

fn read(
    mut reader: Reader<FromInit>,
    logs: &Logs,
    tell: &mpsc::UnboundedSender<Event>,
    doors: &mpsc::Sender<Connection>,
) {
    let mut halted = false;
    let gone = loop {
        let event = match reader.receive() {
            Ok(Some(FromInit::Output { step, bytes })) => {
                let ear = lock(logs).get(&step).cloned();
                match ear {
                    Some(Ear::Log(log)) => log.append(&bytes),
                    // Nobody listens any more; the step goes on.
                    Some(Ear::Raw(output)) => drop(output.blocking_send(bytes)),
                    None => {}
                }
                continue;
            }
            Ok(Some(FromInit::Connection { door, fd })) => {
                // A full house closes the connection, which its process sees.
                let _full = doors.try_send((door, fd));
                continue;
            }
            Ok(Some(FromInit::StepStarted { .. } | FromInit::RootSwitched)) => continue,
            Ok(Some(FromInit::Ready)) => Event::Ready,
            Ok(Some(FromInit::StepFinished { step, end })) => {
                lock(logs).remove(&step);
                Event::Finished { step, end }
            }
            Ok(Some(FromInit::Failed { step, reason })) if step != NO_STEP => {
                lock(logs).remove(&step);
                Event::Finished {
                    step,
                    end: StepEnd::CouldNotStart(reason),
                }
            }
            Ok(Some(FromInit::Failed { reason, .. })) => break format!("process 1 failed: {reason}"),
            Ok(Some(FromInit::HaltRequested)) if halted => continue,
            Ok(Some(FromInit::HaltRequested)) => {
                halted = true;
                Event::Halt
            }
            Ok(None) => break "process 1 of the sandbox ended".to_owned(),
            Err(error) => break error.to_string(),
        };
        if tell.send(event).is_err() {
            return;
        }
    };
    // Nobody listens any more when the slice was given up.
    let _given_up = tell.send(Event::Gone(gone));
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
