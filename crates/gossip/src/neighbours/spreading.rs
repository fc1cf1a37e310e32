//! What the machine that spreads says, done: cursors for those who are to be given something.

use rumormill_wire::{Origin, Seq};

use super::Neighbours;
use super::timer::Timer;
use crate::io::LinkId;
use crate::link::{Cursor, Parked};
use crate::replica::Replica;
use crate::spread::{Input, Output};
use crate::stats::bump;

impl Neighbours {
    /// Tells the machine that spreads, and does what it says.
    pub(super) fn tell_spread(&mut self, replica: &Replica, input: Input) {
        self.spread.handle(self.now, self.rng.as_mut(), input);
        while let Some(output) = self.spread.poll_output() {
            match output {
                Output::Give { link, origin, first } => self.give_new(replica, link, origin, first),
                Output::Monger { link, origin } => self.monger(replica, link, origin),
            }
        }
        self.timers.set(Timer::Spread, self.spread.next_timeout());
    }

    /// A bundle is new here: those who lack it get it.
    pub(super) fn spread(&mut self, replica: &Replica, origin: Origin, first: Seq, from: &[LinkId]) {
        if self.spread.leaves_out() {
            self.new_to_neighbours(replica, origin, first, from);
        }
        self.tell_spread(replica, Input::Fresh { origin, first, from: from.to_vec() });
    }

    /// What is new goes to a neighbour, unless it has it.
    fn give_new(&mut self, replica: &Replica, id: LinkId, origin: Origin, first: Seq) {
        let (now, limit) = (self.now, self.config.max_cursors);
        if self.claims.has(id, &origin, replica.logs().chains.wanted(&origin)) {
            return;
        }
        let Some(link) = self.links.visit(&id) else { return };
        // A neighbour that keeps nothing more lacks it from then on, and lets it pass.
        if link.hold && !link.pass(origin, first) {
            bump(&mut self.stats.passing_full, 1);
        }
        if link.cursors.contains_key(&origin) {
            return;
        }
        if link.hold {
            link.note_held(origin, first, now, limit);
        } else if !link.note_lacks(origin, first, now, limit) {
            bump(&mut self.stats.cursor_overflow, 1);
        }
    }

    /// A neighbour is brought up to date on an origin and asked where it stands.
    fn monger(&mut self, replica: &Replica, id: LinkId, origin: Origin) {
        let ours = replica.logs().chains.wanted(&origin);
        let first = replica.logs().chains.get(&origin).and_then(|chain| chain.head).map(|head| head.header.first);
        let (now, limit) = (self.now, self.config.max_cursors);
        let has = self.claims.has(id, &origin, ours);
        let Some(link) = self.links.visit(&id) else { return };
        let on_its_way = link.unacked.on_its_way(&origin).is_some_and(|next| next >= ours);
        match link.cursors.get_mut(&origin) {
            // What it does not want is not brought again, but what is new passes.
            Some(Cursor { parked: Some(Parked::Peer), .. }) if link.hold => {
                link.pass(origin, first.unwrap_or(Seq::FIRST));
            }
            Some(Cursor { parked: Some(Parked::Peer), .. }) => {}
            Some(_) => link.go_on(&origin),
            None if has || on_its_way => self.ask_status(replica, id, origin),
            None => {
                if let Some(first) = first.filter(|_| link.hold) {
                    link.note_held(origin, first.min(ours), now, limit);
                    link.pass(origin, first);
                } else if let Some(first) = first {
                    link.note_lacks(origin, first.min(ours), now, limit);
                }
            }
        }
    }
}
