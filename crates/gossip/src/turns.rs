//! Whose turn it is on a link. Authors share it: one of whom much waits does not hold up the others, however many origins it has.
//!
//! Deficit round robin (Shreedhar and Varghese 1995) without what is left of a turn, or was taken over it: a turn ends with the bundle, or
//! with the read of the store, that uses it up. In its turn an author's origins take turns.

use core::ops::Bound::{Excluded, Included, Unbounded};

use rumormill_wire::native::MAX_BUNDLE_LEN;
use rumormill_wire::{NodeId, Origin};

use crate::shared_map::SharedMap;

/// What a turn may cost: the bytes of the longest bundle there is. A bundle costs as much as it counts for the pace of its author (P-G6), or
/// one that writes without content would have hundreds in a turn.
const QUANTUM: u64 = MAX_BUNDLE_LEN as u64;

/// Where the turns of a link's authors stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turns {
    /// The last one that was given.
    last: Origin,
    /// What is left of the turn of its author.
    left: u64,
}

impl Default for Turns {
    fn default() -> Self {
        Self { last: Origin::MIN, left: 0 }
    }
}

impl Turns {
    /// Something of an origin is given.
    pub(crate) fn take(&mut self, origin: Origin) {
        if self.last.node != origin.node || self.left == 0 {
            self.left = QUANTUM;
        }
        self.last = origin;
    }

    /// A bundle of an author that costs so much went out.
    pub(crate) fn charge(&mut self, author: &NodeId, cost: u64) {
        if self.last.node == *author {
            self.left = self.left.saturating_sub(cost);
        }
    }

    /// An author's place among those that wait: the least is next.
    #[must_use]
    pub(crate) fn place(&self, author: &NodeId) -> (bool, NodeId) {
        let passed = if self.left > 0 { *author < self.last.node } else { *author <= self.last.node };
        (passed, *author)
    }

    /// All that waits, the next author's first.
    pub(crate) fn around<'a, V>(
        &self,
        map: &'a SharedMap<V>,
    ) -> impl Iterator<Item = (&'a Origin, &'a V)> + use<'a, V> {
        let (last, node) = (self.last, self.last.node);
        let (low, high) = (Origin { node, ..Origin::MIN }, Origin { node, ..Origin::MAX });
        let own = || map.range((Excluded(last), Included(high))).chain(map.range(low..=last));
        let on_turn = (self.left > 0).then(own);
        let end = if on_turn.is_some() { Excluded(low) } else { Included(high) };
        let others = map.range((Excluded(high), Unbounded)).chain(map.range((Unbounded, end)));
        on_turn.into_iter().flatten().chain(others)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;
    use rumormill_wire::Incarnation;

    use super::*;

    fn origin(author: u8, incarnation: u64) -> Origin {
        Origin { node: NodeId([author; 32]), incarnation: Incarnation(incarnation) }
    }

    proptest! {
        #[test]
        fn all_that_waits_comes_once_the_author_on_turn_first(
            origins in prop::collection::btree_set((0_u8..4, 0_u64..4), 0..16), last in (0_u8..4, 0_u64..4), left in 0_u64..2,
        ) {
            let mut map = SharedMap::default();
            origins.iter().for_each(|(author, n)| drop(map.put(origin(*author, *n), (), 1_000)));
            let turns = Turns { last: origin(last.0, last.1), left };
            let all: Vec<Origin> = turns.around(&map).map(|(origin, ())| *origin).collect();
            prop_assert!(all.is_sorted_by_key(|origin| turns.place(&origin.node)));
            prop_assert!(all.iter().collect::<BTreeSet<_>>().len() == origins.len() && all.len() == origins.len());
            let again = left > 0 && all.first() == Some(&turns.last);
            prop_assert!(!again || all.get(1).is_none_or(|next| next.node != turns.last.node), "its other origins come first");
        }

        #[test]
        fn authors_get_the_same_bytes_whatever_the_sizes_and_however_many_origins(
            sizes in prop::collection::vec((1..QUANTUM, 1_u64..20), 1..6),
        ) {
            let (mut turns, mut map) = (Turns::default(), SharedMap::default());
            for (author, (size, origins)) in sizes.iter().enumerate() {
                let author = u8::try_from(author).unwrap();
                (0..*origins).for_each(|n| drop(map.put(origin(author, n), *size, 1_000)));
            }
            let mut sent: BTreeMap<NodeId, u64> = BTreeMap::new();
            for _ in 0..20_000 {
                let (next, size) = turns.around(&map).next().map(|(origin, size)| (*origin, *size)).unwrap();
                prop_assert!(map.iter().all(|(origin, _)| turns.place(&origin.node) >= turns.place(&next.node)));
                turns.take(next);
                turns.charge(&next.node, size);
                *sent.entry(next.node).or_default() += size;
            }
            prop_assert_eq!(sent.len(), sizes.len());
            let (least, most) = (sent.values().min().unwrap(), sent.values().max().unwrap());
            // A turn goes over its quantum by less than one bundle.
            prop_assert!(*most <= 2 * least + 2 * QUANTUM, "{:?}", sent);
        }
    }
}
