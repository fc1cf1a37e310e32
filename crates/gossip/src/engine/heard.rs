//! What a neighbour has by its own word, and what we tell it of ours (docs/protocol.md, P-S2 and P-S9).

use rumormill_wire::{Origin, Seq};

use super::Engine;
use crate::acks;
use crate::io::LinkId;
use crate::link::Parked;
use crate::reconcile::Input;
use crate::stats::bump;

impl Engine {
    /// A STATUS went to a neighbour: it says how much was judged, and may ask.
    pub(super) fn told_heard(&mut self, id: LinkId, asked: bool) {
        self.acks.handle(self.now, acks::Input::Told(id));
        if asked {
            self.note_reconcile(Input::Asked(id));
        }
    }

    /// The first comparison has come to its end when nothing of what it found is missing any more, but what is held.
    pub(super) fn ends_first_comparison(&mut self, id: LinkId) {
        let Some(listed) = self.reconcile.first_list(id) else { return };
        let Some(link) = self.links.get(&id) else { return };
        let open = link.overflow || link.unsure || link.reading.is_some() || link.unheard.since(listed);
        let lacks = |(origin, cursor): (&Origin, &crate::link::Cursor)| {
            cursor.parked != Some(Parked::Peer)
                && cursor.since <= listed
                && cursor.next < self.logs.chains.wanted(origin)
        };
        let behind = || self.claims.of_link(id).any(|(_, behind)| behind.why.is_none() && behind.since <= listed);
        let over = !open && !link.cursors.iter().any(lacks) && !behind();
        if over {
            self.tell_reconcile(Input::Settled(id));
        }
    }

    /// Something new is not given to all at once: who is not known to have it lacks it until it is.
    pub(super) fn new_to_neighbours(&mut self, origin: Origin, first: Seq, from: &[LinkId]) {
        let (to, now) = (self.logs.chains.wanted(&origin), self.now);
        for (id, link) in self.links.note_all() {
            if link.closing || link.hold || from.contains(id) || self.claims.has(*id, &origin, to) {
                continue;
            }
            if !link.unheard.left_out(origin, first.max(Seq::FIRST), to, now) {
                link.unsure = true;
                bump(&mut self.stats.differences_overflow, 1);
            }
        }
    }
}
