//! The bounds of what a member may make us keep, in the engine (docs/protocol.md, P-G1 to P-G4).

use rumormill_wire::NodeId;

use super::Engine;
use crate::io::{Event, LinkId};
use crate::link::MAX_BEHIND;

impl Engine {
    /// Who is at the other end.
    pub(super) fn peer(&self, id: LinkId) -> Option<NodeId> {
        self.links.get(&id).map(|link| link.peer)
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
