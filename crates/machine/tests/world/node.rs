//! A node of the world, and what tests ask of it.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use rumormill_gossip::{Ask, Engine, Event as News, Recovered, Ticket};
use rumormill_machine::{Input as Whole, Machine, Reject, Shell as _};
use rumormill_peering::{Config, Neighbour, Peering};
use rumormill_wire::native::{BundleView, MessageKind};
use rumormill_wire::{Clock, Incarnation, Origin, Seq};

use super::gossip::{self as base, Disk, NETWORK, NOW, WALL, certificate};
use super::shell::At;
use super::*;

/// One end of a connection.
pub struct End {
    /// Who is there, and its name of the connection.
    pub node: usize,
    pub link: LinkId,
    /// Whom we dialled, if we did.
    pub neighbour: Option<NeighbourId>,
    pub up: bool,
    /// Nothing is sent any more but what is on its way.
    pub closing: bool,
    /// Its first frame is there.
    pub greeted: bool,
    /// What has arrived and is not read.
    pub unread: VecDeque<Bytes>,
    /// Frames that a partition holds up.
    pub held: Vec<Bytes>,
    pub since: u64,
    pub(super) free_at: u64,
    /// When what was sent over it has left.
    pub(super) left_at: u64,
}

pub struct Node {
    pub machine: Machine,
    pub neighbours: Vec<usize>,
    pub disk: Disk,
    /// Given to the store and not committed.
    pub queue: Vec<Bytes>,
    pub appends: u64,
    pub flushed: usize,
    pub disk_free_at: u64,
    /// How many bundles the store still takes.
    pub room: Option<u64>,
    pub full: bool,
    pub alive: bool,
    pub life: u64,
    pub ends: BTreeMap<LinkId, End>,
    pub events: Vec<News>,
    pub closed: Vec<&'static str>,
    /// Messages of our own that are durable, by what was sent of them.
    pub durable: BTreeSet<Ticket>,
    /// Links that have ended.
    pub(super) gone: Vec<LinkId>,
    pub(super) timer: Option<u64>,
}

/// Settings of a test as a deployed node has them: all rates, all paces.
pub fn config() -> EngineConfig {
    EngineConfig::new(NETWORK)
}

impl World {
    pub(super) fn boot(&mut self, n: usize, neighbours: &[usize], disk: Disk, room: Option<u64>) -> Node {
        let key = Key::new(u8::try_from(n).unwrap() + 1);
        let id = key.id();
        let own = disk.bundles.keys().filter(|origin| origin.node == id).map(|origin| origin.incarnation).max();
        let me = Origin { node: id, incarnation: own.unwrap_or(Incarnation((NOW + self.now) / 1_000_000)) };
        let bytes = disk.bundles.values().flatten().map(|bundle| u64::try_from(bundle.len()).unwrap()).sum();
        let recovered = Recovered {
            me,
            chains: disk.chains(),
            bytes,
            members: disk.members.clone(),
            proofs: disk.proofs.clone(),
            revocations: disk.revocations.clone(),
        };
        let rng = Box::new(StdRng::seed_from_u64(self.rng.random()));
        let engine = Engine::new(self.config.clone(), Box::new(key), recovered, rng);
        let named = |n: &usize| Neighbour {
            name: Some(format!("n{n}")),
            addr: ([127, 0, 0, 1], 1_000 + u16::try_from(*n).unwrap()).into(),
        };
        let links = Config {
            me: id,
            network: NETWORK,
            max_links: 64,
            ping: Duration::from_secs(5),
            hello_deadline: Duration::from_secs(10),
            neighbours: neighbours.iter().map(named).collect(),
        };
        let peering = Peering::new(links, StdRng::seed_from_u64(self.rng.random()));
        Node {
            machine: Machine::new(engine, peering),
            neighbours: neighbours.to_vec(),
            disk,
            queue: Vec::new(),
            appends: 0,
            flushed: 0,
            disk_free_at: 0,
            room,
            full: false,
            alive: true,
            life: self.now,
            ends: BTreeMap::new(),
            events: Vec::new(),
            closed: Vec::new(),
            durable: BTreeSet::new(),
            gone: Vec::new(),
            timer: None,
        }
    }

    pub(super) fn begin(&mut self, n: usize) {
        let (id, neighbours) = (Self::id(n), self.nodes[n].neighbours.len());
        let ask = if neighbours == 0 { Ask::Nobody } else { Ask::Neighbours(neighbours) };
        for input in
            [Input::WallOffset(WALL), Input::Admit { node: id, evidence: certificate(id, "") }, Input::Start(ask)]
        {
            self.give(n, Whole::Gossip(input)).unwrap();
        }
        self.give(n, Whole::Timeout).unwrap();
    }

    /// Feeds a machine, and does what comes of it.
    pub fn give(&mut self, n: usize, input: Whole<'_>) -> Result<(), Reject> {
        if !self.nodes[n].alive {
            return Ok(());
        }
        let now = self.time();
        let Ok(taken) = At { world: self, n }.take(now, input);
        self.machines_agree(n);
        let next = self.nodes[n].machine.next_timeout();
        if let Some(at) = next.filter(|at| self.nodes[n].timer.is_none_or(|old| at.0 < old)) {
            self.nodes[n].timer = Some(at.0);
            self.at(n, at.0.max(self.now), Event::Timer);
        }
        taken
    }

    /// What one machine of a node knows of a link the others know too.
    fn machines_agree(&self, n: usize) {
        let Node { machine, ends, gone, .. } = &self.nodes[n];
        for (link, end) in ends {
            let known = machine.gossip().link_stats(*link).is_some();
            assert_eq!(known, end.up, "gossip and link policy differ about {link:?}: {}", self.describe());
            let member = machine.gossip().certificate(&Self::id(end.node)).is_some();
            assert!(member || !end.up, "one that is linked is a member: {}", self.describe());
        }
        let known = gone.iter().filter(|link| machine.gossip().link_stats(**link).is_some()).count();
        assert_eq!(known, 0, "gossip knows links that have ended: {}", self.describe());
        let due = [machine.gossip().next_timeout(), machine.peering().next_timeout()];
        assert!(due.into_iter().flatten().all(|at| machine.next_timeout().is_some_and(|next| next <= at)));
    }

    pub fn say(&mut self, n: usize, text: &str) -> Result<Ticket, Reject> {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        let body = Bytes::from(text.to_owned());
        let input = Input::Submit { ticket, kind: MessageKind::CHAT, room: String::new(), body };
        self.give(n, Whole::Gossip(input)).map(|()| ticket)
    }

    /// The node dies: what was not committed is lost, connections break.
    pub fn crash(&mut self, n: usize) {
        for link in self.nodes[n].ends.keys().copied().collect::<Vec<_>>() {
            self.breaks(n, link);
        }
        self.nodes[n].alive = false;
    }

    pub fn restart(&mut self, n: usize) {
        self.now += 1;
        let (neighbours, disk) = (self.nodes[n].neighbours.clone(), self.nodes[n].disk.clone());
        let room = self.nodes[n].room;
        self.nodes[n] = self.boot(n, &neighbours, disk, room);
        self.begin(n);
    }

    /// What a node shows: committed, without what a limit withdraws, in the one order.
    pub fn log(&self, n: usize) -> Vec<(Clock, Origin, Seq, String)> {
        let node = &self.nodes[n];
        let limits: BTreeMap<_, _> = node.machine.gossip().limits().collect();
        let mut all = Vec::new();
        for (origin, bundle) in
            node.disk.bundles.iter().flat_map(|(origin, all)| all.iter().map(move |one| (origin, one)))
        {
            let counts = |seq: Seq| limits.get(origin).is_none_or(|limit| seq < *limit);
            let messages = BundleView::parse(bundle).unwrap();
            let messages = messages.messages().filter(|message| counts(message.seq));
            all.extend(messages.map(|m| (m.clock, *origin, m.seq, String::from_utf8(m.body.to_vec()).unwrap())));
        }
        all.sort();
        all
    }

    /// Whether all of these show the same, and that it is so many messages.
    pub fn one_log(&self, nodes: impl IntoIterator<Item = usize>, messages: usize) -> bool {
        let logs: BTreeSet<_> = nodes.into_iter().map(|n| self.log(n)).collect();
        logs.len() == 1 && logs.first().is_some_and(|log| log.len() == messages)
    }

    /// With whom a node has links that are up, one entry a link.
    pub fn linked(&self, n: usize) -> Vec<usize> {
        let mut peers: Vec<_> =
            self.nodes[n].ends.values().filter(|end| end.up && !end.closing).map(|end| end.node).collect();
        peers.sort_unstable();
        peers
    }

    /// Whether each of these says that it is in sync with all others of them that it is linked with.
    pub fn in_sync(&self, nodes: &[usize]) -> bool {
        nodes.iter().all(|n| {
            let node = &self.nodes[*n];
            let up = node.ends.iter().filter(|(_, end)| end.up && nodes.contains(&end.node)).map(|(link, _)| *link);
            let stats = up.map(|link| node.machine.gossip().link_stats_at(link, self.time()));
            stats.into_iter().all(|stats| stats.is_some_and(|stats| stats.in_sync))
        })
    }

    /// The whole revocation list that has just these nodes, cut at what a node has.
    pub fn revoke(&mut self, at: usize, revoked: usize) {
        let node = Self::id(revoked);
        let ends = self.nodes[at].machine.gossip().ends().filter(|(origin, _)| origin.node == node);
        let cut = ends.map(|(origin, next)| (origin.incarnation, Seq(next.0 - 1))).collect();
        let part = base::checked_part(&base::signed_part(1, &BTreeMap::from([(node, Some(cut))]))).unwrap();
        self.give(at, Whole::Gossip(Input::Revoked { link: None, part })).unwrap();
    }
}
