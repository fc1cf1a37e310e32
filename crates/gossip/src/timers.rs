//! A table of timers: each is armed once or not at all, and the first of all is found without looking at the rest.

use std::collections::{BTreeMap, BTreeSet};

use crate::io::Timestamp;

/// Timers of one machine, by a name that is ordered.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    by_time: BTreeSet<(Timestamp, T)>,
    armed: BTreeMap<T, Timestamp>,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self { by_time: BTreeSet::new(), armed: BTreeMap::new() }
    }
}

impl<T: Copy + Ord> Timers<T> {
    /// Arms a timer anew, or not at all.
    pub(crate) fn set(&mut self, timer: T, at: Option<Timestamp>) {
        let before = match at {
            Some(at) => self.armed.insert(timer, at),
            None => self.armed.remove(&timer),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, timer));
        }
        if let Some(at) = at {
            self.by_time.insert((at, timer));
        }
    }

    /// Whether a timer is armed.
    #[must_use]
    pub(crate) fn is_armed(&self, timer: &T) -> bool {
        self.armed.contains_key(timer)
    }

    /// When the first of them is due.
    #[must_use]
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out all that are due, the first one first.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Vec<T> {
        let mut due = Vec::new();
        while let Some((_, timer)) = self.by_time.first().copied().filter(|(at, _)| *at <= now) {
            self.set(timer, None);
            due.push(timer);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_armed_anew_is_due_once_and_the_first_one_first() {
        let mut timers = Timers::default();
        timers.set('a', Some(Timestamp(30)));
        timers.set('b', Some(Timestamp(20)));
        timers.set('c', Some(Timestamp(10)));
        timers.set('a', Some(Timestamp(5)));
        timers.set('c', None);
        assert_eq!(timers.next(), Some(Timestamp(5)));
        assert!(timers.is_armed(&'a') && !timers.is_armed(&'c'));
        assert_eq!(timers.take_due(Timestamp(4)), []);
        assert_eq!(timers.take_due(Timestamp(20)), ['a', 'b']);
        assert_eq!((timers.next(), timers.take_due(Timestamp(u64::MAX))), (None, vec![]));
    }
}
