//! Links come and go.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rumormill_gossip::{Check, Input, LinkId};
use rumormill_peering::{LinkId as Number, Named, Place, Rival, rival};
use rumormill_wire::NodeId;
use rumormill_wire::native::ByeCode;
use tokio::sync::watch;

use super::state::{Driver, State};
use crate::check::evidence_of;
use crate::counters::Counters;
use crate::link::Link;
use crate::lock;

const KEPT: &str = "the places left are kept for named neighbours";
const DISPLACED: &str = "a named neighbour takes this place";
/// How long a link that lost its place need not come back.
const DISPLACED_RETRY_S: u16 = 60;
const DUPLICATE: &str = "another link with this peer is kept";

/// Whether a link may come up.
pub(crate) enum Admission {
    /// It is up, and the engine knows of it.
    Up,
    /// A link with this peer is there; if it does not answer a PING, this one may replace it.
    Test(Arc<Link>),
    /// Its peer was told all by another link, before the end of this node: see [`Driver::until_not_told_all`].
    ToldAll,
    /// It may not come up, and is told so.
    Refused { code: ByeCode, reason: &'static str, retry_after_s: u16 },
}

/// What a node that is banned is told.
pub(crate) const BANNED: (ByeCode, &str) = (ByeCode::MISBEHAVIOUR, "banned for a while");

fn refused(code: ByeCode, reason: &'static str) -> Admission {
    Admission::Refused { code, reason, retry_after_s: 0 }
}

/// For a BYE: whole seconds, the last one begun counts.
pub(super) fn seconds(time: Duration) -> u16 {
    u16::try_from(time.as_secs().saturating_add(1)).unwrap_or(u16::MAX)
}

impl Driver {
    /// A name for a new link.
    pub(crate) fn next_link(&self) -> LinkId {
        let mut state = lock(&self.state);
        state.last_link = state.last_link.saturating_add(1);
        LinkId(state.last_link)
    }

    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        lock(&self.state).links.values().cloned().collect()
    }

    /// Decides under one lock whether a link comes up, and brings it up. `older` names a link that did not answer a PING.
    pub(crate) fn admit(&self, link: &Arc<Link>, older: Option<LinkId>, max_links: usize) -> Admission {
        // Before the lock: those who list the neighbours hold theirs and look at the links.
        let named = self.named();
        let mut state = lock(&self.state);
        let (now, mut jobs) = (self.clock.now(), VecDeque::new());
        if self.was_told_all(&link.facts.peer) {
            return Admission::ToldAll;
        }
        let rejoins = |state: &State| {
            let up = || state.links.values().any(|other| other.facts.peer == link.facts.peer);
            state.replaced.contains(&link.facts.peer) || up()
        };
        if *self.stopping.borrow() && !rejoins(&state) {
            return refused(ByeCode::LEAVING, "the node shuts down");
        }
        if let Some(left) = state.bans.remaining(&link.facts.peer, now) {
            return Admission::Refused { code: BANNED.0, reason: BANNED.1, retry_after_s: seconds(left) };
        }
        let existing = state.links.values().find(|other| {
            let same = other.facts.peer == link.facts.peer || other.facts.name == link.facts.name;
            same && !other.is_closed()
        });
        if let Some(other) = existing.cloned() {
            let gone = older == Some(other.id);
            match rival(self.checker.me, other.facts.end(), other.since, link.facts.end(), now) {
                Rival::OldWins if !gone => return refused(ByeCode::DUPLICATE, DUPLICATE),
                Rival::Test if !gone => return Admission::Test(other),
                _ => {}
            }
            other.bye(ByeCode::DUPLICATE, DUPLICATE);
            jobs = self.take_down(&mut state, &other);
        } else {
            let links = state.links.values().map(|link| (Number(link.id.0), link.facts.who()));
            match named.place(links, link.facts.who(), max_links) {
                Place::Free => {}
                Place::InPlaceOf(other) => jobs = self.displace(&mut state, LinkId(other.0), link),
                Place::Kept => {
                    Counters::add(&self.counters.links_refused_kept, 1);
                    return refused(ByeCode::OVERLOAD, KEPT);
                }
                Place::None => {
                    Counters::add(&self.counters.links_refused_full, 1);
                    return refused(ByeCode::OVERLOAD, "no room for another link");
                }
            }
        }
        state.replaced.remove(&link.facts.peer);
        state.links.insert(link.id, Arc::clone(link));
        jobs.extend(self.bring_up(&mut state, link, named.has(link.facts.who())));
        drop(state);
        self.links_changed.send_modify(|version| *version = version.wrapping_add(1));
        self.finish(jobs);
        Admission::Up
    }

    /// Ends a link for that of a named neighbour. Who loses it need not come back soon: the place is taken.
    fn displace(&self, state: &mut State, other: LinkId, by: &Link) -> VecDeque<Check> {
        let Some(other) = state.links.get(&other).cloned() else { return VecDeque::new() };
        Counters::add(&self.counters.links_displaced, 1);
        tracing::info!(peer = %other.facts.name, addr = %other.facts.addr, neighbour = %by.facts.name, "{DISPLACED}");
        other.bye_for(ByeCode::OVERLOAD, DISPLACED, DISPLACED_RETRY_S);
        self.take_down(state, &other)
    }

    /// The neighbours that are named in the configuration, as far as they are known.
    pub(crate) fn named(&self) -> Named {
        self.neighbours.named(self.checker.me)
    }

    /// What links that are up, and places kept for `named` neighbours, leave of `max-links` to others.
    pub(crate) fn room_for_others(&self, named: &Named, max_links: usize) -> usize {
        let state = lock(&self.state);
        let taken = state.links.len().saturating_add(named.kept(state.links.values().map(|link| link.facts.who())));
        max_links.saturating_sub(taken)
    }

    fn bring_up(&self, state: &mut State, link: &Link, named: bool) -> VecDeque<Check> {
        let (node, evidence) = (link.facts.peer, evidence_of(&link.facts.certificate));
        self.checker.names.learn(node, &link.facts.name, &evidence);
        let (_, mut jobs) = self.feed_locked(state, Input::Admit { node, evidence });
        jobs.extend(self.feed_locked(state, Input::LinkUp { link: link.id, peer: node, named }).1);
        jobs
    }

    fn take_down(&self, state: &mut State, link: &Link) -> VecDeque<Check> {
        if state.links.remove(&link.id).is_none() {
            return VecDeque::new();
        }
        self.feed_locked(state, Input::LinkDown { link: link.id }).1
    }

    /// For how many seconds more no link with this node is taken, if it is banned.
    pub(crate) fn banned_s(&self, node: &NodeId) -> Option<u16> {
        lock(&self.state).bans.remaining(node, self.clock.now()).map(seconds)
    }

    /// A link has ended.
    pub(crate) fn link_down(&self, link: &Link) {
        link.close_now();
        let mut state = lock(&self.state);
        if link.is_replaced() && *self.stopping.borrow() && state.links.contains_key(&link.id) {
            state.replaced.insert(link.facts.peer);
        }
        let jobs = self.take_down(&mut state, link);
        drop(state);
        self.links_changed.send_modify(|version| *version = version.wrapping_add(1));
        self.finish(jobs);
    }

    /// Neighbours that keep another link with us, which is not up yet, while this node stops.
    pub(super) fn rejoining(&self) -> usize {
        lock(&self.state).replaced.len()
    }

    /// Whether a link with this name or node is up.
    pub(crate) fn linked(&self, name: Option<&str>, node: Option<NodeId>) -> bool {
        let state = lock(&self.state);
        state.links.values().any(|link| name == Some(link.facts.name.as_str()) || node == Some(link.facts.peer))
    }

    /// How long a neighbour is banned, if it is.
    pub(crate) fn banned(&self, name: Option<&str>, node: Option<NodeId>) -> Option<Duration> {
        let named = name.map(|name| self.checker.names.with_name(name)).unwrap_or_default();
        let (state, now) = (lock(&self.state), self.clock.now());
        named.iter().chain(node.as_ref()).filter_map(|node| state.bans.remaining(node, now)).max()
    }

    /// Changes whenever a link comes or goes.
    pub(crate) fn links_changed(&self) -> watch::Receiver<u64> {
        self.links_changed.subscribe()
    }
}
