//! What waits to go out by a door: authors take turns, and where there is no more room, the one with most there loses its
//! oldest. So a burst of one takes nothing from what others say.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};

use rumormill_wire::NodeId;

/// Messages that wait for one door.
pub(super) const MAX_WAITING: usize = 1_024;
/// Their bytes.
const MAX_BYTES: usize = 8 << 20;

#[derive(Debug)]
struct Lane<T> {
    queue: VecDeque<(T, usize)>,
    bytes: usize,
}

/// The turns of one door.
#[derive(Debug)]
pub(super) struct Turns<T> {
    lanes: BTreeMap<NodeId, Lane<T>>,
    /// Whose turn it was last.
    last: Option<NodeId>,
    waiting: usize,
    bytes: usize,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { lanes: BTreeMap::new(), last: None, waiting: 0, bytes: 0 }
    }
}

impl<T> Turns<T> {
    /// Something of this author is to go out. Says how many messages were lost for it.
    pub(super) fn push(&mut self, author: NodeId, what: T, bytes: usize) -> usize {
        let lane = self.lanes.entry(author).or_insert_with(|| Lane { queue: VecDeque::new(), bytes: 0 });
        lane.queue.push_back((what, bytes));
        lane.bytes = lane.bytes.saturating_add(bytes);
        (self.waiting, self.bytes) = (self.waiting.saturating_add(1), self.bytes.saturating_add(bytes));
        let mut lost = 0_usize;
        while self.waiting > MAX_WAITING || self.bytes > MAX_BYTES {
            let by_number = self.waiting > MAX_WAITING;
            let most = self.lanes.iter().max_by_key(|(_, lane)| if by_number { lane.queue.len() } else { lane.bytes });
            let Some(author) = most.map(|(author, _)| *author) else { break };
            lost = lost.saturating_add(usize::from(self.take(author).is_some()));
        }
        lost
    }

    /// The next, of the author whose turn it is.
    pub(super) fn pop(&mut self) -> Option<T> {
        let after = self.last.map_or(Unbounded, Excluded);
        let next = self.lanes.range((after, Unbounded)).next().or_else(|| self.lanes.first_key_value());
        let author = *next?.0;
        self.last = Some(author);
        self.take(author)
    }

    fn take(&mut self, author: NodeId) -> Option<T> {
        let lane = self.lanes.get_mut(&author)?;
        let (what, bytes) = lane.queue.pop_front()?;
        lane.bytes = lane.bytes.saturating_sub(bytes);
        if lane.queue.is_empty() {
            self.lanes.remove(&author);
        }
        (self.waiting, self.bytes) = (self.waiting.saturating_sub(1), self.bytes.saturating_sub(bytes));
        Some(what)
    }

    pub(super) const fn len(&self) -> usize {
        self.waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_one_author_loses_of_its_own_and_others_have_their_turn() {
        let (a, b) = (NodeId([2; 32]), NodeId([1; 32]));
        for bytes in [1, 30_000] {
            let (mut turns, mut lost) = (Turns::default(), 0);
            for n in 0..20_000 {
                lost += turns.push(b, (b, n), bytes);
                if n % 1_000 == 0 {
                    lost += turns.push(a, (a, n), 1);
                }
                assert!(turns.waiting <= MAX_WAITING && turns.bytes <= MAX_BYTES);
            }
            let out: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
            assert_eq!(out.len() + lost, 20_020);
            assert_eq!(out.iter().filter(|(author, _)| *author == a).count(), 20, "nothing of the other is lost");
            assert!(out[..40].iter().filter(|(author, _)| *author == a).count() == 20, "and it goes in its turn");
            let ones: Vec<_> = out.iter().filter(|(author, _)| *author == b).map(|(_, n)| *n).collect();
            assert!(ones.is_sorted() && ones.last() == Some(&19_999), "the newest, in their order");
            assert!(turns.lanes.is_empty() && turns.len() == 0 && turns.bytes == 0);
        }
    }
}
