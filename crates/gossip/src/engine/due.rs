//! What is done when time has come.

use super::Engine;
use super::timer::Timer;
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
                Timer::Status(link) | Timer::Feed(link) => self.links.touch(link),
                Timer::Spread => self.tell_spread(spread::Input::Timeout),
                Timer::Reconcile => compare = true,
            }
        }
        self.say_heard();
        // A summary says what was heard, too, and would leave out the line that goes with it.
        if compare {
            self.tell_reconcile(reconcile::Input::Timeout);
        }
        self.flush_status();
    }

    /// Arms the timers of a link anew.
    pub(super) fn arm_link(&mut self, id: LinkId) {
        let (status, feed) = self.links.get(&id).map_or((None, None), |link| (link.status_at(), link.feed_at));
        self.timers.set(Timer::Status(id), status);
        self.timers.set(Timer::Feed(id), feed);
    }
}
