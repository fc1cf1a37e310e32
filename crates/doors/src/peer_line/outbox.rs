//! What waits to go out: a queue for each peer, in which authors take turns, one connection to a peer at a time, contacts with their tries.
//!
//! A machine without IO or clock: [`Outbox::handle`] takes what happened and the time; after each call
//! [`Outbox::poll_output`] is drained; [`Input::Timeout`] is due at [`Outbox::next_timeout`]. The table of peers is somebody
//! else's: it comes with the inputs that need it, and what it is to learn is an output.

mod choose;
mod input;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rumormill_limits::{Backoff, Timestamp, Turns};

use super::table::PeerTable;
use super::twin::same;
use crate::port::Author;

pub(super) use input::{Dial, Input, Output, Reject};

/// Connections that are being made at once.
pub(super) const MAX_DIALS: usize = 64;
/// Those of them to peers that never answered, or did not the last time: the others never wait for these.
pub(super) const MAX_DOUBTFUL: usize = 32;
/// Where others wait for a place, whoever has taken nothing for so long gives up its own: longer than a round trip anywhere, and than
/// [`super::dial::CLOSE`]. A thousand that take nothing hold up nobody for more than six seconds.
pub(super) const HELD: Duration = Duration::from_millis(400);
/// Messages that wait for one peer. Beyond that, whose most are there loses his oldest.
pub(super) const MAX_QUEUE: usize = 64;
/// Messages that wait for all peers together: with many peers the queue of each is shorter.
pub(super) const MAX_WAITING: usize = 8_192;
/// Bytes of texts that wait for one peer: 8 KiB for each of its messages.
pub(super) const MAX_QUEUE_BYTES: usize = 512 << 10;
/// Bytes of texts that wait for all peers together: what 64 of them have that take nothing.
pub(super) const MAX_WAITING_BYTES: usize = 32 << 20;
/// How often the message at launch is tried.
pub(super) const MAX_TRIES: u32 = 6;

/// What waits for one peer.
type PeerQueue = Turns<Author, (u64, Arc<str>)>;

/// A peer of the settings, who gets the message at launch.
#[derive(Debug)]
struct Contact {
    addr: SocketAddr,
    /// Of [`MAX_TRIES`], those that were made.
    tries: u32,
    retry: Backoff,
    /// When the next try is due; `None` once it was reached or given up.
    due: Option<Timestamp>,
}

/// What has become of a message so far.
#[derive(Debug, Default)]
struct DeliveryState {
    /// Peers that it waits for, or is being written to.
    left: usize,
    /// Whether anybody got it.
    reached: bool,
}

/// A connection that is being made.
#[derive(Debug)]
struct Busy {
    /// The message that it is for; `None` for that at launch.
    message: Option<u64>,
    /// To a peer that never answered, or did not the last time.
    doubtful: bool,
    since: Timestamp,
}

/// What waits for each address, and which of them is dialled next.
#[derive(Debug)]
pub(super) struct Outbox {
    queues: BTreeMap<SocketAddr, PeerQueue>,
    turn: VecDeque<SocketAddr>,
    busy: BTreeMap<SocketAddr, Busy>,
    contacts: Vec<Contact>,
    greeting: Arc<str>,
    messages: BTreeMap<u64, DeliveryState>,
    waiting: usize,
    outputs: VecDeque<Output>,
}

impl Outbox {
    /// Each contact is to get `greeting`; `retry` is the pause after the first failure, which doubles.
    #[must_use]
    pub(super) fn new(contacts: &[SocketAddr], greeting: &str, retry: Duration) -> Self {
        // It is given up before it has waited for long.
        let retry = Backoff::new(retry, Duration::MAX);
        let contacts = contacts.iter().map(|addr| Contact { addr: *addr, tries: 0, retry, due: Some(Timestamp::ZERO) });
        Self {
            contacts: contacts.collect(),
            greeting: greeting.into(),
            queues: BTreeMap::new(),
            turn: VecDeque::new(),
            busy: BTreeMap::new(),
            messages: BTreeMap::new(),
            waiting: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Takes what happened; what is to be done about it comes from `poll_output`.
    ///
    /// # Errors
    /// It contradicts what happened before; nothing has changed.
    pub(super) fn handle(&mut self, now: Timestamp, input: Input<'_>) -> Result<(), Reject> {
        match input {
            Input::Send { id, author, only, text, table } => return self.send(id, author, (only, text), table),
            Input::Ready { table } | Input::Timeout { table } => loop {
                while let Some(dial) = self.dial(table, now) {
                    self.outputs.push_back(Output::Dial(dial));
                }
                let Some(addr) = self.stalled().filter(|(_, until)| *until <= now).map(|(addr, _)| addr) else { break };
                self.outputs.push_back(Output::Abort(addr));
                self.dialled(addr, false, now)?;
            },
            Input::Dialled { addr, delivered } => return self.dialled(addr, delivered, now),
            Input::Clear => self.clear(),
        }
        Ok(())
    }

    /// What is to be done; to be drained until `None`.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is due.
    #[must_use]
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        let busy = |contact: &&Contact| self.busy.keys().any(|addr| same(*addr, contact.addr));
        let contacts = self.contacts.iter().filter(|contact| !busy(contact)).filter_map(|contact| contact.due);
        contacts.chain(self.stalled().map(|(_, until)| until)).min()
    }

    fn doubtful(&self) -> usize {
        self.busy.values().filter(|busy| busy.doubtful).count()
    }

    /// Who gives up its place for those that wait, and when: the one that has had its place for longest, doubtful ones first. `None` where
    /// nobody waits for one.
    fn stalled(&self) -> Option<(SocketAddr, Timestamp)> {
        let full = self.busy.len() >= MAX_DIALS;
        if self.turn.is_empty() || !full && self.doubtful() < MAX_DOUBTFUL {
            return None;
        }
        // One of our settings has its time.
        let may_go = self.busy.iter().filter(|(addr, busy)| !self.is_contact(**addr) && (full || busy.doubtful));
        let oldest = may_go.min_by_key(|(_, busy)| (!busy.doubtful, busy.since));
        oldest.map(|(addr, busy)| (*addr, busy.since.after(HELD)))
    }

    fn send(
        &mut self,
        id: u64,
        author: Author,
        (only, text): (Option<IpAddr>, &str),
        table: &PeerTable,
    ) -> Result<(), Reject> {
        if self.messages.contains_key(&id) {
            return Err(Reject::KnownMessage(id));
        }
        let text = Arc::<str>::from(text);
        let peers = table.to_dial();
        let share = MAX_WAITING.checked_div(peers.len()).unwrap_or(MAX_QUEUE).clamp(1, MAX_QUEUE);
        let (mut message, mut lost) = (DeliveryState::default(), Vec::new());
        for (addr, _) in peers {
            if only.is_some_and(|only| only.to_canonical() != addr.ip().to_canonical()) {
                continue;
            }
            let queue = self.queues.entry(addr).or_insert_with(|| PeerQueue::new(MAX_QUEUE, MAX_QUEUE_BYTES));
            if queue.is_empty() && !self.busy.contains_key(&addr) {
                self.turn.push_back(addr);
            }
            let before = lost.len();
            lost.extend(queue.push(author, (id, Arc::clone(&text)), text.len()));
            while queue.len() > share {
                lost.extend(queue.lose());
            }
            self.waiting = self.waiting.saturating_add(1).saturating_sub(lost.len().saturating_sub(before));
            message.left = message.left.saturating_add(1);
        }
        if message.left == 0 {
            self.outputs.push_back(Output::Settled { id, reached: false });
        } else {
            self.messages.insert(id, message);
        }
        self.lost(lost);
        self.make_room();
        Ok(())
    }

    /// Peers that left with much waiting for them may fill all places; then the longest queues give some back.
    fn make_room(&mut self) {
        loop {
            let many = self.waiting > MAX_WAITING;
            if !many && self.queues.values().map(PeerQueue::size).sum::<usize>() <= MAX_WAITING_BYTES {
                return;
            }
            let longest = self.queues.values_mut().max_by_key(|queue| if many { queue.len() } else { queue.size() });
            let Some(lost) = longest.and_then(PeerQueue::lose) else { return };
            self.waiting = self.waiting.saturating_sub(1);
            self.lost(vec![lost]);
        }
    }

    fn dialled(&mut self, addr: SocketAddr, delivered: bool, now: Timestamp) -> Result<(), Reject> {
        let busy = self.busy.remove(&addr).ok_or(Reject::NotDialled(addr))?;
        if let Some(id) = busy.message {
            self.settle(id, delivered);
        }
        if delivered {
            self.outputs.push_back(Output::Reached(addr));
        } else {
            self.dropped(usize::from(busy.message.is_some()));
            self.outputs.push_back(Output::Failed(addr));
            let contact = self.contacts.iter_mut().find(|contact| same(contact.addr, addr));
            if let Some(contact) = contact.filter(|_| busy.message.is_none()) {
                if contact.tries < MAX_TRIES {
                    contact.due = Some(now.after(contact.retry.step()));
                } else {
                    self.outputs.push_back(Output::GaveUp(addr));
                }
            }
        }
        if self.queues.get(&addr).is_some_and(|queue| !queue.is_empty()) {
            self.turn.push_back(addr);
        } else {
            self.queues.remove(&addr);
        }
        Ok(())
    }

    /// These will not reach a peer that they waited for.
    fn lost(&mut self, lost: Vec<(u64, Arc<str>)>) {
        self.dropped(lost.len());
        for (id, _) in lost {
            self.settle(id, false);
        }
    }

    fn dropped(&mut self, messages: usize) {
        if messages > 0 {
            self.outputs.push_back(Output::Dropped(messages));
        }
    }

    fn settle(&mut self, id: u64, reached: bool) {
        let Some(message) = self.messages.get_mut(&id) else { return };
        message.left = message.left.saturating_sub(1);
        message.reached |= reached;
        if message.left == 0 {
            let reached = message.reached;
            self.messages.remove(&id);
            self.outputs.push_back(Output::Settled { id, reached });
        }
    }

    fn forget(&mut self, addr: SocketAddr) {
        let Some(mut queue) = self.queues.remove(&addr) else { return };
        self.waiting = self.waiting.saturating_sub(queue.len());
        self.lost(queue.drain().collect());
    }

    fn clear(&mut self) {
        for addr in self.queues.keys().copied().collect::<Vec<_>>() {
            self.forget(addr);
        }
        self.turn.clear();
        self.contacts.iter_mut().for_each(|contact| contact.due = None);
    }

    /// Whether nothing waits and nothing is on its way.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.waiting == 0 && self.busy.is_empty()
    }

    /// Messages that wait, once for each peer.
    #[must_use]
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }
}

#[cfg(test)]
mod tests;
