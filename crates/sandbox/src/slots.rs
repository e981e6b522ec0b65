//! Numbers that are lent out and given back: id ranges and addresses. The one given back last is lent again last, so
//! that a straggler of the sandbox before is long gone.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// A fixed set of numbers.
#[derive(Debug)]
pub(crate) struct Slots {
    free: Mutex<VecDeque<u32>>,
}

impl Slots {
    pub(crate) fn new(numbers: impl IntoIterator<Item = u32>) -> Self {
        Self {
            free: Mutex::new(numbers.into_iter().collect()),
        }
    }

    pub(crate) fn take(&self) -> Option<u32> {
        self.free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    }

    pub(crate) fn give_back(&self, number: u32) {
        self.free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(number);
    }
}

#[cfg(test)]
mod tests {
    use super::Slots;

    #[test]
    fn a_number_is_lent_to_one_at_a_time_and_reused_last() {
        let slots = Slots::new(0..3);
        assert_eq!(slots.take(), Some(0));
        slots.give_back(0);
        assert_eq!(
            [slots.take(), slots.take(), slots.take(), slots.take()],
            [Some(1), Some(2), Some(0), None]
        );
    }
}
