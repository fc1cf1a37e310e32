//! Whether a link was given what this node wrote: what a process asks before it ends without a farewell.

use core::ops::RangeInclusive;

use rumormill_wire::Origin;

use super::Neighbours;
use crate::io::LinkId;
use crate::replica::Replica;
use crate::stats::bump;

impl Neighbours {
    /// Everything that this node wrote, under any incarnation.
    fn own(&self, replica: &Replica) -> RangeInclusive<Origin> {
        let node = replica.author().origin().node;
        Origin { node, ..Origin::MIN }..=Origin { node, ..Origin::MAX }
    }

    /// What we wrote and a neighbour was not given goes to it, without waiting for its turn.
    pub(crate) fn give_own(&mut self, replica: &Replica) {
        let (own, now, limit) = (self.own(replica), self.now, self.config.max_cursors);
        for id in self.links.everybody() {
            let Some(link) = self.links.get_mut(&id) else { continue };
            for (origin, from) in link.unacked.left_out_of(own.clone()).collect::<Vec<_>>() {
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
    pub(crate) fn lacks_own(&self, replica: &Replica, id: LinkId) -> bool {
        let Some(link) = self.links.get(&id) else { return false };
        let lacks =
            |(origin, cursor): (&Origin, &crate::link::Cursor)| cursor.next < replica.logs().chains.wanted(origin);
        !self.all_given(replica, id) || link.cursors.range(self.own(replica)).any(lacks)
    }

    /// Whether a link was given something of what this node wrote itself that the neighbour has not said to have judged.
    pub(crate) fn unconfirmed_own(&self, replica: &Replica, id: LinkId) -> bool {
        self.links.get(&id).is_some_and(|link| link.unacked.is_on_its_way(self.own(replica)))
    }

    /// Whether nothing of what this node wrote itself, under any incarnation, is still to be given to a link. A link that is
    /// not up has nothing to get; one on which the neighbour has not said yet what it has of us may lack all of it.
    pub(crate) fn all_given(&self, replica: &Replica, id: LinkId) -> bool {
        let Some(link) = self.links.get(&id) else { return true };
        let ours = self.own(replica);
        // What the neighbour does not want now is not waited for; what passes to it is.
        let lacks = |(origin, cursor): (&Origin, &crate::link::Cursor)| {
            cursor.parked.is_none() && cursor.next < replica.logs().chains.wanted(origin)
        };
        let passed = link.passing.range(ours.clone()).next().is_none();
        let left_out = !link.hold && link.unacked.left_out_of(ours.clone()).next().is_some();
        link.own_from.is_none()
            && passed
            && !left_out
            && !link.overflow
            && link.reading.is_none()
            && !link.cursors.range(ours).any(lacks)
    }
}
