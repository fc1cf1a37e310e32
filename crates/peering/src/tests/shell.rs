//! A driver for tests: does what the machine wants, and sees that it may.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand::rngs::StdRng;
use rumormill_limits::Timestamp;
use rumormill_wire::native::{Frame, Hello, VERSION};
use rumormill_wire::{NetworkId, NodeId};

use crate::{Config, Direction, Ended, Input, LinkId, Neighbour, NeighbourId, Output, Peer, Peering, Refusal};

pub(super) const ME: u8 = 50;
pub(super) const NETWORK: NetworkId = NetworkId([7; 32]);
pub(super) const PING: Duration = Duration::from_secs(5);
pub(super) const HELLO_DEADLINE: Duration = Duration::from_secs(3);

pub(super) fn node(n: u8) -> NodeId {
    NodeId([n; 32])
}

pub(super) fn hello(network: NetworkId) -> Vec<u8> {
    let hello = Hello { min: VERSION, max: VERSION, network, features: 0, name: "n".into(), agent: "".into() };
    let mut out = Vec::new();
    Frame::Hello(hello).encode(&mut out).unwrap();
    out.split_off(4)
}

/// The machine with what a driver knows of it.
pub(super) struct Shell {
    pub(super) peering: Peering,
    pub(super) now: Timestamp,
    pub(super) max_links: usize,
    last: u64,
    /// Links that are there, with their peers, up or not.
    pub(super) open: BTreeMap<LinkId, Peer>,
    pub(super) up: BTreeSet<LinkId>,
    /// Those of which the machine was told that they are about to end.
    pub(super) closing: BTreeSet<LinkId>,
    pub(super) dialled: BTreeSet<NeighbourId>,
    /// All that ever came out.
    pub(super) outputs: Vec<Output>,
}

impl Shell {
    /// With these neighbours, by name or by address alone.
    pub(super) fn new(max_links: usize, names: &[Option<&str>], seed: u64) -> Self {
        let addr = |n: usize| ([127, 0, 0, 1], 1_000 + u16::try_from(n).unwrap()).into();
        let neighbours = names.iter().enumerate();
        let neighbours =
            neighbours.map(|(n, name)| Neighbour { name: name.map(str::to_owned), addr: addr(n) }).collect();
        let (me, network, hello_deadline) = (node(ME), NETWORK, HELLO_DEADLINE);
        let config = Config { me, network, max_links, ping: PING, hello_deadline, neighbours };
        let peering = Peering::new(config, StdRng::seed_from_u64(seed));
        Self {
            peering,
            now: Timestamp::ZERO,
            max_links,
            last: 0,
            open: BTreeMap::new(),
            up: BTreeSet::new(),
            closing: BTreeSet::new(),
            dialled: BTreeSet::new(),
            outputs: Vec::new(),
        }
    }

    /// Feeds an input, and gives what came out of it.
    pub(super) fn feed(&mut self, input: Input<'_>) -> Vec<Output> {
        if self.peering.handle(self.now, input).is_err() {
            assert_eq!(self.peering.poll_output(), None, "what is not taken changes nothing");
        }
        let outputs: Vec<_> = core::iter::from_fn(|| self.peering.poll_output()).collect();
        for output in &outputs {
            self.done(output);
        }
        self.outputs.extend(outputs.iter().cloned());
        self.check();
        outputs
    }

    fn done(&mut self, output: &Output) {
        match output {
            Output::Dial { neighbour } => {
                assert!(self.dialled.insert(*neighbour), "it is dialled already");
                let standing = self.peering.neighbours().nth(neighbour.0).unwrap();
                // One by address alone is dialled to see who is there.
                let looked_at = standing.linked && standing.neighbour.name.is_none();
                assert!((!standing.linked || looked_at) && standing.next.is_none(), "{standing:?}");
                assert!(!standing.node.is_some_and(|node| self.peering.is_banned(&node, self.now)));
            }
            Output::Up { link, .. } => assert!(self.open.contains_key(link) && self.up.insert(*link)),
            Output::Down { link } => {
                assert!(self.up.remove(link));
                self.open.remove(link);
            }
            Output::Refused { link, why } => {
                assert!(self.open.contains_key(link) && !self.up.contains(link));
                if *why == Refusal::Full {
                    assert_eq!(self.up.len(), self.max_links);
                }
            }
            Output::Drop { link } if !self.up.contains(link) => {
                let peer = self.open.remove(link).unwrap();
                assert_eq!(peer.direction, Direction::Inbound, "who was dialled takes nobody's place");
            }
            Output::SendHello { link } => assert!(!self.up.contains(link)),
            Output::SendPing { link } | Output::Close { link, .. } | Output::Drop { link } => {
                assert!(self.up.contains(link));
            }
            Output::NoLink { neighbour, .. } => assert!(!self.dialled.contains(neighbour)),
        }
    }

    /// What holds after each input.
    fn check(&self) {
        assert!(self.up.len() <= self.max_links, "more links than there are places");
        let peers: Vec<_> = self.up.difference(&self.closing).filter_map(|link| self.open.get(link)).collect();
        let nodes: BTreeSet<_> = peers.iter().map(|peer| peer.node).collect();
        assert_eq!(nodes.len(), peers.len(), "two links with one node");
        let names: BTreeSet<_> = peers.iter().map(|peer| peer.name.as_str()).collect();
        assert_eq!(names.len(), peers.len(), "two links under one name");
        assert!(!nodes.contains(&node(ME)), "a link with ourselves");
        let greet = |wanted: &dyn Fn(&Peer) -> bool| {
            let greeting = self.open.iter().filter(|(link, _)| !self.up.contains(*link));
            greeting.filter(|(_, peer)| peer.direction == Direction::Inbound && wanted(peer)).count()
        };
        for n in 0..=ME {
            assert!(greet(&|peer| peer.node == node(n)) <= 2, "{n} greets more than twice");
        }
        let shared = self.peering.greetings.shared();
        assert!(shared <= self.max_links.max(8), "{shared} greet");
    }

    /// A handshake of a node ends. Its name is that of its number.
    pub(super) fn open(&mut self, n: u8, neighbour: Option<NeighbourId>) -> (LinkId, Vec<Output>) {
        self.open_as(n, n, neighbour)
    }

    /// The same with another name, which a node of another key may have had.
    pub(super) fn open_as(&mut self, n: u8, name: u8, neighbour: Option<NeighbourId>) -> (LinkId, Vec<Output>) {
        self.last += 1;
        let link = LinkId(self.last);
        let direction = if neighbour.is_some() { Direction::Outbound } else { Direction::Inbound };
        let peer = Peer { node: node(n), name: format!("n{name}"), direction };
        self.open.insert(link, peer.clone());
        let outputs = self.feed(Input::Opened { link, peer, neighbour });
        (link, outputs)
    }

    /// The same, and it says HELLO.
    pub(super) fn greet(&mut self, n: u8) -> (LinkId, Vec<Output>) {
        let (link, mut outputs) = self.open(n, None);
        outputs.extend(self.feed(Input::Hello { link, frame: &hello(NETWORK) }));
        (link, outputs)
    }

    pub(super) fn down(&mut self, link: LinkId) -> Vec<Output> {
        self.open.remove(&link);
        self.up.remove(&link);
        self.feed(Input::LinkDown { link, replaced: false })
    }

    pub(super) fn dial_ended(&mut self, neighbour: NeighbourId, ended: Ended, lived: Duration) -> Vec<Output> {
        self.dialled.remove(&neighbour);
        self.feed(Input::DialEnded { neighbour, ended, lived })
    }

    /// Time passes: the timer is kept.
    pub(super) fn pass(&mut self, time: Duration) -> Vec<Output> {
        let (end, mut outputs) = (self.now.after(time), Vec::new());
        while let Some(at) = self.peering.next_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            outputs.extend(self.feed(Input::Tick));
            let next = self.peering.next_timeout();
            assert!(next.is_none_or(|next| next > self.now), "it is woken at once again");
        }
        self.now = end;
        outputs
    }
}
