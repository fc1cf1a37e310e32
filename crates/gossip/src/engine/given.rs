//! Whether a link was given what this node wrote: what a process asks before it ends without a farewell.

use core::ops::RangeInclusive;

use rumormill_wire::Origin;

use super::Engine;
use crate::io::LinkId;
use crate::stats::bump;

impl Engine {
    /// Everything that this node wrote, under any incarnation.
    fn own(&self) -> RangeInclusive<Origin> {
        let node = self.author.origin().node;
        Origin { node, ..Origin::MIN }..=Origin { node, ..Origin::MAX }
    }

    /// What we wrote and a neighbour was not given goes to it, without waiting for its turn.
    pub(super) fn give_own(&mut self) {
        let (own, now, limit) = (self.own(), self.now, self.config.max_cursors);
        for id in self.links.everybody() {
            let Some(link) = self.links.get_mut(&id) else { continue };
            for (origin, from) in link.unheard.left_out_of(own.clone()).collect::<Vec<_>>() {
                if link.hold {
                    let room = link.pass(origin, from);
                    bump(&mut self.stats.passing_full, u64::from(!room));
                } else if !link.cursors.contains_key(&origin) && !link.note_lacks(origin, from, now, limit) {
                    bump(&mut self.stats.cursor_overflow, 1);
                }
            }
        }
    }

    /// Whether a link may lack something of what this node wrote itself: it was not given yet, or the neighbour does not want it now.
    #[must_use]
    pub fn lacks_own(&self, id: LinkId) -> bool {
        let Some(link) = self.links.get(&id) else { return false };
        let lacks = |(origin, cursor): (&Origin, &crate::link::Cursor)| cursor.next < self.logs.chains.wanted(origin);
        !self.all_given(id) || link.cursors.range(self.own()).any(lacks)
    }

    /// Whether a link was given something of what this node wrote itself that the neighbour has not said to have judged.
    #[must_use]
    pub fn unconfirmed_own(&self, id: LinkId) -> bool {
        self.links.get(&id).is_some_and(|link| link.unheard.is_on_its_way(self.own()))
    }

    /// Whether nothing of what this node wrote itself, under any incarnation, is still to be given to a link. A link that is
    /// not up has nothing to get; one on which the neighbour has not said yet what it has of us may lack all of it.
    #[must_use]
    pub fn all_given(&self, id: LinkId) -> bool {
        let Some(link) = self.links.get(&id) else { return true };
        let ours = self.own();
        // What the neighbour does not want now is not waited for; what passes to it is.
        let lacks = |(origin, cursor): (&Origin, &crate::link::Cursor)| {
            cursor.parked.is_none() && cursor.next < self.logs.chains.wanted(origin)
        };
        let passed = link.passing.range(ours.clone()).next().is_none();
        let left_out = !link.hold && link.unheard.left_out_of(ours.clone()).next().is_some();
        link.own_from.is_none()
            && passed
            && !left_out
            && !link.overflow
            && link.reading.is_none()
            && !link.cursors.range(ours).any(lacks)
    }
}
