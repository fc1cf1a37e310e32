//! Links: their frames in and out, and their ends.

use bytes::Bytes;
use rumormill_wire::NodeId;
use rumormill_wire::native::{ByeCode, Frame};

use super::{BAN_US, Engine};
use crate::acks;
use crate::fork;
use crate::io::{Event, LinkId, Output, Reject};
use crate::link::Link;
use crate::proofs;
use crate::reconcile;
use crate::revocation;
use crate::spread;
use crate::stats::bump;

impl Engine {
    pub(super) fn link_up(&mut self, id: LinkId, peer: NodeId, named: bool) {
        let enough = self.shares.link_up(id, peer, &self.kept(), self.now);
        bump(&mut self.stats.links_not_fresh, u64::from(!enough));
        let pace = super::pace::feed_pacer(&self.config);
        let link = Link { named, pace, ..Link::new(peer, self.config.link_window) };
        self.links.insert(id, link);
        self.acks.handle(self.now, acks::Input::LinkUp(id));
        self.share_claims(peer);
        self.tell_proofs(proofs::Input::LinkUp(peer));
        if self.logs.revocations.revokes(&peer) {
            self.close(id, ByeCode::REVOKED, "its certificate is revoked", 0);
            return;
        }
        self.tell_revocation(revocation::Input::LinkUp(id));
        self.introduce_newest(id);
        // What is asked counts from here on; the comparison begins after it.
        self.note_reconcile(reconcile::Input::LinkUp(id));
        self.ask_own(id);
        self.reconcile_outputs(None);
        self.tell_spread(spread::Input::LinkUp { link: id, node: peer });
    }

    pub(super) fn link_down(&mut self, id: LinkId) {
        self.tell_search(fork::Input::LinkDown(id));
        self.tell_proofs(proofs::Input::LinkDown(id));
        self.claims.clear(id);
        if let Some(link) = self.links.remove(id) {
            self.share_claims(link.peer);
        }
        self.acks.handle(self.now, acks::Input::LinkDown(id));
        self.tell_revocation(revocation::Input::LinkDown(id));
        self.ingress.credit.forget(id);
        self.shares.link_down(id);
        self.tell_reconcile(reconcile::Input::LinkDown(id));
        self.tell_spread(spread::Input::LinkDown(id));
    }

    pub(super) fn frame(&mut self, id: LinkId, bytes: &Bytes) -> Result<(), Reject> {
        let Some(link) = self.links.get(&id) else { return Err(Reject::UnknownLink) };
        if link.closing {
            return Ok(());
        }
        match Frame::decode(bytes) {
            Ok(Frame::Rumor(rumor)) => self.rumor(id, &rumor, bytes),
            Ok(Frame::Status(status)) => self.status(id, &status),
            Ok(Frame::Buckets(buckets)) => self.buckets(id, &buckets),
            Ok(Frame::Range(request)) => self.range_request(id, request),
            Ok(Frame::Member(member)) => self.member(id, member.node, bytes.slice_ref(member.evidence)),
            Ok(Frame::Proof(proof)) => self.proof(id, Box::new(proof)),
            Ok(Frame::Revoked(part)) => self.tell_revocation(revocation::Input::Part(id, bytes.slice_ref(part))),
            Ok(Frame::Revisions(revisions)) => self.revisions(id, &revisions),
            Ok(Frame::Unknown(_)) => {}
            Ok(_) => self.misbehaved(id, "a frame that has no place after HELLO"),
            Err(_) => {
                self.misbehaviour(id, "a frame that breaks the form");
                self.close(id, ByeCode::PROTOCOL, "a frame that breaks the form", BAN_US);
            }
        }
        Ok(())
    }

    /// For what no honest node sends, whatever it knows and we know: a verdict on bytes alone (P-G7).
    pub(super) fn misbehaved(&mut self, id: LinkId, reason: &'static str) {
        self.misbehaviour(id, reason);
        self.close(id, ByeCode::MISBEHAVIOUR, reason, BAN_US);
    }

    pub(super) fn misbehaviour(&mut self, id: LinkId, reason: &'static str) {
        if let Some(link) = self.links.get(&id).filter(|link| !link.closing) {
            bump(&mut self.stats.misbehaviour, 1);
            self.output.push_back(Output::Event(Event::Misbehaviour { peer: link.peer, reason }));
        }
    }

    pub(super) fn close(&mut self, id: LinkId, code: ByeCode, reason: &'static str, ban_us: u64) {
        if let Some(link) = self.links.get_mut(&id).filter(|link| !link.closing) {
            link.closing = true;
            self.output.push_back(Output::Close { link: id, code, reason, ban_us });
        }
        self.tell_reconcile(reconcile::Input::Closing(id));
        self.tell_spread(spread::Input::LinkDown(id));
    }

    /// Sends a control frame. What we say in reply is bounded: a peer that does not read gets none.
    pub(super) fn send(&mut self, id: LinkId, frame: &Frame<'_>) -> bool {
        let mut bytes = Vec::new();
        let Some(link) = self.links.get_mut(&id).filter(|link| !link.closing) else { return false };
        let room = isize::try_from(self.config.link_window).unwrap_or(isize::MAX).saturating_neg();
        if link.window < room || frame.encode(&mut bytes).is_err() {
            bump(&mut self.stats.replies_dropped, 1);
            return false;
        }
        link.window = link.window.saturating_sub_unsigned(bytes.len());
        self.output.push_back(Output::Send { link: id, frame: bytes.into() });
        true
    }

    pub(super) fn writable(&mut self, id: LinkId, bytes: usize) {
        if let Some(link) = self.links.get_mut(&id) {
            link.window = link.window.saturating_add_unsigned(bytes);
        }
    }

    pub(super) fn set_window(&mut self, id: LinkId, bytes: usize) {
        if let Some(link) = self.links.get_mut(&id) {
            let before = core::mem::replace(&mut link.most, bytes);
            link.window = link.window.saturating_add_unsigned(bytes).saturating_sub_unsigned(before);
        }
    }
}
