//! Connections between the nodes of the world, and what goes over them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rumormill_machine::{Input as Whole, Route, route};
use rumormill_peering::{Direction, Farewell, Input as Link, Peer};
use rumormill_wire::native::{Bye, ByeCode, Frame};

use super::gossip::certificate;
use super::node::End;
use super::*;

impl World {
    pub(super) fn happens(&mut self, n: usize, event: Event) {
        match event {
            Event::Timer => {
                self.nodes[n].timer = None;
                self.give(n, Whole::Timeout).unwrap();
            }
            Event::Answer(input) => self.answer(n, input),
            Event::Arrives { neighbour, at } => self.arrives(n, neighbour, at),
            Event::Fails { neighbour, ended } => self.dial_ended(n, neighbour, ended, Duration::ZERO),
            Event::Frame { link, bytes } => self.arrived(n, link, bytes),
            Event::Read { link } => self.read(n, link),
            Event::Written { link, bytes } => {
                if self.nodes[n].ends.contains_key(&link) {
                    self.give(n, Whole::Gossip(Input::Writable { link, bytes })).unwrap();
                }
            }
            Event::Closed { link, ended, replaced } => self.close(n, link, &ended, replaced),
        }
    }

    fn answer(&mut self, n: usize, input: Input) {
        if let Input::Committed { appends } = input {
            self.flush(n, appends);
        }
        if let Input::RevocationsKept { part } = &input {
            self.nodes[n].disk.revocations.take(Arc::clone(part));
        }
        self.give(n, Whole::Gossip(input)).unwrap();
    }

    fn flush(&mut self, n: usize, appends: u64) {
        let node = &mut self.nodes[n];
        let done = usize::try_from(appends).unwrap() - node.flushed;
        node.flushed += done;
        for bytes in node.queue.drain(..done) {
            node.disk.take(bytes);
        }
    }

    fn dial_ended(&mut self, n: usize, neighbour: NeighbourId, ended: Ended, lived: Duration) {
        self.give(n, Whole::Links(Link::DialEnded { neighbour, ended, lived })).unwrap();
    }

    /// A dial arrives: a handshake, in which each side looks whether the other belongs.
    fn arrives(&mut self, n: usize, neighbour: NeighbourId, at: usize) {
        let revoked = |by: usize, whom: usize| self.nodes[by].machine.gossip().revocations().revokes(&Self::id(whom));
        let ended = if !self.nodes[at].alive || self.is_parted(n, at) {
            Some(Ended::passing("connection refused"))
        } else if revoked(n, at) || revoked(at, n) {
            Some(Ended::refused("its certificate is revoked"))
        } else {
            None
        };
        if let Some(ended) = ended {
            return self.dial_ended(n, neighbour, ended, Duration::ZERO);
        }
        // What is on its way to a node of the same name that has died is not to arrive at the one that came after it.
        self.last_link += 2;
        let links = [LinkId(self.last_link - 1), LinkId(self.last_link)];
        let ends = [(n, at, Some(neighbour)), (at, n, None)];
        for (place, (node, other, neighbour)) in ends.into_iter().enumerate() {
            let end = End {
                node: other,
                link: links[1 - place],
                neighbour,
                up: false,
                closing: false,
                greeted: false,
                unread: VecDeque::new(),
                held: Vec::new(),
                since: self.now,
                free_at: self.now,
                left_at: self.now,
            };
            self.nodes[node].ends.insert(links[place], end);
        }
        for (place, (node, other, neighbour)) in ends.into_iter().enumerate() {
            let direction = if neighbour.is_some() { Direction::Outbound } else { Direction::Inbound };
            let peer = Peer { node: Self::id(other), name: format!("n{other}"), direction };
            let evidence = certificate(Self::id(other), "");
            let opened = Whole::Opened { link: links[place], peer, evidence, neighbour };
            self.give(node, opened).unwrap();
        }
    }

    /// Puts a frame on its way, its length included. Gives how long it takes to leave.
    pub(super) fn transmit(&mut self, n: usize, link: LinkId, frame: &[u8]) -> u64 {
        let delay = self.delay();
        let now = self.now;
        let Some(end) = self.nodes[n].ends.get_mut(&link).filter(|end| !end.closing) else { return 0 };
        let to = end.node;
        let takes = self.rates.get(&(n.min(to), n.max(to))).map_or(0, |rate| frame.len() as u64 * 1_000_000 / rate);
        end.left_at = end.left_at.max(now) + takes;
        end.free_at = end.free_at.max(end.left_at + delay) + 1;
        let (at, when, leaves) = (end.link, end.free_at, end.left_at - now);
        let bytes = Bytes::copy_from_slice(&frame[4..]);
        if self.is_parted(n, to) {
            self.nodes[n].ends.get_mut(&link).unwrap().held.push(bytes);
        } else {
            self.at(to, when, Event::Frame { link: at, bytes });
        }
        leaves
    }

    /// Between these two so many bytes go in a second, each way.
    pub fn slow(&mut self, a: usize, b: usize, bytes_per_s: u64) {
        self.rates.insert((a.min(b), a.max(b)), bytes_per_s);
    }

    /// Between these nothing arrives. What is sent meanwhile over a connection that outlives it arrives later, as over TCP.
    pub fn part(&mut self, a: usize, b: usize) {
        self.parted.push((a, b));
    }

    /// All can reach each other again.
    pub fn join(&mut self) {
        self.parted.clear();
        for n in 0..self.nodes.len() {
            for link in self.nodes[n].ends.keys().copied().collect::<Vec<_>>() {
                let end = self.nodes[n].ends.get_mut(&link).unwrap();
                let (to, at, held) = (end.node, end.link, std::mem::take(&mut end.held));
                for bytes in held {
                    let end = self.nodes[n].ends.get_mut(&link).unwrap();
                    end.free_at = end.free_at.max(self.now + 50) + 1;
                    let when = end.free_at;
                    self.at(to, when, Event::Frame { link: at, bytes });
                }
            }
        }
    }

    /// Says BYE, and closes once it is written.
    pub(super) fn say_bye(&mut self, n: usize, link: LinkId, told: Farewell, ended: Ended) {
        let mut bytes = Vec::new();
        let Farewell { code, reason, retry_after_s } = told;
        Frame::Bye(Bye { code, retry_after_s, reason: reason.into() }).encode(&mut bytes).unwrap();
        self.transmit(n, link, &bytes);
        if let Some(end) = self.nodes[n].ends.get_mut(&link) {
            end.closing = true;
        }
        self.later(n, 1_000, Event::Closed { link, ended, replaced: false });
    }

    /// A frame arrives: the first one greets, and the others are read once the link is up.
    fn arrived(&mut self, n: usize, link: LinkId, frame: Bytes) {
        let Some(end) = self.nodes[n].ends.get_mut(&link) else { return };
        if !std::mem::replace(&mut end.greeted, true) {
            // One that was refused meanwhile greets no more.
            let _ = self.give(n, Whole::Links(Link::Hello { link, frame: &frame }));
            return;
        }
        end.unread.push_back(frame);
        self.read(n, link);
    }

    fn read(&mut self, n: usize, link: LinkId) {
        while let Some(end) = self.nodes[n].ends.get_mut(&link).filter(|end| end.up || end.closing) {
            let (Some(frame), closing) = (end.unread.pop_front(), end.closing) else { return };
            self.take_frame(n, link, &frame, closing);
        }
    }

    fn take_frame(&mut self, n: usize, link: LinkId, frame: &Bytes, closing: bool) {
        if !closing {
            self.give(n, Whole::Links(Link::Heard { link, at: self.time() })).unwrap();
        }
        match route(frame) {
            Route::Bye(bye) => self.close(n, link, &Ended::by(bye), bye.code == ByeCode::DUPLICATE),
            Route::Ping(nonce) => {
                let mut bytes = Vec::new();
                Frame::Pong(nonce).encode(&mut bytes).unwrap();
                self.transmit(n, link, &bytes);
            }
            Route::Gossip { .. } if !closing => {
                self.give(n, Whole::Gossip(Input::Frame { link, bytes: frame.clone() })).unwrap();
            }
            Route::Gossip { .. } | Route::Pong => {}
        }
    }

    /// A connection is closed at this end, and soon at the other.
    fn close(&mut self, n: usize, link: LinkId, ended: &Ended, replaced: bool) {
        let Some(end) = self.nodes[n].ends.remove(&link) else { return };
        let (now, delay) = (self.now, self.delay());
        // What is on its way to it comes before.
        let when = end.free_at.max(now + delay) + 1;
        let gone = Event::Closed { link: end.link, ended: Ended::passing("closed by the peer"), replaced: false };
        if self.nodes[end.node].alive && !self.is_parted(n, end.node) {
            self.at(end.node, when, gone);
        }
        // Link policy may have said so itself.
        let _ = self.give(n, Whole::Links(Link::LinkDown { link, replaced }));
        self.nodes[n].gone.push(link);
        if let Some(neighbour) = end.neighbour {
            let lived = Duration::from_micros(if end.up { now - end.since } else { 0 });
            self.dial_ended(n, neighbour, ended.clone(), lived);
        }
    }

    /// The wire breaks; both ends see it in time.
    pub fn cut(&mut self, n: usize, link: LinkId) {
        self.later(n, 200, Event::Closed { link, ended: Ended::passing("reset"), replaced: false });
    }

    /// This end is gone with its node; the other sees it in time.
    pub(super) fn breaks(&mut self, n: usize, link: LinkId) {
        let Some(end) = self.nodes[n].ends.remove(&link) else { return };
        let gone = Event::Closed { link: end.link, ended: Ended::passing("reset"), replaced: false };
        if self.nodes[end.node].alive && !self.is_parted(n, end.node) {
            self.later(end.node, 200, gone);
        }
    }
}
