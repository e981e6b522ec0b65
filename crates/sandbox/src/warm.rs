//! Sandboxes made ahead of the jobs they are for, so that a job's start is no more than a word to a process that waits.
//!
//! A kind of sandbox is everything of its specification that is settled when it is made: image, class, network, filter.
//! What is known only when the job comes (host name, names of its services; environment, secrets and openings in the
//! network after that, as for every sandbox) is bound when the job takes it. What waits has run nothing of a job's, is
//! taken by one job and destroyed after it, and is on record as waiting, so that a killed agent leaves none.
//!
//! One thread makes and collects them, one at a time, and not while a job is starting. How many is the business of
//! `demand`; a kind nobody asks for any more, or whose image is gone, is collected. Called by `launcher`.

mod demand;
mod identity;
mod shelf;
mod tally;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use self::identity::Identity;
use self::shelf::{Next, Shelf, Waiting};
pub use self::tally::{WarmUse, warm_use};
use crate::errors::StartError;
use crate::failure::{Doing, Failure};
use crate::launcher::{Shared, make};
use crate::record::Stage;
use crate::sandbox::Sandbox;
use crate::spec::SandboxSpec;

/// Sandboxes that wait, and the thread that makes them.
#[derive(Debug)]
pub(crate) struct Warm {
    common: Arc<Common>,
    maker: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Common {
    shared: Arc<Shared>,
    shelf: Mutex<Shelf>,
    changed: Condvar,
}

impl Warm {
    /// Waits for the first start; at most so many sandboxes are made ahead.
    pub(crate) fn open(shared: &Arc<Shared>, most: u32) -> Result<Self, Failure> {
        tally::forget(&shared.state_dir)?;
        let common = Arc::new(Common {
            shared: Arc::clone(shared),
            shelf: Mutex::new(Shelf::new(most as usize)),
            changed: Condvar::new(),
        });
        let maker = {
            let common = Arc::clone(&common);
            std::thread::Builder::new()
                .name("warm sandboxes".into())
                .spawn(move || keep_filled(&common))
                .doing(|| "starting a thread that makes sandboxes ahead")?
        };
        Ok(Self {
            common,
            maker: Some(maker),
        })
    }

    /// How it was of use so far.
    pub(crate) fn told(&self) -> WarmUse {
        self.common.shelf().told()
    }

    /// A sandbox for a job: one that waits, or else a new one.
    pub(crate) fn start(&self, spec: &SandboxSpec) -> Result<Sandbox, StartError> {
        let common = &*self.common;
        let _pause = Starting::new(common);
        if let Some(sandbox) = self.take(spec) {
            return Ok(sandbox);
        }
        match make(&common.shared, spec, Stage::Running) {
            // What waits has taken the last range or address, and gives it back for a job.
            Err(StartError::NoIdRange { .. } | StartError::NoAddress { .. })
                if let waiting = common.shelf().empty()
                    && !waiting.is_empty() =>
            {
                drop(waiting);
                make(&common.shared, spec, Stage::Running)
            }
            other => other,
        }
    }

    fn take(&self, spec: &SandboxSpec) -> Option<Sandbox> {
        let common = &*self.common;
        let mut waiting = common.shelf().take(spec, Instant::now())?;
        match adopt(&mut waiting, spec, &common.shared) {
            Ok(()) => Some(waiting.sandbox),
            Err(_unfit) => {
                // It is destroyed by the thread; the job is given a new one.
                common.shelf().unfit(waiting);
                None
            }
        }
    }
}

/// Makes a sandbox that waited the job's own.
fn adopt(waiting: &mut Waiting, spec: &SandboxSpec, shared: &Shared) -> Result<(), Failure> {
    let sandbox = &mut waiting.sandbox;
    sandbox.request.hostname.clone_from(&spec.hostname);
    sandbox.request.local_names.clone_from(&spec.local_names);
    waiting.identity.bind(&sandbox.request)?;
    sandbox.record.enter(Stage::Running, &shared.state_dir)?;
    shared.observe(Stage::Running);
    Ok(())
}

impl Drop for Warm {
    /// Destroys what waits.
    fn drop(&mut self) {
        self.common.shelf().ending = true;
        self.common.changed.notify_all();
        if let Some(maker) = self.maker.take() {
            let _ = maker.join();
        }
    }
}

impl Common {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While it lives, and a moment longer, nothing is made ahead.
struct Starting<'a>(&'a Common);

impl<'a> Starting<'a> {
    fn new(common: &'a Common) -> Self {
        common.shelf().begin_start();
        Self(common)
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        self.0.shelf().end_start(Instant::now());
        self.0.changed.notify_all();
    }
}

/// The thread: does what comes next until the launcher goes.
fn keep_filled(common: &Common) {
    let mut written = None;
    loop {
        let mut shelf = common.shelf();
        let now = Instant::now();
        let told = shelf.told();
        if written != Some(told) && !shelf.is_quiet(now) {
            drop(shelf);
            // For people who look from outside; nothing depends on it.
            let _ = tally::write(&common.shared.state_dir, told);
            written = Some(told);
            continue;
        }
        match shelf.next(now) {
            Next::End => break,
            Next::Discard(waiting) => {
                drop(shelf);
                waiting.into_iter().for_each(Waiting::destroy);
            }
            Next::Make(spec) => {
                drop(shelf);
                let made = Waiting::make(&common.shared, &spec);
                common.shelf().made(&spec, made, Instant::now());
            }
            // Until then, or until something changes.
            Next::Wait(time) => match time {
                Some(time) => drop(common.changed.wait_timeout(shelf, time)),
                None => drop(common.changed.wait(shelf)),
            },
        }
    }
    let waiting = common.shelf().empty();
    waiting.into_iter().for_each(Waiting::destroy);
}
