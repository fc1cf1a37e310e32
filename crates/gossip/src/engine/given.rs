//! Whether a link was given what this node wrote: what a process asks before it ends without a farewell.

use rumormill_wire::Origin;

use super::Engine;
use crate::io::LinkId;
use crate::stats::bump;

impl Engine {
    /// What we wrote and a neighbour was not given goes to it, without waiting for its turn.
    pub(super) fn give_own(&mut self) {
        let (me, now, limit) = (self.author.origin(), self.now, self.config.max_cursors);
        for id in self.links.everybody() {
            let Some(link) = self.links.get_mut(&id) else { continue };
            let Some(from) = link.unheard.left_out_from(&me) else { continue };
            if link.hold {
                link.pass(me, from);
            } else if !link.cursors.contains_key(&me) && !link.note_lacks(me, from, now, limit) {
                bump(&mut self.stats.cursor_overflow, 1);
            }
        }
    }

    /// Whether nothing of what this node wrote itself, under any incarnation, is still to be given to a link. A link that is
    /// not up has nothing to get; one on which the neighbour has not said yet what it has of us may lack all of it.
    #[must_use]
    pub fn all_given(&self, id: LinkId) -> bool {
        let Some(link) = self.links.get(&id) else { return true };
        let node = self.author.origin().node;
        let ours = Origin { node, ..Origin::MIN }..=Origin { node, ..Origin::MAX };
        // What the neighbour does not want now is not waited for; what passes to it is.
        let lacks = |(origin, cursor): (&Origin, &crate::link::Cursor)| {
            cursor.parked.is_none() && cursor.next < self.chains.wanted(origin)
        };
        let passed = link.passing.range(ours.clone()).next().is_none();
        link.answered_own && passed && !link.overflow && link.reading.is_none() && !link.cursors.range(ours).any(lacks)
    }
}
