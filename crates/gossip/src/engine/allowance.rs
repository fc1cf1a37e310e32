//! The bounds of what a member may make us keep, in the engine (docs/protocol.md, P-G1 to P-G4).

use rumormill_wire::{NodeId, Origin, Seq};

use super::Engine;
use crate::config::MIN_ORIGINS;
use crate::io::{Event, LinkId};
use crate::link::MAX_BEHIND;

impl Engine {
    /// Who is at the other end.
    pub(super) fn peer(&self, id: LinkId) -> Option<NodeId> {
        self.links.get(&id).map(|link| link.peer)
    }

    /// Whether there is a place for one more origin of this node (P-G2). Each member keeps some, whatever others do.
    pub(super) fn room_for(&self, node: &NodeId) -> bool {
        let of_node = self.chains.of_node(node);
        let share = self.config.max_origins.checked_div(self.members.len()).unwrap_or(0).max(MIN_ORIGINS);
        of_node < self.config.max_origins_per_node && (self.chains.len() < self.config.max_origins || of_node < share)
    }

    /// Whether the CA's list names an origin, and lets some of it stand. It counts by that list, which bounds how many there are, and is the
    /// same everywhere: else what its author's other origins took, and what of them is withdrawn now, would keep logs apart for good.
    fn is_named(&self, origin: &Origin) -> bool {
        self.revocations.limit(origin).is_some_and(|limit| limit > Seq::FIRST)
    }

    /// Whether a new origin has no place here, and an old one has its own.
    pub(super) fn no_place(&self, origin: &Origin) -> bool {
        self.chains.get(origin).is_none() && !self.room_for(&origin.node) && !self.is_named(origin)
    }

    /// Whether a bundle of this origin counts as one more incarnation of its author.
    pub(super) fn is_new(&self, origin: &Origin) -> bool {
        self.chains.get(origin).is_none() && self.passing.head(origin).is_none() && !self.is_named(origin)
    }

    /// An author is over its rate: told once a start.
    pub(super) fn tell_greedy(&mut self, node: NodeId) {
        if self.told_greedy.insert(node) {
            self.event(Event::Greedy { node });
        }
    }

    /// All links with a node share what is remembered of its claims.
    pub(super) fn share_claims(&mut self, peer: NodeId) {
        let links = self.links.of_peer(&peer);
        let share = MAX_BEHIND.checked_div(links.len()).unwrap_or(MAX_BEHIND);
        for id in links {
            if let Some(link) = self.links.get_mut(&id) {
                link.max_behind = share;
            }
        }
    }
}
