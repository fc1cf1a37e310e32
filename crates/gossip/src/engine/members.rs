//! Members: whose certificates are taken, which of two of one node counts, and who gets them (docs/protocol.md, P-G4).
//!
//! What counts is the same at all who know both certificates, whichever came first, so a name is the same everywhere. One
//! that begins to count goes to all neighbours once. A neighbour that was away meanwhile is given the newest.

use core::cmp::Reverse;

use bytes::Bytes;
use rumormill_wire::native::{Frame, Member};
use rumormill_wire::{Digest, NodeId};

use super::Engine;
use crate::ingress::Input;
use crate::io::{Keep, LinkId, Output};
use crate::key::check_node_id;
use crate::members::{Checked, Evidence};
use crate::stats::bump;

/// Certificates that a new link is given before any message: those that are valid from the latest times on. A name that is
/// not the same on both sides is of one of them, or comes with its author's messages.
const NEWEST: usize = 32;

/// What tells certificates apart while they are being checked.
pub(super) fn mark(evidence: &[u8]) -> Digest {
    Digest(*blake3::hash(evidence).as_bytes())
}

impl Engine {
    /// Which certificate of a node counts here.
    #[must_use]
    pub fn certificate(&self, node: &NodeId) -> Option<&Evidence> {
        self.members.get(node)
    }

    pub(super) fn member(&mut self, id: LinkId, node: NodeId, evidence: Bytes) {
        let known = self.members.get(&node);
        if known.is_some_and(|known| known.is_empty() || known.bytes == evidence) {
            return;
        }
        let known = known.cloned();
        let Some(peer) = self.peer(id) else { return };
        if check_node_id(&node).is_err() {
            return self.misbehaved(id, "a certificate for a key that can be no node");
        }
        let mark = mark(&evidence);
        if self.accounts.member_checks.contains_key(&(node, mark)) {
            return;
        }
        if self.accounts.begin_member((node, mark), peer) {
            self.output.push_back(Output::CheckMember { link: id, node, evidence, known });
        } else {
            bump(&mut self.stats.certificates_full, 1);
        }
    }

    pub(super) fn member_verdict(&mut self, id: LinkId, node: NodeId, evidence: &Bytes, verdict: Checked) {
        self.accounts.end_member((node, mark(evidence)));
        let is_false = match verdict {
            Checked::Holds(evidence) => return self.admit(node, evidence, Some(id)),
            Checked::Void => false,
            Checked::False => true,
        };
        if !self.members.contains_key(&node) && !self.accounts.checks_member(&node) {
            self.tell_ingress(Input::Void(node));
        }
        if is_false {
            self.misbehaved(id, "a certificate that does not belong to this network");
        }
    }

    pub(super) fn admit(&mut self, node: NodeId, evidence: Evidence, from: Option<LinkId>) {
        let known = self.members.get(&node);
        // Who is pinned needs no certificate, whatever it shows.
        let counts = known.is_none_or(|known| !known.is_empty() && evidence.beats(known));
        if !counts || check_node_id(&node).is_err() {
            return;
        }
        let fresh = known.is_none();
        let before = known.map_or(0, |known| known.bytes.len());
        self.member_bytes = self.member_bytes.saturating_sub(before).saturating_add(evidence.bytes.len());
        bump(&mut self.stats.certificates_replaced, u64::from(!fresh));
        self.members.insert(node, evidence.clone());
        self.keep(Keep::Member { node, evidence: evidence.bytes });
        for id in self.links.everybody().into_iter().filter(|id| Some(*id) != from) {
            self.introduce(id, node);
        }
        if fresh {
            self.tell_ingress(Input::Admitted(node));
            self.ask_for_admitted(&node);
        }
    }

    /// An author's certificate goes before its first bundle, and to all once it counts.
    pub(super) fn introduce(&mut self, id: LinkId, node: NodeId) {
        if let Some(Evidence { bytes, .. }) = self.members.get(&node).filter(|evidence| !evidence.is_empty()).cloned() {
            self.charge(id, bytes.len());
            self.send(id, &Frame::Member(Member { node, evidence: &bytes }));
        }
    }

    /// A new link is given the newest certificates, unless its node has had its share.
    pub(super) fn introduce_newest(&mut self, id: LinkId) {
        if self.is_over(id) {
            return;
        }
        let mut newest: Vec<_> = self.members.iter().collect();
        newest.sort_unstable_by_key(|(node, evidence)| (Reverse(evidence.since), **node));
        let newest: Vec<_> = newest.into_iter().take(NEWEST).map(|(node, _)| *node).collect();
        for node in newest {
            self.introduce(id, node);
        }
    }
}
