//! Legacy peers take at most ninety datagrams a second, and what is behind a burst is lost: each receiver has a queue, and one
//! datagram leaves it every 12.5 ms. No queue holds more than so many; what does not fit is dropped and counted.
//!
//! A machine without IO or clock: [`Pacer::handle`] takes what happened and the time; after each call [`Pacer::poll_output`] is
//! drained. A datagram comes out only when there is room for one ([`Input::Writable`]); the next may go at
//! [`Pacer::next_timeout`].

mod input;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rumormill_limits::Timestamp;

pub(super) use input::{Datagram, Input, Output, Reject};

/// Between two datagrams to one receiver.
pub(super) const GAP: Duration = Duration::from_micros(12_500);
/// Datagrams that wait for one receiver.
pub(super) const MAX_QUEUE: usize = 256;
/// Messages that wait for somebody.
pub(super) const MAX_MESSAGES: usize = 512;

#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<(u64, Arc<[u8]>)>,
    /// When the next may go.
    ready: Timestamp,
}

#[derive(Debug)]
struct Fate<D> {
    left: usize,
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
    next: u64,
    outputs: VecDeque<Output<D>>,
}

impl<D> Default for Pacer<D> {
    fn default() -> Self {
        Self {
            lanes: BTreeMap::new(),
            agenda: BTreeSet::new(),
            messages: BTreeMap::new(),
            next: 0,
            outputs: VecDeque::new(),
        }
    }
}

impl<D> Pacer<D> {
    /// Takes what happened.
    ///
    /// # Errors
    /// A datagram was said to be sent that is none of ours; nothing has changed.
    pub(super) fn handle(&mut self, now: Timestamp, input: Input<D>) -> Result<(), Reject> {
        match input {
            Input::Send { receivers, done } => self.send(now, receivers, done),
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

    fn send(&mut self, now: Timestamp, receivers: Vec<(SocketAddr, Arc<[u8]>)>, done: D) {
        let message = self.next;
        self.next = self.next.saturating_add(1);
        let (mut left, mut dropped, full) = (0_usize, 0_usize, self.messages.len() >= MAX_MESSAGES);
        for (to, bytes) in receivers {
            if full || self.lanes.get(&to).is_some_and(|lane| lane.queue.len() >= MAX_QUEUE) {
                dropped = dropped.saturating_add(1);
                continue;
            }
            self.lane(now, to).queue.push_back((message, bytes));
            left = left.saturating_add(1);
        }
        self.dropped(dropped);
        if left == 0 {
            self.outputs.push_back(Output::Settled { done, sent: 0 });
        } else {
            self.messages.insert(message, Fate { left, sent: 0, done });
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
            Lane { queue: VecDeque::new(), ready: now }
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
            let Some((message, bytes)) = lane.queue.pop_front() else {
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
            self.outputs.push_back(Output::Settled { done: fate.done, sent: fate.sent });
        }
    }

    fn gone(&mut self, to: SocketAddr) {
        let Some(lane) = self.lanes.remove(&to) else { return };
        self.agenda.remove(&(lane.ready, to));
        self.dropped(lane.queue.len());
        for (message, _) in lane.queue {
            self.sent(message, false);
        }
    }

    /// Datagrams that wait.
    #[must_use]
    pub(super) fn waiting(&self) -> usize {
        self.lanes.values().map(|lane| lane.queue.len()).sum()
    }
}

#[cfg(test)]
mod tests;
