//! Certificates that are being checked, counted by who showed them (docs/protocol.md, P-G4).

use std::collections::BTreeMap;

use rumormill_wire::{Digest, NodeId};

use crate::tally::Tally;

/// Certificates being checked for all neighbours, and for each whatever the others do: what one fills is never what another needs.
const MOST: usize = 256;
const SHARE: usize = 32;

/// A certificate: whose it is said to be, and a hash of its bytes.
pub(super) type Which = (NodeId, Digest);

/// Which are being checked, and who showed them.
#[derive(Debug, Default)]
pub(super) struct Checks {
    open: BTreeMap<Which, NodeId>,
    /// How many of those each node showed.
    by_peer: Tally,
}

impl Checks {
    pub(super) fn has(&self, which: &Which) -> bool {
        self.open.contains_key(which)
    }

    /// Whether one of this node's is being checked.
    pub(super) fn of_node(&self, node: &NodeId) -> bool {
        self.open.range((*node, Digest([0; 32]))..=(*node, Digest([0xff; 32]))).next().is_some()
    }

    /// Whether one is to be checked for this neighbour; then it counts until its verdict.
    pub(super) fn begin(&mut self, which: Which, peer: NodeId) -> bool {
        let room = self.open.len() < MOST || self.by_peer.of(&peer) < SHARE;
        if room {
            self.end(which);
            self.by_peer.add(peer);
            self.open.insert(which, peer);
        }
        room
    }

    /// Its verdict is in.
    pub(super) fn end(&mut self, which: Which) {
        let Some(peer) = self.open.remove(&which) else { return };
        self.by_peer.remove(peer);
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_that_fills_the_table_leaves_the_others_their_share() {
        let mut checks = Checks::default();
        let (greedy, other) = (NodeId([1; 32]), NodeId([2; 32]));
        let all: Vec<Which> =
            (0..2_000_u32).map(|n| (NodeId(*blake3::hash(&n.to_be_bytes()).as_bytes()), Digest::ZERO)).collect();
        let (first, second) = all.split_at(1_000);
        assert_eq!(first.iter().filter(|which| checks.begin(**which, greedy)).count(), MOST);
        assert_eq!(second.iter().filter(|which| checks.begin(**which, other)).count(), SHARE);
        all.iter().for_each(|which| checks.end(*which));
        assert!(checks.by_peer.is_empty() && checks.len() == 0, "nothing is left");
    }
}
