//! Who is there, by which link, and what goes where: a machine without IO. Events and the time go in, [`Action`]s come out.
//!
//! An id is known if it has a route: its own link, or the link of a peer that announced it. As host we answer a start, hand
//! over what was kept for that id, tell it of each id we know and the direct peers of it, in this order. What others
//! announce is not passed on. A message that cannot go on, or only to where it came from, is kept.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::kept::{Kept, Waiting};
use super::link::{Link, LinkId, Stage, Why, victim};
use super::message::Said;
use crate::Counters;

/// Connections that have not yet said who they are.
pub const MAX_NEW: usize = 64;
/// Peers with a link of their own.
pub const MAX_PEERS: usize = 128;
/// Ids that one peer may announce.
pub const MAX_LEARNED: usize = 256;
/// Ids that are known.
pub const MAX_ROUTES: usize = 640;
/// A connection says who it is, or is answered, within this time.
pub const HANDSHAKE: Duration = Duration::from_secs(10);
/// Newcomers that the others are told of: at once, and then one for each [`NEWS_EVERY`]. Who comes in a flood of
/// newcomers beyond that is known to us alone.
const MAX_NEWS: u32 = 256;
const NEWS_EVERY: Duration = Duration::from_millis(30);

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Write a frame, in one go.
    Send {
        /// To whom.
        link: LinkId,
        /// The whole frame.
        frame: Vec<u8>,
        /// Whether it is a message of ours.
        ours: bool,
    },
    /// Close a link. The hub has forgotten it.
    Close {
        /// Which.
        link: LinkId,
        /// After what was sent before.
        flush: bool,
        /// For the log.
        why: Why,
    },
    /// A host has taken us in.
    Joined(i64),
    /// A message for us.
    Deliver {
        /// Who claims to have written it.
        from: i64,
        /// What it says.
        text: String,
    },
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It goes out.
    Out,
    /// It waits until its receiver is there.
    Kept,
    /// It was dropped: too long, or its link is full.
    Dropped,
    /// It is for our own id, or for none.
    Nowhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Route {
    link: LinkId,
    direct: bool,
}

/// The machine.
#[derive(Debug)]
pub struct Hub {
    id: i64,
    links: BTreeMap<LinkId, Link>,
    routes: BTreeMap<i64, Route>,
    kept: Kept,
    next: LinkId,
    /// Newcomers that may be told of, as of a time.
    news: (u32, Duration),
    counters: Arc<Counters>,
}

impl Hub {
    /// Nobody is there yet.
    #[must_use]
    pub fn new(id: i64, counters: Arc<Counters>) -> Self {
        let news = (MAX_NEWS, Duration::ZERO);
        Self { id, links: BTreeMap::new(), routes: BTreeMap::new(), kept: Kept::default(), next: 0, news, counters }
    }

    /// A connection: made by us if `called`.
    pub fn opened(&mut self, address: IpAddr, called: bool, now: Duration, out: &mut Vec<Action>) -> LinkId {
        let new = |link: &Link| link.stage == Stage::New;
        if !called && self.links.values().filter(|link| new(link)).count() >= MAX_NEW {
            self.crowd_out(new, out);
        }
        let link = self.next;
        self.next += 1;
        self.links.insert(link, Link::new(address, called, now));
        Counters::one(&self.counters.opened);
        self.count_open();
        if called {
            self.send(link, Said::Start { id: self.id }, out);
        }
        link
    }

    /// A frame came in by a link.
    pub fn heard(&mut self, link: LinkId, said: Said, now: Duration, out: &mut Vec<Action>) {
        let Some(stage) = self.links.get(&link).map(|link| link.stage) else { return };
        match (stage, said) {
            (Stage::New, Said::Start { id }) => self.start(link, id, now, out),
            (Stage::Calling, Said::Welcome { id }) => self.welcome(link, id, now, out),
            (Stage::Calling, Said::Refused) => self.close(link, Why::Refused, out),
            (Stage::Peer(_), Said::Text { from, to, text }) => self.text(link, (from, to, text), now, out),
            (Stage::Peer(peer), Said::Join { id, .. }) => self.join(link, peer, id, out),
            (Stage::Peer(_), Said::Leave { id }) => self.leave(link, id),
            _ => {
                Counters::one(&self.counters.malformed);
                self.close(link, Why::OutOfTurn, out);
            }
        }
    }

    /// What came in by a link is no frame of this protocol.
    pub fn unreadable(&mut self, link: LinkId, why: String, out: &mut Vec<Action>) {
        if self.links.contains_key(&link) {
            Counters::one(&self.counters.malformed);
            self.close(link, Why::Unreadable(why), out);
        }
    }

    /// A connection has ended.
    pub fn closed(&mut self, link: LinkId, out: &mut Vec<Action>) {
        self.depart(link, out);
    }

    /// A frame of so many bytes was written.
    pub fn wrote(&mut self, link: LinkId, bytes: usize) {
        if let Some(link) = self.links.get_mut(&link) {
            link.wrote(bytes);
        }
    }

    /// Time goes by; to be called every second or so.
    pub fn tick(&mut self, now: Duration, out: &mut Vec<Action>) {
        let expired = self.kept.expire(now);
        Counters::add(&self.counters.dropped_out, expired);
        let late = |link: &Link| !matches!(link.stage, Stage::Peer(_)) && now.saturating_sub(link.heard) >= HANDSHAKE;
        let silent: Vec<_> = self.links.iter().filter(|(_, link)| late(link)).map(|(id, _)| *id).collect();
        for link in silent {
            self.close(link, Why::Silent, out);
        }
    }

    /// A text of ours to one id.
    pub fn say(&mut self, to: i64, text: String, now: Duration, out: &mut Vec<Action>) -> Sent {
        if to < 1 || to == self.id {
            return Sent::Nowhere;
        }
        let message = Waiting { from: self.id, to, text, source: self.id, since: now };
        self.forward(None, message, out)
    }

    /// A text of ours to every id that is known; how many those are.
    pub fn say_all(&mut self, text: &str, out: &mut Vec<Action>) -> usize {
        let routes: Vec<_> = self.routes.iter().map(|(id, route)| (*id, route.link)).collect();
        let send = |(to, link)| self.send(link, Said::Text { from: self.id, to, text: text.to_owned() }, out);
        routes.into_iter().map(send).filter(|sent| *sent).count()
    }

    /// Our id.
    #[must_use]
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Each known id with the peer that leads to it, which may be itself.
    #[must_use]
    pub fn table(&self) -> Vec<(i64, i64)> {
        let via = |route: &Route| self.links.get(&route.link).and_then(Link::peer);
        self.routes.iter().filter_map(|(id, route)| Some((*id, via(route)?))).collect()
    }

    /// What is kept.
    pub fn buffer(&self) -> impl Iterator<Item = &Waiting> {
        self.kept.iter()
    }

    /// Connections.
    #[must_use]
    pub fn links(&self) -> usize {
        self.links.len()
    }

    /// Whether a link is still ours.
    #[must_use]
    pub fn is_open(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    /// Whether the others may be told of one more newcomer.
    fn has_news(&mut self, now: Duration) -> bool {
        let (left, since) = self.news;
        let more = now.saturating_sub(since).as_millis() / NEWS_EVERY.as_millis();
        let more = u32::try_from(more).unwrap_or(MAX_NEWS).min(MAX_NEWS);
        let left = left.saturating_add(more).min(MAX_NEWS);
        let since = if more > 0 { now } else { since };
        self.news = (left.saturating_sub(1), since);
        left > 0
    }

    /// Sends, unless too much waits there or it is too long.
    fn send(&mut self, link: LinkId, said: Said, out: &mut Vec<Action>) -> bool {
        let ours = matches!(said, Said::Text { from, .. } if from == self.id);
        let is_text = matches!(said, Said::Text { .. });
        let frame = said.frame().ok();
        let state = self.links.get_mut(&link);
        let fits = frame.zip(state).filter(|(frame, state)| state.has_room(frame.len()));
        let Some((frame, state)) = fits else {
            if is_text {
                Counters::one(&self.counters.dropped_out);
            }
            return false;
        };
        state.waits(frame.len());
        out.push(Action::Send { link, frame, ours });
        true
    }

    fn close(&mut self, link: LinkId, why: Why, out: &mut Vec<Action>) {
        self.depart(link, out);
        out.push(Action::Close { link, flush: false, why });
    }

    /// Closes the link among these that is the least loss.
    fn crowd_out(&mut self, among: impl Fn(&Link) -> bool, out: &mut Vec<Action>) {
        if let Some(link) = victim(self.links.iter().filter(|(_, link)| among(link))) {
            Counters::one(&self.counters.refused_full);
            self.close(link, Why::Crowded, out);
        }
    }

    /// Forgets a link and what lay behind it. Those who were told that its peer is there are told that it is not. Of a host
    /// that we had dialled nobody was told.
    fn depart(&mut self, link: LinkId, out: &mut Vec<Action>) {
        let Some(gone) = self.links.remove(&link) else { return };
        self.routes.retain(|_, route| route.link != link);
        self.count_open();
        let Some(id) = gone.peer().filter(|_| !gone.called) else { return };
        let told = self.links.iter_mut().filter_map(|(other, state)| state.announced.remove(&id).then_some(*other));
        for other in told.collect::<Vec<_>>() {
            self.send(other, Said::Leave { id }, out);
        }
    }

    fn count_open(&self) {
        Counters::set(&self.counters.open, self.links.len());
    }
}

mod turns;

#[cfg(test)]
mod tests;
