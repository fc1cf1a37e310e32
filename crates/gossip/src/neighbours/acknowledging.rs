//! What a neighbour is told of what it sent: the machine for it, joined.

use rumormill_wire::Origin;

use super::Neighbours;
use crate::acks::{Input, Output};
use crate::io::{LinkId, Timestamp};
use crate::reconcile;
use crate::replica::Replica;
use crate::stats::bump;

impl Neighbours {
    /// A neighbour is to hear where we stand on an origin, at this time at the latest.
    pub(super) fn say(&mut self, id: LinkId, origin: Origin, at: Timestamp) {
        self.links.touch(id);
        self.acks.handle(self.now, Input::Say(id, origin, at));
    }

    /// Sends what is due.
    pub(super) fn ack_outputs(&mut self, replica: &Replica) {
        while let Some(output) = self.acks.poll_output() {
            match output {
                Output::Due(link) => {
                    let over = self.lists_are_over(link);
                    self.acks.handle(self.now, Input::Send { link, over });
                }
                Output::Lines { link, origins, more } => {
                    self.charge_list(link, origins.len());
                    self.send_listed_status(replica, link, &origins);
                    if more {
                        bump(&mut self.stats.status_overflow, 1);
                        // With a full store nothing of ours has changed, and yet it was not told all.
                        self.note_reconcile(replica, reconcile::Input::Unsent(link));
                        self.tell_reconcile(replica, reconcile::Input::Again { link, lacks_more: false });
                    }
                }
            }
        }
    }
}
