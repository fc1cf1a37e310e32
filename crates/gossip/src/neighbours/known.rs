//! What a neighbour has by its own word, and what we tell it of ours (docs/protocol.md, P-S2 and P-S9).

use rumormill_wire::native::StatusEntry;
use rumormill_wire::{Incarnation, Origin, Seq};

use super::{NeighbourOutput, Neighbours};
use crate::acks;
use crate::io::LinkId;
use crate::link::Parked;
use crate::reconcile::Input;
use crate::replica::Replica;
use crate::stats::bump;

impl Neighbours {
    /// A STATUS went to a neighbour: it says how much was judged, and may ask.
    pub(super) fn told_heard(&mut self, replica: &Replica, id: LinkId, asked: bool) {
        self.acks.handle(self.now, acks::Input::Told(id));
        if asked {
            self.note_reconcile(replica, Input::Asked(id));
        }
    }

    /// The first comparison has come to its end when nothing of what it found is missing any more, but what is held.
    pub(super) fn ends_first_comparison(&mut self, replica: &Replica, id: LinkId) {
        let Some(listed) = self.reconcile.first_list(id) else { return };
        let Some(link) = self.links.get(&id) else { return };
        let open = link.overflow || link.unsure || link.reading.is_some() || link.unacked.since(listed);
        let lacks = |(origin, cursor): (&Origin, &crate::link::Cursor)| {
            cursor.parked != Some(Parked::Peer)
                && cursor.since <= listed
                && cursor.next < replica.logs().chains.wanted(origin)
        };
        let behind = || self.claims.of_link(id).any(|(_, behind)| behind.why.is_none() && behind.since <= listed);
        let over = !open && !link.cursors.iter().any(lacks) && !behind();
        if over {
            self.tell_reconcile(replica, Input::Settled(id));
        }
    }

    /// Something new is not given to all at once: who is not known to have it lacks it until it is.
    pub(super) fn new_to_neighbours(&mut self, replica: &Replica, origin: Origin, first: Seq, from: &[LinkId]) {
        let (to, now) = (replica.logs().chains.wanted(&origin), self.now);
        for (id, link) in self.links.note_all() {
            if link.closing || link.hold || from.contains(id) || self.claims.has(*id, &origin, to) {
                continue;
            }
            if !link.unacked.left_out(origin, first.max(Seq::FIRST), to, now) {
                link.unsure = true;
                bump(&mut self.stats.differences_overflow, 1);
            }
        }
    }

    /// A neighbour said what it knows of our node's origins. Of a named one it counts that it said all.
    pub(super) fn own_known(
        &mut self,
        replica: &Replica,
        id: LinkId,
        low: Origin,
        high: Origin,
        entries: impl Iterator<Item = StatusEntry>,
    ) {
        let me = replica.author().origin();
        let ours = replica.logs().chains.get(&me).and_then(|chain| chain.entry(me));
        for theirs in entries.filter(|entry| entry.origin.node == me.node) {
            self.output.push_back(NeighbourOutput::Known { ours, theirs });
        }
        let Some(link) = self.links.get_mut(&id) else { return };
        if !link.own_from.is_some_and(|from| low <= from && from <= high) {
            return;
        }
        // It has had its word when it has said all that was asked, in however many lists.
        let end = Origin { node: me.node, ..Origin::MAX };
        let next = || high.incarnation.0.checked_add(1).map(|next| Origin { incarnation: Incarnation(next), ..high });
        link.own_from = if high < end { next() } else { None };
        if link.own_from.is_none() && link.named {
            let peer = link.peer;
            self.output.push_back(NeighbourOutput::Answered(peer));
        }
    }
}
