//! Who is there: addresses from messages, each once, with a bound; pure.
//!
//! Anybody may put any address into a message. So that nobody uses us against a third party, an address is only dialled if
//! the message that named it came from that same address (or both are this machine's loopback), if it was given by our own
//! user, or if it was in our settings. The others are listed and never dialled.
//!
//! A full table makes room: who never answered a dial goes before who did, who spoke less before who spoke more.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use rumormill_limits::Recent;

use super::twin::{same, twin};
use crate::address::prefix;

/// Peers at most, those that are only listed among them.
pub const MAX_PEERS: usize = 1_024;
/// Addresses of one network (an IPv4 address, an IPv6 /64), loopback aside.
pub const MAX_BY_NETWORK: usize = 64;
/// Peers that write in brackets and are remembered as such after they have left.
pub const MAX_BRACKETED: usize = 64;
/// Dials that fail one after the other before an address is taken out.
pub const MAX_FAILURES: u8 = 3;

/// Addresses that were taken out for that and are remembered: when they come again, those that never failed go before them.
pub const MAX_FAILED: usize = 1_024;

/// How a peer writes the address in its messages, and wants it written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressForm {
    /// `ip:port`, the sender's.
    Plain,
    /// `<ip:port>`, the receiver's address with the sender's port.
    Bracketed,
}

/// What is known of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerEntry {
    number: u64,
    /// How it wants its messages.
    pub form: AddressForm,
    /// Whether it may be dialled.
    pub dial: bool,
    /// Whether it is among the connected peers, or only somebody whom we have written to.
    pub listed: bool,
    /// Whether it ever took a connection.
    pub answered: bool,
    /// Dials that have failed since.
    pub failures: u8,
    heard: u16,
    named_by: Option<IpAddr>,
}

/// What became of an address that a message named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// It was in the table already.
    Known,
    /// It is there now.
    Added,
    /// It is our own.
    Own,
    /// There is no place for it.
    Full,
}

/// Whom we know: peers that spoke or were named, and who of them is dialled.
#[derive(Debug)]
pub struct PeerTable {
    own: SocketAddr,
    peers: BTreeMap<SocketAddr, PeerEntry>,
    numbers: u64,
    version: u64,
    /// Those who write in brackets, whether they are there or not: the last that were heard.
    bracketed: VecDeque<SocketAddr>,
    /// Those that were taken out since they took nothing, the last ones; whether that is still so.
    failed: Recent<SocketAddr, bool, MAX_FAILED>,
}

/// Whether somebody at `from` may speak for an address.
fn speaks_for(from: IpAddr, addr: SocketAddr) -> bool {
    let ip = addr.ip().to_canonical();
    from == ip || from.is_loopback() && ip.is_loopback()
}

/// The network whose addresses share a part of the table.
fn network(addr: SocketAddr) -> IpAddr {
    prefix(addr.ip())
}

impl PeerTable {
    /// Nobody yet. `own` is where we listen.
    #[must_use]
    pub fn new(own: SocketAddr) -> Self {
        Self { own, peers: BTreeMap::new(), numbers: 0, version: 0, bracketed: VecDeque::new(), failed: Recent::new() }
    }

    /// A message from `from`, received at our address `at`, names an address. `more` says whether its connection may add
    /// another one.
    pub fn name(&mut self, addr: SocketAddr, form: AddressForm, from: IpAddr, at: IpAddr, more: bool) -> Named {
        let own_ip = if self.own.ip().is_unspecified() { at } else { self.own.ip() };
        if addr.port() == self.own.port() && addr.ip().to_canonical() == own_ip.to_canonical() {
            return Named::Own;
        }
        let addr = self.entry(addr);
        let dial = speaks_for(from, addr) && !addr.ip().is_unspecified();
        if dial {
            self.learn(addr, form);
        }
        if let Some(peer) = self.peers.get_mut(&addr) {
            if dial {
                peer.form = form;
                peer.named_by = Some(from);
            }
            peer.dial |= dial;
            peer.heard = peer.heard.saturating_add(1);
            self.list(addr);
            return Named::Known;
        }
        if !more || !self.make_room(addr) {
            return Named::Full;
        }
        let failures = u8::from(self.failed.get(&addr) == Some(&true));
        self.add(addr, PeerEntry { form, dial, failures, heard: 1, named_by: Some(from), ..self.blank() });
        Named::Added
    }

    /// Puts a peer among the connected, at their end.
    fn list(&mut self, addr: SocketAddr) {
        if let Some(peer) = self.peers.get_mut(&addr).filter(|peer| !peer.listed) {
            (peer.listed, peer.number) = (true, self.numbers);
            self.numbers = self.numbers.saturating_add(1);
            self.version = self.version.saturating_add(1);
        }
    }

    fn blank(&self) -> PeerEntry {
        let (number, form) = (self.numbers, AddressForm::Plain);
        PeerEntry { number, form, dial: true, listed: true, answered: false, failures: 0, heard: 0, named_by: None }
    }

    fn add(&mut self, addr: SocketAddr, peer: PeerEntry) {
        self.peers.insert(addr, peer);
        self.numbers = self.numbers.saturating_add(1);
        self.version = self.version.saturating_add(1);
    }

    /// Takes somebody out if there is no place for one more; false if everybody who would have to go has a better right.
    fn make_room(&mut self, addr: SocketAddr) -> bool {
        let network_of = network(addr);
        let crowded = !network_of.is_loopback()
            && self.peers.keys().filter(|other| network(**other) == network_of).count() >= MAX_BY_NETWORK;
        if !crowded && self.peers.len() < MAX_PEERS {
            return true;
        }
        let rivals = self.peers.iter().filter(|(other, peer)| {
            (!crowded || network(**other) == network_of) && !(peer.answered && peer.failures == 0)
        });
        let least = rivals.min_by_key(|(_, peer)| (peer.answered, peer.heard, peer.number)).map(|(addr, _)| *addr);
        least.is_some_and(|least| self.remove(least))
    }

    fn remove(&mut self, addr: SocketAddr) -> bool {
        self.version = self.version.saturating_add(1);
        self.peers.remove(&addr).is_some()
    }

    /// Under which address a peer is in the table, or would be: the one under which it came (`twin`).
    #[must_use]
    pub fn entry(&self, addr: SocketAddr) -> SocketAddr {
        let known = |addr: &SocketAddr| self.peers.contains_key(addr);
        if known(&addr) { addr } else { twin(addr).filter(known).unwrap_or(addr) }
    }

    /// How somebody writes, which is how it wants to be written to, also when it comes again.
    pub fn learn(&mut self, addr: SocketAddr, form: AddressForm) {
        self.bracketed.retain(|other| !same(*other, addr));
        if form == AddressForm::Bracketed {
            self.bracketed.truncate(MAX_BRACKETED.saturating_sub(1));
            self.bracketed.push_front(addr);
        }
    }

    /// In which form to write to somebody: plain, until it is known to write in brackets.
    #[must_use]
    pub fn form(&self, addr: SocketAddr) -> AddressForm {
        let bracketed = || self.bracketed.iter().any(|other| same(*other, addr));
        match self.get(addr) {
            Some(peer) => peer.form,
            None if bracketed() => AddressForm::Bracketed,
            None => AddressForm::Plain,
        }
    }

    /// Somebody at `from` says that the peer leaves; whether it did.
    pub fn exit(&mut self, addr: SocketAddr, from: IpAddr) -> bool {
        let addr = self.entry(addr);
        let may = self.peers.get(&addr).is_some_and(|peer| speaks_for(from, addr) || peer.named_by == Some(from));
        may && self.remove(addr)
    }

    /// A dial that we had reason for went through. Whom our own user or settings named comes in by this; `listed` puts it
    /// among the connected.
    pub fn reached(&mut self, addr: SocketAddr, listed: bool) {
        let addr = self.entry(addr);
        if let Some(failed) = self.failed.touch(&addr) {
            *failed = false;
        }
        if let Some(peer) = self.peers.get_mut(&addr) {
            (peer.answered, peer.failures, peer.dial) = (true, 0, true);
            if listed {
                self.list(addr);
            }
        } else if self.make_room(addr) {
            let form = self.form(addr);
            self.add(addr, PeerEntry { form, listed, answered: true, ..self.blank() });
        }
    }

    /// A dial failed; whether the peer was taken out for it.
    pub fn failed(&mut self, addr: SocketAddr) -> bool {
        let addr = self.entry(addr);
        let Some(peer) = self.peers.get_mut(&addr) else { return false };
        peer.failures = peer.failures.saturating_add(1);
        if peer.failures < MAX_FAILURES {
            return false;
        }
        self.failed.insert(addr, true);
        self.remove(addr)
    }

    /// What is known of the peer with this address.
    #[must_use]
    pub fn get(&self, addr: SocketAddr) -> Option<&PeerEntry> {
        self.peers.get(&self.entry(addr))
    }

    /// Those who may be dialled, in the order in which they came.
    #[must_use]
    pub fn to_dial(&self) -> Vec<(SocketAddr, AddressForm)> {
        self.ordered(|peer| peer.dial).map(|(addr, peer)| (addr, peer.form)).collect()
    }

    /// The connected peers, in the order in which they came.
    #[must_use]
    pub fn listed(&self) -> Vec<SocketAddr> {
        self.ordered(|peer| peer.listed).map(|(addr, _)| addr).collect()
    }

    fn ordered(&self, keep: impl Fn(&PeerEntry) -> bool) -> impl Iterator<Item = (SocketAddr, PeerEntry)> {
        let mut all: Vec<_> = self.peers.iter().filter(|(_, peer)| keep(peer)).map(|(a, peer)| (*a, *peer)).collect();
        all.sort_by_key(|(_, peer)| peer.number);
        all.into_iter()
    }

    /// Changes with the list of connected peers.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How many peers are in it, connected or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Whether nobody is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }
}

#[cfg(test)]
mod tests;
