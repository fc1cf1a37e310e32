//! What waits for an address: queued, moved on, given up.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rumormill_limits::Timestamp;

use super::super::config::DEFAULT_PORT;
use super::super::links::{MAX_DIALLED, OutgoingFrame, RelayLinkId};
use super::super::peer::{LegacyNode, MAX_QUEUE};
use super::input::Output;
use super::{MAX_PEERS, MAX_WAITING, Machine};
use crate::port::Author;
use crate::unsent::Unsent;

/// A peer that has dialled us greets within so many periods of the legacy program; before that it is not dialled.
const GREETING_PERIODS: u32 = 2;

impl<T> Machine<T> {
    pub(super) fn broadcast(&mut self, author: Author, frame: &[u8], now: Timestamp) {
        let configured = self.peers.iter().filter(|(_, peer)| peer.configured).map(|(ip, _)| *ip);
        let all: BTreeSet<IpAddr> = configured.chain(self.links.speaking()).collect();
        let share = (MAX_WAITING / 2).checked_div(all.len()).unwrap_or(MAX_QUEUE).clamp(1, MAX_QUEUE);
        for ip in all {
            self.send(author, ip, (vec![frame.to_vec()], None), (share, now));
        }
    }

    /// Into the queue of an address, which is to be no longer than `share` frames.
    pub(super) fn send(
        &mut self,
        author: Author,
        ip: IpAddr,
        (frames, ticket): (Vec<Vec<u8>>, Option<T>),
        (share, now): (usize, Timestamp),
    ) {
        let (ip, more) = (ip.to_canonical(), frames.len());
        if self.is_ours(ip) && self.links.best(ip).is_none() {
            return self.refuse(more, ticket, Unsent::Ourselves);
        }
        if !self.peers.contains_key(&ip) && !self.has_room() {
            return self.refuse(more, ticket, Unsent::TooManyAddresses);
        }
        let peer = self.peers.entry(ip).or_insert_with(|| LegacyNode::new(DEFAULT_PORT, false, self.period));
        if peer.queue.is_empty() {
            peer.since = now;
        }
        self.waiting = self.waiting.saturating_add(more);
        let frames = frames.into_iter().map(|bytes| OutgoingFrame { bytes, last: false, ticket: None });
        let mut frames: Vec<_> = frames.collect();
        if let Some(last) = frames.last_mut() {
            (last.last, last.ticket) = (true, ticket);
        }
        let mut lost = peer.queue.push(author, frames);
        while peer.queue.len() > share
            && let Some(message) = peer.queue.lose()
        {
            lost.extend(message);
        }
        self.lost(lost, &Unsent::TooMuch);
        self.make_room();
        self.pump(ip, now);
        self.forget(ip);
    }

    /// Those who left with much waiting for them may fill all places; then the longest queues give some back.
    fn make_room(&mut self) {
        while self.waiting > MAX_WAITING {
            let longest = self.peers.values_mut().max_by_key(|peer| peer.queue.len());
            let Some(lost) = longest.and_then(|peer| peer.queue.lose()) else { return };
            self.lost(lost, &Unsent::TooMuch);
        }
    }

    /// Moves what waits for an address one step on, or says when to look again.
    pub(super) fn pump(&mut self, ip: IpAddr, now: Timestamp) {
        self.arm(ip, None);
        let (link, is_ours) = (self.links.best(ip), self.is_ours(ip));
        let Some(peer) = self.peers.get_mut(&ip) else { return };
        if peer.queue.is_empty() {
            return;
        }
        if let Some(link) = link {
            return self.next_frame(link, ip, now);
        }
        if peer.dialling {
            return;
        }
        // One that has just dialled us will greet: its places are too few to dial it as well.
        let grace = self.period.saturating_mul(GREETING_PERIODS);
        let greets = self.links.silent_since(ip).map(|opened| opened.min(peer.since).after(grace));
        let until = greets.unwrap_or_default().max(peer.retry_at);
        if is_ours {
            self.give_up(ip, &Unsent::Ourselves);
        } else if peer.places == 0 {
            self.give_up(ip, &Unsent::NoPlaces);
        } else if self.dials >= MAX_DIALLED {
            self.give_up(ip, &Unsent::TooManyLinks);
        } else if until > now {
            self.arm(ip, Some(until));
        } else {
            peer.dialling = true;
            self.dials = self.dials.saturating_add(1);
            self.outputs.push_back(Output::Dial { ip, port: peer.port });
        }
    }

    fn next_frame(&mut self, id: RelayLinkId, ip: IpAddr, now: Timestamp) {
        let (Some(link), Some(peer)) = (self.links.0.get(&id), self.peers.get_mut(&ip)) else { return };
        if link.busy {
            return;
        }
        if link.free_at > now {
            let free_at = link.free_at;
            return self.arm(ip, Some(free_at));
        }
        if let Some(frame) = peer.queue.pop() {
            self.waiting = self.waiting.saturating_sub(1);
            self.write(id, frame.bytes.clone(), Some(frame));
        }
    }

    /// Sets the one timer of an address.
    fn arm(&mut self, ip: IpAddr, at: Option<Timestamp>) {
        let Some(peer) = self.peers.get_mut(&ip) else { return };
        if let Some(before) = peer.wake {
            self.timers.remove(&(before, ip));
        }
        self.timers.extend(at.map(|at| (at, ip)));
        peer.wake = at;
    }

    pub(super) fn write(&mut self, id: RelayLinkId, bytes: Vec<u8>, frame: Option<OutgoingFrame<T>>) {
        if let Some(link) = self.links.0.get_mut(&id) {
            (link.busy, link.writing) = (true, frame);
            self.outputs.push_back(Output::Write { link: id, bytes });
        }
    }

    pub(super) fn give_up(&mut self, ip: IpAddr, why: &Unsent) {
        let Some(peer) = self.peers.get_mut(&ip) else { return };
        peer.tries = 0;
        let lost = peer.queue.drain().collect();
        self.lost(lost, why);
    }

    /// These waited, and will not be sent.
    fn lost(&mut self, lost: Vec<OutgoingFrame<T>>, why: &Unsent) {
        self.waiting = self.waiting.saturating_sub(lost.len());
        self.outputs.extend(lost.iter().map(|_| Output::Dropped(1)));
        let tickets = lost.into_iter().filter_map(|frame| frame.ticket);
        self.outputs.extend(tickets.map(|ticket| Output::Settled { ticket, result: Err(why.clone()) }));
    }

    pub(super) fn refuse(&mut self, frames: usize, ticket: Option<T>, why: Unsent) {
        self.outputs.push_back(Output::Dropped(frames));
        self.outputs.extend(ticket.map(|ticket| Output::Settled { ticket, result: Err(why) }));
    }

    /// Whether there is room for one more address; those with nothing to do are forgotten if need be.
    pub(super) fn has_room(&mut self) -> bool {
        if self.peers.len() >= MAX_PEERS {
            let linked: BTreeSet<IpAddr> = self.links.0.values().map(|link| link.ip).collect();
            self.peers.retain(|ip, peer| peer.configured || peer.is_at_work() || linked.contains(ip));
        }
        self.peers.len() < MAX_PEERS
    }

    /// Drops what is known of an address, if that is nothing.
    pub(super) fn forget(&mut self, ip: IpAddr) {
        // What is on its way may come back to the queue.
        let writes = || self.links.0.values().any(|link| link.ip == ip && link.writing.is_some());
        if self.peers.get(&ip).is_some_and(LegacyNode::is_plain) && !writes() {
            self.peers.remove(&ip);
        }
    }
}
