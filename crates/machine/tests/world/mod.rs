//! A deterministic world of whole nodes: they dial, greet, speak, crash and come back; connections deliver in order after a while, and a
//! TLS handshake is a decision about who belongs. One seed, one run. Keys, certificates and the disk are those of gossip's own world.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "../../../gossip/tests/world/mod.rs"]
pub mod gossip;

mod net;
pub mod node;
mod shell;

use std::collections::BTreeMap;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rumormill_gossip::{EngineConfig, Input};
use rumormill_limits::{LinkId, Timestamp};
use rumormill_peering::{Ended, NeighbourId};
use rumormill_wire::NodeId;

pub use node::Node;

use self::gossip::Key;

/// What happens at some time.
pub enum Event {
    /// The machine wants to be woken, or may.
    Timer,
    /// An answer to gossip.
    Answer(Input),
    /// A dial arrives where it was sent.
    Arrives { neighbour: NeighbourId, at: usize },
    /// It came to nothing.
    Fails { neighbour: NeighbourId, ended: Ended },
    /// A link is up: what has arrived is read.
    Read { link: LinkId },
    /// A frame arrives.
    Frame { link: LinkId, bytes: Bytes },
    /// Bytes of gossip's were written.
    Written { link: LinkId, bytes: usize },
    /// The connection is closed at this end.
    Closed { link: LinkId, ended: Ended, replaced: bool },
}

pub struct World {
    pub now: u64,
    pub rng: StdRng,
    pub nodes: Vec<Node>,
    pub config: EngineConfig,
    /// All that came out of all machines.
    pub trace: blake3::Hasher,
    /// Pairs of nodes between which nothing arrives.
    parted: Vec<(usize, usize)>,
    /// Bytes a second between two nodes, each way; what is not here takes all at once.
    rates: BTreeMap<(usize, usize), u64>,
    queue: BTreeMap<(u64, u64), (usize, u64, Event)>,
    order: u64,
    /// Things that happened at this moment.
    at_once: u64,
    last_link: u64,
    next_ticket: u64,
}

/// So many things do not happen in one microsecond.
const MOST_AT_ONCE: u64 = 20_000;

impl World {
    /// Nodes of these neighbours, by place; each is found by its name.
    pub fn new(seed: u64, config: EngineConfig, neighbours: &[&[usize]]) -> Self {
        let mut world = Self {
            now: 1,
            rng: StdRng::seed_from_u64(seed),
            nodes: Vec::new(),
            config,
            trace: blake3::Hasher::new(),
            parted: Vec::new(),
            rates: BTreeMap::new(),
            queue: BTreeMap::new(),
            order: 0,
            at_once: 0,
            last_link: 0,
            next_ticket: 0,
        };
        for (n, neighbours) in neighbours.iter().enumerate() {
            let node = world.boot(n, neighbours, gossip::Disk::default(), None);
            world.nodes.push(node);
        }
        (0..world.nodes.len()).for_each(|n| world.begin(n));
        world
    }

    fn later(&mut self, n: usize, delay: u64, event: Event) {
        self.at(n, self.now + delay, event);
    }

    fn at(&mut self, n: usize, when: u64, event: Event) {
        self.order += 1;
        let life = self.nodes[n].life;
        self.queue.insert((when, self.order), (n, life, event));
    }

    fn step(&mut self) -> bool {
        let Some(((when, _), (n, life, event))) = self.queue.pop_first() else { return false };
        self.at_once = if when > self.now { 0 } else { self.at_once + 1 };
        assert!(self.at_once < MOST_AT_ONCE, "time stands still: {}", self.describe());
        self.now = self.now.max(when);
        if self.nodes[n].life == life && self.nodes[n].alive {
            self.happens(n, event);
        }
        true
    }

    /// Runs until it holds; panics after `for_us` of virtual time.
    pub fn until(&mut self, for_us: u64, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = self.now + for_us;
        while !holds(self) {
            assert!(self.now < deadline && self.step(), "not within {for_us} us: {what}\n{}", self.describe());
        }
    }

    pub fn run_for(&mut self, us: u64) {
        let end = self.now + us;
        while self.queue.first_key_value().is_some_and(|((when, _), _)| *when <= end) {
            self.step();
        }
        self.now = end;
    }

    fn is_parted(&self, a: usize, b: usize) -> bool {
        self.parted.contains(&(a, b)) || self.parted.contains(&(b, a))
    }

    pub fn id(n: usize) -> NodeId {
        Key::new(u8::try_from(n).unwrap() + 1).id()
    }

    pub fn time(&self) -> Timestamp {
        Timestamp(self.now)
    }

    fn delay(&mut self) -> u64 {
        self.rng.random_range(50..500)
    }

    pub fn describe(&self) -> String {
        let mut out = format!("at {} us\n", self.now);
        for (n, node) in self.nodes.iter().enumerate() {
            let links: Vec<_> = node.ends.iter().map(|(link, end)| (link.0, end.node, end.up)).collect();
            let ends: Vec<_> =
                node.machine.gossip().ends().map(|(origin, next)| (origin.incarnation.0, next.0)).collect();
            out += &format!("{n} alive {} links {links:?} ends {ends:?} closed {:?}\n", node.alive, node.closed);
            for link in node.ends.keys() {
                out += &format!("   {link:?} {:?}\n", node.machine.gossip().link_stats_at(*link, self.time()));
            }
        }
        out
    }
}
