//! Proofs that come in vain and that are being checked, counted by node over all its links (docs/protocol.md, P-E5).

use std::collections::BTreeMap;

use rumormill_limits::Rate;
use rumormill_wire::NodeId;

use crate::io::{LinkId, Timestamp};
use crate::proofs::sent::PROOFS_SENT;
use crate::tally::Tally;

/// Proofs that one neighbour may send in vain: four times what an honest one ever sends (P-E5).
const PROOFS_IN_VAIN: (u64, u64) = (4_096, 256);
/// Proofs of one neighbour that are being checked: 25 KB, and 10 ms of one core.
const MAX_PROOF_CHECKS: usize = 64;

/// One account for each node that was ever linked, so bounded by the members; and what is being checked for each.
#[derive(Debug, Default)]
pub(super) struct Counts {
    in_vain: BTreeMap<NodeId, Rate>,
    proof_checks: BTreeMap<LinkId, (NodeId, usize)>,
    /// The same, by node.
    proofs_open: Tally,
}

impl Counts {
    fn in_vain_of(&mut self, node: NodeId) -> &mut Rate {
        let (burst, per_s) = PROOFS_IN_VAIN;
        self.in_vain.entry(node).or_insert_with(|| Rate::new(burst, per_s))
    }

    /// Whether this neighbour may have sent one more proof in vain. Charges it.
    pub(super) fn may_send_in_vain(&mut self, peer: NodeId, now: Timestamp) -> bool {
        self.in_vain_of(peer).take(now)
    }

    /// A new link: its node may have been started anew, and counts what it sends us from the beginning.
    pub(super) fn new_link(&mut self, peer: NodeId) {
        self.in_vain_of(peer).give(PROOFS_SENT.0);
    }

    /// Whether one more proof of this neighbour may be checked now; then it counts until its verdict.
    pub(super) fn begin(&mut self, id: LinkId, peer: NodeId) -> bool {
        let room = self.proofs_open.of(&peer) < MAX_PROOF_CHECKS;
        if room {
            self.proofs_open.add(peer);
            let (_, open) = self.proof_checks.entry(id).or_insert((peer, 0));
            *open = open.saturating_add(1);
        }
        room
    }

    /// A verdict on a proof is in.
    pub(super) fn end(&mut self, id: LinkId) {
        if let Some((peer, open)) = self.proof_checks.get_mut(&id) {
            self.proofs_open.remove(*peer);
            *open = open.saturating_sub(1);
            if *open == 0 {
                self.proof_checks.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_being_checked_are_counted_over_all_links_of_a_node() {
        let mut counts = Counts::default();
        let (greedy, other) = (NodeId([1; 32]), NodeId([2; 32]));
        let begun = (0..200).filter(|n| counts.begin(LinkId(n % 4), greedy)).count();
        assert_eq!(begun, MAX_PROOF_CHECKS);
        assert!(counts.begin(LinkId(9), other));
        counts.end(LinkId(3));
        assert!(counts.begin(LinkId(3), greedy));
        assert!(!counts.begin(LinkId(4), greedy));
        (0..200).for_each(|n| counts.end(LinkId(n % 4)));
        counts.end(LinkId(9));
        assert!(counts.proofs_open.is_empty() && counts.proof_checks.is_empty());
    }
}
