//! The directory: who is a member, who is turned away, who fell silent, and who is to be told (in `feed`).
//!
//! A machine: datagrams and times go in, verdicts and datagrams come out.

mod feed;
mod register;

mod member;

mod rejected;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rumormill_wire::udp_mesh::Letter;
use rumormill_wire::udp_mesh::extended::{KEY_LEN, Refusal};

use feed::Feed;
use rejected::Rejected;

pub use feed::GAP_BUSY;
pub use member::{Member, Own, Saved};

/// Letters that members of the extended form may have together: the rest is for the old peers, who have nothing else.
pub const MAX_LENT_LETTERS: usize = 32;

/// More datagrams than this between two looks, and four for each member, and we may have lost some: silence proves little.
pub const FLOOD: usize = 5_000;

/// How many times longer a member may be silent then.
pub const PATIENCE: u32 = 20;

type Id = u64;

/// Bounds and times.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Members in all.
    pub members: usize,
    /// Members from one address.
    pub by_address: usize,
    /// Between two looks for the silent.
    pub look: Duration,
    /// How long a member may be silent.
    pub silence: Duration,
    /// Where old peers expect everyone.
    pub home: IpAddr,
}

/// What became of a BIRTH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A new member.
    Taken,
    /// A member has said again what it said before.
    Known,
    /// Left out.
    Refused {
        /// Why.
        why: Refusal,
        /// Whether whoever asked is one of ours, so that it can be told.
        tell: bool,
    },
}

/// A BIRTH of the extended form.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// When it was signed.
    pub time: u64,
    /// By which key.
    pub key: [u8; KEY_LEN],
    /// Where the peer takes datagrams.
    pub addr: SocketAddr,
    /// Its name.
    pub name: &'a str,
}

/// The directory.
#[derive(Debug)]
pub struct Directory {
    limits: Limits,
    members: BTreeMap<Id, Member>,
    next_id: Id,
    letters: BTreeMap<Letter, Id>,
    /// Ports of those who have a letter: that is all that old peers know of each other.
    ports: BTreeMap<u16, Id>,
    names: BTreeMap<String, Id>,
    addrs: BTreeMap<SocketAddr, Id>,
    /// Members of the extended form by where they send their heartbeats from.
    births: BTreeMap<SocketAddr, Id>,
    by_ip: BTreeMap<IpAddr, usize>,
    lent: usize,
    rejected: Rejected,
    feed: Feed,
    next_look: Duration,
    heard: usize,
    flooded_until: Duration,
    gone: Vec<SocketAddr>,
}

impl Directory {
    /// An empty one. `version` is to be higher than any that a run before has given out.
    #[must_use]
    pub fn new(limits: Limits, version: u64) -> Self {
        Self {
            limits,
            members: BTreeMap::new(),
            next_id: 0,
            letters: BTreeMap::new(),
            ports: BTreeMap::new(),
            names: BTreeMap::new(),
            addrs: BTreeMap::new(),
            births: BTreeMap::new(),
            by_ip: BTreeMap::new(),
            lent: 0,
            rejected: Rejected::default(),
            feed: Feed::new(version),
            next_look: limits.look,
            heard: 0,
            flooded_until: Duration::ZERO,
            gone: Vec::new(),
        }
    }

    /// Lists ourselves, who never fall silent. False if the letter or the port is taken.
    pub fn settle(&mut self, now: Duration, letter: Letter, addr: SocketAddr, own: Own) -> bool {
        let free = self.letter_free(letter, addr).is_ok() && !self.names.contains_key(&own.name);
        if free {
            let member = Member::new(Some(letter), addr, Some(own), None, now);
            self.insert(now, Member { ours: true, ..member });
        }
        free
    }

    /// A letter that nobody has, one of those that people seldom choose first.
    #[must_use]
    pub fn free_letter(&self) -> Option<Letter> {
        "rqxzjkvwyu".chars().filter_map(Letter::new).chain(Letter::all()).find(|l| !self.letters.contains_key(l))
    }

    /// Takes back a member of the last run; false if there is no place for it any more.
    pub fn restore(&mut self, now: Duration, saved: Saved) -> bool {
        let member = Member { time: saved.time, ..Member::new(saved.letter, saved.addr, saved.own, saved.birth, now) };
        let free = match (member.letter, &member.own) {
            (Some(letter), _) => self.letter_free(letter, member.addr).is_ok(),
            (None, own) => own.is_some() && !self.addrs.contains_key(&member.addr),
        };
        let named = member.own.as_ref().is_none_or(|own| !self.names.contains_key(&own.name));
        let born = member.own.is_none() || member.birth.is_some_and(|birth| !self.births.contains_key(&birth));
        let taken = free && named && born && self.place_for(member.addr.ip()).is_ok();
        if taken {
            self.insert(now, member);
        }
        taken
    }

    /// Any datagram at all has come: so much do we hear.
    pub const fn heard(&mut self) {
        self.heard = self.heard.saturating_add(1);
    }

    /// Looks for the silent, if it is time. While more comes than we can be sure to hear, members have longer.
    pub fn look(&mut self, now: Duration) {
        if now < self.next_look {
            return;
        }
        self.next_look = now + self.limits.look;
        let expected = self.members.len().saturating_mul(4).saturating_add(FLOOD);
        if std::mem::take(&mut self.heard) > expected {
            self.flooded_until = now + self.limits.silence;
        }
        let patience = if now < self.flooded_until { PATIENCE } else { 1 };
        let may = self.limits.silence.saturating_mul(patience);
        let is_silent = |member: &Member| !member.ours && now.saturating_sub(member.heard) > may;
        let silent: Vec<Id> = self.members.iter().filter(|(_, m)| is_silent(m)).map(|(id, _)| *id).collect();
        for id in silent {
            self.remove(now, id);
        }
    }

    /// When there is something to do again.
    #[must_use]
    pub fn wake(&self) -> Duration {
        self.feed.wake().map_or(self.next_look, |at| at.min(self.next_look))
    }

    /// The member that takes datagrams at an address.
    pub fn member_at(&mut self, addr: SocketAddr) -> Option<&mut Member> {
        self.addrs.get(&addr).and_then(|id| self.members.get_mut(id))
    }

    /// All members but ourselves.
    pub fn others(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|member| !member.ours)
    }

    /// Members, ourselves among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Grows with each change.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.feed.version()
    }

    /// The addresses of members that went since this was last asked.
    pub fn gone(&mut self) -> impl Iterator<Item = SocketAddr> + use<'_> {
        self.gone.drain(..)
    }

    /// What the next run is to know of the members.
    #[must_use]
    pub fn saved(&self) -> Vec<Saved> {
        self.others().map(Member::saved).collect()
    }

    fn insert(&mut self, now: Duration, member: Member) {
        let id = self.next_id;
        self.next_id += 1;
        if let Some(letter) = member.letter {
            self.letters.insert(letter, id);
            self.ports.insert(member.addr.port(), id);
            self.lent += usize::from(member.own.is_some());
        }
        if let Some(own) = &member.own {
            self.names.insert(own.name.clone(), id);
            self.births.extend(member.birth.map(|birth| (birth, id)));
        }
        self.addrs.insert(member.addr, id);
        *self.by_ip.entry(member.addr.ip()).or_default() += 1;
        self.feed.came(&member);
        self.feed.mark(now, self.members.len());
        self.members.insert(id, member);
    }

    fn remove(&mut self, now: Duration, id: Id) {
        let Some(member) = self.members.remove(&id) else { return };
        if let Some(letter) = member.letter {
            self.letters.remove(&letter);
            self.ports.remove(&member.addr.port());
            self.lent -= usize::from(member.own.is_some());
        }
        if let Some(own) = &member.own {
            self.names.remove(&own.name);
            if let Some(birth) = member.birth {
                self.births.remove(&birth);
            }
        }
        self.addrs.remove(&member.addr);
        if let Some(here) = self.by_ip.get_mut(&member.addr.ip()) {
            *here -= 1;
            if *here == 0 {
                self.by_ip.remove(&member.addr.ip());
            }
        }
        self.gone.push(member.addr);
        self.feed.went(&member);
        self.feed.mark(now, self.members.len());
    }

    /// Ports, letters and addresses that the members hold, for tests: each index says the same.
    #[doc(hidden)]
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let letters: BTreeSet<_> = self.members.values().filter_map(|m| m.letter).collect();
        let ports: BTreeSet<_> = self.members.values().filter(|m| m.letter.is_some()).map(|m| m.addr.port()).collect();
        let names = self.members.values().filter(|m| m.own.is_some()).count();
        let births = self.members.values().filter(|m| m.own.is_some() && m.birth.is_some()).count();
        letters.len() == self.letters.len()
            && ports.len() == self.ports.len()
            && letters.len() == ports.len()
            && names == self.names.len()
            && births == self.births.len()
            && self.addrs.len() == self.members.len()
            && self.by_ip.values().sum::<usize>() == self.members.len()
    }
}

#[cfg(test)]
mod tests;
