//! What waits to go out: a queue for each peer, one connection to a peer at a time, contacts with their tries; pure.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::table::{Form, Peer, Table};
use super::twin::same;

/// Connections that are being made at once.
pub const MAX_DIALS: usize = 32;
/// Those of them to peers that never answered, or did not the last time: the others never wait for these.
pub const MAX_DOUBTFUL: usize = 16;
/// Messages that wait for one peer. Beyond that they are dropped.
pub const MAX_QUEUE: usize = 64;
/// Messages that wait for all peers together.
pub const MAX_WAITING: usize = 8_192;
/// How often the message at launch is tried.
pub const MAX_TRIES: u32 = 6;

/// A connection to be made, for one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// To whom.
    pub addr: SocketAddr,
    /// How it wants its messages.
    pub form: Form,
    /// What to say.
    pub text: Arc<str>,
    /// Whether it is in our settings.
    pub contact: bool,
    /// Whether it is the message at launch: whoever takes it is in the table from then on.
    pub greeting: bool,
}

/// What became of a message to all: whether anybody got it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// Which.
    pub id: u64,
    /// Whether anybody got it.
    pub reached: bool,
}

/// What a failed dial led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Nothing, or it went through.
    Nothing,
    /// The peer was taken out of the table.
    TakenOut,
    /// It was a contact's last try.
    GaveUp,
}

#[derive(Debug)]
struct Contact {
    addr: SocketAddr,
    tries: u32,
    /// When the next try is due; `None` once it was reached or given up.
    due: Option<Duration>,
}

#[derive(Debug, Default)]
struct Letter {
    left: usize,
    reached: bool,
}

#[derive(Debug)]
struct Busy {
    letter: Option<u64>,
    doubtful: bool,
}

/// The queues.
#[derive(Debug)]
pub struct Outbox {
    queues: BTreeMap<SocketAddr, VecDeque<(u64, Arc<str>)>>,
    turn: VecDeque<SocketAddr>,
    busy: BTreeMap<SocketAddr, Busy>,
    contacts: Vec<Contact>,
    greeting: Arc<str>,
    retry: Duration,
    letters: BTreeMap<u64, Letter>,
    settled: Vec<Settled>,
    waiting: usize,
    next: u64,
    dropped: usize,
}

fn is_doubtful(peer: Option<&Peer>) -> bool {
    peer.is_none_or(|peer| !peer.answered || peer.failures > 0)
}

impl Outbox {
    /// Each contact is to get `greeting`; `retry` is the pause after the first failure, which doubles.
    #[must_use]
    pub fn new(contacts: &[SocketAddr], greeting: &str, retry: Duration) -> Self {
        let contacts = contacts.iter().map(|addr| Contact { addr: *addr, tries: 0, due: Some(Duration::ZERO) });
        Self {
            contacts: contacts.collect(),
            greeting: greeting.into(),
            retry,
            queues: BTreeMap::new(),
            turn: VecDeque::new(),
            busy: BTreeMap::new(),
            letters: BTreeMap::new(),
            settled: Vec::new(),
            waiting: 0,
            next: 0,
            dropped: 0,
        }
    }

    /// A message to everybody in the table, or to those at one address; gives its number.
    pub fn post(&mut self, table: &Table, only: Option<IpAddr>, text: &str) -> u64 {
        let (id, text) = (self.next, Arc::<str>::from(text));
        self.next += 1;
        let mut letter = Letter::default();
        for (addr, _) in table.to_dial() {
            if only.is_some_and(|only| only.to_canonical() != addr.ip().to_canonical()) {
                continue;
            }
            let queue = self.queues.entry(addr).or_default();
            if queue.len() >= MAX_QUEUE || self.waiting >= MAX_WAITING {
                self.dropped += 1;
                continue;
            }
            if queue.is_empty() && !self.busy.contains_key(&addr) {
                self.turn.push_back(addr);
            }
            queue.push_back((id, Arc::clone(&text)));
            self.waiting += 1;
            letter.left += 1;
        }
        self.queues.retain(|_, queue| !queue.is_empty());
        if letter.left == 0 {
            self.settled.push(Settled { id, reached: false });
        } else {
            self.letters.insert(id, letter);
        }
        id
    }

    /// The next connection to make, if there is a place and somebody to connect to.
    pub fn dial(&mut self, table: &Table, now: Duration) -> Option<Dial> {
        if self.busy.len() >= MAX_DIALS {
            return None;
        }
        if let Some(dial) = self.contact(table, now) {
            return Some(dial);
        }
        let room_for_doubt = self.busy.values().filter(|busy| busy.doubtful).count() < MAX_DOUBTFUL;
        let mut at = 0;
        while let Some(addr) = self.turn.get(at).copied() {
            let peer = table.get(addr).filter(|peer| peer.dial);
            let Some(found) = peer else {
                // It left, or was taken out, since.
                self.turn.remove(at);
                self.forget(addr);
                continue;
            };
            let doubtful = is_doubtful(peer);
            if doubtful && !room_for_doubt {
                at += 1;
                continue;
            }
            self.turn.remove(at);
            let Some((id, text)) = self.queues.get_mut(&addr).and_then(VecDeque::pop_front) else { continue };
            self.waiting -= 1;
            self.busy.insert(addr, Busy { letter: Some(id), doubtful });
            return Some(Dial { addr, form: found.form, text, contact: self.is_contact(addr), greeting: false });
        }
        None
    }

    fn contact(&mut self, table: &Table, now: Duration) -> Option<Dial> {
        let busy = &self.busy;
        let due = |contact: &&mut Contact| {
            contact.due.is_some_and(|due| due <= now) && !busy.contains_key(&table.entry(contact.addr))
        };
        let contact = self.contacts.iter_mut().find(due)?;
        contact.tries += 1;
        contact.due = None;
        let (addr, peer) = (table.entry(contact.addr), table.get(contact.addr));
        self.busy.insert(addr, Busy { letter: None, doubtful: is_doubtful(peer) });
        // What waits for it in its queue comes after this.
        self.turn.retain(|other| *other != addr);
        let form = table.form(addr);
        Some(Dial { addr, form, text: Arc::clone(&self.greeting), contact: true, greeting: true })
    }

    fn is_contact(&self, addr: SocketAddr) -> bool {
        self.contacts.iter().any(|contact| same(contact.addr, addr))
    }

    /// A connection came to its end; `delivered` says whether the message was written.
    pub fn dialled(&mut self, table: &mut Table, addr: SocketAddr, delivered: bool, now: Duration) -> After {
        let Some(busy) = self.busy.remove(&addr) else { return After::Nothing };
        let greeted = busy.letter.is_none();
        if let Some(id) = busy.letter {
            self.settle(id, delivered);
        }
        let mut after = After::Nothing;
        if delivered {
            // A peer that left meanwhile stays away.
            if table.get(addr).is_some() {
                table.reached(addr, true);
            }
        } else {
            self.dropped += usize::from(!greeted);
            if table.failed(addr) {
                after = After::TakenOut;
            }
            if greeted && let Some(contact) = self.contacts.iter_mut().find(|contact| same(contact.addr, addr)) {
                if contact.tries < MAX_TRIES {
                    contact.due = Some(now + self.retry * 2u32.pow(contact.tries.saturating_sub(1).min(16)));
                } else {
                    after = After::GaveUp;
                }
            }
        }
        if self.queues.get(&addr).is_some_and(|queue| !queue.is_empty()) {
            self.turn.push_back(addr);
        } else {
            self.queues.remove(&addr);
        }
        after
    }

    fn settle(&mut self, id: u64, reached: bool) {
        let Some(letter) = self.letters.get_mut(&id) else { return };
        letter.left = letter.left.saturating_sub(1);
        letter.reached |= reached;
        if letter.left == 0 {
            self.settled.push(Settled { id, reached: letter.reached });
            self.letters.remove(&id);
        }
    }

    fn forget(&mut self, addr: SocketAddr) {
        for (id, _) in self.queues.remove(&addr).unwrap_or_default() {
            self.waiting -= 1;
            self.dropped += 1;
            self.settle(id, false);
        }
    }

    /// Nothing that waits goes out any more, and no contact is tried again.
    pub fn clear(&mut self) {
        for addr in self.queues.keys().copied().collect::<Vec<_>>() {
            self.forget(addr);
        }
        self.turn.clear();
        self.contacts.iter_mut().for_each(|contact| contact.due = None);
    }

    /// When [`Outbox::dial`] has something new by itself.
    #[must_use]
    pub fn wake(&self) -> Option<Duration> {
        let busy = |contact: &&Contact| self.busy.keys().any(|addr| same(*addr, contact.addr));
        self.contacts.iter().filter(|contact| !busy(contact)).filter_map(|contact| contact.due).min()
    }

    /// Messages that all who were there have got, or will not get.
    pub fn settled(&mut self) -> Vec<Settled> {
        std::mem::take(&mut self.settled)
    }

    /// Messages to one peer that were dropped since the last call.
    pub fn dropped(&mut self) -> usize {
        std::mem::take(&mut self.dropped)
    }

    /// Whether nothing waits and nothing is on its way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waiting == 0 && self.busy.is_empty()
    }

    /// Messages that wait, once for each peer.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting
    }
}

#[cfg(test)]
mod tests;
