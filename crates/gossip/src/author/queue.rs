//! Our own messages that wait for a bundle.

use std::collections::VecDeque;

use bytes::Bytes;
use rumormill_wire::Clock;
use rumormill_wire::native::{BundleBuilder, MessageKind};

use crate::clock::HybridClock;
use crate::io::Ticket;

/// One message that waits.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) ticket: Ticket,
    pub(super) clock: Clock,
    pub(super) kind: MessageKind,
    pub(super) room: String,
    pub(super) body: Bytes,
}

impl Pending {
    fn bytes(&self) -> usize {
        self.body.len().saturating_add(self.room.len())
    }
}

/// Messages in their order, bounded by number and by bytes. One alone always fits.
#[derive(Debug)]
pub(super) struct Queue {
    pending: VecDeque<Pending>,
    bytes: usize,
    most: usize,
    most_bytes: usize,
}

impl Queue {
    pub(super) const fn new(most: usize, most_bytes: usize) -> Self {
        Self { pending: VecDeque::new(), bytes: 0, most, most_bytes }
    }

    /// Whether a message of so many bytes finds room.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let bytes = self.bytes.saturating_add(bytes);
        self.pending.len() < self.most && (bytes <= self.most_bytes || self.pending.is_empty())
    }

    pub(super) fn push(&mut self, message: Pending) {
        self.bytes = self.bytes.saturating_add(message.bytes());
        self.pending.push_back(message);
    }

    /// Dates all anew, in their order.
    pub(super) fn date_again(&mut self, clock: &mut HybridClock, wall_us: u64) {
        for message in &mut self.pending {
            message.clock = clock.tick(wall_us).unwrap_or(message.clock);
        }
    }

    /// When the first was dated.
    pub(super) fn first_clock(&self) -> Option<Clock> {
        self.pending.front().map(|message| message.clock)
    }

    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Moves as many as it takes into a bundle, and names their tickets and clocks.
    pub(super) fn fill(&mut self, builder: &mut BundleBuilder) -> Vec<(Ticket, Clock)> {
        let mut tickets = Vec::new();
        while let Some(message) = self.pending.pop_front() {
            if builder.push(message.clock, message.kind, &message.room, &message.body).is_err() {
                self.pending.push_front(message);
                break;
            }
            self.bytes = self.bytes.saturating_sub(message.bytes());
            tickets.push((message.ticket, message.clock));
        }
        tickets
    }

    /// Lets go of all, and names the tickets.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Ticket> {
        self.bytes = 0;
        core::mem::take(&mut self.pending).into_iter().map(|message| message.ticket)
    }
}
