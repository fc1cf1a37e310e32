//! A bounded memory: what was not used for longest makes room.

use alloc::collections::BTreeMap;

/// At most `MOST` keys, each with a value.
#[derive(Debug)]
pub struct Recent<K, V, const MOST: usize> {
    by_key: BTreeMap<K, (u64, V)>,
    /// By when they were used last; the numbers only grow.
    by_use: BTreeMap<u64, K>,
    next: u64,
}

impl<K, V, const MOST: usize> Default for Recent<K, V, MOST> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V, const MOST: usize> Recent<K, V, MOST> {
    /// Nothing is remembered yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { by_key: BTreeMap::new(), by_use: BTreeMap::new(), next: 0 }
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Whether a newcomer takes somebody's place.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= MOST
    }
}

impl<K: Ord + Clone, V, const MOST: usize> Recent<K, V, MOST> {
    /// What is remembered of a key. This is no use of it.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.by_key.get(key).map(|(_, value)| value)
    }

    /// Uses a key that is there.
    pub fn touch(&mut self, key: &K) -> Option<&mut V> {
        let (used, value) = self.by_key.get_mut(key)?;
        let number = self.next;
        self.next = self.next.saturating_add(1);
        if let Some(key) = self.by_use.remove(used) {
            self.by_use.insert(number, key);
        }
        *used = number;
        Some(value)
    }

    /// Remembers a value in place of what was remembered of its key, which it says. This is a use of it.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some(there) = self.touch(&key) {
            return Some(core::mem::replace(there, value));
        }
        while self.is_full()
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.by_key.remove(&oldest);
        }
        let number = self.next;
        self.next = self.next.saturating_add(1);
        self.by_use.insert(number, key.clone());
        self.by_key.insert(key, (number, value));
        None
    }

    /// What was not used for longest, which the next newcomer to a full memory replaces.
    #[must_use]
    pub fn longest_unused(&self) -> Option<(&K, &V)> {
        let (_, key) = self.by_use.first_key_value()?;
        self.get(key).map(|value| (key, value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn the_longest_unused_makes_room() {
        let mut recent = Recent::<_, _, 3>::new();
        assert!(recent.is_empty() && recent.longest_unused().is_none());
        for key in 0..3 {
            assert_eq!(recent.insert(key, 'a'), None);
        }
        assert!(recent.is_full() && recent.longest_unused() == Some((&0, &'a')));
        *recent.touch(&0).unwrap() = 'b';
        assert_eq!(recent.get(&1), Some(&'a'), "to look is no use");
        assert_eq!(recent.insert(3, 'c'), None);
        assert!(recent.get(&1).is_none() && recent.touch(&1).is_none(), "it was the longest unused");
        assert_eq!((recent.insert(0, 'd'), recent.len()), (Some('b'), 3));
    }

    proptest! {
        /// It is the list of the last keys used, each once.
        #[test]
        fn it_holds_the_last_keys_used(steps in vec((any::<bool>(), 0_u8..9, any::<u8>()), 0..200)) {
            let mut recent = Recent::<u8, u8, 4>::new();
            let mut model: Vec<(u8, u8)> = Vec::new();
            for (inserts, key, value) in steps {
                let at = model.iter().position(|(other, _)| *other == key);
                let before = at.map(|at| model.remove(at));
                if inserts {
                    prop_assert_eq!(recent.insert(key, value), before.map(|(_, value)| value));
                    model.push((key, value));
                    if model.len() > 4 {
                        model.remove(0);
                    }
                } else {
                    prop_assert_eq!(recent.touch(&key).copied(), before.map(|(_, value)| value));
                    model.extend(before);
                }
                prop_assert_eq!(recent.len(), model.len());
                prop_assert_eq!(recent.longest_unused().map(|(key, value)| (*key, *value)), model.first().copied());
                for (key, value) in &model {
                    prop_assert_eq!(recent.get(key), Some(value));
                }
                prop_assert_eq!(recent.by_use.len(), model.len());
            }
        }
    }
}
