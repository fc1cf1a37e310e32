//! The two honest nodes, the link between them, and the liar's links.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rumormill_wire::native::ListPart;
use rumormill_wire::{Digest, NodeId, Origin, Seq};

use super::book::Book;
use super::cast::{self, ENDS, NETWORK, Pen, WALL_US};
use super::disk::{Disk, Next};
use super::finding::{Finding, Reached};
use super::job::Job;
use super::ops::Switches;
use super::plant::Plant;
use super::spent::Spent;
use crate::bundle::VerifiedBundle;
use crate::config::{Dissemination, EngineConfig};
use crate::engine::Engine;
use crate::io::{Ask, Input, LinkId};

/// An honest node: its engine, and a model of its shell.
pub(super) struct Node {
    pub engine: Engine,
    pub offset: i64,
    pub disk: Disk,
    /// An older copy of the disk.
    pub copy: Disk,
    pub appended: VecDeque<Arc<VerifiedBundle>>,
    pub appends: u64,
    pub jobs: VecDeque<Job>,
    /// What has to come next in each chain.
    pub next: BTreeMap<Origin, Next>,
    /// Bytes of RUMOR frames without a verdict.
    pub unjudged: BTreeMap<LinkId, usize>,
    /// What the verifier found to hold.
    pub verified: BTreeSet<Digest>,
    /// Submitted and not yet durable.
    pub tickets: BTreeSet<u64>,
    /// What was accepted of each author in this life: what it costs, and incarnations.
    pub taken: BTreeMap<NodeId, (u64, BTreeSet<Origin>)>,
    /// Events of this life, by kind.
    pub events: BTreeMap<&'static str, u64>,
    /// Steps of the wall clock in this life.
    pub steps: u64,
    pub full: bool,
    /// Links that the other end has closed and that are not yet reported: what is sent there is lost.
    pub lost: BTreeSet<LinkId>,
}

/// The link between the two, and the frames on their way by the end that sent them.
pub(super) struct Wire {
    pub links: [LinkId; 2],
    pub queues: [VecDeque<Bytes>; 2],
    /// How often each bundle went over it, by the end that sent it; not what answers a RANGE.
    pub given: BTreeMap<(usize, Origin, Seq), usize>,
}

/// A link of the liar.
pub(super) struct Slot {
    pub end: usize,
    pub link: LinkId,
    /// Bytes sent to the liar and not read.
    pub unread: usize,
    /// RUMOR frames sent to it.
    pub rumors: u64,
}

/// Everything.
pub(super) struct World<'p> {
    pub now: u64,
    pub switches: Switches,
    pub config: EngineConfig,
    pub nodes: [Node; 2],
    pub wire: Option<Wire>,
    pub slots: [Option<Slot>; 4],
    pub book: Book,
    /// Parts of the revocation list, as the CA made them.
    pub lists: Vec<Arc<ListPart>>,
    /// What the honest two ever made durable of their own.
    pub own: BTreeMap<(Origin, Seq), Digest>,
    /// Whether an old copy of a disk was put back: then its owner may write what it wrote before.
    pub copied: [bool; 2],
    pub spent: Spent,
    pub reached: Reached,
    pub trace: Option<blake3::Hasher>,
    pub last_link: u64,
    pub last_ticket: u64,
    pub plant: &'p mut dyn Plant,
}

fn config(switches: Switches) -> EngineConfig {
    let small = |bit, small: usize, large: usize| if switches.has(bit) { small } else { large };
    let mongers = switches.has(Switches::MONGERS);
    let greedy = switches.has(Switches::GREED);
    let greed = |amount| if greedy { amount } else { 0 };
    EngineConfig {
        dissemination: if mongers { Dissemination::Mongering } else { Dissemination::Eager },
        link_window: small(Switches::WINDOW, 2_048, 65_536),
        cache_bytes: 600,
        backlog_bytes: small(Switches::BACKLOG, 1_000, 1 << 20),
        max_checks: 8,
        max_pending: 16,
        max_pending_bytes: 4_096,
        max_cursors: small(Switches::CURSORS, 2, 64),
        max_origins: small(Switches::ORIGINS, 8, 96),
        max_origins_per_node: small(Switches::ORIGINS, 6, 64),
        quota_bytes_per_day: greed(4_000),
        quota_incarnations_per_day: greed(4),
        quota_incarnation_days: 1,
        ..EngineConfig::new(NETWORK)
    }
}

impl Node {
    fn boot(end: usize, config: &EngineConfig, disk: Disk, (now, offset): (u64, i64)) -> Self {
        let wall_s = now.saturating_add_signed(offset) / 1_000_000;
        let pen = Pen(ENDS[end]);
        let recovered = disk.recovered(cast::id(pen.0), wall_s);
        let rng = Box::new(StdRng::seed_from_u64(now.wrapping_add(u64::from(pen.0))));
        Self {
            engine: Engine::new(config.clone(), Box::new(pen), recovered, rng),
            offset,
            next: disk.ends(),
            copy: disk.clone(),
            disk,
            appended: VecDeque::new(),
            appends: 0,
            jobs: VecDeque::new(),
            unjudged: BTreeMap::new(),
            verified: BTreeSet::new(),
            tickets: BTreeSet::new(),
            taken: BTreeMap::new(),
            events: BTreeMap::new(),
            steps: 0,
            full: false,
            lost: BTreeSet::new(),
        }
    }
}

impl<'p> World<'p> {
    /// Two new nodes, not linked.
    pub(super) fn new(switches: Switches, plant: &'p mut dyn Plant) -> Self {
        let config = config(switches);
        let node = |end| Node::boot(end, &config, Disk::default(), (1, WALL_US));
        Self {
            now: 1,
            switches,
            nodes: [node(0), node(1)],
            config,
            wire: None,
            slots: [const { None }; 4],
            book: Book::default(),
            lists: Vec::new(),
            own: BTreeMap::new(),
            copied: [false; 2],
            spent: Spent::default(),
            reached: Reached::new(),
            trace: switches.twice().then(blake3::Hasher::new),
            last_link: 0,
            last_ticket: 0,
            plant,
        }
    }

    /// The first words of a driver to its engine.
    pub(super) fn begin(&mut self, end: usize, neighbours: usize) -> Result<(), Finding> {
        let node = cast::id(ENDS[end]);
        self.give(end, Input::WallOffset(self.nodes[end].offset))?;
        self.admit(end, node)?;
        let ask = if neighbours == 0 { Ask::Nobody } else { Ask::Neighbours(neighbours) };
        self.give(end, Input::Start(ask))
    }

    /// A node dies, and starts again from its disk or from an older copy of it.
    pub(super) fn restart(&mut self, end: usize, old_copy: bool, neighbours: usize) -> Result<(), Finding> {
        self.unlink()?;
        for slot in &mut self.slots {
            slot.take_if(|slot| slot.end == end);
        }
        let (now, offset) = (self.now, self.nodes[end].offset);
        let disk = if old_copy { self.nodes[end].copy.clone() } else { self.nodes[end].disk.clone() };
        self.copied[end] |= old_copy;
        self.nodes[end] = Node::boot(end, &self.config, disk, (now, offset));
        self.reach(if old_copy { "an old copy put back" } else { "restart" });
        self.begin(end, neighbours)
    }

    pub(super) fn admit(&mut self, end: usize, node: NodeId) -> Result<(), Finding> {
        let evidence = cast::evidence(&node, &cast::certificate(&node)).unwrap_or_default();
        self.give(end, Input::Admit { node, evidence })
    }

    /// A new link at one end.
    pub(super) fn link_up(&mut self, end: usize, peer: NodeId) -> Result<LinkId, Finding> {
        self.last_link += 1;
        self.admit(end, peer)?;
        Ok(LinkId(self.last_link))
    }

    /// Links the two.
    pub(super) fn link(&mut self) -> Result<(), Finding> {
        if self.wire.is_some() {
            return Ok(());
        }
        let links = [self.link_up(0, cast::id(ENDS[1]))?, self.link_up(1, cast::id(ENDS[0]))?];
        self.wire = Some(Wire { links, queues: [VecDeque::new(), VecDeque::new()], given: BTreeMap::new() });
        for (end, link) in links.into_iter().enumerate() {
            self.give(end, Input::LinkUp { link, peer: cast::id(ENDS[1 - end]), named: true })?;
        }
        Ok(())
    }

    /// Their link breaks.
    pub(super) fn unlink(&mut self) -> Result<(), Finding> {
        let Some(wire) = self.wire.take() else { return Ok(()) };
        for (end, link) in wire.links.into_iter().enumerate() {
            self.nodes[end].unjudged.remove(&link);
            self.give(end, Input::LinkDown { link })?;
        }
        Ok(())
    }

    /// Something was reached.
    pub(super) fn reach(&mut self, what: &'static str) {
        *self.reached.entry(what).or_default() += 1;
    }
}
