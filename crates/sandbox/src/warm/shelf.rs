//! What waits, of which kind, and what is to be done next. Decides, and makes and destroys nothing.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::demand::Demand;
use super::{Identity, WarmUse};
use crate::errors::StartError;
use crate::failure::Failure;
use crate::launcher::{Shared, make};
use crate::limits::{WARM_KINDS, WARM_LOOK, WARM_PAUSE, WARM_RETRY, WARM_RETRY_LONGEST};
use crate::record::Stage;
use crate::sandbox::Sandbox;
use crate::spec::SandboxSpec;

/// A sandbox without a job.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) sandbox: Sandbox,
    pub(super) identity: Identity,
    image: Vec<Version>,
}

impl Waiting {
    /// Makes one of the kind of this specification.
    pub(super) fn make(shared: &Arc<Shared>, spec: &SandboxSpec) -> Result<Self, StartError> {
        let image = versions(&spec.layers).map_err(|source| StartError::Step {
            id: spec.id.clone(),
            doing: "looking at its image".into(),
            source,
        })?;
        let sandbox = make(shared, spec, Stage::Waiting)?;
        let identity = Identity::of(&sandbox).map_err(|failure: Failure| failure.of(&spec.id))?;
        Ok(Self {
            sandbox,
            identity,
            image,
        })
    }

    /// What cannot be removed stays on record and is removed by the next launcher.
    pub(super) fn destroy(self) {
        let _ = self.sandbox.destroy();
    }
}

/// What can be told of something that waits.
pub(super) trait Fit {
    /// Whether a job can take it: process 1 lives, and these layers are those that it was made of.
    fn is_fit(&self, layers: &[PathBuf]) -> bool;
}

impl Fit for Waiting {
    fn is_fit(&self, layers: &[PathBuf]) -> bool {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut ended = [PollFd::from_borrowed_fd(self.sandbox.pidfd(), PollFlags::IN)];
        poll(&mut ended, Some(&now)) == Ok(0) && versions(layers).is_ok_and(|found| found == self.image)
    }
}

/// Tells a directory from another one at the same path.
type Version = (u64, u64, i64, i64);

fn versions(layers: &[PathBuf]) -> io::Result<Vec<Version>> {
    let version = |path: &PathBuf| {
        let found = fs::metadata(path)?;
        Ok((found.dev(), found.ino(), found.ctime(), found.ctime_nsec()))
    };
    layers.iter().map(version).collect()
}

/// Everything of one kind.
#[derive(Debug)]
struct Kind<W> {
    /// With a name that means nothing.
    spec: SandboxSpec,
    demand: Demand,
    waiting: VecDeque<W>,
    failures: u32,
    /// Nothing of it is made before.
    not_before: Option<Instant>,
}

/// What the thread is to do.
#[derive(Debug)]
pub(super) enum Next<W> {
    End,
    Discard(Vec<W>),
    /// With a name that is used once.
    Make(SandboxSpec),
    /// At most so long; `None` until something changes.
    Wait(Option<Duration>),
}

/// All kinds.
#[derive(Debug)]
pub(super) struct Shelf<W = Waiting> {
    kinds: Vec<Kind<W>>,
    /// To be destroyed by the thread.
    unfit: Vec<W>,
    most: usize,
    /// Starts under way.
    starting: u32,
    /// Nothing is made before.
    quiet_until: Option<Instant>,
    number: u64,
    told: WarmUse,
    pub(super) ending: bool,
}

/// What is settled of a specification when a sandbox is made.
fn kind_of(spec: &SandboxSpec) -> SandboxSpec {
    SandboxSpec {
        id: String::new(),
        hostname: "airlock".into(),
        local_names: Vec::new(),
        ..spec.clone()
    }
}

impl<W: Fit> Shelf<W> {
    pub(super) fn new(most: usize) -> Self {
        Self {
            kinds: Vec::new(),
            unfit: Vec::new(),
            most,
            starting: 0,
            quiet_until: None,
            number: 0,
            told: WarmUse::default(),
            ending: false,
        }
    }

    pub(super) fn told(&self) -> WarmUse {
        let waiting: usize = self.kinds.iter().map(|kind| kind.waiting.len()).sum();
        WarmUse {
            waiting: waiting as u64,
            ..self.told
        }
    }

    /// Whether the processors belong to a job that is starting.
    pub(super) fn is_quiet(&self, now: Instant) -> bool {
        self.starting > 0 || self.quiet_until.is_some_and(|until| until > now)
    }

    pub(super) fn begin_start(&mut self) {
        self.starting += 1;
    }

    pub(super) fn end_start(&mut self, now: Instant) {
        self.starting -= 1;
        self.quiet_until = Some(now + WARM_PAUSE);
    }

    /// A job came: what waits for it, if anything does. Counted either way.
    pub(super) fn take(&mut self, spec: &SandboxSpec, now: Instant) -> Option<W> {
        let wanted = kind_of(spec);
        let place = self.kinds.iter().position(|kind| kind.spec == wanted);
        let place = place.unwrap_or_else(|| self.add_kind(wanted));
        let kind = &mut self.kinds[place];
        kind.demand.came(now);
        let mut found = None;
        while let Some(waiting) = kind.waiting.pop_front() {
            if waiting.is_fit(&kind.spec.layers) {
                found = Some(waiting);
                break;
            }
            self.unfit.push(waiting);
            self.told.discarded += 1;
        }
        match found {
            Some(_) => self.told.hits += 1,
            None => self.told.misses += 1,
        }
        found
    }

    /// Its place among the others. Of too many, the one is forgotten that nobody has asked for for longest.
    fn add_kind(&mut self, spec: SandboxSpec) -> usize {
        let kind = Kind {
            spec,
            demand: Demand::default(),
            waiting: VecDeque::new(),
            failures: 0,
            not_before: None,
        };
        let oldest = (0..self.kinds.len()).min_by_key(|place| self.kinds[*place].demand.last());
        match oldest {
            Some(place) if self.kinds.len() >= WARM_KINDS => {
                let forgotten = std::mem::replace(&mut self.kinds[place], kind);
                self.told.discarded += forgotten.waiting.len() as u64;
                self.unfit.extend(forgotten.waiting);
                place
            }
            _ => {
                self.kinds.push(kind);
                self.kinds.len() - 1
            }
        }
    }

    /// One that was taken and could not be used after all.
    pub(super) fn unfit(&mut self, waiting: W) {
        self.unfit.push(waiting);
        self.told.hits -= 1;
        self.told.misses += 1;
        self.told.discarded += 1;
    }

    /// What came of [`Next::Make`].
    pub(super) fn made<E>(&mut self, spec: &SandboxSpec, made: Result<W, E>, now: Instant) {
        let spec = kind_of(spec);
        let kind = self.kinds.iter_mut().find(|kind| kind.spec == spec);
        match (made, kind) {
            (Ok(waiting), Some(kind)) => {
                kind.failures = 0;
                kind.waiting.push_back(waiting);
            }
            (Ok(waiting), None) => {
                self.told.discarded += 1;
                self.unfit.push(waiting);
            }
            (Err(_), kind) => {
                self.told.failed += 1;
                if let Some(kind) = kind {
                    kind.failures += 1;
                    kind.not_before = Some(now + retry_after(kind.failures));
                }
            }
        }
        // The next one is not made right behind it: the processors are for jobs.
        self.quiet_until = Some(now + WARM_PAUSE);
    }

    /// Everything that waits, which is then no longer here.
    pub(super) fn empty(&mut self) -> Vec<W> {
        let waiting = self.kinds.iter_mut().flat_map(|kind| kind.waiting.drain(..));
        let all: Vec<W> = waiting.collect();
        self.told.discarded += all.len() as u64;
        all.into_iter().chain(self.unfit.drain(..)).collect()
    }

    pub(super) fn next(&mut self, now: Instant) -> Next<W> {
        if self.ending {
            return Next::End;
        }
        let granted = self.granted(now);
        let mut discard: Vec<W> = Vec::new();
        for (kind, granted) in self.kinds.iter_mut().zip(&granted) {
            let (fit, unfit): (Vec<_>, Vec<_>) = kind
                .waiting
                .drain(..)
                .partition(|waiting| waiting.is_fit(&kind.spec.layers));
            kind.waiting = fit.into();
            discard.extend(unfit);
            while kind.waiting.len() > *granted {
                discard.extend(kind.waiting.pop_back());
            }
        }
        self.told.discarded += discard.len() as u64;
        discard.append(&mut self.unfit);
        if !discard.is_empty() {
            return Next::Discard(discard);
        }
        let busy = self.starting > 0;
        let quiet = self.quiet_until.filter(|until| *until > now);
        let mut due: Option<Instant> = None;
        for (kind, granted) in self.kinds.iter().zip(&granted) {
            if kind.waiting.len() >= *granted {
                continue;
            }
            let at = kind.not_before.into_iter().chain(quiet).max().unwrap_or(now);
            if at <= now && !busy {
                self.number += 1;
                return Next::Make(SandboxSpec {
                    id: format!("warm-{}", self.number),
                    ..kind.spec.clone()
                });
            }
            due = Some(due.map_or(at, |sooner| sooner.min(at)));
        }
        self.kinds.retain(|kind| kind.demand.wanted(now) > 0);
        let due = due
            .filter(|_| !busy)
            .map(|due| due.saturating_duration_since(now));
        let look = (!self.kinds.is_empty()).then_some(WARM_LOOK);
        Next::Wait(due.into_iter().chain(look).min())
    }

    /// How many of each kind may wait. Where all together would be too many, those asked for last come first.
    fn granted(&self, now: Instant) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.kinds.len()).collect();
        order.sort_by_key(|place| std::cmp::Reverse(self.kinds[*place].demand.last()));
        let mut left = self.most;
        let mut granted = vec![0; self.kinds.len()];
        for place in order {
            granted[place] = self.kinds[place].demand.wanted(now).min(left);
            left -= granted[place];
        }
        granted
    }
}

fn retry_after(failures: u32) -> Duration {
    let times = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    WARM_RETRY.saturating_mul(times).min(WARM_RETRY_LONGEST)
}

#[cfg(test)]
mod tests;
