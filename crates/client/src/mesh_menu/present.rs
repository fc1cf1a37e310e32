//! Which menus are there, and at which node: what the room's log says of it (docs/protocol.md, P-M4); pure.
//!
//! Any member may announce as many menus as it likes, and one that is killed never says that it ended. So a node has a
//! share, and its own oldest make room; where all is full, whoever has most gives way.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use rumormill_wire::NodeId;

/// Menus that are remembered.
pub(crate) const MAX_PRESENT: usize = 1_024;
/// Those of one node.
pub(crate) const MAX_OF_NODE: usize = 64;

/// Who has an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The node that signed for it.
    pub(crate) node: NodeId,
    /// Its name, if it is known.
    pub(crate) name: Option<String>,
    number: u64,
}

/// All that are there.
#[derive(Debug, Default)]
pub(crate) struct Present {
    menus: BTreeMap<SocketAddr, Holder>,
    nodes: BTreeMap<NodeId, BTreeMap<u64, SocketAddr>>,
    numbers: u64,
}

impl Present {
    /// A node says that its menu begins at an address. Nothing changes if another node has it.
    pub(crate) fn came(&mut self, addr: SocketAddr, node: NodeId, name: Option<&str>) {
        if self.holder(addr).is_some_and(|holder| holder.node != node) {
            return;
        }
        self.left(addr, node);
        self.make_room(node);
        let number = self.numbers;
        self.numbers = self.numbers.saturating_add(1);
        self.nodes.entry(node).or_default().insert(number, addr);
        self.menus.insert(addr, Holder { node, name: name.map(str::to_owned), number });
    }

    /// A node says that its menu ends; whether it had that address.
    pub(crate) fn left(&mut self, addr: SocketAddr, node: NodeId) -> bool {
        if !self.has(node, addr) {
            return false;
        }
        if let Some(holder) = self.menus.remove(&addr)
            && let Some(own) = self.nodes.get_mut(&node)
        {
            own.remove(&holder.number);
            if own.is_empty() {
                self.nodes.remove(&node);
            }
        }
        true
    }

    fn make_room(&mut self, node: NodeId) {
        let own = self.nodes.get(&node).map_or(0, BTreeMap::len);
        let gives = if own >= MAX_OF_NODE {
            Some(node)
        } else if self.menus.len() >= MAX_PRESENT {
            self.nodes.iter().max_by_key(|(_, own)| own.len()).map(|(node, _)| *node)
        } else {
            None
        };
        let oldest = gives.and_then(|node| Some((*self.nodes.get(&node)?.first_key_value()?.1, node)));
        if let Some((addr, node)) = oldest {
            self.left(addr, node);
        }
    }

    /// Who has an address.
    #[must_use]
    pub(crate) fn holder(&self, addr: SocketAddr) -> Option<&Holder> {
        self.menus.get(&addr)
    }

    /// Whether it is that node.
    #[must_use]
    pub(crate) fn has(&self, node: NodeId, addr: SocketAddr) -> bool {
        self.holder(addr).is_some_and(|holder| holder.node == node)
    }

    /// All addresses, in the order in which they came.
    #[must_use]
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let mut all: Vec<_> = self.menus.iter().map(|(addr, holder)| (holder.number, *addr)).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, addr)| addr).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn node(n: u16) -> NodeId {
        let [high, low] = n.to_be_bytes();
        NodeId([&[high, low][..], &[0; 30]].concat().try_into().unwrap())
    }

    fn consistent(present: &Present) {
        let own: usize = present.nodes.values().map(BTreeMap::len).sum();
        assert_eq!(own, present.menus.len());
        assert!(own <= MAX_PRESENT && present.nodes.values().all(|own| (1..=MAX_OF_NODE).contains(&own.len())));
    }

    #[test]
    fn an_address_is_of_the_node_that_took_it_first_until_it_leaves() {
        let mut present = Present::default();
        present.came(addr(1), node(1), Some("alice"));
        present.came(addr(1), node(2), Some("mallory"));
        assert!(present.has(node(1), addr(1)) && !present.left(addr(1), node(2)));
        assert_eq!(present.holder(addr(1)).unwrap().name.as_deref(), Some("alice"));
        present.came(addr(2), node(2), None);
        present.came(addr(1), node(1), None);
        assert_eq!(present.addresses(), [addr(2), addr(1)], "who comes again is the last to have come");
        assert!(present.left(addr(1), node(1)) && !present.left(addr(1), node(1)));
        present.came(addr(1), node(2), None);
        assert!(present.has(node(2), addr(1)));
        consistent(&present);
    }

    #[test]
    fn a_node_that_announces_without_end_costs_only_its_own() {
        let mut present = Present::default();
        present.came(addr(1), node(1), None);
        for port in 2..1_000 {
            present.came(addr(port), node(2), None);
        }
        consistent(&present);
        assert_eq!(present.addresses().len(), 1 + MAX_OF_NODE);
        assert!(present.has(node(1), addr(1)) && present.has(node(2), addr(999)));
    }

    #[test]
    fn where_all_is_full_whoever_has_most_gives_way() {
        let mut present = Present::default();
        present.came(addr(1), node(1), None);
        for port in 2..=u16::try_from(MAX_PRESENT).unwrap() + 50 {
            present.came(addr(port), node(2 + port % 100), None);
        }
        consistent(&present);
        assert_eq!(present.addresses().len(), MAX_PRESENT);
        assert!(present.has(node(1), addr(1)));
    }
}
