//! What waits for one address, and whether it may be dialled.

use std::collections::VecDeque;
use std::time::Duration;

use rumormill_limits::{Backoff, Timestamp, Turns};

use super::links::OutgoingFrame;
use crate::port::Author;

/// Frames that wait for one address: what a person writes in an hour, in 2 MB at most. Beyond that, whose most are there loses
/// his oldest message.
pub(super) const MAX_QUEUE: usize = 1_024;
/// Connections that the legacy program takes in its whole life: its array has no more.
pub(super) const PLACES: u32 = 3;
/// Dials in vain before what waits is given up.
pub(super) const MAX_TRIES: u32 = 5;
/// The longest wait between two dials, in periods.
const MAX_BACKOFF: u32 = 12;

/// What waits for one address: messages, each of one or more frames, whose authors take turns. A message that was begun is
/// written to its end before the next.
#[derive(Debug)]
pub(super) struct FrameQueue<T> {
    begun: VecDeque<OutgoingFrame<T>>,
    turns: Turns<Author, Vec<OutgoingFrame<T>>>,
}

impl<T> FrameQueue<T> {
    pub(super) const fn new() -> Self {
        Self { begun: VecDeque::new(), turns: Turns::new(MAX_QUEUE, MAX_QUEUE) }
    }

    /// Frames that wait, of all authors.
    pub(super) fn len(&self) -> usize {
        self.begun.len().saturating_add(self.turns.size())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.begun.is_empty() && self.turns.is_empty()
    }

    /// A message comes; the frames that are lost for it.
    pub(super) fn push(&mut self, author: Author, message: Vec<OutgoingFrame<T>>) -> Vec<OutgoingFrame<T>> {
        let frames = message.len();
        self.turns.push(author, message, frames).into_iter().flatten().collect()
    }

    /// The oldest message of whose most are here.
    pub(super) fn lose(&mut self) -> Option<Vec<OutgoingFrame<T>>> {
        self.turns.lose()
    }

    pub(super) fn pop(&mut self) -> Option<OutgoingFrame<T>> {
        if self.begun.is_empty() {
            self.begun.extend(self.turns.pop().unwrap_or_default());
        }
        self.begun.pop_front()
    }

    /// This one was not written whole.
    pub(super) fn put_back(&mut self, frame: OutgoingFrame<T>) {
        self.begun.push_front(frame);
    }

    /// All that waits, which waits no longer.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = OutgoingFrame<T>> {
        self.begun.drain(..).chain(self.turns.drain().flatten())
    }
}

/// The program at one address: what waits for it, and whether it may be dialled.
#[derive(Debug)]
pub(super) struct LegacyNode<T> {
    /// Where it is dialled.
    pub(super) port: u16,
    /// Named in the settings: it gets the room's lines, and is dialled for them.
    pub(super) configured: bool,
    pub(super) queue: FrameQueue<T>,
    /// Since when something waits.
    pub(super) since: Timestamp,
    /// A dial is under way.
    pub(super) dialling: bool,
    /// Who waits to hear what becomes of it.
    pub(super) probes: Vec<T>,
    /// Places at the other program that we have not used up.
    pub(super) places: u32,
    /// Dials in vain for what waits now.
    pub(super) tries: u32,
    /// Dials in vain, or links that did not last, one after the other.
    retry: Backoff,
    /// No dial before this.
    pub(super) retry_at: Timestamp,
    /// When to look again.
    pub(super) wake: Option<Timestamp>,
}

impl<T> LegacyNode<T> {
    pub(super) fn new(port: u16, configured: bool, period: Duration) -> Self {
        Self {
            port,
            configured,
            queue: FrameQueue::new(),
            since: Timestamp::ZERO,
            dialling: false,
            probes: Vec::new(),
            places: PLACES,
            tries: 0,
            retry: Backoff::new(period, period.saturating_mul(MAX_BACKOFF)),
            retry_at: Timestamp::ZERO,
            wake: None,
        }
    }

    /// Whether something waits or is under way.
    pub(super) fn is_at_work(&self) -> bool {
        !self.queue.is_empty() || self.dialling
    }

    /// Whether nothing is lost if this is forgotten.
    pub(super) fn is_plain(&self) -> bool {
        !self.configured && !self.is_at_work() && self.places == PLACES && self.retry.is_fresh()
    }

    /// A dial came to nothing. If nobody listens, who does so next has all its places.
    pub(super) fn dial_failed(&mut self, nobody_listens: bool, now: Timestamp) {
        self.dialling = false;
        if nobody_listens {
            self.places = PLACES;
        }
        self.tries = if self.queue.is_empty() { 0 } else { self.tries.saturating_add(1) };
        self.retry_at = now.after(self.retry.step());
    }

    /// It took our dial, which uses up one of the few connections that it takes.
    pub(super) fn dial_succeeded(&mut self) {
        self.dialling = false;
        self.places = self.places.saturating_sub(1);
    }

    /// A link that we had dialled has ended. The legacy program never closes one while it lives: if they did, and not at
    /// once, that was its end, and the next has that place again.
    pub(super) fn link_ended(&mut self, lasted: Duration, by_them: bool, period: Duration, now: Timestamp) {
        if lasted < period {
            self.retry_at = now.after(self.retry.step());
            return;
        }
        self.retry.reset();
        if by_them {
            self.places = self.places.saturating_add(1).min(PLACES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(5);

    #[test]
    fn each_dial_in_vain_is_followed_by_a_longer_wait() {
        let mut peer = LegacyNode::<()>::new(1, true, PERIOD);
        let waits: Vec<_> = (0..6)
            .map(|_| {
                peer.dial_failed(true, Timestamp::ZERO);
                peer.retry_at.since_zero().as_secs()
            })
            .collect();
        assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
        (0..100).for_each(|_| peer.dial_failed(false, Timestamp::ZERO));
        assert_eq!(peer.retry_at.since_zero().as_secs(), 60);
    }

    #[test]
    fn places_come_back_only_with_a_new_program() {
        let mut peer = LegacyNode::<()>::new(1, true, PERIOD);
        (0..3).for_each(|_| peer.dial_succeeded());
        assert_eq!(peer.places, 0);
        peer.link_ended(PERIOD / 2, true, PERIOD, Timestamp::at(PERIOD));
        assert_eq!((peer.places, peer.retry_at), (0, Timestamp::at(2 * PERIOD)));
        peer.link_ended(PERIOD, false, PERIOD, Timestamp::at(PERIOD));
        assert_eq!(peer.places, 0);
        peer.link_ended(PERIOD, true, PERIOD, Timestamp::at(PERIOD));
        assert_eq!(peer.places, 1);
        peer.dial_failed(true, Timestamp::at(PERIOD));
        assert_eq!(peer.places, PLACES);
    }
}
