//! MEMBER: what the machine that takes certificates says, done (docs/protocol.md, P-G4).
//!
//! A certificate that begins to count goes to all neighbours once. A neighbour that was away meanwhile is given the newest.

use bytes::Bytes;
use rumormill_wire::NodeId;
use rumormill_wire::native::{Frame, Member};

use super::Engine;
use crate::ingress;
use crate::io::{self, Keep, LinkId};
use crate::members::{Evidence, Input, Output};
use crate::stats::bump;

/// Certificates that a new link is given before any message: those that are valid from the latest times on. A name that is
/// not the same on both sides is of one of them, or comes with its author's messages.
const NEWEST: usize = 32;

impl Engine {
    /// Which certificate of a node counts here.
    #[must_use]
    pub fn certificate(&self, node: &NodeId) -> Option<&Evidence> {
        self.members.get(node)
    }

    pub(super) fn member(&mut self, link: LinkId, node: NodeId, evidence: Bytes) {
        if let Some(peer) = self.peer(link) {
            self.tell_members(Input::Shown { link, peer, node, evidence });
        }
    }

    /// Tells the machine that takes certificates, and does what it says.
    pub(super) fn tell_members(&mut self, input: Input) {
        self.members.handle(input);
        while let Some(output) = self.members.poll_output() {
            match output {
                Output::Check { link, node, evidence, known } => {
                    self.output.push_back(io::Output::CheckMember { link, node, evidence, known });
                }
                Output::Full => bump(&mut self.stats.certificates_full, 1),
                Output::Misbehaved(link, why) => self.misbehaved(link, why),
                Output::Void(node) => self.tell_ingress(ingress::Input::Void(node)),
                Output::Counts { node, evidence, from, fresh } => self.counts(node, evidence, from, fresh),
            }
        }
    }

    fn counts(&mut self, node: NodeId, evidence: Evidence, from: Option<LinkId>, fresh: bool) {
        bump(&mut self.stats.certificates_replaced, u64::from(!fresh));
        self.keep(Keep::Member { node, evidence: evidence.bytes });
        for id in self.links.everybody().into_iter().filter(|id| Some(*id) != from) {
            self.introduce(id, node);
        }
        if fresh {
            self.tell_ingress(ingress::Input::Admitted(node));
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
        for node in self.members.newest(NEWEST) {
            self.introduce(id, node);
        }
    }
}
