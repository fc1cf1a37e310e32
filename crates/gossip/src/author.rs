//! What this node writes itself: messages wait until the commit before returns, then go into one bundle (ARCHITECTURE.md,
//! "A message, from key to screen"). So an idle node sends one at once, and a loaded one shares the cost of signing.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use rumormill_wire::native::{BundleBuilder, InvalidMessage, MessageKind, validate_message};
use rumormill_wire::{Clock, Digest, NetworkId, Origin, Seq};

use crate::bundle::{Signer, VerifiedBundle, seal};
use crate::clock::HybridClock;
use crate::io::Ticket;

/// One message that waits.
#[derive(Debug)]
struct Pending {
    ticket: Ticket,
    clock: Clock,
    kind: MessageKind,
    room: String,
    body: Bytes,
}

/// A bundle of ours on its way to the disk.
#[derive(Debug)]
pub struct InFlight {
    /// The bundle.
    pub bundle: Arc<VerifiedBundle>,
    /// Its append's number.
    pub append: u64,
    /// Tickets and clocks of its messages, in order.
    pub tickets: Vec<(Ticket, Clock)>,
}

/// The queue of our own messages and the one bundle that is being committed.
#[derive(Debug)]
pub struct Author {
    /// Under which origin we write.
    pub origin: Origin,
    pending: VecDeque<Pending>,
    pending_bytes: usize,
    max_pending: usize,
    max_pending_bytes: usize,
    /// The bundle being committed.
    pub in_flight: Option<InFlight>,
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// Too many wait.
    Busy,
    /// It can be no message.
    Invalid(InvalidMessage),
}

impl Author {
    /// An author under this origin.
    #[must_use]
    pub const fn new(origin: Origin, max_pending: usize, max_pending_bytes: usize) -> Self {
        Self { origin, pending: VecDeque::new(), pending_bytes: 0, max_pending, max_pending_bytes, in_flight: None }
    }

    /// Queues a message. It is dated now: what is read between now and its commit is not what it answers.
    ///
    /// # Errors
    /// [`NotTaken`]; nothing changed then.
    pub fn submit(
        &mut self,
        ticket: Ticket,
        (kind, room, body): (MessageKind, String, Bytes),
        clock: &mut HybridClock,
        wall_us: u64,
    ) -> Result<(), NotTaken> {
        validate_message(kind, &room, &body).map_err(NotTaken::Invalid)?;
        let bytes = self.pending_bytes.saturating_add(body.len()).saturating_add(room.len());
        if self.pending.len() >= self.max_pending || (bytes > self.max_pending_bytes && !self.pending.is_empty()) {
            return Err(NotTaken::Busy);
        }
        let clock = clock.tick(wall_us).ok_or(NotTaken::Busy)?;
        self.pending_bytes = bytes;
        self.pending.push_back(Pending { ticket, clock, kind, room, body });
        Ok(())
    }

    /// Dates what waits anew, in its order.
    pub fn date_again(&mut self, clock: &mut HybridClock, wall_us: u64) {
        for message in &mut self.pending {
            message.clock = clock.tick(wall_us).unwrap_or(message.clock);
        }
    }

    /// Whether something waits and nothing is in flight.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.in_flight.is_none() && !self.pending.is_empty()
    }

    /// When the first message that waits was dated.
    #[must_use]
    pub fn first_clock(&self) -> Option<Clock> {
        self.pending.front().map(|message| message.clock)
    }

    /// Messages that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// Lets go of all that is not durable, the bundle in flight included, and names the tickets.
    pub fn give_up(&mut self) -> Vec<Ticket> {
        self.pending_bytes = 0;
        let flying = self.in_flight.take().map(|own| own.tickets).unwrap_or_default();
        let waiting = core::mem::take(&mut self.pending);
        flying.into_iter().map(|(ticket, _)| ticket).chain(waiting.into_iter().map(|message| message.ticket)).collect()
    }

    /// Lets go of what waits for a bundle, and names the tickets.
    pub fn give_up_waiting(&mut self) -> Vec<Ticket> {
        self.pending_bytes = 0;
        core::mem::take(&mut self.pending).into_iter().map(|message| message.ticket).collect()
    }

    /// Puts what waits into a bundle behind `next` and `previous`; it becomes the one in flight.
    pub fn close(
        &mut self,
        (next, previous, append): (Seq, Digest, u64),
        (signer, network): (&dyn Signer, &NetworkId),
    ) -> Option<Arc<VerifiedBundle>> {
        let mut builder = BundleBuilder::new(self.origin, next, previous);
        let mut tickets = Vec::new();
        while let Some(message) = self.pending.front() {
            if builder.push(message.clock, message.kind, &message.room, &message.body).is_err() {
                break;
            }
            tickets.push((message.ticket, message.clock));
            let bytes = message.body.len().saturating_add(message.room.len());
            self.pending_bytes = self.pending_bytes.saturating_sub(bytes);
            self.pending.pop_front();
        }
        let (_, first_clock) = tickets.first().copied()?;
        let bundle = seal(builder, first_clock, signer, network);
        self.in_flight = Some(InFlight { bundle: Arc::clone(&bundle), append, tickets });
        Some(bundle)
    }
}
