//! The keys of members: of each the one that counts, and those whose time has not come (P-L2).

use std::collections::BTreeMap;

use rumormill_limits::MAX_INCARNATION_AHEAD_S;
use rumormill_wire::NodeId;

use super::counting::Counting;
use super::record::{JournalRecord, MemberKey};
use crate::clock::Wall;
use crate::view::MAX_AHEAD_US;

/// Members whose keys are known.
pub(crate) const MAX_KEYS: usize = 16_384;
/// Keys of one member whose time has not come; those that come first are kept.
const MAX_AHEAD: usize = 4;

/// All keys that are known.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    count: BTreeMap<NodeId, MemberKey>,
    ahead: BTreeMap<NodeId, Vec<MemberKey>>,
    wall: Wall,
}

impl Keys {
    pub(crate) fn new(wall: Wall) -> Self {
        Self { wall, ..Self::default() }
    }

    /// How new a key is: by its incarnation and number, whatever its clock said. An incarnation that a wrong clock has begun
    /// far in the future does not hold for ever.
    fn rank(&self, key: &MemberKey) -> (bool, u64, u64) {
        let incarnation = key.origin.incarnation.0;
        let believed = incarnation <= self.wall.now_s().saturating_add(MAX_INCARNATION_AHEAD_S);
        (believed, incarnation, key.seq.0)
    }

    fn is_ahead(&self, key: &MemberKey) -> bool {
        key.clock.0 > self.wall.now_us().saturating_add(MAX_AHEAD_US)
    }

    /// The key of a member that counts now.
    pub(crate) fn of(&mut self, node: &NodeId) -> Option<&MemberKey> {
        self.ripen(node);
        self.count.get(node)
    }

    /// What was ahead and is not any more counts with the others; what is ahead since our clock was put right does not.
    fn ripen(&mut self, node: &NodeId) {
        let count =
            self.count.get(node).is_some_and(|key| self.is_ahead(key)).then(|| self.count.remove(node)).flatten();
        let waiting = self.ahead.remove(node).unwrap_or_default();
        for key in count.into_iter().chain(waiting) {
            self.put(key);
        }
    }

    /// Whether a key is worth keeping.
    pub(crate) fn is_news(&mut self, key: &MemberKey) -> bool {
        let node = &key.origin.node;
        self.ripen(node);
        if self.is_ahead(key) {
            let Some(waiting) = self.ahead.get(node) else { return self.ahead.len() < MAX_KEYS };
            let first = waiting.len() < MAX_AHEAD || waiting.iter().any(|held| key.clock < held.clock);
            return first && !waiting.contains(key);
        }
        match self.count.get(node) {
            Some(held) => self.rank(key) > self.rank(held),
            None => self.count.len() < MAX_KEYS,
        }
    }

    /// Keeps a key, if it is worth it.
    pub(crate) fn put(&mut self, key: MemberKey) {
        let node = key.origin.node;
        if self.is_ahead(&key) {
            if self.ahead.len() < MAX_KEYS || self.ahead.contains_key(&node) {
                let waiting = self.ahead.entry(node).or_default();
                if !waiting.contains(&key) {
                    waiting.push(key);
                    waiting.sort_by_key(|held| held.clock);
                    waiting.truncate(MAX_AHEAD);
                }
            }
            return;
        }
        let newer = match self.count.get(&node) {
            Some(held) => self.rank(&key) > self.rank(held),
            None => self.count.len() < MAX_KEYS,
        };
        if newer {
            self.count.insert(node, key);
        }
    }

    /// Lets go of keys whose messages do not count any more; whether there were any.
    pub(crate) fn let_go(&mut self, counting: &Counting) -> bool {
        let counts = |key: &MemberKey| counting.counts(&key.origin, key.seq);
        let mut gone = false;
        self.count.retain(|_, key| {
            gone |= !counts(key);
            counts(key)
        });
        self.ahead.retain(|_, keys| {
            let before = keys.len();
            keys.retain(counts);
            gone |= keys.len() < before;
            !keys.is_empty()
        });
        gone
    }

    /// All of them, for the file.
    pub(crate) fn records(&self) -> impl Iterator<Item = JournalRecord> {
        self.count.values().chain(self.ahead.values().flatten()).map(MemberKey::record)
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
