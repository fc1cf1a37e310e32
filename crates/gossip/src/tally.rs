//! How much of something each node has open.

use std::collections::BTreeMap;

use rumormill_wire::NodeId;

/// Counts by node; who has nothing open is not remembered.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<NodeId, usize>);

impl Tally {
    /// How many a node has.
    pub(crate) fn of(&self, node: &NodeId) -> usize {
        self.0.get(node).copied().unwrap_or(0)
    }

    /// It has one more.
    pub(crate) fn add(&mut self, node: NodeId) {
        let open = self.0.entry(node).or_default();
        *open = open.saturating_add(1);
    }

    /// It has one less.
    pub(crate) fn remove(&mut self, node: NodeId) {
        match self.of(&node).saturating_sub(1) {
            0 => drop(self.0.remove(&node)),
            left => drop(self.0.insert(node, left)),
        }
    }

    /// Whether nobody has any.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
