//! Who is there, by which link, and what goes where.
//!
//! A machine without IO or clock: [`Router::handle`] takes what happened and the time; after each call [`Router::poll_output`] is
//! drained; [`Input::Timeout`] is due at [`Router::next_timeout`].
//!
//! An id is known if it has a route: its own link, or the link of a peer that announced it. As host we answer a start, hand
//! over what was stored for that id, tell it of each id we know and the direct peers of it, in this order. What others
//! announce is not passed on. A message that cannot go on, or only to where it came from, is stored. What waits for a link is texts,
//! whose authors take turns, and before them who is there.

mod frames;
mod input;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rumormill_limits::Timestamp;

use super::framed::{Framed, Printable};
use super::link::{Link, LinkId, QueuedFrame, Source, Stage, Why};
use super::message::ProtocolMessage;
use super::places::{Owner, victim};
use super::store_and_forward::{StoreAndForward, Waiting};
use crate::counters::Counters;
use crate::port::Author;

pub(super) use input::{Input, Output, Reject, SendOutcome};

/// Connections that have not yet said who they are.
pub const MAX_NEW: usize = 64;
/// Peers with a link of their own.
pub const MAX_PEERS: usize = 128;
/// Ids that one peer may announce.
pub(super) const MAX_LEARNED: usize = 256;
/// Ids that are known at most: [`MAX_PEERS`], and twice what one of them may announce.
pub(super) const MAX_ROUTES: usize = 640;
/// A connection says who it is, or is answered, within this time.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);
/// Newcomers that the others are told of at once; then one for each [`NEWS_EVERY_US`]. Who comes in a flood of
/// newcomers beyond that is known to us alone.
const MAX_NEWS: u32 = 256;
/// The time after which the others are told of one newcomer more, in microseconds: 33 a second.
const NEWS_EVERY_US: u64 = 30_000;

/// How an id is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Route {
    /// The link that texts to it go by.
    link: LinkId,
    /// Whether that is its own, and not that of a peer which announced it.
    direct: bool,
}

/// Links, ids and which of them lead to whom: the protocol without sockets and clocks.
#[derive(Debug)]
pub(super) struct Router<T> {
    id: i64,
    links: BTreeMap<LinkId, Link<T>>,
    routes: BTreeMap<i64, Route>,
    stored: StoreAndForward,
    /// When those who have not said who they are have taken too long.
    handshakes: BTreeSet<(Timestamp, LinkId)>,
    /// Newcomers that may be told of, as of a time.
    news: (u32, Timestamp),
    counters: Arc<Counters>,
    outputs: VecDeque<Output<T>>,
}

impl<T: Clone> Router<T> {
    /// With our own id; nobody else is there yet.
    #[must_use]
    pub(super) fn new(id: i64, counters: Arc<Counters>) -> Self {
        Self {
            id,
            links: BTreeMap::new(),
            routes: BTreeMap::new(),
            stored: StoreAndForward::default(),
            handshakes: BTreeSet::new(),
            news: (MAX_NEWS, Timestamp::ZERO),
            counters,
            outputs: VecDeque::new(),
        }
    }

    /// Takes what happened. What a peer says wrongly is no error: its link is closed, or it is counted.
    ///
    /// # Errors
    /// There is no such link, or nobody to send to; nothing has changed.
    pub(super) fn handle(&mut self, now: Timestamp, input: Input<'_, T>) -> Result<(), Reject> {
        match input {
            Input::Opened { link, address, called } => return self.opened(link, address, called, now),
            Input::Frame { link, said } => return self.frame(link, said, now),
            Input::Unreadable { link, why } => {
                self.links.get(&link).ok_or(Reject::UnknownLink(link))?;
                Counters::one(&self.counters.malformed);
                self.close(link, Why::Unreadable(why));
            }
            Input::Written { link, bytes } => {
                self.links.get_mut(&link).ok_or(Reject::UnknownLink(link))?.wrote(bytes);
                self.pump(link);
            }
            Input::Closed { link } => {
                self.links.get(&link).ok_or(Reject::UnknownLink(link))?;
                self.depart(link);
            }
            Input::Send { to, text } => {
                if to < 1 || to == self.id {
                    return Err(Reject::Nowhere(to));
                }
                let sent = self.forward(None, Waiting { from: self.id, to, text, source: self.id, since: now });
                self.outputs.push_back(Output::Sent(sent));
            }
            Input::Broadcast { author, text, ticket } => self.broadcast(author, text, ticket.as_ref()),
            Input::Timeout => self.timeout(now),
            Input::Finish => self.finish(),
        }
        Ok(())
    }

    /// What is to be done; to be drained until `None`.
    pub(super) fn poll_output(&mut self) -> Option<Output<T>> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is due.
    #[must_use]
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        let handshake = self.handshakes.first().map(|(at, _)| *at);
        handshake.into_iter().chain(self.stored.next_timeout()).min()
    }

    fn opened(&mut self, link: LinkId, address: IpAddr, called: bool, now: Timestamp) -> Result<(), Reject> {
        if self.links.contains_key(&link) {
            return Err(Reject::KnownLink(link));
        }
        let new = |link: &Link<T>| link.stage == Stage::New;
        if !called && self.links.values().filter(|link| new(link)).count() >= MAX_NEW {
            self.crowd_out(Owner::of(address), new);
        }
        self.links.insert(link, Link::new(address, called, now));
        self.handshakes.insert((now.after(HANDSHAKE), link));
        Counters::one(&self.counters.opened);
        self.count_open();
        if called {
            self.send(link, ProtocolMessage::Start { id: self.id });
        }
        Ok(())
    }

    fn frame(&mut self, link: LinkId, said: ProtocolMessage, now: Timestamp) -> Result<(), Reject> {
        let stage = self.links.get(&link).ok_or(Reject::UnknownLink(link))?.stage;
        match (stage, said) {
            (Stage::New, ProtocolMessage::Start { id }) => self.start(link, id, now),
            (Stage::Calling, ProtocolMessage::Welcome { id }) => self.welcome(link, id, now),
            (Stage::Calling, ProtocolMessage::Refused) => self.close(link, Why::Refused),
            (Stage::Peer(_), ProtocolMessage::Text { from, to, text }) => self.text(link, (from, to, text), now),
            (Stage::Peer(peer), ProtocolMessage::Join { id, .. }) => self.join(link, peer, id),
            (Stage::Peer(_), ProtocolMessage::Leave { id }) => self.leave(link, id),
            _ => {
                Counters::one(&self.counters.malformed);
                self.close(link, Why::OutOfTurn);
            }
        }
        Ok(())
    }

    fn broadcast(&mut self, author: Author, text: &str, ticket: Option<&T>) {
        let routes: Vec<_> = self.routes.iter().map(|(id, route)| (*id, route.link)).collect();
        let receivers = routes.len();
        let text = Printable::new(text);
        for (to, link) in routes {
            self.send_text(link, Source::Room(author), (self.id, to, &text), ticket.cloned());
        }
        self.outputs.push_back(Output::Receivers(receivers));
    }

    fn finish(&mut self) {
        for (link, state) in &mut self.links {
            let rest = std::iter::from_fn(|| state.next_anyhow());
            self.outputs.extend(rest.map(|frame| write(*link, frame)));
        }
    }

    fn timeout(&mut self, now: Timestamp) {
        let expired = self.stored.expire(now);
        Counters::add(&self.counters.dropped_out, expired);
        while let Some((_, link)) = self.handshakes.first().copied().filter(|(at, _)| *at <= now) {
            self.close(link, Why::Silent);
        }
    }

    /// Each known id with the peer that leads to it, which may be itself.
    #[must_use]
    pub(super) fn table(&self) -> Vec<(i64, i64)> {
        let via = |route: &Route| self.links.get(&route.link).and_then(Link::<T>::peer);
        self.routes.iter().filter_map(|(id, route)| Some((*id, via(route)?))).collect()
    }

    /// What is stored until its receiver is there.
    pub(super) fn buffer(&self) -> impl Iterator<Item = &Waiting> {
        self.stored.iter()
    }

    /// Connections, those among them that have not said who they are.
    #[cfg(test)]
    pub(super) fn links(&self) -> usize {
        self.links.len()
    }

    /// Whether a link is still ours.
    #[must_use]
    pub(super) fn is_open(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    /// Whether the others may be told of one more newcomer.
    fn has_news(&mut self, now: Timestamp) -> bool {
        let (left, since) = self.news;
        let more = now.since(since).checked_div(NEWS_EVERY_US).unwrap_or(0);
        let more = u32::try_from(more).unwrap_or(MAX_NEWS).min(MAX_NEWS);
        let left = left.saturating_add(more).min(MAX_NEWS);
        let since = if more > 0 { now } else { since };
        self.news = (left.saturating_sub(1), since);
        left > 0
    }

    /// Says who is there, unless too much of that waits.
    fn send(&mut self, link: LinkId, said: ProtocolMessage) -> bool {
        self.put(link, Framed::said(said).ok(), |bytes| QueuedFrame { bytes, ours: false, ticket: None, source: None })
    }

    /// Sends a text. False if it, or another of the same source, was lost for it: too much waits, or it is too long.
    fn send_text(
        &mut self,
        link: LinkId,
        source: Source,
        (from, to, text): (i64, i64, &Printable),
        ticket: Option<T>,
    ) -> bool {
        let (ours, source) = (from == self.id, Some(source));
        let framed = Framed::text(from, to, text).ok();
        let put = framed.is_some() && self.links.contains_key(&link);
        Counters::add(&self.counters.dropped_out, usize::from(!put));
        self.put(link, framed, |bytes| QueuedFrame { bytes, ours, ticket, source })
    }

    fn put(&mut self, link: LinkId, framed: Option<Framed>, frame: impl FnOnce(Framed) -> QueuedFrame<T>) -> bool {
        let Some((framed, state)) = framed.zip(self.links.get_mut(&link)) else { return false };
        let frame = frame(framed);
        let source = frame.source;
        let lost = state.put(frame);
        Counters::add(&self.counters.dropped_out, lost.iter().filter(|frame| frame.source.is_some()).count());
        self.pump(link);
        lost.iter().all(|frame| frame.source != source)
    }

    /// Gives a link's writer what it takes.
    fn pump(&mut self, link: LinkId) {
        let Some(state) = self.links.get_mut(&link) else { return };
        let next = std::iter::from_fn(|| state.next());
        self.outputs.extend(next.map(|frame| write(link, frame)));
    }

    fn close(&mut self, link: LinkId, why: Why) {
        self.depart(link);
        self.outputs.push_back(Output::Close { link, flush: false, why });
    }

    /// Closes one of these links for a newcomer.
    fn crowd_out(&mut self, newcomer: Owner, among: impl Fn(&Link<T>) -> bool) {
        let among = self.links.iter().filter(|(_, link)| among(link));
        let placed = among.map(|(id, link)| link.placed(*id));
        if let Some(link) = victim(placed, newcomer) {
            Counters::one(&self.counters.refused_full);
            self.close(link, Why::Crowded);
        }
    }

    /// Forgets a link and what lay behind it. Those who were told that its peer is there are told that it is not. Of a host
    /// that we had dialled nobody was told.
    fn depart(&mut self, link: LinkId) {
        let Some(gone) = self.links.remove(&link) else { return };
        self.handshakes.remove(&(gone.heard.after(HANDSHAKE), link));
        self.routes.retain(|_, route| route.link != link);
        self.count_open();
        let Some(id) = gone.peer().filter(|_| !gone.called) else { return };
        let told = self.links.iter_mut().filter_map(|(other, state)| state.announced.remove(&id).then_some(*other));
        for other in told.collect::<Vec<_>>() {
            self.send(other, ProtocolMessage::Leave { id });
        }
    }

    fn count_open(&self) {
        Counters::set(&self.counters.open, self.links.len());
    }
}

fn write<T>(link: LinkId, QueuedFrame { bytes, ours, ticket, .. }: QueuedFrame<T>) -> Output<T> {
    Output::Send { link, frame: bytes, ours, ticket }
}

#[cfg(test)]
mod tests;
