//! What one run of the compiler may produce. Configs are programs; these counters make every program end.

use std::cell::Cell;

use crate::limits::{MAX_EXPANSIONS, MAX_PLAN_STEPS, MAX_PLAN_TEXT_BYTES};

#[derive(Debug, Default)]
pub(crate) struct Budget {
    text: Cell<usize>,
    steps: Cell<usize>,
    expansions: Cell<usize>,
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

    /// Charges one call of a command or one condition.
    pub(crate) fn expansion(&self) -> bool {
        charge(&self.expansions, 1, MAX_EXPANSIONS)
    }

    /// Whether nothing ran out so far.
    pub(crate) fn is_sound(&self) -> bool {
        self.text.get() <= MAX_PLAN_TEXT_BYTES
            && self.steps.get() <= MAX_PLAN_STEPS
            && self.expansions.get() <= MAX_EXPANSIONS
    }
}

fn charge(counter: &Cell<usize>, amount: usize, limit: usize) -> bool {
    counter.set(counter.get().saturating_add(amount));
    counter.get() <= limit
}
