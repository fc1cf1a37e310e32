//! A bounded queue that several share: they take turns, and where there is no more room, the one with most there loses its oldest.
//! So a burst of one takes nothing from what the others put in.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::ops::Bound::{Excluded, Unbounded};

#[derive(Debug)]
struct Lane<T> {
    queue: VecDeque<(T, usize)>,
    size: usize,
}

/// What waits, by who put it in. Sizes are in whatever unit the bound on them is.
#[derive(Debug)]
pub struct Turns<K, T> {
    lanes: BTreeMap<K, Lane<T>>,
    /// Whose turn it was last.
    last: Option<K>,
    len: usize,
    size: usize,
    max_len: usize,
    max_size: usize,
}

impl<K, T> Turns<K, T> {
    /// Room for so many, of that size in all. One may wait however large it is.
    #[must_use]
    pub const fn new(max_len: usize, max_size: usize) -> Self {
        Self { lanes: BTreeMap::new(), last: None, len: 0, size: 0, max_len, max_size }
    }

    /// How many wait, of all who put something in.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing of anybody waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Their size in all.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }
}

impl<K: Ord + Copy, T> Turns<K, T> {
    /// Puts something in for somebody; what was lost for it.
    #[must_use = "who waits for what was lost is to be told, and it is to be counted"]
    pub fn push(&mut self, who: K, what: T, size: usize) -> Vec<T> {
        let lane = self.lanes.entry(who).or_insert_with(|| Lane { queue: VecDeque::new(), size: 0 });
        lane.queue.push_back((what, size));
        lane.size = lane.size.saturating_add(size);
        (self.len, self.size) = (self.len.saturating_add(1), self.size.saturating_add(size));
        let mut lost = Vec::new();
        while self.len > self.max_len || (self.size > self.max_size && self.len > 1) {
            let Some(one) = self.lose() else { break };
            lost.push(one);
        }
        lost
    }

    /// The oldest of whoever has most here: by size if that is what there is too much of, else by number.
    pub fn lose(&mut self) -> Option<T> {
        let by_size = self.size > self.max_size && self.len <= self.max_len;
        let most = |lane: &Lane<T>| if by_size { lane.size } else { lane.queue.len() };
        let who = *self.lanes.iter().max_by_key(|(_, lane)| most(lane))?.0;
        self.take(&who)
    }

    /// The next, of whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
        let after = self.last.map_or(Unbounded, Excluded);
        let next = self.lanes.range((after, Unbounded)).next().or_else(|| self.lanes.first_key_value());
        let who = *next?.0;
        self.last = Some(who);
        self.take(&who)
    }

    /// The oldest of somebody's.
    #[must_use]
    pub fn first_of(&self, who: &K) -> Option<&T> {
        self.lanes.get(who)?.queue.front().map(|(what, _)| what)
    }

    /// Takes the oldest of somebody's out, whosever turn it is.
    pub fn take(&mut self, who: &K) -> Option<T> {
        let lane = self.lanes.get_mut(who)?;
        let (what, size) = lane.queue.pop_front()?;
        lane.size = lane.size.saturating_sub(size);
        if lane.queue.is_empty() {
            self.lanes.remove(who);
        }
        (self.len, self.size) = (self.len.saturating_sub(1), self.size.saturating_sub(size));
        Some(what)
    }

    /// Takes all out, in turn.
    pub fn drain(&mut self) -> impl Iterator<Item = T> {
        core::iter::from_fn(|| self.pop())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    const MAX_LEN: usize = 1_024;
    const MAX_SIZE: usize = 8 << 20;

    #[test]
    fn a_burst_of_one_author_loses_of_its_own_and_others_have_their_turn() {
        let (a, b) = ('b', 'a');
        for size in [1, 30_000] {
            let (mut turns, mut lost) = (Turns::new(MAX_LEN, MAX_SIZE), 0);
            for n in 0..20_000 {
                lost += turns.push(b, (b, n), size).len();
                if n % 1_000 == 0 {
                    lost += turns.push(a, (a, n), 1).len();
                }
                assert!(turns.len() <= MAX_LEN && turns.size() <= MAX_SIZE);
            }
            let out: Vec<_> = turns.drain().collect();
            assert_eq!(out.len() + lost, 20_020);
            assert_eq!(out.iter().filter(|(author, _)| *author == a).count(), 20, "nothing of the other is lost");
            assert!(out[..40].iter().filter(|(author, _)| *author == a).count() == 20, "and it goes in its turn");
            let ones: Vec<_> = out.iter().filter(|(author, _)| *author == b).map(|(_, n)| *n).collect();
            assert!(ones.is_sorted() && ones.last() == Some(&19_999), "the newest, in their order");
            assert!(turns.lanes.is_empty() && turns.is_empty() && turns.size() == 0);
        }
    }

    #[test]
    fn one_waits_however_large_it_is() {
        let mut turns = Turns::new(4, 10);
        assert!(turns.push('a', "large", 11).is_empty());
        assert_eq!(turns.push('b', "small", 1), ["large"]);
        assert_eq!((turns.first_of(&'b'), turns.first_of(&'a'), turns.size()), (Some(&"small"), None, 1));
    }

    proptest! {
        /// Nothing comes out that was not put in, or twice; who has no more there than an even part of the room loses nothing.
        #[test]
        fn all_is_accounted_for_and_an_even_part_is_safe(steps in vec((0_u8..4, 0_usize..5), 0..200)) {
            let (mut turns, mut out, mut put) = (Turns::new(8, usize::MAX), Vec::new(), 0);
            for (who, what) in steps {
                if what == 0 {
                    out.extend(turns.pop());
                    continue;
                }
                let lost = turns.push(who, (who, put), what);
                put += 1;
                for (loser, _) in &lost {
                    let left = turns.lanes.get(loser).map_or(0, |lane| lane.queue.len());
                    prop_assert!(left >= 2, "{loser} had no more than its part of 8 among 4");
                }
                out.extend(lost);
                prop_assert!(turns.len() <= 8);
            }
            out.extend(turns.drain());
            out.sort_by_key(|(_, n)| *n);
            prop_assert_eq!(out.iter().map(|(_, n)| *n).collect::<Vec<_>>(), (0..put).collect::<Vec<_>>());
            prop_assert!(turns.is_empty() && turns.size() == 0);
        }
    }
}
