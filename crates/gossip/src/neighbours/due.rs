//! What is done when time has come.

use super::Neighbours;
use super::timer::Timer;
use crate::acks;
use crate::io::LinkId;
use crate::reconcile;
use crate::replica::Replica;
use crate::spread;

impl Neighbours {
    /// Time has come to what waits here, or may have.
    pub(crate) fn timeout(&mut self, replica: &Replica) {
        let mut compare = false;
        for timer in self.timers.take_due(self.now) {
            match timer {
                Timer::Pace(node) => self.ask_for_paced(replica, node),
                Timer::Feed(link) => self.links.touch(link),
                // It is told of the time in any case.
                Timer::Acks => {}
                Timer::Spread => self.tell_spread(replica, spread::Input::Timeout),
                Timer::Reconcile => compare = true,
            }
        }
        self.acks.handle(self.now, acks::Input::Timeout);
        // A summary says how much has a verdict, too, and would leave out the line that goes with it.
        if compare {
            self.tell_reconcile(replica, reconcile::Input::Timeout);
        }
        self.ack_outputs(replica);
    }

    /// Gives the links that an input concerned what they lack. The last thing that is done for an input.
    pub(crate) fn settle(&mut self, replica: &Replica) {
        self.feed_touched(replica);
        self.timers.set(Timer::Acks, self.acks.next_timeout());
    }

    /// Arms the timer of a link anew.
    pub(super) fn arm_link(&mut self, id: LinkId) {
        let feed = self.links.get(&id).and_then(|link| link.feed_at);
        self.timers.set(Timer::Feed(id), feed);
    }
}
