//! How many sandboxes of a kind are worth making ahead, from when its jobs came. Pure: told the time, asks no clock.

use std::collections::VecDeque;
use std::time::Instant;

use crate::limits::{WARM_BURST, WARM_OF_ONE_KIND, WARM_REMEMBERED};

/// The starts of one kind.
#[derive(Debug, Default)]
pub(super) struct Demand {
    /// The latest, as many as are of interest.
    starts: VecDeque<Instant>,
    /// Starts that came at once, and when: the later the fewer, since what is smaller and older says nothing.
    bursts: VecDeque<(Instant, usize)>,
}

impl Demand {
    /// A job came.
    pub(super) fn came(&mut self, now: Instant) {
        if self.starts.len() == WARM_OF_ONE_KIND {
            self.starts.pop_front();
        }
        self.starts.push_back(now);
        let at_once = self
            .starts
            .iter()
            .filter(|start| now.duration_since(**start) <= WARM_BURST);
        let at_once = at_once.count();
        while self.bursts.back().is_some_and(|(_, count)| *count <= at_once) {
            self.bursts.pop_back();
        }
        self.bursts.push_back((now, at_once));
    }

    /// As many as came at once at most within living memory.
    pub(super) fn wanted(&self, now: Instant) -> usize {
        let mut remembered = self
            .bursts
            .iter()
            .filter(|(when, _)| now.duration_since(*when) < WARM_REMEMBERED);
        remembered.next().map_or(0, |(_, count)| *count)
    }

    /// When the last one came.
    pub(super) fn last(&self) -> Option<Instant> {
        self.starts.back().copied()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// What is wanted after starts at these seconds, seen at that one.
    fn wanted(starts: &[u64], at: u64) -> usize {
        let zero = Instant::now();
        let mut demand = Demand::default();
        for second in starts {
            demand.came(zero + Duration::from_secs(*second));
        }
        demand.wanted(zero + Duration::from_secs(at))
    }

    #[test]
    fn as_many_as_came_at_once_and_none_when_nobody_comes() {
        assert_eq!(wanted(&[], 0), 0);
        assert_eq!(wanted(&[0], 1), 1);
        assert_eq!(wanted(&[0, 10, 20], 21), 1, "one after the other");
        assert_eq!(wanted(&[0, 0, 1, 20], 21), 3, "the largest burst counts");
        assert_eq!(wanted(&[0, 0, 0, 0, 0, 0, 0], 1), WARM_OF_ONE_KIND);
        assert_eq!(wanted(&[0, 0, 0, 300], 301), 3);
        assert_eq!(
            wanted(&[0, 0, 0, 300], 700),
            1,
            "the burst is forgotten, the later start is not"
        );
        assert_eq!(wanted(&[0, 0, 0, 300], 901), 0);
    }

    #[test]
    fn it_remembers_no_more_than_it_needs() {
        let mut demand = Demand::default();
        let zero = Instant::now();
        for second in 0..10_000 {
            demand.came(zero + Duration::from_millis(second * 137));
        }
        assert!(demand.starts.len() <= WARM_OF_ONE_KIND && demand.bursts.len() <= WARM_OF_ONE_KIND);
    }
}
