//! The directory: who is a member, who is turned away, who fell silent, and who is to be told.
//!
//! A machine without IO or clock: [`Directory::handle`] takes what happened and the time; after each call
//! [`Directory::poll_output`] is drained; [`Input::Timeout`] is due at [`Directory::next_timeout`], and a datagram comes out only
//! when the socket takes one ([`Input::Writable`]). Signatures are checked by whoever drives it ([`Output::Verify`]).

mod broadcast;
mod feed;
mod input;
mod member;
mod members;
mod register;
mod rejected;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rumormill_limits::Timestamp;
use rumormill_wire::udp_mesh::NameChar;

use feed::Feed;
use member::Id;
use register::Pending;
use rejected::Rejected;

pub(super) use input::{Claim, Input, Output, Reject};
pub(super) use member::{Member, Own, Saved};

/// More datagrams than this between two looks, and four for each member, and we may have lost some: silence proves little.
pub(super) const FLOOD: usize = 5_000;

/// How many times longer a member may be silent then.
pub(super) const PATIENCE: u32 = 20;

/// Bounds and times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Members in all.
    pub members: usize,
    /// Members from one address.
    pub by_address: usize,
    /// Between two looks for the silent.
    pub look: Duration,
    /// How long a member may be silent.
    pub silence: Duration,
    /// Where legacy peers expect everyone.
    pub home: IpAddr,
}

/// The directory.
#[derive(Debug)]
pub(super) struct Directory {
    limits: Limits,
    members: BTreeMap<Id, Member>,
    next_id: Id,
    characters: BTreeMap<NameChar, Id>,
    /// Ports of those who have a character: that is all that legacy peers know of each other.
    ports: BTreeMap<u16, Id>,
    names: BTreeMap<String, Id>,
    addrs: BTreeMap<SocketAddr, Id>,
    /// Members of the extended form by where they send their heartbeats from.
    births: BTreeMap<SocketAddr, Id>,
    by_ip: BTreeMap<IpAddr, usize>,
    lent: usize,
    rejected: Rejected,
    feed: Feed,
    next_look: Timestamp,
    heard: usize,
    flooded_until: Timestamp,
    /// Whose signature is being checked.
    pending: Option<Pending>,
    outputs: VecDeque<Output>,
}

impl Directory {
    /// An empty one. `version` is to be higher than any that a run before has given out.
    #[must_use]
    pub(super) fn new(limits: Limits, version: u64) -> Self {
        Self {
            limits,
            members: BTreeMap::new(),
            next_id: 0,
            characters: BTreeMap::new(),
            ports: BTreeMap::new(),
            names: BTreeMap::new(),
            addrs: BTreeMap::new(),
            births: BTreeMap::new(),
            by_ip: BTreeMap::new(),
            lent: 0,
            rejected: Rejected::default(),
            feed: Feed::new(version),
            next_look: Timestamp::at(limits.look),
            heard: 0,
            flooded_until: Timestamp::ZERO,
            pending: None,
            outputs: VecDeque::new(),
        }
    }

    /// Lists ourselves, who never fall silent. False if the character or the port is taken.
    pub(super) fn settle(&mut self, now: Timestamp, character: NameChar, addr: SocketAddr, own: Own) -> bool {
        let free = self.character_free(character, addr).is_ok() && !self.names.contains_key(&own.name);
        if free {
            let member = Member::new(Some(character), addr, Some(own), None, now);
            self.insert(now, Member { ours: true, ..member });
        }
        free
    }

    /// A character that nobody has, one of those that people seldom choose first.
    #[must_use]
    pub(super) fn free_character(&self) -> Option<NameChar> {
        "rqxzjkvwyu".chars().filter_map(NameChar::new).chain(NameChar::all()).find(|l| !self.characters.contains_key(l))
    }

    /// Takes back a member of the last run; false if there is no place for it any more.
    pub(super) fn restore(&mut self, now: Timestamp, saved: Saved) -> bool {
        let member =
            Member { time: saved.time, ..Member::new(saved.character, saved.addr, saved.own, saved.birth, now) };
        let free = match (member.character, &member.own) {
            (Some(character), _) => self.character_free(character, member.addr).is_ok(),
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

    /// Takes what happened.
    ///
    /// # Errors
    /// A datagram counts for nothing; it says why, and whether the sender is told.
    pub(super) fn handle(&mut self, now: Timestamp, input: Input<'_>) -> Result<(), Reject> {
        let pending = self.pending.take();
        match input {
            Input::Traffic => self.heard = self.heard.saturating_add(1),
            Input::Birth { from, character, port } => return self.birth(now, from, character, port),
            Input::Claim { from, claim } => return self.claim(now, from, claim, None),
            Input::KeepAlive { from, character } => return self.keepalive(now, from, character),
            Input::KeepAliveExtended { from, version } => return self.keepalive_extended(now, from, version),
            Input::Leave { from, time } => return self.leave(now, from, time, None),
            Input::Verified { holds } => match pending {
                Some(Pending::Claim { from, claim }) => return self.claim(now, from, claim.borrowed(), Some(holds)),
                Some(Pending::Leave { from, time }) => return self.leave(now, from, time, Some(holds)),
                None => {}
            },
            Input::Writable => {
                let next = self.next_datagram(now);
                self.outputs.extend(next.map(|(to, bytes)| Output::Datagram { to, bytes }));
            }
            Input::Timeout => self.look(now),
        }
        Ok(())
    }

    /// What is to be done; to be drained until `None`.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When there is something to do again: to look for the silent, or to send, if the socket takes it.
    #[must_use]
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.feed.next_timeout().into_iter().chain([self.next_look]).min()
    }

    /// Looks for the silent, if it is time. While more comes than we can be sure to hear, members have longer.
    fn look(&mut self, now: Timestamp) {
        if now < self.next_look {
            return;
        }
        self.next_look = now.after(self.limits.look);
        let expected = self.members.len().saturating_mul(4).saturating_add(FLOOD);
        if std::mem::take(&mut self.heard) > expected {
            self.flooded_until = now.after(self.limits.silence);
        }
        let patience = if now < self.flooded_until { PATIENCE } else { 1 };
        let may = self.limits.silence.saturating_mul(patience);
        let is_silent = |member: &Member| !member.ours && now.elapsed(member.heard) > may;
        let silent: Vec<Id> = self.members.iter().filter(|(_, m)| is_silent(m)).map(|(id, _)| *id).collect();
        for id in silent {
            self.remove(now, id);
        }
    }

    /// The member that takes datagrams at an address.
    pub(super) fn member_at(&mut self, addr: SocketAddr) -> Option<&mut Member> {
        self.addrs.get(&addr).and_then(|id| self.members.get_mut(id))
    }

    /// All members but ourselves.
    pub(super) fn others(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|member| !member.ours)
    }

    /// Members, ourselves among them.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Grows with each change.
    #[must_use]
    pub(super) const fn version(&self) -> u64 {
        self.feed.version()
    }

    /// What the next run is to know of the members.
    #[must_use]
    pub(super) fn saved(&self) -> Vec<Saved> {
        self.others().map(Member::saved).collect()
    }
}

#[cfg(test)]
mod tests;
