//! What this node writes itself: under which origin, when it may, and what becomes of each message (ARCHITECTURE.md, "A message, from key to screen").
//!
//! [`Author`] is a machine of its own. Before the first message it hears what neighbours know of our node, and begins a new
//! incarnation where that is more than our store has: a number is never used twice. Messages wait until the commit before
//! returns, then go into one bundle; so an idle node sends one at once, and a loaded one shares the cost of signing. Each
//! message that was taken ends once: durable, or not written with the reason.

mod io;
mod queue;
mod recovery;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use rumormill_wire::native::{BundleBuilder, validate_message};
use rumormill_wire::{Clock, Incarnation, NetworkId, Origin, Seq};

pub use self::io::{ChainEnd, Input, Output};

use self::queue::{Pending, Queue};
use self::recovery::Recovery;
use crate::bundle::{Signer, VerifiedBundle, seal};
use crate::clock::HybridClock;
use crate::config::EngineConfig;
use crate::io::{Ask, Reject, Ticket, Timestamp};

/// So long a neighbour that says to know more of our chain may take to show a bundle of it, in microseconds: its store is read once, and
/// a bundle of ours is checked.
const PROOF_US: u64 = 5_000_000;

/// A bundle of ours on its way to the disk.
#[derive(Debug)]
struct InFlight {
    bundle: Arc<VerifiedBundle>,
    tickets: Vec<(Ticket, Clock)>,
}

/// The machine that writes our own chain.
pub struct Author {
    signer: Box<dyn Signer>,
    network: NetworkId,
    recovery_us: u64,
    origin: Origin,
    end: ChainEnd,
    clock: HybridClock,
    now: Timestamp,
    wall_offset: i64,
    recovery: Recovery,
    deadline: Option<Timestamp>,
    /// When the second is over that a new chain is named by.
    second_over: Option<Timestamp>,
    /// Until when a neighbour that knows more of our chain may show it.
    proof_until: Option<Timestamp>,
    queue: Queue,
    in_flight: Option<InFlight>,
    cut: Option<Seq>,
    forked: bool,
    full: bool,
    leaving: bool,
    busy: u64,
    not_followed: u64,
    output: VecDeque<Output>,
}

impl Author {
    /// An author of this origin, whose chain is empty until [`Input::End`] says otherwise.
    #[must_use]
    pub fn new(origin: Origin, signer: Box<dyn Signer>, config: &EngineConfig) -> Self {
        Self {
            signer,
            network: config.network,
            recovery_us: config.recovery_us,
            origin,
            end: ChainEnd::EMPTY,
            clock: HybridClock::default(),
            now: Timestamp(0),
            wall_offset: 0,
            recovery: Recovery::default(),
            deadline: None,
            second_over: None,
            proof_until: None,
            queue: Queue::new(config.max_pending, config.max_pending_bytes),
            in_flight: None,
            cut: None,
            forked: false,
            full: false,
            leaving: false,
            busy: 0,
            not_followed: 0,
            output: VecDeque::new(),
        }
    }

    /// Takes what happened; what is to be done about it comes from `poll_output`.
    ///
    /// # Errors
    /// [`Reject`]: a message that was submitted is not taken, and nothing changed.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Result<(), Reject> {
        self.now = now;
        match input {
            Input::WallOffset { offset, seen } => self.set_wall_offset(offset, seen),
            Input::Seen(clock) => {
                let followed = self.clock.observe(clock, self.wall_us());
                self.not_followed = self.not_followed.saturating_add(u64::from(!followed));
            }
            Input::Start(ask) => {
                self.recovery.start(ask);
                self.deadline = (!self.recovery.is_over()).then(|| now.plus(self.recovery_us));
                self.second_over = self.end_of_first_second(ask);
                self.end_recovery();
            }
            Input::Known { ours, theirs } => {
                let wall_s = self.wall_us() / 1_000_000;
                self.recovery.hear(self.origin, wall_s, ours, &theirs);
            }
            Input::Answered(node) => {
                self.recovery.answered(node);
                self.end_recovery();
            }
            Input::Incarnation(incarnation) => self.recovery.have(incarnation),
            Input::End(end) => self.end = end,
            Input::NotOurs => {
                self.begin("a neighbour has more of our chain than our store");
                // That is what we may have waited for.
                self.proof_until = self.proof_until.map(|_| now);
                self.end_recovery();
            }
            Input::Forked => self.fork(),
            Input::Cut(cut) => self.cut = cut,
            Input::Submit { ticket, kind, room, body } => {
                return self.submit(Pending { ticket, clock: Clock(0), kind, room, body });
            }
            Input::Committed => self.committed(),
            Input::Full => {
                self.full = true;
                let flying = self.in_flight.take().map(|own| own.tickets).unwrap_or_default();
                flying.into_iter().for_each(|(ticket, _)| self.not_written(ticket, Reject::StoreFull));
                self.give_up(Reject::StoreFull);
            }
            Input::Leaving => {
                self.leaving = true;
                self.give_up_unproven();
            }
            Input::Timeout => self.end_recovery(),
        }
        Ok(())
    }

    /// What is to be done; drain it until `None`. A bundle is closed when all else has been taken.
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.output.is_empty() {
            self.close();
        }
        self.output.pop_front()
    }

    /// When it wants [`Input::Timeout`]: neighbours had time enough to say what they know of our chain.
    #[must_use]
    pub const fn next_timeout(&self) -> Option<Timestamp> {
        self.deadline
    }

    /// Under which origin we write.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether messages are being written already, or still wait for neighbours' word.
    #[must_use]
    pub const fn recovered(&self) -> bool {
        self.recovery.is_over()
    }

    /// Whether a bundle of this origin is on its way to the disk.
    #[must_use]
    pub fn is_committing(&self, origin: &Origin) -> bool {
        self.in_flight.as_ref().is_some_and(|own| own.bundle.header().origin == *origin)
    }

    /// Messages of ours that were taken and are in no bundle yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Messages refused because too many waited, and clocks that were too far ahead to be followed.
    #[must_use]
    pub const fn counts(&self) -> (u64, u64) {
        (self.busy, self.not_followed)
    }

    const fn wall_us(&self) -> u64 {
        self.now.0.saturating_add_signed(self.wall_offset)
    }

    fn submit(&mut self, mut message: Pending) -> Result<(), Reject> {
        if self.full {
            return Err(Reject::StoreFull);
        }
        if self.waits_in_vain() {
            return Err(Reject::Leaving);
        }
        if self.is_cut() {
            return Err(Reject::Revoked);
        }
        validate_message(message.kind, &message.room, &message.body).map_err(Reject::Invalid)?;
        let wall = self.wall_us();
        let room = self.queue.has_room(message.body.len().saturating_add(message.room.len()));
        let Some(clock) = room.then(|| self.clock.tick(wall)).flatten() else {
            self.busy = self.busy.saturating_add(1);
            return Err(Reject::Busy);
        };
        message.clock = clock;
        self.queue.push(message);
        Ok(())
    }

    /// Our wall clock may have been put back by more than others would wait for. What we dated later than now stays where it
    /// is, and we go on in another chain; what waits is dated again.
    fn set_wall_offset(&mut self, offset: i64, seen: Option<Clock>) {
        let before = self.wall_us();
        self.wall_offset = offset;
        let wall = self.wall_us();
        let put_right = self.clock.put_back(before, wall);
        if let Some(seen) = seen {
            self.clock.observe(seen, wall);
        }
        // Our own may be further ahead.
        self.clock.resume(self.end.last_clock, wall);
        if put_right {
            let in_flight = self.in_flight.as_ref().map_or(Clock(0), |own| own.bundle.last_clock());
            if self.end.last_clock.max(in_flight).0 > wall {
                self.begin("our clock was put right, and our chain ends later");
            }
            self.queue.date_again(&mut self.clock, wall);
        }
    }

    fn end_recovery(&mut self) {
        if !self.recovery.is_complete() && self.deadline.is_none_or(|at| self.now < at) {
            return;
        }
        let proof = self.recovery.wants_proof(self.wall_us() / 1_000_000);
        if proof {
            let until = *self.proof_until.get_or_insert(self.now.plus(PROOF_US));
            if self.now < until {
                self.deadline = Some(until);
                return self.give_up_unproven();
            }
        }
        if let Some(over) = self.second_over.filter(|over| self.now < *over) {
            self.deadline = Some(over);
            return;
        }
        self.deadline = None;
        if self.recovery.end() && !proof {
            self.begin("neighbours know more of our chain than our store");
        }
    }

    /// When nothing can be written any more in the second that a new chain is named by: a life of ours of which nothing is left may have
    /// begun in it, too, and whoever heard of that need not be a neighbour now.
    fn end_of_first_second(&self, ask: Ask) -> Option<Timestamp> {
        let incarnation = self.origin.incarnation.0;
        let named_now = ask != Ask::Nobody && self.end.next == Seq::FIRST && incarnation == self.wall_us() / 1_000_000;
        let left = incarnation.saturating_add(1).saturating_mul(1_000_000).saturating_sub(self.wall_us());
        named_now.then(|| self.now.plus(left))
    }

    /// Begins a new chain. What waits to be written goes there.
    fn begin(&mut self, reason: &'static str) {
        let highest = self.recovery.highest().max(self.origin.incarnation.0);
        let incarnation = highest.saturating_add(1).max(self.wall_us() / 1_000_000);
        self.origin = Origin { incarnation: Incarnation(incarnation), ..self.origin };
        (self.end, self.forked) = (ChainEnd::EMPTY, false);
        self.output.push_back(Output::NewIncarnation { origin: self.origin, reason });
    }

    /// At a start it is told before neighbours had their word: then the next message begins the new chain.
    fn fork(&mut self) {
        self.forked = true;
        if self.recovery.is_over() {
            self.begin("our chain has two branches");
        }
    }

    /// Puts what waits into a bundle, unless one is being committed.
    fn close(&mut self) {
        let Some(first) = self.queue.first_clock() else { return };
        if self.is_cut() {
            return self.give_up(Reject::Revoked);
        }
        if !self.recovery.is_over() || self.full || self.in_flight.is_some() {
            return;
        }
        if self.forked {
            return self.begin("our chain has two branches");
        }
        if first <= self.end.last_clock {
            return self.begin("our chain ends later than our clock, which must have been set back");
        }
        let mut builder = BundleBuilder::new(self.origin, self.end.next, self.end.digest);
        let tickets = self.queue.fill(&mut builder);
        if tickets.is_empty() {
            return;
        }
        let bundle = seal(builder, first, self.signer.as_ref(), &self.network);
        self.in_flight = Some(InFlight { bundle: Arc::clone(&bundle), tickets });
        self.output.push_back(Output::Append(bundle));
    }

    fn committed(&mut self) {
        let Some(InFlight { bundle, tickets }) = self.in_flight.take() else { return };
        // We may have left that chain meanwhile.
        if bundle.header().origin == self.origin {
            let next = bundle.header().next();
            self.end = ChainEnd { next, digest: bundle.digest(), last_clock: bundle.last_clock() };
        }
        self.recovery.have(bundle.header().origin.incarnation.0);
        self.output.push_back(Output::Durable { bundle, tickets });
    }

    /// Whether a revocation leaves out what we would write now.
    fn is_cut(&self) -> bool {
        self.cut.is_some_and(|cut| self.end.next >= cut)
    }

    fn give_up(&mut self, reason: Reject) {
        let waiting: Vec<_> = self.queue.take().collect();
        waiting.into_iter().for_each(|ticket| self.not_written(ticket, reason));
    }

    /// Who leaves does not wait for what a neighbour says to know of our chain.
    const fn waits_in_vain(&self) -> bool {
        self.leaving && self.proof_until.is_some() && !self.recovery.is_over()
    }

    fn give_up_unproven(&mut self) {
        if self.waits_in_vain() {
            self.give_up(Reject::Leaving);
        }
    }

    fn not_written(&mut self, ticket: Ticket, reason: Reject) {
        self.output.push_back(Output::NotWritten { ticket, reason });
    }
}

impl core::fmt::Debug for Author {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Author").field("origin", &self.origin).field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}
