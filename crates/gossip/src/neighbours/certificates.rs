//! MEMBER: which certificates neighbours are given (docs/protocol.md, P-G4).
//!
//! A certificate that begins to count goes to all neighbours once. A neighbour that was away meanwhile is given the newest.

use rumormill_wire::NodeId;
use rumormill_wire::native::{Frame, Member};

use super::Neighbours;
use crate::io::LinkId;
use crate::members::Evidence;
use crate::replica::Replica;

/// Certificates that a new link is given before any message: those that are valid from the latest times on. A name that is
/// not the same on both sides is of one of them, or comes with its author's messages.
const NEWEST: usize = 32;

impl Neighbours {
    /// An author's certificate goes before its first bundle, and to all once it counts.
    pub(super) fn introduce(&mut self, replica: &Replica, id: LinkId, node: NodeId) {
        let known = replica.members().get(&node).filter(|evidence| !evidence.is_empty());
        if let Some(Evidence { bytes, .. }) = known {
            self.charge(id, bytes.len());
            if let Some(link) = self.links.get_mut(&id) {
                link.turns.charge(node, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            }
            self.send(id, &Frame::Member(Member { node, evidence: bytes }));
        }
    }

    /// A new link is given the newest certificates, unless its node has had its share.
    pub(super) fn introduce_newest(&mut self, replica: &Replica, id: LinkId) {
        if self.is_over(id) {
            return;
        }
        for node in replica.members().newest(NEWEST) {
            self.introduce(replica, id, node);
        }
    }
}
