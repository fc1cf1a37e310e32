//! Whose turn it is on a link. Authors share its bytes: one of whom much waits does not hold up the others, however many origins it has.
//!
//! Deficit round robin (Shreedhar and Varghese 1995) without what is left of a turn, or was taken over it: a turn ends with the bundle, or
//! with the read of the store, that uses it up.

use core::ops::Bound::{Excluded, Included, Unbounded};

use rumormill_wire::native::MAX_BUNDLE_LEN;
use rumormill_wire::{NodeId, Origin};

use crate::shared_map::SharedMap;

/// Bytes of a turn: the longest bundle there is, so that each turn gives one at least.
const QUANTUM: usize = MAX_BUNDLE_LEN;

/// Where the turns of a link's authors stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turns {
    author: NodeId,
    left: usize,
}

impl Default for Turns {
    fn default() -> Self {
        Self { author: Origin::MIN.node, left: 0 }
    }
}

impl Turns {
    /// An author is given something.
    pub(crate) fn take(&mut self, author: NodeId) {
        if self.author != author || self.left == 0 {
            *self = Self { author, left: QUANTUM };
        }
    }

    /// So many bytes of an author went out.
    pub(crate) fn charge(&mut self, author: &NodeId, bytes: usize) {
        if self.author == *author {
            self.left = self.left.saturating_sub(bytes);
        }
    }

    /// An author's place among those that wait: the least is next.
    #[must_use]
    pub(crate) fn place(&self, author: &NodeId) -> (bool, NodeId) {
        let passed = if self.left > 0 { *author < self.author } else { *author <= self.author };
        (passed, *author)
    }

    /// All that waits, the next author's first.
    pub(crate) fn around<'a, V>(
        &self,
        map: &'a SharedMap<V>,
    ) -> impl Iterator<Item = (&'a Origin, &'a V)> + use<'a, V> {
        let node = self.author;
        let (from, to) = match self.left {
            0 => (Excluded(Origin { node, ..Origin::MAX }), Included(Origin { node, ..Origin::MAX })),
            _ => (Included(Origin { node, ..Origin::MIN }), Excluded(Origin { node, ..Origin::MIN })),
        };
        map.range((from, Unbounded)).chain(map.range((Unbounded, to)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use rumormill_wire::Incarnation;

    use super::*;

    fn origin(author: u8, incarnation: u64) -> Origin {
        Origin { node: NodeId([author; 32]), incarnation: Incarnation(incarnation) }
    }

    proptest! {
        #[test]
        fn authors_get_the_same_bytes_whatever_the_sizes_and_however_many_origins(
            sizes in prop::collection::vec((1_usize..QUANTUM, 1_u64..20), 1..6),
        ) {
            let (mut turns, mut map) = (Turns::default(), SharedMap::default());
            for (author, (size, origins)) in sizes.iter().enumerate() {
                let author = u8::try_from(author).unwrap();
                (0..*origins).for_each(|n| drop(map.put(origin(author, n), *size, 1_000)));
            }
            let mut sent: BTreeMap<NodeId, usize> = BTreeMap::new();
            for _ in 0..20_000 {
                let (next, size) = turns.around(&map).next().map(|(origin, size)| (*origin, *size)).unwrap();
                prop_assert!(map.iter().all(|(origin, _)| turns.place(&origin.node) >= turns.place(&next.node)));
                turns.take(next.node);
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
