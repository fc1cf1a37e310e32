//! Who is dialled when, and what is written by which link.
//!
//! A machine without IO or clock: [`Machine::handle`] takes what happened and the time, which never goes back; after each call
//! [`Machine::poll_output`] is drained; [`Input::Timeout`] is due at [`Machine::next_timeout`].

mod deliver;
mod input;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use rumormill_limits::Timestamp;

use super::config::{Config, DEFAULT_PORT};
use super::frames::greeting;
use super::links::{Links, MAX_DIALLED, RelayLinkId};
use super::peer::{LegacyNode, MAX_QUEUE, MAX_TRIES};
use crate::unsent::Unsent;

pub(super) use input::{Input, Output, Reject};

/// Frames that wait in all: 16 MB of the longest. Where the room's lines go to many, each queue has its part of half of that.
pub(super) const MAX_WAITING: usize = 8_192;
/// Addresses of which something is known: more than a class has machines.
pub(super) const MAX_PEERS: usize = 1_024;

/// What is known of each address and link, what waits for whom, and when to look again.
#[derive(Debug)]
pub(super) struct Machine<T> {
    own: IpAddr,
    period: Duration,
    pause: Duration,
    peers: BTreeMap<IpAddr, LegacyNode<T>>,
    links: Links<T>,
    /// When to look at an address again; each at most once.
    timers: BTreeSet<(Timestamp, IpAddr)>,
    waiting: usize,
    /// Links that we dialled or are dialling.
    dials: usize,
    outputs: VecDeque<Output<T>>,
}

impl<T> Machine<T> {
    pub(super) fn new(config: &Config) -> Self {
        let peers =
            config.dial.iter().map(|peer| (peer.ip(), LegacyNode::new(peer.port(), true, config.period))).collect();
        Self {
            own: config.listen.ip().to_canonical(),
            period: config.period,
            pause: config.pause,
            peers,
            links: Links(BTreeMap::new()),
            timers: BTreeSet::new(),
            waiting: 0,
            dials: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Takes what happened; what is to be done about it comes from `poll_output`.
    ///
    /// # Errors
    /// It is about a link or a dial that this machine does not have; nothing has changed.
    pub(super) fn handle(&mut self, now: Timestamp, input: Input<'_, T>) -> Result<(), Reject> {
        match input {
            Input::Start => self.start(),
            Input::Accepted { link, ip } => self.accepted(link, ip, now)?,
            Input::Dialled { link, ip } => self.dialled(link, ip, now)?,
            Input::DialFailed { ip, nobody_listens, why } => self.dial_failed(ip, nobody_listens, why, now)?,
            Input::Useful { link } => self.useful(link, now)?,
            Input::Written { link } => self.written(link, now)?,
            Input::Ended { link, by_them } => self.ended(link, by_them, now)?,
            Input::Broadcast { author, frame } => self.broadcast(author, frame, now),
            Input::Send { author, ip, frames, ticket } => self.send(author, ip, (frames, ticket), (MAX_QUEUE, now)),
            Input::Probe { ip, ticket } => self.probe(ip, ticket),
            Input::Timeout => self.timeout(now),
            Input::Stop => self.stop(),
        }
        Ok(())
    }

    /// What is to be done; to be drained until `None`.
    pub(super) fn poll_output(&mut self) -> Option<Output<T>> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is due.
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Frames that wait, for all addresses together.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    fn start(&mut self) {
        for (ip, peer) in &mut self.peers {
            peer.dialling = true;
            self.dials = self.dials.saturating_add(1);
            self.outputs.push_back(Output::Dial { ip: *ip, port: peer.port });
        }
    }

    fn accepted(&mut self, link: RelayLinkId, ip: IpAddr, now: Timestamp) -> Result<(), Reject> {
        if self.links.0.contains_key(&link) {
            return Err(Reject::KnownLink(link));
        }
        let named = |ip: &IpAddr| self.peers.get(ip).is_some_and(|peer| peer.configured);
        if let Some(gone) = self.links.in_the_way(ip, named) {
            self.outputs.push_back(Output::Close { link: gone });
            self.ended(gone, false, now)?;
        }
        self.links.add(link, ip, false, now);
        Ok(())
    }

    fn dialled(&mut self, link: RelayLinkId, ip: IpAddr, now: Timestamp) -> Result<(), Reject> {
        if self.links.0.contains_key(&link) {
            return Err(Reject::KnownLink(link));
        }
        let peer = self.peers.entry(ip).or_insert_with(|| LegacyNode::new(DEFAULT_PORT, false, self.period));
        peer.dial_succeeded();
        self.outputs.extend(peer.probes.drain(..).map(|ticket| Output::Settled { ticket, result: Ok(()) }));
        self.links.add(link, ip, true, now);
        self.write(link, greeting(ip), None);
        Ok(())
    }

    fn dial_failed(&mut self, ip: IpAddr, nobody_listens: bool, why: &str, now: Timestamp) -> Result<(), Reject> {
        let peer = self.peers.get_mut(&ip).filter(|peer| peer.dialling).ok_or(Reject::NotDialled(ip))?;
        self.dials = self.dials.saturating_sub(1);
        peer.dial_failed(nobody_listens, now);
        let why = Unsent::Dial(why.to_owned());
        let failed = |ticket| Output::Settled { ticket, result: Err(why.clone()) };
        self.outputs.extend(peer.probes.drain(..).map(failed));
        if peer.tries >= MAX_TRIES {
            self.give_up(ip, &why);
        }
        self.pump(ip, now);
        Ok(())
    }

    fn useful(&mut self, link: RelayLinkId, now: Timestamp) -> Result<(), Reject> {
        let state = self.links.0.get_mut(&link).ok_or(Reject::UnknownLink(link))?;
        state.useful = Some(now);
        let ip = state.ip;
        self.pump(ip, now);
        Ok(())
    }

    fn written(&mut self, link: RelayLinkId, now: Timestamp) -> Result<(), Reject> {
        let state = self.links.0.get_mut(&link).ok_or(Reject::UnknownLink(link))?;
        (state.busy, state.free_at) = (false, now.after(self.pause));
        let (ip, frame) = (state.ip, state.writing.take());
        if let Some(frame) = frame {
            if let Some(peer) = self.peers.get_mut(&ip) {
                peer.tries = 0;
            }
            if frame.last {
                self.outputs.push_back(Output::Sent);
            }
            self.outputs.extend(frame.ticket.map(|ticket| Output::Settled { ticket, result: Ok(()) }));
        }
        self.pump(ip, now);
        self.forget(ip);
        Ok(())
    }

    /// What was not written whole is written again by another link.
    fn ended(&mut self, link: RelayLinkId, by_them: bool, now: Timestamp) -> Result<(), Reject> {
        let link = self.links.0.remove(&link).ok_or(Reject::UnknownLink(link))?;
        self.dials = self.dials.saturating_sub(usize::from(link.dialled));
        // One of which nothing more was known may have been forgotten while its last frame was being written.
        let peer = match link.writing {
            Some(_) => {
                Some(self.peers.entry(link.ip).or_insert_with(|| LegacyNode::new(DEFAULT_PORT, false, self.period)))
            }
            None => self.peers.get_mut(&link.ip),
        };
        let Some(peer) = peer else { return Ok(()) };
        if link.dialled {
            peer.link_ended(now.elapsed(link.opened), by_them, self.period, now);
        }
        if let Some(frame) = link.writing {
            self.waiting = self.waiting.saturating_add(1);
            peer.queue.put_back(frame);
        }
        self.pump(link.ip, now);
        self.forget(link.ip);
        Ok(())
    }

    /// Whether a dial would reach this door: the system takes the address that is none for its own.
    fn is_ours(&self, ip: IpAddr) -> bool {
        ip == self.own || ip.is_unspecified()
    }

    fn probe(&mut self, ip: IpAddr, ticket: T) {
        let ip = ip.to_canonical();
        let is_there = self.links.best(ip).is_some() || self.links.silent_since(ip).is_some();
        if is_there || self.peers.get(&ip).is_some_and(|peer| peer.configured) {
            return self.outputs.push_back(Output::Settled { ticket, result: Ok(()) });
        }
        let has_room = self.peers.contains_key(&ip) || self.has_room();
        let why = match self.peers.get(&ip) {
            // We never dial ourselves. A program here may still dial us from our own address, and is written to by its link.
            _ if self.is_ours(ip) => Some(Unsent::Ourselves),
            _ if !has_room => Some(Unsent::TooManyAddresses),
            Some(peer) if peer.dialling => None,
            Some(peer) if peer.places == 0 => Some(Unsent::NoPlaces),
            _ if self.dials >= MAX_DIALLED => Some(Unsent::TooManyLinks),
            _ => None,
        };
        if let Some(why) = why {
            return self.refuse(0, Some(ticket), why);
        }
        let peer = self.peers.entry(ip).or_insert_with(|| LegacyNode::new(DEFAULT_PORT, false, self.period));
        peer.probes.push(ticket);
        if !std::mem::replace(&mut peer.dialling, true) {
            self.dials = self.dials.saturating_add(1);
            self.outputs.push_back(Output::Dial { ip, port: peer.port });
        }
    }

    fn timeout(&mut self, now: Timestamp) {
        while let Some((_, ip)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.pump(ip, now);
        }
    }

    fn stop(&mut self) {
        let writing = self.links.0.values_mut().filter_map(|link| link.writing.take());
        let waiting = self.peers.values_mut().flat_map(|peer| peer.queue.drain());
        let sent: Vec<T> = writing.chain(waiting).filter_map(|frame| frame.ticket).collect();
        let probes = self.peers.values_mut().flat_map(|peer| std::mem::take(&mut peer.probes));
        let closes = |ticket| Output::Settled { ticket, result: Err(Unsent::Closes) };
        self.outputs.extend(sent.into_iter().chain(probes).map(closes));
        self.peers.values_mut().for_each(|peer| peer.wake = None);
        self.timers.clear();
        self.waiting = 0;
    }
}

#[cfg(test)]
mod tests;
