//! Legacy peers take at most ninety datagrams a second, and what is behind a burst is lost: each receiver has a queue, and one
//! datagram leaves it every 12.5 ms. No queue holds more than so many, and authors take turns in it: where there is no more room,
//! whose most are there loses his oldest. What is lost is counted.
//!
//! A machine without IO or clock: [`Pacer::handle`] takes what happened and the time; after each call [`Pacer::poll_output`] is
//! drained. A datagram comes out only when there is room for one ([`Input::Writable`]); the next may go at
//! [`Pacer::next_timeout`].

mod input;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rumormill_limits::{Timestamp, Turns};

pub(super) use input::{Datagram, Input, Output, Receivers, Reject};

use crate::port::Author;

/// Between two datagrams to one receiver.
pub(super) const GAP: Duration = Duration::from_micros(12_500);
/// Datagrams that wait for one receiver: three seconds of them.
pub(super) const MAX_QUEUE: usize = 256;
/// Messages that wait for somebody. Beyond that, whose most are there loses his oldest.
pub(super) const MAX_MESSAGES: usize = 512;
/// Of them those whose last datagram has come out and was not yet sent.
const IN_FLIGHT: usize = 1;

/// What waits for one receiver.
type ReceiverQueue = Turns<Author, (u64, Arc<[u8]>)>;

/// What goes to one receiver.
#[derive(Debug)]
struct Lane {
    queue: ReceiverQueue,
    /// When the next may go.
    ready: Timestamp,
}

/// What has become of a message so far.
#[derive(Debug)]
struct Fate<D> {
    author: Author,
    /// Datagrams that wait or are on their way.
    left: usize,
    /// Datagrams that the system took.
    sent: usize,
    done: D,
}

/// Queues by receiver. `D` is what the sender of a message is told by.
#[derive(Debug)]
pub(super) struct Pacer<D> {
    lanes: BTreeMap<SocketAddr, Lane>,
    /// Lanes with something in them, or still within their gap, by when they may go on.
    agenda: BTreeSet<(Timestamp, SocketAddr)>,
    messages: BTreeMap<u64, Fate<D>>,
    /// The messages of each author, by number: the lowest is the oldest.
    authors: BTreeMap<Author, BTreeSet<u64>>,
    next: u64,
    outputs: VecDeque<Output<D>>,
}

impl<D> Default for Pacer<D> {
    fn default() -> Self {
        Self {
            lanes: BTreeMap::new(),
            agenda: BTreeSet::new(),
            messages: BTreeMap::new(),
            authors: BTreeMap::new(),
            next: 0,
            outputs: VecDeque::new(),
        }
    }
}

impl<D> Pacer<D> {
    /// Takes what happened; what is to be done about it comes from `poll_output`.
    ///
    /// # Errors
    /// A datagram was said to be sent that is none of ours; nothing has changed.
    pub(super) fn handle(&mut self, now: Timestamp, input: Input<D>) -> Result<(), Reject> {
        match input {
            Input::Send { author, receivers, done } => self.send(now, author, receivers, done),
            Input::Other { to } => self.other(now, to),
            Input::Writable => {
                let next = self.next(now);
                self.outputs.extend(next.map(Output::Datagram));
            }
            Input::Sent { message, sent } => {
                self.messages.get(&message).ok_or(Reject::UnknownMessage(message))?;
                self.sent(message, sent);
            }
            Input::Gone { to } => self.gone(to),
        }
        Ok(())
    }

    /// What is to be done; to be drained until `None`.
    pub(super) fn poll_output(&mut self) -> Option<Output<D>> {
        self.outputs.pop_front()
    }

    /// When a datagram may go, if the socket takes one.
    #[must_use]
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.agenda.first().map(|(at, _)| *at)
    }

    fn send(&mut self, now: Timestamp, author: Author, receivers: Receivers, done: D) {
        let message = self.next;
        self.next = self.next.saturating_add(1);
        if receivers.is_empty() {
            return self.outputs.push_back(Output::Settled { done, sent: 0 });
        }
        self.messages.insert(message, Fate { author, left: receivers.len(), sent: 0, done });
        self.authors.entry(author).or_default().insert(message);
        let mut lost = Vec::new();
        for (to, bytes) in receivers {
            let of_lane = self.lane(now, to).queue.push(author, (message, bytes), 1);
            lost.extend(of_lane.into_iter().map(|(message, _)| message));
        }
        self.lost(lost);
        if self.messages.len() > MAX_MESSAGES {
            self.give_up_oldest();
        }
    }

    /// The oldest message of whoever has most goes nowhere any more: the next if that one is on its way.
    fn give_up_oldest(&mut self) {
        let Some((author, of_author)) = self.authors.iter().max_by_key(|(_, of_author)| of_author.len()) else {
            return;
        };
        let (author, oldest) = (*author, of_author.iter().take(1 + IN_FLIGHT).copied().collect::<Vec<_>>());
        for oldest in oldest {
            // In each queue it is the author's first, or is not there.
            let is_there =
                |queue: &ReceiverQueue| queue.first_of(&author).is_some_and(|(message, _)| *message == oldest);
            let queues = self.lanes.values_mut().map(|lane| &mut lane.queue).filter(|queue| is_there(queue));
            let lost: Vec<_> = queues.filter_map(|queue| queue.take(&author)).map(|(message, _)| message).collect();
            self.lost(lost);
            if self.messages.len() <= MAX_MESSAGES {
                return;
            }
        }
    }

    /// Of these messages one datagram each will not go out.
    fn lost(&mut self, lost: Vec<u64>) {
        self.dropped(lost.len());
        for message in lost {
            self.sent(message, false);
        }
    }

    fn dropped(&mut self, datagrams: usize) {
        if datagrams > 0 {
            self.outputs.push_back(Output::Dropped(datagrams));
        }
    }

    fn lane(&mut self, now: Timestamp, to: SocketAddr) -> &mut Lane {
        self.lanes.entry(to).or_insert_with(|| {
            self.agenda.insert((now, to));
            Lane { queue: ReceiverQueue::new(MAX_QUEUE, usize::MAX), ready: now }
        })
    }

    fn other(&mut self, now: Timestamp, to: SocketAddr) {
        let lane = self.lane(now, to);
        let before = lane.ready;
        lane.ready = now.max(before).after(GAP);
        let after = lane.ready;
        self.agenda.remove(&(before, to));
        self.agenda.insert((after, to));
    }

    /// The next datagram whose time has come.
    fn next(&mut self, now: Timestamp) -> Option<Datagram> {
        loop {
            let (at, to) = *self.agenda.first().filter(|(at, _)| *at <= now)?;
            self.agenda.remove(&(at, to));
            let Some(lane) = self.lanes.get_mut(&to) else { continue };
            let Some((message, bytes)) = lane.queue.pop() else {
                self.lanes.remove(&to);
                continue;
            };
            lane.ready = now.after(GAP);
            self.agenda.insert((lane.ready, to));
            return Some(Datagram { to, bytes, message });
        }
    }

    fn sent(&mut self, message: u64, sent: bool) {
        let Some(fate) = self.messages.get_mut(&message) else { return };
        fate.left = fate.left.saturating_sub(1);
        fate.sent = fate.sent.saturating_add(usize::from(sent));
        if fate.left == 0
            && let Some(fate) = self.messages.remove(&message)
        {
            if let Some(of_author) = self.authors.get_mut(&fate.author) {
                of_author.remove(&message);
                if of_author.is_empty() {
                    self.authors.remove(&fate.author);
                }
            }
            self.outputs.push_back(Output::Settled { done: fate.done, sent: fate.sent });
        }
    }

    fn gone(&mut self, to: SocketAddr) {
        let Some(mut lane) = self.lanes.remove(&to) else { return };
        self.agenda.remove(&(lane.ready, to));
        self.lost(lane.queue.drain().map(|(message, _)| message).collect());
    }

    /// Datagrams that wait, for all receivers together.
    #[must_use]
    pub(super) fn waiting(&self) -> usize {
        self.lanes.values().map(|lane| lane.queue.len()).sum()
    }
}

#[cfg(test)]
mod tests;
