//! Coming, staying and going of members.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rumormill_wire::udp_mesh::Letter;
use rumormill_wire::udp_mesh::extended::{KEY_LEN, Refusal};

use super::member::Told;
use super::{Claim, Directory, MAX_LENT_LETTERS, Member, Own, Verdict};

impl Directory {
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
    pub(super) fn renew(
        &mut self,
        now: Duration,
        from: SocketAddr,
        claim: Claim<'_>,
        holds: impl FnOnce() -> bool,
    ) -> Verdict {
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

    pub(super) fn letter_free(&self, letter: Letter, addr: SocketAddr) -> Result<(), Refusal> {
        if self.letters.contains_key(&letter) {
            return Err(Refusal::Name);
        }
        let port_taken = self.ports.contains_key(&addr.port()) || self.addrs.contains_key(&addr);
        if port_taken { Err(Refusal::Port) } else { Ok(()) }
    }

    pub(super) fn place_for(&self, ip: IpAddr) -> Result<(), Refusal> {
        let here = self.by_ip.get(&ip).copied().unwrap_or(0);
        let free = self.members.len() < self.limits.members && here < self.limits.by_address;
        if free { Ok(()) } else { Err(Refusal::Full) }
    }

    /// The character by which old peers see a member of the extended form, where they can reach it and there is one (P-U9).
    pub(super) fn lend(&self, name: &str, addr: SocketAddr) -> Option<Letter> {
        if self.lent >= MAX_LENT_LETTERS || addr.ip() != self.limits.home || self.ports.contains_key(&addr.port()) {
            return None;
        }
        let wished = name.chars().filter_map(Letter::new).filter(|l| *l != Letter::BLANK);
        wished.chain(('a'..='z').filter_map(Letter::new)).find(|l| !self.letters.contains_key(l))
    }
}
