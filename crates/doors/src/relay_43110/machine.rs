//! Who is dialled when, and what is written by which link: events and the time go in, actions come out. `now` never goes
//! back. After any call, drain [`Machine::action`]; then call [`Machine::tick`] at [`Machine::next_tick`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::config;
use super::frames::greeting;
use super::links::{Frame, LinkId, Links, MAX_DIALLED};
use super::peer::{MAX_TRIES, Peer};

/// Frames that wait for one address.
pub(super) const MAX_QUEUE: usize = 1_024;
/// Frames that wait in all.
pub(super) const MAX_WAITING: usize = 8_192;
/// Addresses of which something is known.
pub(super) const MAX_PEERS: usize = 1_024;
/// We never dial ourselves. A program here may still dial us from our own address, and is written to by its link.
const OURSELVES: &str = "that is this node itself";
/// Not dialled once its places are used up.
const NO_PLACES: &str = "it takes no more connections until it is started again";
/// Not dialled while we have so many.
const TOO_MANY_LINKS: &str = "too many links";
/// A peer that has dialled us greets within so many periods; before that it is not dialled.
const GREETING_PERIODS: u32 = 2;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action<T> {
    /// Connect; then [`Machine::dialled`] or [`Machine::dial_failed`].
    Dial(IpAddr, u16),
    /// Write all of it at once; then [`Machine::written`] or [`Machine::ended`].
    Write(LinkId, Vec<u8>),
    /// Close it. Nothing more is told of it.
    Close(LinkId),
    /// Tell what became of a message.
    Done(T, Result<(), String>),
    /// So many frames will not be sent.
    Dropped(usize),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Machine<T> {
    own: IpAddr,
    period: Duration,
    pause: Duration,
    pub(super) peers: BTreeMap<IpAddr, Peer<T>>,
    pub(super) links: Links<T>,
    waiting: usize,
    /// Links that we dialled or are dialling.
    dials: usize,
    actions: VecDeque<Action<T>>,
}

impl<T> Machine<T> {
    pub(super) fn new(config: &config::Config) -> Self {
        let peers = config.dial.iter().map(|peer| (peer.ip(), Peer::new(peer.port(), true))).collect();
        Self {
            own: config.listen.ip(),
            period: config.period,
            pause: config.pause,
            peers,
            links: Links(BTreeMap::new()),
            waiting: 0,
            dials: 0,
            actions: VecDeque::new(),
        }
    }

    pub(super) fn action(&mut self) -> Option<Action<T>> {
        self.actions.pop_front()
    }

    /// Frames that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Dials everybody who is to be dialled, once.
    pub(super) fn start(&mut self) {
        for (ip, peer) in &mut self.peers {
            peer.dialling = true;
            self.dials += 1;
            self.actions.push_back(Action::Dial(*ip, peer.port));
        }
    }

    /// Somebody has connected. True if somebody else had to make room.
    pub(super) fn accepted(&mut self, id: LinkId, ip: IpAddr, now: Duration) -> bool {
        let gone = self.links.in_the_way(ip);
        if let Some(gone) = gone {
            self.actions.push_back(Action::Close(gone));
            self.ended(gone, false, now);
        }
        self.links.add(id, ip, false, now);
        gone.is_some()
    }

    /// A dial came through.
    pub(super) fn dialled(&mut self, id: LinkId, ip: IpAddr, now: Duration) {
        let peer = self.peers.entry(ip).or_insert_with(|| Peer::new(config::DEFAULT_PORT, false));
        peer.dial_succeeded();
        self.actions.extend(peer.asked.drain(..).map(|ticket| Action::Done(ticket, Ok(()))));
        self.links.add(id, ip, true, now);
        self.write(id, greeting(ip), None);
    }

    /// A dial did not come through.
    pub(super) fn dial_failed(&mut self, ip: IpAddr, nobody_listens: bool, why: &str, now: Duration) {
        let Some(peer) = self.peers.get_mut(&ip) else { return };
        self.dials -= 1;
        peer.dial_failed(nobody_listens, self.period, now);
        self.actions.extend(peer.asked.drain(..).map(|ticket| Action::Done(ticket, Err(why.to_owned()))));
        if peer.tries >= MAX_TRIES {
            self.give_up(ip, why);
        }
        self.pump(ip, now);
    }

    /// By this link came something of this protocol.
    pub(super) fn heard(&mut self, id: LinkId, now: Duration) {
        let Some(link) = self.links.0.get_mut(&id) else { return };
        link.useful = Some(now);
        let ip = link.ip;
        self.pump(ip, now);
    }

    /// The last write by this link is done. True if that was the last of a message.
    pub(super) fn written(&mut self, id: LinkId, now: Duration) -> bool {
        let Some(link) = self.links.0.get_mut(&id) else { return false };
        (link.busy, link.free_at) = (false, now + self.pause);
        let (ip, frame) = (link.ip, link.writing.take());
        let whole = frame.as_ref().is_some_and(|frame| frame.last);
        if let (Some(_), Some(peer)) = (&frame, self.peers.get_mut(&ip)) {
            peer.tries = 0;
        }
        if let Some(ticket) = frame.and_then(|frame| frame.ticket) {
            self.actions.push_back(Action::Done(ticket, Ok(())));
        }
        self.pump(ip, now);
        self.forget(ip);
        whole
    }

    /// A link is no more. What was not written whole is written again by another.
    pub(super) fn ended(&mut self, id: LinkId, by_them: bool, now: Duration) {
        let Some(link) = self.links.0.remove(&id) else { return };
        self.dials -= usize::from(link.dialled);
        // One of which nothing more was known may have been forgotten while its last frame was being written.
        let Some(peer) = (match link.writing {
            Some(_) => Some(self.peers.entry(link.ip).or_insert_with(|| Peer::new(config::DEFAULT_PORT, false))),
            None => self.peers.get_mut(&link.ip),
        }) else {
            return;
        };
        if link.dialled {
            peer.link_ended(now.saturating_sub(link.opened), by_them, self.period, now);
        }
        if let Some(frame) = link.writing {
            self.waiting += 1;
            peer.queue.push_front(frame);
        }
        self.pump(link.ip, now);
        self.forget(link.ip);
    }

    /// To everyone who is there or should be.
    pub(super) fn say(&mut self, bytes: &[u8], now: Duration) {
        let known = self.peers.iter().filter(|(_, peer)| peer.known).map(|(ip, _)| *ip);
        let all: BTreeSet<IpAddr> = known.chain(self.links.speaking()).collect();
        for ip in all {
            self.tell(ip, vec![bytes.to_vec()], None, now);
        }
    }

    /// To one, who is dialled if need be.
    pub(super) fn tell(&mut self, ip: IpAddr, frames: Vec<Vec<u8>>, ticket: Option<T>, now: Duration) {
        let ip = ip.to_canonical();
        if ip == self.own && self.links.best(ip).is_none() {
            return self.refuse(frames.len(), ticket, OURSELVES);
        }
        if !self.peers.contains_key(&ip) && !self.has_room() {
            return self.refuse(frames.len(), ticket, "too many addresses");
        }
        let peer = self.peers.entry(ip).or_insert_with(|| Peer::new(config::DEFAULT_PORT, false));
        if peer.queue.len() + frames.len() > MAX_QUEUE || self.waiting + frames.len() > MAX_WAITING {
            return self.refuse(frames.len(), ticket, "too much is waiting");
        }
        if peer.queue.is_empty() {
            peer.since = now;
        }
        self.waiting += frames.len();
        let mut frames: VecDeque<_> =
            frames.into_iter().map(|bytes| Frame { bytes, last: false, ticket: None }).collect();
        if let Some(last) = frames.back_mut() {
            (last.last, last.ticket) = (true, ticket);
        }
        peer.queue.append(&mut frames);
        self.pump(ip, now);
        self.forget(ip);
    }

    /// Tells whether an address can be written to: somebody is linked or named in the settings, or takes a dial now.
    pub(super) fn ask(&mut self, ip: IpAddr, ticket: T) {
        let ip = ip.to_canonical();
        let is_there = self.links.best(ip).is_some() || self.links.silent_since(ip).is_some();
        if is_there || self.peers.get(&ip).is_some_and(|peer| peer.known) {
            return self.actions.push_back(Action::Done(ticket, Ok(())));
        }
        let has_room = self.peers.contains_key(&ip) || self.has_room();
        let dials_full = self.dials >= MAX_DIALLED;
        let peer = self.peers.get(&ip);
        let why = match peer {
            _ if ip == self.own => OURSELVES,
            _ if !has_room => "too many addresses",
            Some(peer) if peer.dialling => "",
            Some(peer) if peer.places == 0 => NO_PLACES,
            _ if dials_full => TOO_MANY_LINKS,
            _ => "",
        };
        if !why.is_empty() {
            return self.refuse(0, Some(ticket), why);
        }
        let peer = self.peers.entry(ip).or_insert_with(|| Peer::new(config::DEFAULT_PORT, false));
        peer.asked.push(ticket);
        if !std::mem::replace(&mut peer.dialling, true) {
            self.dials += 1;
            self.actions.push_back(Action::Dial(ip, peer.port));
        }
    }

    /// The next time at which something is to be done.
    pub(super) fn next_tick(&self) -> Option<Duration> {
        self.peers.values().filter_map(|peer| peer.wake).min()
    }

    pub(super) fn tick(&mut self, now: Duration) {
        let due = |peer: &Peer<T>| peer.wake.is_some_and(|wake| wake <= now);
        let due: Vec<IpAddr> = self.peers.iter().filter(|(_, peer)| due(peer)).map(|(ip, _)| *ip).collect();
        for ip in due {
            self.pump(ip, now);
        }
    }

    /// Nothing more will be sent.
    pub(super) fn close(&mut self) {
        let writing = self.links.0.values_mut().filter_map(|link| link.writing.take());
        let waiting = self.peers.values_mut().flat_map(|peer| std::mem::take(&mut peer.queue));
        for frame in writing.chain(waiting) {
            if let Some(ticket) = frame.ticket {
                self.actions.push_back(Action::Done(ticket, Err("the door closes".into())));
            }
        }
        let asked = self.peers.values_mut().flat_map(|peer| std::mem::take(&mut peer.asked));
        self.actions.extend(asked.map(|ticket| Action::Done(ticket, Err("the door closes".into()))));
        self.waiting = 0;
    }

    /// Moves what waits for an address one step on, or says when to look again.
    fn pump(&mut self, ip: IpAddr, now: Duration) {
        let link = self.links.best(ip);
        let Some(peer) = self.peers.get_mut(&ip) else { return };
        peer.wake = None;
        if peer.queue.is_empty() {
            return;
        }
        if let Some(id) = link {
            return self.next_frame(id, ip, now);
        }
        if peer.dialling {
            return;
        }
        // One that has just dialled us will greet: its places are too few to dial it as well.
        let grace = self.period * GREETING_PERIODS;
        let until = self
            .links
            .silent_since(ip)
            .map(|opened| opened.min(peer.since) + grace)
            .unwrap_or_default()
            .max(peer.retry_at);
        if ip == self.own {
            self.give_up(ip, OURSELVES);
        } else if peer.places == 0 {
            self.give_up(ip, NO_PLACES);
        } else if self.dials >= MAX_DIALLED {
            self.give_up(ip, TOO_MANY_LINKS);
        } else if until > now {
            peer.wake = Some(until);
        } else {
            peer.dialling = true;
            self.dials += 1;
            self.actions.push_back(Action::Dial(ip, peer.port));
        }
    }

    fn next_frame(&mut self, id: LinkId, ip: IpAddr, now: Duration) {
        let (Some(link), Some(peer)) = (self.links.0.get(&id), self.peers.get_mut(&ip)) else { return };
        if link.busy {
            return;
        }
        if link.free_at > now {
            peer.wake = Some(link.free_at);
            return;
        }
        if let Some(frame) = peer.queue.pop_front() {
            self.waiting -= 1;
            self.write(id, frame.bytes.clone(), Some(frame));
        }
    }

    fn write(&mut self, id: LinkId, bytes: Vec<u8>, frame: Option<Frame<T>>) {
        if let Some(link) = self.links.0.get_mut(&id) {
            (link.busy, link.writing) = (true, frame);
            self.actions.push_back(Action::Write(id, bytes));
        }
    }

    fn give_up(&mut self, ip: IpAddr, why: &str) {
        let Some(peer) = self.peers.get_mut(&ip) else { return };
        peer.tries = 0;
        let queue = std::mem::take(&mut peer.queue);
        self.waiting -= queue.len();
        let tickets: Vec<T> = queue
            .into_iter()
            .filter_map(|frame| {
                self.actions.push_back(Action::Dropped(1));
                frame.ticket
            })
            .collect();
        let done = |ticket| Action::Done(ticket, Err(why.to_owned()));
        self.actions.extend(tickets.into_iter().map(done));
    }

    fn refuse(&mut self, frames: usize, ticket: Option<T>, why: &str) {
        self.actions.push_back(Action::Dropped(frames));
        self.actions.extend(ticket.map(|ticket| Action::Done(ticket, Err(why.to_owned()))));
    }

    /// Whether there is room for one more address; those with nothing to do are forgotten if need be.
    fn has_room(&mut self) -> bool {
        if self.peers.len() >= MAX_PEERS {
            let linked: BTreeSet<IpAddr> = self.links.0.values().map(|link| link.ip).collect();
            self.peers.retain(|ip, peer| peer.known || peer.is_at_work() || linked.contains(ip));
        }
        self.peers.len() < MAX_PEERS
    }

    /// Drops what is known of an address, if that is nothing.
    fn forget(&mut self, ip: IpAddr) {
        // What is on its way may come back to the queue.
        let writes = || self.links.0.values().any(|link| link.ip == ip && link.writing.is_some());
        if self.peers.get(&ip).is_some_and(Peer::is_plain) && !writes() {
            self.peers.remove(&ip);
        }
    }
}

#[cfg(test)]
mod tests;
