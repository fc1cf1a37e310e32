//! Queues that share a wire by bytes: deficit round robin (Shreedhar and Varghese 1995). Each gets the same share while it has something,
//! whatever the sizes of what is in it, and what one does not use goes to the others.

use std::collections::VecDeque;

/// Bytes that a lane may send when its turn comes: the longest frame there is, so that each turn sends one at least.
const QUANTUM: usize = 64 * 1024 + 64;

#[derive(Debug)]
struct Lane<T> {
    queue: VecDeque<(T, usize)>,
    bytes: usize,
    /// What is left of its turn.
    deficit: usize,
}

/// `N` of them.
#[derive(Debug)]
pub(crate) struct Lanes<T, const N: usize> {
    lanes: [Lane<T>; N],
    /// Whose turn it is.
    turn: usize,
}

impl<T, const N: usize> Lanes<T, N> {
    pub(crate) fn new() -> Self {
        let lane = |_| Lane { queue: VecDeque::new(), bytes: 0, deficit: 0 };
        Self { lanes: core::array::from_fn(lane), turn: 0 }
    }

    /// Puts something of so many bytes into a lane. Gives the bytes that wait in it then.
    pub(crate) fn push(&mut self, lane: usize, what: T, bytes: usize) -> usize {
        let Some(lane) = self.lanes.get_mut(lane) else { return 0 };
        lane.bytes = lane.bytes.saturating_add(bytes);
        lane.queue.push_back((what, bytes));
        lane.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.queue.is_empty())
    }

    /// The next, with its lane and its bytes.
    pub(crate) fn pop(&mut self) -> Option<(usize, T, usize)> {
        if self.is_empty() {
            return None;
        }
        loop {
            let turn = self.turn;
            let lane = self.lanes.get_mut(turn)?;
            let may = lane.queue.front().is_some_and(|(_, bytes)| *bytes <= lane.deficit);
            if may && let Some((what, bytes)) = lane.queue.pop_front() {
                lane.deficit = lane.deficit.saturating_sub(bytes);
                lane.bytes = lane.bytes.saturating_sub(bytes);
                return Some((turn, what, bytes));
            }
            if lane.queue.is_empty() {
                // Who has nothing saves nothing up.
                lane.deficit = 0;
            }
            self.turn = turn.saturating_add(1).checked_rem(N).unwrap_or(0);
            let next = self.lanes.get_mut(self.turn)?;
            next.deficit = next.deficit.saturating_add(QUANTUM);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_that_is_full_of_long_ones_and_one_of_short_ones_get_the_same_bytes() {
        let mut lanes: Lanes<(), 3> = Lanes::new();
        for _ in 0..100 {
            lanes.push(0, (), 60_000);
        }
        for _ in 0..100_000 {
            lanes.push(2, (), 60);
        }
        let mut sent = [0_usize; 3];
        for _ in 0..20_000 {
            let (lane, (), bytes) = lanes.pop().unwrap();
            sent[lane] += bytes;
        }
        assert!(sent[0].abs_diff(sent[2]) <= 2 * QUANTUM, "{sent:?}");
        assert_eq!(sent[1], 0);
    }

    proptest! {
        #[test]
        fn all_comes_out_once_in_the_order_of_its_lane(sizes in prop::collection::vec((0..3_usize, 0..=QUANTUM), 0..100)) {
            let mut lanes: Lanes<usize, 3> = Lanes::new();
            let mut waits = [0_usize; 3];
            for (n, (lane, bytes)) in sizes.iter().enumerate() {
                waits[*lane] += bytes;
                prop_assert_eq!(lanes.push(*lane, n, *bytes), waits[*lane]);
            }
            let (mut last, mut count) = ([None; 3], 0);
            while let Some((lane, n, bytes)) = lanes.pop() {
                prop_assert_eq!(sizes[n], (lane, bytes));
                prop_assert!(last[lane] < Some(n));
                (last[lane], count) = (Some(n), count + 1);
            }
            prop_assert_eq!(count, sizes.len());
            prop_assert!(lanes.is_empty());
        }
    }
}
