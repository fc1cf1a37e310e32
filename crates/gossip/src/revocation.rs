//! The revocation list in force (docs/protocol.md, R).

use std::collections::BTreeMap;

use rumormill_wire::{Incarnation, NodeId, Origin, Seq};

/// A checked revocation list, decoded. The driver makes it from the wire form once the CA's signature holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revocations {
    /// Its number; a higher one replaces a lower (P-R2).
    pub number: u64,
    /// Node to what still counts of it: `None` leaves its messages, a map cuts each incarnation (P-R3).
    pub nodes: BTreeMap<NodeId, Option<BTreeMap<Incarnation, Seq>>>,
}

impl Revocations {
    /// The first number of this origin that does not count, if there is one.
    #[must_use]
    pub fn limit(&self, origin: &Origin) -> Option<Seq> {
        let cut = self.nodes.get(&origin.node)?.as_ref()?;
        let last = cut.get(&origin.incarnation).map_or(0, |seq| seq.0);
        Some(Seq(last.saturating_add(1)))
    }

    /// Whether this node may hold links.
    #[must_use]
    pub fn revokes(&self, node: &NodeId) -> bool {
        self.nodes.contains_key(node)
    }
}
