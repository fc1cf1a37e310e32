//! Coming, staying and going of members.

use std::net::{IpAddr, SocketAddr};

use rumormill_limits::Timestamp;
use rumormill_wire::udp_mesh::NameChar;
use rumormill_wire::udp_mesh::extended::Refusal;

use super::Directory;
use super::input::{Claim, Output, Reject};
use super::member::{Has, Member, Own};
use super::pending::Pending;

/// Characters that members of the extended form may have together: the rest is for the legacy peers, who have nothing else.
pub(super) const MAX_LENT: usize = 32;

impl Directory {
    /// A legacy BIRTH.
    pub(super) fn birth(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        character: NameChar,
        port: u16,
    ) -> Result<(), Reject> {
        let addr = SocketAddr::new(from.ip(), port);
        let holder = self.characters.get(&character).and_then(|id| self.members.get_mut(id));
        if let Some(holder) = holder.filter(|m| m.own.is_none() && m.addr == addr) {
            // From elsewhere too: a port has one process, so it was ended and started again before it was missed.
            holder.again = holder.birth.filter(|birth| *birth != from).map(|_| (from, now));
            holder.heard = self.attention.heard(now);
            self.feed.mark_legacy(now, self.members.len());
            return Ok(());
        }
        let free = self.character_free(character, addr).and_then(|()| self.place_for(addr.ip()));
        if let Err(why) = free {
            // The members get the directory again, as they do from the legacy server.
            self.feed.mark_legacy(now, self.members.len());
            return Err(Reject { why, tell: self.rejected.again(from, character, port) });
        }
        self.join(now, Member::new(Some(character), addr, None, Some(from), self.attention.heard(now)));
        Ok(())
    }

    /// A BIRTH of the extended form (P-U2). Whether its signature holds is asked last: it costs.
    pub(super) fn claim(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        claim: Claim<&str>,
        holds: Option<bool>,
    ) -> Result<(), Reject> {
        if claim.addr.ip() != from.ip() {
            return Err(Reject::told(Refusal::Address));
        }
        let found = self.names.get(claim.name).or_else(|| self.addrs.get(&claim.addr)).copied();
        if let Some(member) = found.and_then(|id| self.members.get(&id)) {
            return match &member.own {
                Some(own) if own.key == claim.key && own.name == claim.name && member.addr == claim.addr => {
                    self.renew(now, from, claim, holds)
                }
                Some(own) if own.name == claim.name => Err(Reject::told(Refusal::Name)),
                _ => Err(Reject::told(Refusal::Port)),
            };
        }
        let only = claim.name.chars().next().filter(|c| claim.name.len() == c.len_utf8()).and_then(NameChar::new);
        let character = match only {
            Some(character) => {
                self.character_free(character, claim.addr).map(|()| Some(character)).map_err(Reject::told)?
            }
            None => self.lend(claim.name, claim.addr),
        };
        self.place_for(claim.addr.ip()).map_err(Reject::told)?;
        if self.births.contains_key(&from) {
            return Err(Reject::told(Refusal::Port));
        }
        if !self.verified(from, claim, holds)? {
            return Ok(());
        }
        let own = Own { key: claim.key, name: claim.name.to_owned() };
        let member = Member::new(character, claim.addr, Some(own), Some(from), self.attention.heard(now));
        let mut receipt = self.pages.receipt(self.next_id);
        receipt.birth(claim.name);
        self.join(now, Member { time: claim.time, receipt, ..member });
        Ok(())
    }

    /// The same peer asks again, perhaps from another port: it may have lost the directory.
    fn renew(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        claim: Claim<&str>,
        holds: Option<bool>,
    ) -> Result<(), Reject> {
        let id = *self.addrs.get(&claim.addr).ok_or(Reject::told(Refusal::Port))?;
        let time = self.members.get(&id).ok_or(Reject::told(Refusal::Port))?.time;
        if self.births.get(&from).is_some_and(|other| *other != id) {
            return Err(Reject::told(Refusal::Port));
        }
        if claim.time <= time {
            return Err(Reject::told(Refusal::Signature));
        }
        if !self.verified(from, claim, holds)? {
            return Ok(());
        }
        if let Some(member) = self.members.get_mut(&id) {
            (member.time, member.heard, member.has) = (claim.time, self.attention.heard(now), Has::Nothing);
            member.receipt.birth(claim.name);
            member.again_sent = true;
            if let Some(birth) = member.birth.replace(from) {
                self.births.remove(&birth);
            }
        }
        self.births.insert(from, id);
        self.feed.mark(now, self.members.len());
        Ok(())
    }

    /// Whether a claim's signature holds; false, and it is asked for, while that is not known.
    fn verified(&mut self, from: SocketAddr, claim: Claim<&str>, holds: Option<bool>) -> Result<bool, Reject> {
        match holds {
            Some(true) => Ok(true),
            Some(false) => Err(Reject::told(Refusal::Signature)),
            None => {
                self.outputs.push_back(Output::Verify { from, key: claim.key });
                self.pending = Some(Pending::Claim { from, claim: claim.owned() });
                Ok(false)
            }
        }
    }

    /// A legacy KEEPALIVE.
    pub(super) fn keepalive(&mut self, now: Timestamp, from: SocketAddr, character: NameChar) -> Result<(), Reject> {
        // The first of two has this long to show that it lives: more than a heartbeat, less than the silence.
        let wait = self.limits.look.saturating_mul(3).checked_div(2).unwrap_or_default();
        let heard = self.attention.heard(now);
        let Some(id) = self.characters.get(&character).copied() else {
            return self.revive(now, from, character);
        };
        let member = self.members.get_mut(&id).ok_or(Reject::silent(Refusal::Unknown))?;
        let before = member.birth;
        if !member.beats(now, heard, from, wait) {
            return Err(Reject::silent(Refusal::Unknown));
        }
        if before != Some(from) {
            before.map(|before| self.sources.remove(&(before, id)));
            self.sources.insert((from, id));
        }
        Ok(())
    }

    /// A KEEPALIVE of the extended form (P-U3), by the address that gave birth.
    pub(super) fn keepalive_extended(&mut self, now: Timestamp, from: SocketAddr, has: u64) -> Result<(), Reject> {
        let id = *self.births.get(&from).ok_or(Reject::told(Refusal::Unknown))?;
        let member = self.members.get_mut(&id).ok_or(Reject::told(Refusal::Unknown))?;
        member.heard = self.attention.heard(now);
        if member.receipt.keepalive(has) {
            member.has = Has::Nothing;
            self.shown = self.shown.saturating_add(1);
            self.feed.queue(now, id, member);
        }
        self.feed.resend(now, id, member, has);
        Ok(())
    }

    /// A LEAVE (P-U6), by the address that gave birth.
    pub(super) fn leave(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        time: u64,
        holds: Option<bool>,
    ) -> Result<(), Reject> {
        let id = *self.births.get(&from).ok_or(Reject::silent(Refusal::Unknown))?;
        let member = self.members.get(&id).and_then(|member| Some((member.time, member.own.as_ref()?.key)));
        let (last, key) = member.ok_or(Reject::silent(Refusal::Unknown))?;
        match holds {
            _ if time <= last => Err(Reject::silent(Refusal::Signature)),
            Some(false) => Err(Reject::silent(Refusal::Signature)),
            Some(true) => {
                if let Some(member) = self.remove(now, id) {
                    self.left.add(now, member, time);
                }
                Ok(())
            }
            None => {
                self.outputs.push_back(Output::Verify { from, key });
                self.pending = Some(Pending::Leave { from, time });
                Ok(())
            }
        }
    }

    pub(super) fn join(&mut self, now: Timestamp, member: Member) {
        self.outputs.push_back(Output::Joined { addr: member.addr });
        self.insert(now, member);
    }

    pub(super) fn character_free(&self, character: NameChar, addr: SocketAddr) -> Result<(), Refusal> {
        if self.characters.contains_key(&character) {
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

    /// The character by which legacy peers see a member of the extended form, where they can reach it and there is one (P-U9).
    fn lend(&self, name: &str, addr: SocketAddr) -> Option<NameChar> {
        if self.lent >= MAX_LENT || addr.ip() != self.limits.home || self.ports.contains_key(&addr.port()) {
            return None;
        }
        let wished = name.chars().filter_map(NameChar::new).filter(|l| *l != NameChar::BLANK);
        wished.chain(('a'..='z').filter_map(NameChar::new)).find(|l| !self.characters.contains_key(l))
    }
}
