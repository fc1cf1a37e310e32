//! The directory: who is a member, who is turned away, who fell silent, and who is to be told (in `feed`).
//!
//! A machine: datagrams and times go in, verdicts and datagrams come out.

mod feed;
mod member;
mod rejected;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rumormill_wire::udp_mesh::Letter;
use rumormill_wire::udp_mesh::extended::{KEY_LEN, Refusal};

pub use feed::GAP_BUSY;
pub use member::{Member, Own, Saved};

use feed::Feed;
use member::Told;
use rejected::Rejected;

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

    /// An old BIRTH.
    pub fn birth(&mut self, now: Duration, from: SocketAddr, letter: Letter, port: u16) -> Verdict {
        let addr = SocketAddr::new(from.ip(), port);
        let holder = self.letters.get(&letter).and_then(|id| self.members.get_mut(id));
        if let Some(holder) = holder.filter(|m| m.own.is_none() && m.addr == addr) {
            // From elsewhere too: a port has one process, so it was ended and started again before it was missed.
            holder.again = holder.birth.filter(|birth| *birth != from).map(|_| (from, now));
            holder.heard = now;
            self.feed.mark_old(now, self.members.len());
            return Verdict::Known;
        }
        let why = self.letter_free(letter, addr).and_then(|()| self.place_for(addr.ip()));
        let Err(why) = why else {
            self.insert(now, Member::new(Some(letter), addr, None, Some(from), now));
            return Verdict::Taken;
        };
        // The members get the directory again, as they do from the old server.
        self.feed.mark_old(now, self.members.len());
        Verdict::Refused { why, tell: self.rejected.again(from, letter, port) }
    }

    /// A BIRTH of the extended form (P-U2). `holds` says whether its signature does, and is asked last: it costs.
    pub fn claim(
        &mut self,
        now: Duration,
        from: SocketAddr,
        claim: Claim<'_>,
        holds: impl FnOnce() -> bool,
    ) -> Verdict {
        let refused = |why| Verdict::Refused { why, tell: true };
        if claim.addr.ip() != from.ip() {
            return refused(Refusal::Address);
        }
        let found = self.names.get(claim.name).or_else(|| self.addrs.get(&claim.addr)).copied();
        if let Some(member) = found.and_then(|id| self.members.get(&id)) {
            return match &member.own {
                Some(own) if own.key == claim.key && own.name == claim.name && member.addr == claim.addr => {
                    self.renew(now, from, claim, holds)
                }
                Some(own) if own.name == claim.name => refused(Refusal::Name),
                _ => refused(Refusal::Port),
            };
        }
        let only = claim.name.chars().next().filter(|c| claim.name.len() == c.len_utf8()).and_then(Letter::new);
        let letter = match only {
            Some(letter) => match self.letter_free(letter, claim.addr) {
                Ok(()) => Some(letter),
                Err(why) => return refused(why),
            },
            None => self.lend(claim.name, claim.addr),
        };
        if let Err(why) = self.place_for(claim.addr.ip()) {
            return refused(why);
        }
        if self.births.contains_key(&from) {
            return refused(Refusal::Port);
        }
        if !holds() {
            return refused(Refusal::Signature);
        }
        let own = Own { key: claim.key, name: claim.name.to_owned() };
        let member = Member::new(letter, claim.addr, Some(own), Some(from), now);
        self.insert(now, Member { time: claim.time, ..member });
        Verdict::Taken
    }

    /// The same peer asks again, perhaps from another port: it may have lost the directory.
    fn renew(&mut self, now: Duration, from: SocketAddr, claim: Claim<'_>, holds: impl FnOnce() -> bool) -> Verdict {
        let refused = |why| Verdict::Refused { why, tell: true };
        let Some(&id) = self.addrs.get(&claim.addr) else { return refused(Refusal::Port) };
        let Some(member) = self.members.get_mut(&id) else { return refused(Refusal::Port) };
        if self.births.get(&from).is_some_and(|other| *other != id) {
            return refused(Refusal::Port);
        }
        if claim.time <= member.time || !holds() {
            return refused(Refusal::Signature);
        }
        (member.time, member.heard, member.told) = (claim.time, now, Told::Nothing);
        if let Some(birth) = member.birth.replace(from) {
            self.births.remove(&birth);
        }
        self.births.insert(from, id);
        self.feed.mark(now, self.members.len());
        Verdict::Known
    }

    /// An old KEEPALIVE. False if it is from nobody, or from somebody who is not the member of that name.
    pub fn keepalive(&mut self, now: Duration, from: SocketAddr, letter: Letter) -> bool {
        let Some(member) = self.letters.get(&letter).and_then(|id| self.members.get_mut(id)) else { return false };
        // The first of two has this long to show that it lives: more than a heartbeat, less than the silence.
        member.beats(now, from, self.limits.look.saturating_mul(3) / 2)
    }

    /// A KEEPALIVE of the extended form (P-U3), by the address that gave birth. False if that is nobody's.
    pub fn keepalive_extended(&mut self, now: Duration, from: SocketAddr, version: u64) -> bool {
        let Some(&id) = self.births.get(&from) else { return false };
        let Some(member) = self.members.get_mut(&id) else { return false };
        member.heard = now;
        self.feed.resend(now, id, member, version);
        true
    }

    /// A LEAVE (P-U6), by the address that gave birth.
    pub fn leave(
        &mut self,
        now: Duration,
        from: SocketAddr,
        time: u64,
        holds: impl FnOnce(&[u8; KEY_LEN]) -> bool,
    ) -> bool {
        let Some(&id) = self.births.get(&from) else { return false };
        let Some((member, own)) = self.members.get(&id).and_then(|m| Some((m, m.own.as_ref()?))) else { return false };
        let goes = time > member.time && holds(&own.key);
        if goes {
            self.remove(now, id);
        }
        goes
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

    fn letter_free(&self, letter: Letter, addr: SocketAddr) -> Result<(), Refusal> {
        if self.letters.contains_key(&letter) {
            return Err(Refusal::Name);
        }
        let port_taken = self.ports.contains_key(&addr.port()) || self.addrs.contains_key(&addr);
        if port_taken { Err(Refusal::Port) } else { Ok(()) }
    }

    fn place_for(&self, ip: IpAddr) -> Result<(), Refusal> {
        let here = self.by_ip.get(&ip).copied().unwrap_or(0);
        let free = self.members.len() < self.limits.members && here < self.limits.by_address;
        if free { Ok(()) } else { Err(Refusal::Full) }
    }

    /// The character by which old peers see a member of the extended form, where they can reach it and there is one (P-U9).
    fn lend(&self, name: &str, addr: SocketAddr) -> Option<Letter> {
        if self.lent >= MAX_LENT_LETTERS || addr.ip() != self.limits.home || self.ports.contains_key(&addr.port()) {
            return None;
        }
        let wished = name.chars().filter_map(Letter::new).filter(|l| *l != Letter::BLANK);
        wished.chain(('a'..='z').filter_map(Letter::new)).find(|l| !self.letters.contains_key(l))
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
