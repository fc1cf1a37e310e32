//! The directory: who is a member, who is turned away, who fell silent, and who is to be told.
//!
//! A machine without IO or clock: [`Directory::handle`] takes what happened and the time; after each call
//! [`Directory::poll_output`] is drained; [`Input::Timeout`] is due at [`Directory::next_timeout`], and a datagram comes out only
//! when the socket takes one ([`Input::Writable`]). Signatures are checked by whoever drives it ([`Output::Verify`]).

mod admit;
mod attention;
mod broadcast;
mod budgets;
mod feed;
mod input;
mod left;
mod look;
mod member;
mod members;
mod newcomers;
mod pending;
mod receipt;
mod register;
mod rejected;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rumormill_limits::{Recent, Timestamp};
use rumormill_wire::udp_mesh::NameChar;

use attention::Attention;
use budgets::{AGAIN, TEXTS, UNSHOWN};
use feed::Feed;
use left::Left;
use member::Id;
use newcomers::Newcomers;
use pending::Pending;
use receipt::{Pages, Receipt};
use rejected::Rejected;

use crate::shares::Shares;

pub(super) use input::{Claim, Input, Output, Reject};
pub(super) use member::{Member, Own, Saved};
pub(super) use newcomers::Admit;

/// Legacy peers that are remembered after they were dropped in doubt, the latest.
const MAX_DROPPED: usize = 1_024;

/// What a directory keeps at most, and how long it waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Members at most, in all.
    pub members: usize,
    /// Members at most from one address.
    pub by_address: usize,
    /// Between two looks for the silent.
    pub look: Duration,
    /// How long a member may be silent before it is dropped.
    pub silence: Duration,
    /// The address at which legacy peers look for everyone: they know each other by port alone.
    pub home: IpAddr,
    /// Bytes that the system keeps of what has come and is not read.
    pub queue: usize,
}

/// The members, who was told of them what, and who is not believed yet: the protocol without sockets and clocks.
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
    /// From where legacy peers send their heartbeats.
    sources: BTreeSet<(SocketAddr, Id)>,
    newcomers: Newcomers,
    attention: Attention,
    next_look: Timestamp,
    /// Legacy peers that were dropped while their heartbeats may have been lost, by where those come from: where they take
    /// datagrams, unless they came back or were dropped without doubt since.
    dropped: Recent<(SocketAddr, NameChar), Option<SocketAddr>, MAX_DROPPED>,
    left: Left,
    pages: Pages,
    /// How many have shown that they receive.
    shown: u64,
    /// Pages that were not paid for.
    unpaid: u64,
    unshown: Shares,
    texts: Shares,
    again: Shares,
    /// Whose signature is being checked.
    pending: Option<Pending>,
    outputs: VecDeque<Output>,
}

impl Directory {
    /// An empty one. `version` is to be higher than any that a run before has given out, `seed` a secret of this run.
    #[must_use]
    pub(super) fn new(limits: Limits, version: u64, seed: &[u8; 32]) -> Self {
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
            sources: BTreeSet::new(),
            newcomers: Newcomers::default(),
            attention: Attention::new(limits.look, limits.queue),
            dropped: Recent::new(),
            left: Left::default(),
            pages: Pages::new(seed),
            shown: 0,
            unpaid: 0,
            unshown: Shares::new(UNSHOWN),
            texts: Shares::new(TEXTS),
            again: Shares::new(AGAIN),
            pending: None,
            outputs: VecDeque::new(),
        }
    }

    /// Lists ourselves, who never fall silent. False if the character or the port is taken.
    pub(super) fn settle(&mut self, now: Timestamp, character: NameChar, addr: SocketAddr, own: Own) -> bool {
        let free = self.character_free(character, addr).is_ok() && !self.names.contains_key(&own.name);
        if free {
            let member = Member::new(Some(character), addr, Some(own), None, self.attention.heard(now));
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
        let member = Member::new(saved.character, saved.addr, saved.own, saved.birth, self.attention.heard(now));
        let member = Member { time: saved.time, receipt: Receipt::of_last_run(), ..member };
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

    /// Takes what happened; what is to be done about it comes from [`Directory::poll_output`].
    ///
    /// # Errors
    /// A datagram counts for nothing; it says why, and whether the sender is told.
    pub(super) fn handle(&mut self, now: Timestamp, input: Input<'_>) -> Result<(), Reject> {
        let pending = self.pending.take();
        match input {
            Input::Traffic { len } => self.attention.came(len),
            Input::Empty => self.attention.empty(now),
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

    /// When the socket was last seen empty.
    #[cfg(test)]
    pub(super) const fn seen_empty(&self) -> Timestamp {
        self.attention.seen_empty()
    }

    /// When there is something to do again: to look for the silent, or to send, if the socket takes it.
    #[must_use]
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.feed.next_timeout().into_iter().chain([self.next_look]).min()
    }

    /// The member that takes datagrams at an address.
    pub(super) fn member_at(&mut self, addr: SocketAddr) -> Option<&mut Member> {
        self.addrs.get(&addr).and_then(|id| self.members.get_mut(id))
    }

    /// Whose text comes from an address: the member's there, or if it is signed at this time that of who left a moment ago (P-U7).
    pub(super) fn speaker_at(&mut self, now: Timestamp, from: SocketAddr, signed: Option<u64>) -> Option<&mut Member> {
        if self.addrs.contains_key(&from) {
            return self.member_at(from);
        }
        self.left.speaker_at(now, from, signed?)
    }

    /// All members but ourselves.
    pub(super) fn others(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|member| !member.ours)
    }

    /// Whether a text of so many bytes may go to a member. One of the extended form must have shown that it receives (P-U10);
    /// legacy peers, who cannot, have a share.
    pub(super) fn takes_text(&mut self, now: Timestamp, to: SocketAddr, bytes: usize) -> bool {
        let Some(member) = self.addrs.get(&to).and_then(|id| self.members.get(id)) else { return false };
        if member.own.is_some() { member.receipt.is_shown() } else { self.texts.take(now, to, bytes).is_ok() }
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

    /// The version that members of the extended form name. It grows with each change of the list, over restarts too.
    #[must_use]
    pub(super) const fn version(&self) -> u64 {
        self.feed.version()
    }

    /// Changes with what [`Directory::saved`] says.
    #[must_use]
    pub(super) const fn revision(&self) -> (u64, u64) {
        (self.feed.version(), self.shown)
    }

    /// Datagrams that had to wait, since whoever they are for has not shown that it receives or was sent them before.
    #[must_use]
    pub(super) const fn held(&self) -> u64 {
        self.unshown.held().saturating_add(self.again.held()).saturating_add(self.unpaid)
    }

    /// What the next run is to know of the members: legacy peers, and those of the extended form that have shown that they receive.
    #[must_use]
    pub(super) fn saved(&self) -> Vec<Saved> {
        self.others().filter(|member| member.own.is_none() || member.receipt.is_shown()).map(Member::saved).collect()
    }
}

#[cfg(test)]
mod tests;
