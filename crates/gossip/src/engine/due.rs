//! What is done when time has come.

use super::Engine;
use super::timer::Timer;
use crate::acks;
use crate::author;
use crate::io::LinkId;
use crate::reconcile;
use crate::spread;

impl Engine {
    pub(super) fn run_timers(&mut self) {
        let mut compare = false;
        for timer in self.timers.take_due(self.now) {
            match timer {
                Timer::Author => self.tell_author(author::Input::Timeout),
                Timer::Pace(node) => self.ask_for_paced(node),
                Timer::Feed(link) => self.links.touch(link),
                // It is told of the time in any case.
                Timer::Acks => {}
                Timer::Spread => self.tell_spread(spread::Input::Timeout),
                Timer::Reconcile => compare = true,
            }
        }
        self.acks.handle(self.now, acks::Input::Timeout);
        // A summary says how much has a verdict, too, and would leave out the line that goes with it.
        if compare {
            self.tell_reconcile(reconcile::Input::Timeout);
        }
        self.ack_outputs();
    }

    /// Arms the timer of a link anew.
    pub(super) fn arm_link(&mut self, id: LinkId) {
        let feed = self.links.get(&id).and_then(|link| link.feed_at);
        self.timers.set(Timer::Feed(id), feed);
    }
}
