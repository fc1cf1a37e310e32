//! The timers of the engine, in one table.

use rumormill_wire::NodeId;

use super::Engine;
use crate::io::LinkId;
use crate::spread;

/// What time comes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Neighbours had time enough to say what they know of our own chain.
    Recovery,
    /// A comparison with somebody.
    Compare,
    /// What waits for the pace of this author may be asked for.
    Pace(NodeId),
    /// A STATUS to this link is due.
    Status(LinkId),
    /// This link may be given what waited for an author's pace or for its node's share.
    Feed(LinkId),
    /// The machine that spreads what is new.
    Spread,
}

impl Engine {
    pub(super) fn run_timers(&mut self) {
        for timer in self.timers.take_due(self.now) {
            match timer {
                Timer::Recovery => self.end_recovery(),
                Timer::Compare => self.compare_with_somebody(),
                Timer::Pace(node) => self.ask_for_paced(node),
                Timer::Status(link) | Timer::Feed(link) => self.links.touch(link),
                Timer::Spread => self.tell_spread(spread::Input::Timeout),
            }
        }
        self.flush_status();
    }

    /// Arms the timers of a link anew.
    pub(super) fn arm_link(&mut self, id: LinkId) {
        let (status, feed) = self.links.get(&id).map_or((None, None), |link| (link.dirty_at, link.feed_at));
        self.timers.set(Timer::Status(id), status);
        self.timers.set(Timer::Feed(id), feed);
    }
}
