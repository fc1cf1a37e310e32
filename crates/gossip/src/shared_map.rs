//! A bounded map by origin whose room authors share: where there is no more, the author with most there loses its oldest. So one
//! member with many incarnations takes no place that others need.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use rumormill_wire::{NodeId, Origin};

/// What became of something put in.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "what is not remembered has to be found again"]
pub enum Put<V> {
    /// There was room, or it was there and has the new value.
    In,
    /// It is in, and this is out for it.
    Instead(Origin, V),
    /// There is no room: nobody has more there than its author.
    Out,
}

/// The map, and how many each author has in it.
#[derive(Debug, Clone)]
pub struct SharedMap<V> {
    map: BTreeMap<Origin, V>,
    counts: BTreeMap<NodeId, usize>,
    /// Authors by how many they have: the last one has most.
    order: BTreeSet<(usize, NodeId)>,
}

impl<V> Default for SharedMap<V> {
    fn default() -> Self {
        Self { map: BTreeMap::new(), counts: BTreeMap::new(), order: BTreeSet::new() }
    }
}

impl<V> SharedMap<V> {
    /// Puts in what is not there yet, where `most` have room. What is there already is put in its place.
    pub fn put(&mut self, origin: Origin, value: V, most: usize) -> Put<V> {
        if let Some(old) = self.map.get_mut(&origin) {
            *old = value;
            return Put::In;
        }
        let mut put = Put::In;
        if self.map.len() >= most {
            let own = self.counts.get(&origin.node).copied().unwrap_or(0);
            let Some((_, node)) = self.order.last().copied().filter(|(count, _)| *count > own) else { return Put::Out };
            if let Some((oldest, old)) = self.take_oldest(node) {
                put = Put::Instead(oldest, old);
            }
        }
        self.map.insert(origin, value);
        self.count(origin.node, true);
        put
    }

    /// Puts it in. Where there is room for `most`, the author with most there loses its oldest for it, the one that puts it in too.
    pub fn put_anyway(&mut self, origin: Origin, value: V, most: usize) {
        if self.map.insert(origin, value).is_some() {
            return;
        }
        self.count(origin.node, true);
        if self.map.len() > most
            && let Some((_, node)) = self.order.last().copied()
        {
            drop(self.take_oldest(node));
        }
    }

    fn take_oldest(&mut self, node: NodeId) -> Option<(Origin, V)> {
        let (low, high) = (Origin { node, ..Origin::MIN }, Origin { node, ..Origin::MAX });
        let oldest = *self.map.range(low..=high).next()?.0;
        self.remove(&oldest).map(|value| (oldest, value))
    }

    fn count(&mut self, node: NodeId, more: bool) {
        let before = self.counts.get(&node).copied().unwrap_or(0);
        let after = if more { before.saturating_add(1) } else { before.saturating_sub(1) };
        self.order.remove(&(before, node));
        if after == 0 {
            self.counts.remove(&node);
        } else {
            self.counts.insert(node, after);
            self.order.insert((after, node));
        }
    }

    /// Takes one out, and gives its author back the room.
    pub fn remove(&mut self, origin: &Origin) -> Option<V> {
        let value = self.map.remove(origin)?;
        self.count(origin.node, false);
        Some(value)
    }

    /// Takes all out, of all authors.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// What is there of an origin.
    #[must_use]
    pub fn get(&self, origin: &Origin) -> Option<&V> {
        self.map.get(origin)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, origin: &Origin) -> Option<&mut V> {
        self.map.get_mut(origin)
    }

    /// Whether it is there.
    #[must_use]
    pub fn contains_key(&self, origin: &Origin) -> bool {
        self.map.contains_key(origin)
    }

    /// Some, in order.
    pub fn range(&self, range: impl core::ops::RangeBounds<Origin>) -> btree_map::Range<'_, Origin, V> {
        self.map.range(range)
    }

    /// All, in order.
    pub fn iter(&self) -> btree_map::Iter<'_, Origin, V> {
        self.map.iter()
    }

    /// The same, to be changed.
    pub fn iter_mut(&mut self) -> btree_map::IterMut<'_, Origin, V> {
        self.map.iter_mut()
    }

    /// What is there, in order of origin.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.map.values()
    }

    /// The same, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.map.values_mut()
    }

    /// How many are there, of all authors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rumormill_wire::Incarnation;

    use super::*;

    fn origin(node: u8, incarnation: u64) -> Origin {
        Origin { node: NodeId([node; 32]), incarnation: Incarnation(incarnation) }
    }

    #[test]
    fn one_with_many_makes_room_for_others_and_not_for_itself() {
        let mut map = SharedMap::default();
        for n in 0..4 {
            assert_eq!(map.put(origin(1, n), n, 4), Put::In);
        }
        assert_eq!(map.put(origin(1, 9), 9, 4), Put::Out);
        assert_eq!(map.put(origin(2, 1), 7, 4), Put::Instead(origin(1, 0), 0), "the oldest of the one with most");
        assert_eq!(map.put(origin(3, 1), 8, 4), Put::Instead(origin(1, 1), 1));
        assert_eq!(map.put(origin(2, 2), 9, 4), Put::Instead(origin(1, 2), 2));
        assert_eq!(map.put(origin(1, 9), 9, 4), Put::Instead(origin(2, 1), 7), "whoever has most");
        assert_eq!(map.put(origin(3, 1), 5, 4), Put::In, "it is there");
        assert_eq!(map.get(&origin(3, 1)), Some(&5));
    }

    proptest! {
        #[test]
        fn it_never_holds_more_and_whoever_has_no_more_than_an_even_part_loses_nothing(
            puts in proptest::collection::vec((0..5_u8, 0..9_u64, any::<bool>()), 0..200),
        ) {
            const MOST: usize = 10;
            let (mut map, mut model) = (SharedMap::default(), BTreeMap::<Origin, ()>::new());
            for (node, n, put) in puts {
                let one = origin(node, n);
                if !put {
                    prop_assert_eq!(map.remove(&one).is_some(), model.remove(&one).is_some());
                    continue;
                }
                let before: Vec<_> = model.keys().copied().collect();
                let had = before.iter().filter(|other| other.node == one.node).count();
                if map.put(one, (), MOST) == Put::Out {
                    prop_assert!(before.len() == MOST && had >= MOST / 5);
                } else {
                    model.insert(one, ());
                    let lost: Vec<_> = before.iter().filter(|other| !map.contains_key(other)).collect();
                    for lost in lost {
                        let all = before.iter().filter(|other| other.node == lost.node).count();
                        prop_assert!(all > had && before.len() == MOST);
                        model.remove(lost);
                    }
                }
                prop_assert!(map.len() <= MOST);
                prop_assert!(map.iter().map(|(origin, ())| origin).eq(model.keys()));
                prop_assert_eq!(map.counts.values().sum::<usize>(), map.len());
                prop_assert_eq!(map.order.len(), map.counts.len());
            }
        }
    }
}
