//! Proofs that are sent, counted by node over all its links (docs/protocol.md, P-E5).

use std::collections::BTreeMap;

use rumormill_limits::Rate;
use rumormill_wire::NodeId;

use crate::io::Timestamp;

/// Proofs sent to one neighbour at once, and a second (P-E5).
pub(super) const PROOFS_SENT: (u64, u64) = (1_024, 64);

/// What each neighbour was sent. One rate for each node that was ever linked, so bounded by the members.
#[derive(Debug, Default)]
pub struct Sent {
    by_node: BTreeMap<NodeId, Rate>,
}

impl Sent {
    /// Whether one more proof may be sent to this neighbour. Charges it.
    pub fn may_send(&mut self, peer: NodeId, now: Timestamp) -> bool {
        let (burst, per_s) = PROOFS_SENT;
        self.by_node.entry(peer).or_insert_with(|| Rate::new(burst, per_s)).take(now)
    }
}
