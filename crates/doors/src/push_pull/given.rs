//! Letters that are given and not gone: they are struck off, and nobody knows yet whether whoever took them has read them.
//!
//! The protocol has no acknowledgement, and what a write put into the system's buffers nobody need have read. What TCP says
//! is how the connection ends: a client that closes with something unread, or is killed, makes its system send a reset, and one
//! that has read all an end. Until it ends, its letters stay here, to be brought back.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::counters::Counters;
use crate::lock::lock;

/// Bytes of all that is given and not gone. Beyond that, what was given first comes back: rather twice than never.
const MAX_GIVEN_BYTES: usize = 16 << 20;

/// What one PULL was given.
#[derive(Debug)]
pub(super) struct Batch<T> {
    pub(super) taken: T,
    pub(super) letters: usize,
    pub(super) bytes: usize,
}

/// Letters that a client is being given, in the gauge of those as long as this lives.
#[derive(Debug)]
pub(super) struct BeingGiven<'a> {
    letters: u64,
    counters: &'a Counters,
}

impl<'a> BeingGiven<'a> {
    pub(super) fn new(letters: usize, counters: &'a Counters) -> Self {
        let letters = u64::try_from(letters).unwrap_or(u64::MAX);
        counters.letters_being_given.fetch_add(letters, Ordering::Relaxed);
        Self { letters, counters }
    }
}

impl Drop for BeingGiven<'_> {
    fn drop(&mut self) {
        self.counters.letters_being_given.fetch_sub(self.letters, Ordering::Relaxed);
    }
}

/// What was given, by the number of the connection's place: one batch for each.
#[derive(Debug)]
pub(super) struct Given<T> {
    batches: Mutex<BTreeMap<u64, Batch<T>>>,
    counters: Arc<Counters>,
}

type Batches<'a, T> = MutexGuard<'a, BTreeMap<u64, Batch<T>>>;

impl<T> Given<T> {
    pub(super) const fn new(counters: Arc<Counters>) -> Self {
        Self { batches: Mutex::new(BTreeMap::new()), counters }
    }

    fn change<R>(&self, change: impl FnOnce(&mut Batches<'_, T>) -> R) -> R {
        let mut batches = lock(&self.batches);
        let done = change(&mut batches);
        Counters::set(&self.counters.letters_given, batches.values().map(|batch| batch.letters).sum());
        done
    }

    /// Keeps what a connection was given; gives what there is no room for.
    pub(super) fn put(&self, number: u64, batch: Batch<T>) -> Vec<Batch<T>> {
        self.change(|batches| {
            batches.insert(number, batch);
            let mut bytes: usize = batches.values().map(|batch| batch.bytes).sum();
            let mut over = Vec::new();
            while bytes > MAX_GIVEN_BYTES && batches.len() > 1 {
                let Some((_, first)) = batches.pop_first() else { break };
                bytes = bytes.saturating_sub(first.bytes);
                over.push(first);
            }
            over
        })
    }

    /// What a connection was given, unless it is on its way back already.
    pub(super) fn take(&self, number: u64) -> Option<Batch<T>> {
        self.change(|batches| batches.remove(&number))
    }

    /// What connections were given that had to go.
    pub(super) fn without(&self, is_there: impl Fn(u64) -> bool) -> Vec<Batch<T>> {
        self.change(|batches| {
            let gone: Vec<_> = batches.keys().copied().filter(|number| !is_there(*number)).collect();
            gone.iter().filter_map(|number| batches.remove(number)).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: usize = MAX_GIVEN_BYTES / 2;

    fn batch(taken: u64, bytes: usize) -> Batch<u64> {
        Batch { taken, letters: 3, bytes }
    }

    fn taken(batches: Vec<Batch<u64>>) -> Vec<u64> {
        batches.into_iter().map(|batch| batch.taken).collect()
    }

    #[test]
    fn what_is_given_has_a_bound_and_what_was_given_first_comes_back() {
        let counters = Arc::<Counters>::default();
        let given = Given::new(Arc::clone(&counters));
        let letters = || counters.letters_given.load(Ordering::Relaxed);
        assert!(given.put(5, batch(50, HALF)).is_empty() && given.put(7, batch(70, HALF)).is_empty());
        assert_eq!(letters(), 6);
        assert_eq!(taken(given.put(9, batch(90, HALF + 1))), [50, 70]);
        assert!(given.take(5).is_none() && given.take(9).unwrap().taken == 90);
        assert_eq!(letters(), 0);
        assert!(given.put(11, batch(110, 2 * MAX_GIVEN_BYTES)).is_empty(), "one is always kept");
    }

    #[test]
    fn whoever_had_to_go_leaves_what_it_was_given() {
        let given = Given::new(Arc::default());
        (0..4).for_each(|number| assert!(given.put(number, batch(number * 10, 1)).is_empty()));
        assert_eq!(taken(given.without(|number| number % 2 == 0)), [10, 30]);
        assert_eq!(taken(given.without(|_| false)), [0, 20]);
    }
}
