//! Links: their beginnings and ends, and what goes out on them.

use rumormill_limits::BAN;
use rumormill_wire::NodeId;
use rumormill_wire::native::{ByeCode, Frame};

use super::Neighbours;
use crate::acks;
use crate::io::{Event, LinkId, Output};
use crate::link::{Link, MAX_BEHIND};
use crate::reconcile;
use crate::replica::Replica;
use crate::revocation;
use crate::spread;
use crate::stats::bump;

const BAN_US: u64 = BAN.as_secs().saturating_mul(1_000_000);

impl Neighbours {
    pub(crate) fn link_up(&mut self, replica: &Replica, id: LinkId, peer: NodeId, named: bool) {
        let enough = self.shares.link_up(id, peer, &replica.kept(), self.now);
        bump(&mut self.stats.links_not_fresh, u64::from(!enough));
        let pace = super::pace::feed_pacer(&self.config);
        let link = Link { named, pace, ..Link::new(peer, self.config.link_window) };
        self.links.insert(id, link);
        self.acks.handle(self.now, acks::Input::LinkUp(id));
        self.share_claims(peer);
        if replica.logs().revocations.revokes(&peer) {
            self.close(replica, id, ByeCode::REVOKED, "its certificate is revoked", 0);
            return;
        }
        self.tell_revocation(replica, revocation::Input::LinkUp(id));
        self.introduce_newest(replica, id);
        // What is asked counts from here on; the comparison begins after it.
        self.note_reconcile(replica, reconcile::Input::LinkUp(id));
        self.ask_own(replica, id);
        self.reconcile_outputs(replica, None);
        self.tell_spread(replica, spread::Input::LinkUp { link: id, node: peer });
    }

    pub(crate) fn link_down(&mut self, replica: &Replica, id: LinkId) {
        self.claims.clear(id);
        if let Some(link) = self.links.remove(id) {
            self.share_claims(link.peer);
        }
        self.acks.handle(self.now, acks::Input::LinkDown(id));
        self.tell_revocation(replica, revocation::Input::LinkDown(id));
        self.shares.link_down(id);
        self.tell_reconcile(replica, reconcile::Input::LinkDown(id));
        self.tell_spread(replica, spread::Input::LinkDown(id));
    }

    /// Whether nothing more is taken from a link.
    pub(crate) fn is_closing(&self, id: LinkId) -> bool {
        self.links.get(&id).is_some_and(|link| link.closing)
    }

    /// A frame that is none.
    pub(crate) fn broke_form(&mut self, replica: &Replica, id: LinkId) {
        self.misbehaviour(id, "a frame that breaks the form");
        self.close(replica, id, ByeCode::PROTOCOL, "a frame that breaks the form", BAN_US);
    }

    /// For what no honest node sends, whatever it knows and we know: a verdict on bytes alone (P-G7).
    pub(crate) fn misbehaved(&mut self, replica: &Replica, id: LinkId, reason: &'static str) {
        self.misbehaviour(id, reason);
        self.close(replica, id, ByeCode::MISBEHAVIOUR, reason, BAN_US);
    }

    fn misbehaviour(&mut self, id: LinkId, reason: &'static str) {
        if let Some(link) = self.links.get(&id).filter(|link| !link.closing) {
            bump(&mut self.stats.misbehaviour, 1);
            let peer = link.peer;
            self.drive(Output::Event(Event::Misbehaviour { peer, reason }));
        }
    }

    pub(super) fn close(&mut self, replica: &Replica, id: LinkId, code: ByeCode, reason: &'static str, ban_us: u64) {
        if let Some(link) = self.links.get_mut(&id).filter(|link| !link.closing) {
            link.closing = true;
            self.drive(Output::Close { link: id, code, reason, ban_us });
        }
        self.tell_reconcile(replica, reconcile::Input::Closing(id));
        self.tell_spread(replica, spread::Input::LinkDown(id));
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
        self.drive(Output::Send { link: id, frame: bytes.into() });
        true
    }

    pub(crate) fn writable(&mut self, id: LinkId, bytes: usize) {
        if let Some(link) = self.links.get_mut(&id) {
            link.window = link.window.saturating_add_unsigned(bytes);
        }
    }

    pub(crate) fn set_window(&mut self, id: LinkId, bytes: usize) {
        if let Some(link) = self.links.get_mut(&id) {
            let before = core::mem::replace(&mut link.most, bytes);
            link.window = link.window.saturating_add_unsigned(bytes).saturating_sub_unsigned(before);
        }
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self, id: LinkId) -> Option<NodeId> {
        self.links.get(&id).map(|link| link.peer)
    }

    /// All links with a node share what is remembered of its claims.
    fn share_claims(&mut self, peer: NodeId) {
        let links = self.links.of_peer(&peer);
        let share = MAX_BEHIND.checked_div(links.len()).unwrap_or(MAX_BEHIND);
        for id in links {
            if let Some(link) = self.links.get_mut(&id) {
                link.max_behind = share;
            }
        }
    }
}
