//! The log bytes of one step between the sandbox and the server's acknowledgement: in memory while they are few, in an
//! unnamed file when they are many. Owns the bytes and their offsets; knows nothing of the server. The thread that reads
//! the sandbox's channel writes here and waits when there is no room, which in the end slows the step that writes.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rustix::fs::{FallocateFlags, fallocate};
use tokio::sync::Notify;

use crate::limits;

/// What all spools of one agent may hold on disk together.
#[derive(Debug)]
pub(crate) struct SpoolDisk {
    dir: PathBuf,
    limit: u64,
    used: Mutex<u64>,
}

impl SpoolDisk {
    /// Spools in this directory, which exists.
    pub(crate) fn new(dir: &Path, limit: u64) -> Arc<Self> {
        Arc::new(Self {
            dir: dir.to_owned(),
            limit,
            used: Mutex::new(0),
        })
    }

    fn take(&self, bytes: u64) -> bool {
        let mut used = lock(&self.used);
        let fits = used.saturating_add(bytes) <= self.limit;
        if fits {
            *used += bytes;
        }
        fits
    }

    fn give_back(&self, bytes: u64) {
        let mut used = lock(&self.used);
        *used = used.saturating_sub(bytes);
    }
}

/// The spool of one step.
#[derive(Debug)]
pub(crate) struct Spool {
    disk: Arc<SpoolDisk>,
    state: Mutex<State>,
    room: Condvar,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Offset of the first byte kept.
    base: u64,
    /// Offset behind the last byte kept.
    end: u64,
    /// The bytes, while there is no file.
    memory: VecDeque<u8>,
    /// All the bytes, once they were too many.
    file: Option<Spill>,
    /// Nothing more will be written.
    closed: bool,
    /// Nobody wants the bytes any more.
    abandoned: bool,
}

#[derive(Debug)]
struct Spill {
    file: File,
    /// Offset of the file's first byte.
    start: u64,
    /// Up to where the file was emptied again.
    freed: u64,
}

/// What a reader can expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level {
    /// Offset of the first byte kept.
    pub(crate) base: u64,
    /// Offset behind the last byte.
    pub(crate) end: u64,
    /// Whether nothing more will come.
    pub(crate) closed: bool,
}

impl Spool {
    pub(crate) fn new(disk: Arc<SpoolDisk>) -> Arc<Self> {
        Arc::new(Self {
            disk,
            state: Mutex::new(State::default()),
            room: Condvar::new(),
            changed: Notify::new(),
        })
    }

    /// Appends bytes and waits for room if there is none. Called from threads that may block.
    pub(crate) fn append(&self, bytes: &[u8]) {
        let mut warned = false;
        let mut state = lock(&self.state);
        while !state.closed && !state.abandoned {
            match state.store(bytes, &self.disk) {
                Ok(true) => {
                    drop(state);
                    self.changed.notify_one();
                    return;
                }
                Ok(false) => {}
                Err(error) => {
                    if !warned {
                        tracing::warn!(dir = %self.disk.dir.display(), %error, "cannot spool a step's log; the step waits");
                    }
                    warned = true;
                }
            }
            // Another slice's spool may free the disk without telling this one, so the wait has an end.
            (state, _) = self
                .room
                .wait_timeout(state, limits::SPOOL_RETRY)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Appends a line of the agent's own without ever waiting.
    pub(crate) fn append_note(&self, text: &str) {
        let mut state = lock(&self.state);
        if !state.closed && !state.abandoned {
            if state.file.is_some() {
                // A note that the disk refuses is lost; the step's own output never is.
                if let Err(error) = state.store(text.as_bytes(), &self.disk) {
                    tracing::warn!(%error, text, "a line of the agent's own is missing in a log");
                }
            } else {
                state.remember(text.as_bytes());
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Nothing more will be written.
    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.room.notify_all();
        self.changed.notify_one();
    }

    /// Forgets everything; writers no longer wait.
    pub(crate) fn abandon(&self) {
        let mut state = lock(&self.state);
        state.abandoned = true;
        state.closed = true;
        state.memory = VecDeque::new();
        state.drop_file(&self.disk);
        state.base = state.end;
        drop(state);
        self.room.notify_all();
        self.changed.notify_one();
    }

    /// How much there is.
    pub(crate) fn level(&self) -> Level {
        let state = lock(&self.state);
        Level {
            base: state.base,
            end: state.end,
            closed: state.closed,
        }
    }

    /// Whether reading means reading a file.
    pub(crate) fn is_on_disk(&self) -> bool {
        lock(&self.state).file.is_some()
    }

    /// Waits for a change of the level. One waiter at a time; a change before the call is not missed.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Copies at most `max` bytes from `offset`, which must not lie below the base.
    pub(crate) fn read(&self, offset: u64, max: usize) -> io::Result<Bytes> {
        let state = lock(&self.state);
        let offset = offset.clamp(state.base, state.end);
        let count = usize::try_from(state.end - offset).map_or(max, |left| left.min(max));
        let Some(spill) = &state.file else {
            let from = usize::try_from(offset - state.base).map_err(io::Error::other)?;
            return Ok(state.memory.range(from..from + count).copied().collect());
        };
        let mut bytes = vec![0; count];
        spill.file.read_exact_at(&mut bytes, offset - spill.start)?;
        Ok(bytes.into())
    }

    /// Forgets the bytes before `upto`: the server has them.
    pub(crate) fn release(&self, upto: u64) {
        let mut state = lock(&self.state);
        let upto = upto.clamp(state.base, state.end);
        let count = upto - state.base;
        state.base = upto;
        if state.file.is_none() {
            let count = usize::try_from(count)
                .unwrap_or(usize::MAX)
                .min(state.memory.len());
            state.memory.drain(..count);
        } else {
            self.disk.give_back(count);
            state.shrink();
        }
        drop(state);
        self.room.notify_all();
    }
}

impl State {
    /// Keeps the bytes; `Ok(false)` when there is no room now.
    fn store(&mut self, bytes: &[u8], disk: &SpoolDisk) -> io::Result<bool> {
        if self.file.is_none() {
            if self.memory.len() + bytes.len() <= limits::SPOOL_MEMORY_BYTES || bytes.is_empty() {
                self.remember(bytes);
                return Ok(true);
            }
            let held = self.memory.len() as u64;
            if !disk.take(held) {
                return Ok(false);
            }
            let spilled = tempfile::tempfile_in(&disk.dir).and_then(|file| {
                file.write_all_at(self.memory.make_contiguous(), 0)?;
                Ok(file)
            });
            match spilled {
                Ok(file) => {
                    self.file = Some(Spill {
                        file,
                        start: self.base,
                        freed: self.base,
                    });
                    self.memory = VecDeque::new();
                }
                Err(error) => {
                    disk.give_back(held);
                    return Err(error);
                }
            }
        }
        let Some(spill) = &self.file else { return Ok(false) };
        if !disk.take(bytes.len() as u64) {
            return Ok(false);
        }
        if let Err(error) = spill.file.write_all_at(bytes, self.end - spill.start) {
            disk.give_back(bytes.len() as u64);
            return Err(error);
        }
        self.end += bytes.len() as u64;
        Ok(true)
    }

    fn remember(&mut self, bytes: &[u8]) {
        self.memory.extend(bytes);
        self.end += bytes.len() as u64;
    }

    /// Gives acknowledged bytes of the file back; an empty file makes room for memory again.
    fn shrink(&mut self) {
        if self.base == self.end {
            self.file = None;
        } else if let Some(spill) = &mut self.file
            && self.base - spill.freed >= limits::SPOOL_HOLE_BYTES
        {
            let (from, count) = (spill.freed - spill.start, self.base - spill.freed);
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            // A file system without holes keeps the bytes until the file goes, which is soon enough.
            if fallocate(&spill.file, flags, from, count).is_ok() {
                spill.freed = self.base;
            }
        }
    }

    fn drop_file(&mut self, disk: &SpoolDisk) {
        if self.file.take().is_some() {
            disk.give_back(self.end - self.base);
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.drop_file(&self.disk);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
