//! Our own chain: when we may write, under which incarnation, and what follows a commit (ARCHITECTURE.md, "Decisions that shape the rest").

use bytes::Bytes;
use rumormill_wire::native::{MessageKind, StatusEntry};
use rumormill_wire::{Digest, Incarnation, Origin, Seq};

use super::Engine;
use super::timer::Timer;
use crate::author::NotTaken;
use crate::chain::Chain;
use crate::io::{Event, LinkId, Reject, Ticket};
use crate::stats::bump;

/// A claimed incarnation later than this after our wall clock is not believed, in seconds.
const MAX_INCARNATION_AHEAD_S: u64 = 86_400;

impl Engine {
    pub(super) fn start(&mut self, neighbours: usize) {
        self.recovery.neighbours = neighbours;
        self.recovery.started = true;
        if !self.recovery.over {
            self.timers.set(Timer::Recovery, Some(self.now.plus(self.config.recovery_us)));
        }
        self.arm_comparison();
        self.recovery_progress();
    }

    /// A neighbour said what it knows of our node's origins. Its word is not signed, so it counts once a start, and
    /// makes us leave a chain, never write into one.
    pub(super) fn own_known(&mut self, id: LinkId, entries: impl Iterator<Item = StatusEntry>) {
        let me = self.author.origin;
        let ours = self.chains.get(&me).and_then(|chain| chain.entry(me));
        let (our_next, our_head) = ours.map_or((Seq::FIRST, None), |entry| (entry.next, Some(entry.head)));
        let believed = (self.wall_us() / 1_000_000).saturating_add(MAX_INCARNATION_AHEAD_S);
        for entry in entries.filter(|entry| entry.origin.node == me.node) {
            let incarnation = entry.origin.incarnation.0;
            if incarnation <= believed {
                self.recovery.highest = self.recovery.highest.max(incarnation);
            }
            let same = entry.origin == me;
            let forked = entry.next == our_next && our_head.is_some_and(|head| head != entry.head);
            self.recovery.ahead |= (same && (entry.next > our_next || forked))
                || (incarnation > me.incarnation.0 && incarnation <= believed);
        }
        if let Some(link) = self.links.get_mut(&id).filter(|link| !link.answered_own) {
            link.answered_own = true;
            self.recovery.answered = self.recovery.answered.saturating_add(1);
            self.recovery_progress();
        }
    }

    fn recovery_progress(&mut self) {
        if self.recovery.started && !self.recovery.over && self.recovery.answered >= self.recovery.neighbours {
            self.end_recovery();
        }
    }

    pub(super) fn end_recovery(&mut self) {
        self.timers.set(Timer::Recovery, None);
        self.recovery.over = true;
        if self.recovery.ahead {
            self.new_incarnation("neighbours know more of our chain than our store");
        }
    }

    /// Begins a new chain. What waits to be written goes there.
    pub(super) fn new_incarnation(&mut self, reason: &'static str) {
        let me = self.author.origin;
        let node = me.node;
        let known = self.chains.range(Origin { node, ..Origin::MIN }, Origin { node, ..Origin::MAX });
        let highest = known.map(|(origin, _)| origin.incarnation.0).max().unwrap_or(0);
        let highest = highest.max(me.incarnation.0).max(self.recovery.highest);
        let incarnation = highest.saturating_add(1).max(self.wall_us() / 1_000_000);
        self.author.origin = Origin { node, incarnation: Incarnation(incarnation) };
        self.event(Event::NewIncarnation { origin: self.author.origin, reason });
    }

    /// Our wall clock was put back by more than others would wait for. What we dated later than now stays where it is, and
    /// we go on in another chain; what waits is dated again.
    pub(super) fn clock_put_right(&mut self, wall: u64) {
        let chain = self.chains.get(&self.author.origin).map(|chain| chain.last_clock);
        let in_flight = self.author.in_flight.as_ref().map(|own| own.bundle.last_clock());
        if chain.max(in_flight).is_some_and(|last| last.0 > wall) {
            self.new_incarnation("our clock was put right, and our chain ends later");
        }
        self.author.date_again(&mut self.clock, wall);
    }

    pub(super) fn submit(
        &mut self,
        ticket: Ticket,
        kind: MessageKind,
        room: String,
        body: Bytes,
    ) -> Result<(), Reject> {
        if self.store_full {
            return Err(Reject::StoreFull);
        }
        if self.is_cut() {
            return Err(Reject::Revoked);
        }
        let wall = self.wall_us();
        self.author.submit(ticket, (kind, room, body), &mut self.clock, wall).map_err(|why| match why {
            NotTaken::Invalid(reason) => Reject::Invalid(reason),
            NotTaken::Busy => {
                bump(&mut self.stats.submit_busy, 1);
                Reject::Busy
            }
        })
    }

    /// Puts what waits into a bundle, unless one is being committed: idle, one message goes at once.
    pub(super) fn close_own_bundle(&mut self) {
        if self.author.waiting() > 0 && self.is_cut() {
            let waiting = self.author.give_up_waiting();
            self.tell_not_written(waiting, Reject::Revoked);
        }
        if !self.recovery.over || self.store_full || !self.author.ready() {
            return;
        }
        let ends_later = |chain: &Chain| self.author.first_clock().is_some_and(|first| first <= chain.last_clock);
        if self.chains.get(&self.author.origin).is_some_and(ends_later) {
            self.new_incarnation("our chain ends later than our clock, which must have been set back");
        }
        if self.fork_place(&self.author.origin).is_some() {
            self.new_incarnation("our chain has two branches");
        }
        let me = self.author.origin;
        let (next, digest) =
            self.chains.get(&me).map_or((Seq::FIRST, Digest::ZERO), |chain| (chain.next, chain.digest));
        let place = (next, digest, self.appends.saturating_add(1));
        let by = (self.signer.as_ref(), &self.config.network);
        if let Some(bundle) = self.author.close(place, by) {
            self.append(&bundle);
        }
    }

    /// Whether a revocation leaves out what we would write now.
    fn is_cut(&self) -> bool {
        let me = self.author.origin;
        let cut = self.revocations.limit(&me);
        cut.is_some_and(|cut| self.chains.get(&me).map_or(Seq::FIRST, |chain| chain.next) >= cut)
    }

    pub(super) fn commit(&mut self, appends: u64) {
        self.uncommitted.commit(appends);
        self.committed = self.committed.max(appends);
        self.cache.commit(appends);
        self.release_owed();
        let Some(own) = self.author.in_flight.take_if(|own| own.append <= appends) else { return };
        let header = own.bundle.header();
        self.chains.advance(own.bundle.signed_header(), own.bundle.digest(), own.bundle.last_clock());
        self.cache.insert(own.bundle.clone(), own.append);
        let mut seq = header.first;
        for (ticket, clock) in &own.tickets {
            self.event(Event::Durable { ticket: *ticket, origin: header.origin, seq, clock: *clock });
            seq = Seq(seq.0.saturating_add(1));
        }
        bump(&mut self.stats.messages_own, u64::from(header.count));
        self.new_for_all(&own.bundle, &[]);
        self.spread(header.origin, header.first, &[]);
    }
}
