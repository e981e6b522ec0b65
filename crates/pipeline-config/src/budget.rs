//! What one run of the compiler may produce. Configs are programs; these counters make every program end.

use std::cell::Cell;

use crate::limits::{MAX_PLAN_STEPS, MAX_PLAN_TEXT_BYTES, MAX_READS};

#[derive(Debug, Default)]
pub(crate) struct Budget {
    text: Cell<usize>,
    steps: Cell<usize>,
    reads: Cell<usize>,
}

impl Budget {
    /// Charges text that goes into the plan or is made on the way there; false when there was too much.
    pub(crate) fn text(&self, bytes: usize) -> bool {
        charge(&self.text, bytes, MAX_PLAN_TEXT_BYTES)
    }

    /// Charges one step.
    pub(crate) fn step(&self) -> bool {
        charge(&self.steps, 1, MAX_PLAN_STEPS)
    }

    /// Charges values that are read. What is read after the end counts as broken, so that all work unwinds.
    pub(crate) fn read(&self, values: usize) -> Read {
        let before = self.reads.get();
        if charge(&self.reads, values, MAX_READS) {
            return Read::Granted;
        }
        if before <= MAX_READS {
            Read::JustSpent
        } else {
            Read::Spent
        }
    }

    /// Whether nothing ran out so far.
    pub(crate) fn is_sound(&self) -> bool {
        self.text.get() <= MAX_PLAN_TEXT_BYTES
            && self.steps.get() <= MAX_PLAN_STEPS
            && self.reads.get() <= MAX_READS
    }
}

/// Whether a value may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    Granted,
    /// No, and this is the first time.
    JustSpent,
    Spent,
}

fn charge(counter: &Cell<usize>, amount: usize, limit: usize) -> bool {
    counter.set(counter.get().saturating_add(amount));
    counter.get() <= limit
}
