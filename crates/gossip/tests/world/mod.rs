//! A small deterministic world of engines: a store that commits after a while, links that deliver in order after a while,
//! a verifier that answers after a while. One seed, one run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rumormill_gossip::{
    Check, Checked, Dissemination, Engine, EngineConfig, Event, Evidence, Input, Judge, Judged, LinkId, Output,
    RawBundle, Read, Recovered, RecoveredChain, Revocations, Shell, Signer, Ticket, Timestamp, VerifiedBundle,
    VerifiedProof, verify,
};
use rumormill_wire::native::{
    BundleView, ByeCode, Frame, ListPart, MessageKind, RevocationPart, Revoked, SIGN_REVOCATION_CONTEXT, place_of,
    rumor_prefix,
};
use rumormill_wire::{Clock, Incarnation, NetworkId, NodeId, Origin, Seq, Signature};

mod shell;

pub use shell::At;

pub const NETWORK: NetworkId = NetworkId([7; 32]);
/// 2026-01-01 in microseconds.
pub const WALL: i64 = 1_767_225_600_000_000;

pub struct Key(Ed25519KeyPair);

impl Key {
    pub fn new(n: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[n; 32]).unwrap())
    }
    pub fn id(&self) -> NodeId {
        NodeId(self.0.public_key().as_ref().try_into().unwrap())
    }
}

impl Signer for Key {
    fn node(&self) -> NodeId {
        self.id()
    }
    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).as_ref().try_into().unwrap())
    }
}

/// The key of the CA.
const CA: u8 = 250;

fn to_sign(part: &[u8]) -> Vec<u8> {
    [SIGN_REVOCATION_CONTEXT, NETWORK.as_bytes(), blake3::hash(part).as_bytes()].concat()
}

/// What still counts of each revoked node.
pub type Cuts = BTreeMap<NodeId, Option<BTreeMap<Incarnation, Seq>>>;

/// A part of the revocation list in bytes, signed by the CA. All its nodes have to begin with one byte.
pub fn signed_part(number: u64, cuts: &Cuts) -> Bytes {
    let place = cuts.keys().next().map_or(0, place_of);
    let nodes = cuts.iter().map(|(node, cut)| (*node, Revoked { not_after: u64::MAX, cut: cut.clone() }));
    let part = ListPart::encode(place, number, number, &nodes.collect()).unwrap();
    let signature = Key::new(CA).sign(&to_sign(&part));
    Bytes::from(RevocationPart::seal(part, &signature))
}

/// The part, if the CA signed it: what the shell does between `CheckRevocations` and `Revoked`.
pub fn checked_part(bytes: &[u8]) -> Option<Arc<ListPart>> {
    let part = RevocationPart::parse(bytes).ok()?;
    UnparsedPublicKey::new(&ED25519, Key::new(CA).id().as_bytes())
        .verify(&to_sign(part.signed_part()), part.signature().as_bytes())
        .ok()?;
    ListPart::decode(bytes).ok().map(Arc::new)
}

/// A member's certificate, with what is added to it: that says its age.
pub fn certificate(node: NodeId, added: &str) -> Evidence {
    let since = added.len().try_into().unwrap();
    Evidence { bytes: Bytes::from(format!("certificate of {node}{added}")), since }
}

/// What the CA says of a certificate.
pub fn judge(node: NodeId, bytes: &Bytes) -> Option<Evidence> {
    let added = bytes.strip_prefix(format!("certificate of {node}").as_bytes())?;
    let since = added.len().try_into().unwrap();
    // Nobody was given more than a few of one length.
    (added.len() <= 8).then(|| Evidence { bytes: bytes.clone(), since })
}

/// What survives a crash.
#[derive(Default, Clone)]
pub struct Disk {
    pub bundles: BTreeMap<Origin, Vec<Bytes>>,
    pub members: Vec<(NodeId, Evidence)>,
    pub proofs: Vec<VerifiedProof>,
    pub revocations: Revocations,
    pub arrived: BTreeMap<(Origin, Seq), u64>,
}

impl Disk {
    fn holding(&self, origin: Origin, at: Seq) -> Option<(usize, RawBundle)> {
        let bundles = self.bundles.get(&origin)?;
        bundles.iter().enumerate().find_map(|(n, bytes)| {
            let raw = RawBundle::peek(bytes.clone()).unwrap();
            (raw.header().first <= at && at < raw.header().next()).then_some((n, raw))
        })
    }

    fn range(&self, origin: Origin, from: Seq, until: Seq, max_bytes: usize) -> Vec<RawBundle> {
        let (mut next, mut bytes, mut bundles) = (from, 0, Vec::new());
        while next < until && (bytes == 0 || bytes < max_bytes) {
            let Some((_, raw)) = self.holding(origin, next) else { break };
            next = raw.header().next();
            bytes += raw.bytes().len() + 6;
            bundles.push(raw);
        }
        bundles
    }

    pub fn chains(&self) -> Vec<RecoveredChain> {
        let last = |bundles: &Vec<Bytes>| {
            let bundle = verify(&RawBundle::peek(bundles.last().unwrap().clone()).unwrap(), &NETWORK).unwrap();
            RecoveredChain { head: *bundle.signed_header(), last_clock: bundle.last_clock(), kept: Seq::FIRST }
        };
        self.bundles.values().map(last).collect()
    }
}

pub struct Node {
    pub engine: Engine,
    pub key: u8,
    pub disk: Disk,
    pub queue: Vec<Bytes>,
    pub appends: u64,
    pub alive: bool,
    pub events: Vec<Event>,
    pub closed: Vec<(LinkId, &'static str)>,
    pub unreleased: BTreeMap<LinkId, usize>,
    pub wire_bytes: u64,
    /// Frames sent.
    pub frames: u64,
    /// How many bundles the store still takes; then it is full for good.
    pub room: Option<u64>,
    full: bool,
    flushed: usize,
    /// Reads of the store for links, and for searches.
    pub reads: u64,
    /// Signatures that had to be checked.
    pub verifies: u64,
    timer: Option<Timestamp>,
    life: u64,
    disk_free_at: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct End {
    pub node: usize,
    pub link: LinkId,
}

struct Wire {
    to: End,
    free_at: u64,
}

enum Happening {
    Input { node: usize, life: u64, input: Input },
    Timer { node: usize, life: u64, at: Timestamp },
}

pub struct World {
    pub now: u64,
    pub rng: StdRng,
    pub nodes: Vec<Node>,
    pub config: EngineConfig,
    /// Whether every output is put into `trace`.
    pub tracing: bool,
    pub trace: blake3::Hasher,
    /// What nodes send to strangers, if it is to be kept.
    pub overheard: Option<Vec<(LinkId, Bytes)>>,
    /// The node that trusts pins and has no CA, if one does.
    pub pinned: Option<usize>,
    /// How many appends a commit takes with it and how long it takes, in microseconds.
    pub commit_us: u64,
    /// How much longer than usual a read of the store takes.
    pub read_us: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    order: u64,
    wires: BTreeMap<(usize, LinkId), Wire>,
    next_link: u64,
    next_ticket: u64,
}

pub fn config(dissemination: Dissemination) -> EngineConfig {
    EngineConfig {
        dissemination,
        greedy_bytes_per_day: 0,
        greedy_incarnations_per_day: 0,
        greedy_incarnation_days: 1,
        pace_bytes_per_s: 0,
        ..EngineConfig::new(NETWORK)
    }
}

impl World {
    pub fn new(seed: u64, nodes: u8, config: EngineConfig) -> Self {
        let mut world = Self {
            now: 1,
            rng: StdRng::seed_from_u64(seed),
            nodes: Vec::new(),
            config,
            tracing: false,
            trace: blake3::Hasher::new(),
            overheard: None,
            pinned: None,
            commit_us: 200,
            read_us: 0,
            queue: BTreeMap::new(),
            order: 0,
            wires: BTreeMap::new(),
            next_link: 0,
            next_ticket: 0,
        };
        for n in 0..nodes {
            world.add(n + 1, Disk::default(), 0);
        }
        world
    }

    pub fn add(&mut self, key: u8, disk: Disk, neighbours: usize) -> usize {
        let node = self.boot(key, disk);
        self.nodes.push(node);
        let n = self.nodes.len() - 1;
        self.begin(n, neighbours);
        n
    }

    fn wall_s(&self) -> u64 {
        (u64::try_from(WALL).unwrap() + self.now) / 1_000_000
    }

    fn boot(&mut self, key: u8, disk: Disk) -> Node {
        let signer = Key::new(key);
        let id = signer.id();
        let own = disk.bundles.keys().filter(|o| o.node == id).map(|o| o.incarnation).max();
        let me = Origin { node: id, incarnation: own.unwrap_or(Incarnation(self.wall_s())) };
        let recovered = Recovered {
            me,
            chains: disk.chains(),
            bytes: disk.bundles.values().flatten().map(|bundle| u64::try_from(bundle.len()).unwrap()).sum(),
            members: disk.members.clone(),
            proofs: disk.proofs.clone(),
            revocations: disk.revocations.clone(),
        };
        let rng = Box::new(StdRng::seed_from_u64(self.rng.random()));
        Node {
            engine: Engine::new(self.config.clone(), Box::new(signer), recovered, rng),
            key,
            disk,
            queue: Vec::new(),
            appends: 0,
            alive: true,
            events: Vec::new(),
            closed: Vec::new(),
            unreleased: BTreeMap::new(),
            wire_bytes: 0,
            frames: 0,
            room: None,
            full: false,
            flushed: 0,
            reads: 0,
            verifies: 0,
            timer: None,
            life: self.now,
            disk_free_at: 0,
        }
    }

    fn begin(&mut self, n: usize, neighbours: usize) {
        let id = Key::new(self.nodes[n].key).id();
        self.give(n, Input::WallOffset(WALL));
        self.give(n, Input::Admit { node: id, evidence: certificate(id, "") });
        self.give(n, Input::Start { neighbours });
    }

    /// The node dies: what was not committed is lost, links break.
    pub fn crash(&mut self, n: usize) {
        self.nodes[n].alive = false;
        self.nodes[n].queue.clear();
        let ends: Vec<_> = self.wires.keys().filter(|(node, _)| *node == n).copied().collect();
        for (node, link) in ends {
            self.cut(End { node, link });
        }
    }

    pub fn restart(&mut self, n: usize, neighbours: usize) {
        let (key, disk) = (self.nodes[n].key, self.nodes[n].disk.clone());
        self.now += 1;
        self.nodes[n] = self.boot(key, disk);
        self.begin(n, neighbours);
    }

    pub fn link(&mut self, a: usize, b: usize) -> (End, End) {
        self.next_link += 1;
        let link = LinkId(self.next_link);
        let (ea, eb) = (End { node: a, link }, End { node: b, link });
        self.wires.insert((a, link), Wire { to: eb, free_at: self.now });
        self.wires.insert((b, link), Wire { to: ea, free_at: self.now });
        for (end, other) in [(ea, b), (eb, a)] {
            let peer = Key::new(self.nodes[other].key).id();
            self.give(end.node, Input::Admit { node: peer, evidence: certificate(peer, "") });
            self.give(end.node, Input::LinkUp { link, peer });
        }
        (ea, eb)
    }

    /// An end without an engine behind it: what `n` sends there is lost, and the test speaks for it.
    pub fn stranger(&mut self, n: usize, key: u8) -> LinkId {
        self.next_link += 1;
        let link = LinkId(self.next_link);
        let peer = Key::new(key).id();
        self.give(n, Input::Admit { node: peer, evidence: certificate(peer, "") });
        self.give(n, Input::LinkUp { link, peer });
        link
    }

    pub fn line(&mut self) {
        for n in 1..self.nodes.len() {
            self.link(n - 1, n);
        }
    }

    pub fn cut(&mut self, end: End) {
        let Some(wire) = self.wires.remove(&(end.node, end.link)) else { return };
        self.wires.remove(&(wire.to.node, wire.to.link));
        for e in [end, wire.to] {
            self.nodes[e.node].unreleased.remove(&e.link);
            self.give(e.node, Input::LinkDown { link: e.link });
        }
    }

    pub fn say(&mut self, n: usize, text: &str) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        let body = Bytes::from(text.to_owned());
        self.give(n, Input::Submit { ticket, kind: MessageKind::CHAT, room: String::new(), body });
        ticket
    }

    pub fn give(&mut self, n: usize, input: Input) {
        if !self.nodes[n].alive {
            return;
        }
        if let Input::Frame { link, bytes } = &input
            && matches!(Frame::decode(bytes), Ok(Frame::Rumor(_)))
        {
            *self.nodes[n].unreleased.entry(*link).or_default() += bytes.len();
        }
        let now = Timestamp(self.now);
        let Ok(taken) = At { world: self, n }.feed(now, input);
        taken.unwrap_or_else(|why| panic!("refused: {why}"));
        if let Some(at) = self.nodes[n].engine.next_timeout()
            && self.nodes[n].timer.is_none_or(|old| old > at)
        {
            self.nodes[n].timer = Some(at);
            let life = self.nodes[n].life;
            self.at(at.0.max(self.now), Happening::Timer { node: n, life, at });
        }
    }

    fn at(&mut self, when: u64, what: Happening) {
        self.order += 1;
        self.queue.insert((when, self.order), what);
    }

    fn later(&mut self, n: usize, delay: u64, input: Input) {
        let life = self.nodes[n].life;
        self.at(self.now + delay, Happening::Input { node: n, life, input });
    }

    fn transmit_bundle(&mut self, n: usize, link: LinkId, bundle: &[u8], want_status: bool, answers_range: bool) {
        let mut frame = rumor_prefix(want_status, answers_range, bundle.len()).unwrap().to_vec();
        frame.extend_from_slice(bundle);
        self.transmit(n, link, &frame);
    }

    fn transmit(&mut self, n: usize, link: LinkId, frame: &[u8]) {
        let bytes = frame.len();
        if let Ok(Frame::Revoked(part)) = Frame::decode(&frame[4..]) {
            let part = RevocationPart::parse(part).unwrap();
            let durable = self.nodes[n].disk.revocations.number_of(part.place());
            assert!(part.number() <= durable, "a list is durable before it is passed on");
        }
        self.nodes[n].wire_bytes += u64::try_from(bytes).unwrap();
        self.nodes[n].frames += 1;
        let delay = self.rng.random_range(50..500);
        self.later(n, 30, Input::Writable { link, bytes });
        let Some(wire) = self.wires.get_mut(&(n, link)) else {
            self.overheard.iter_mut().for_each(|heard| heard.push((link, Bytes::copy_from_slice(&frame[4..]))));
            return;
        };
        wire.free_at = wire.free_at.max(self.now + delay) + 1;
        let (to, when) = (wire.to, wire.free_at);
        let life = self.nodes[to.node].life;
        let input = Input::Frame { link: to.link, bytes: Bytes::copy_from_slice(&frame[4..]) };
        self.at(when, Happening::Input { node: to.node, life, input });
    }

    pub fn step(&mut self) -> bool {
        let Some(((when, _), happening)) = self.queue.pop_first() else { return false };
        self.now = self.now.max(when);
        match happening {
            Happening::Timer { node, life, at } => {
                if self.nodes[node].life == life && self.nodes[node].timer == Some(at) {
                    self.nodes[node].timer = None;
                    self.give(node, Input::Timeout);
                }
            }
            Happening::Input { node, life, input } => {
                if self.nodes[node].life != life || !self.nodes[node].alive {
                    return true;
                }
                if let Input::Committed { appends } = input {
                    self.flush(node, appends);
                }
                if let Input::RevocationsKept { part } = &input {
                    self.nodes[node].disk.revocations.take(Arc::clone(part));
                }
                let gone = |link: &LinkId| !self.wires.contains_key(&(node, *link));
                match &input {
                    Input::Frame { link, .. } if gone(link) => return true,
                    _ => self.give(node, input),
                }
            }
        }
        true
    }

    fn flush(&mut self, n: usize, appends: u64) {
        let now = self.now;
        let node = &mut self.nodes[n];
        // What came after the store was full is not in the queue.
        let done = usize::try_from(appends).unwrap() - node.flushed;
        node.flushed += done;
        let done: Vec<_> = node.queue.drain(..done).collect();
        for bytes in done {
            let header = *RawBundle::peek(bytes.clone()).unwrap().header();
            let chain = node.disk.bundles.entry(header.origin).or_default();
            let next = chain.last().map_or(Seq::FIRST, |b| RawBundle::peek(b.clone()).unwrap().header().next());
            assert_eq!(header.first, next, "the store takes only what is next");
            node.disk.arrived.insert((header.origin, header.first), now);
            chain.push(bytes);
        }
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

    pub fn describe(&self) -> String {
        let mut out = String::new();
        for (n, node) in self.nodes.iter().enumerate() {
            let frontier: Vec<_> =
                node.engine.frontier().map(|e| (e.origin.incarnation.0, e.next.0, e.state)).collect();
            out += &format!(
                "{n} alive {} {frontier:?}\n   {:?}\n   closed {:?}\n",
                node.alive,
                node.engine.stats(),
                node.closed
            );
        }
        out
    }

    /// What the node shows: committed, without what a limit withdraws, in the one order.
    pub fn log(&self, n: usize) -> Vec<(Clock, Origin, Seq, String)> {
        let node = &self.nodes[n];
        let limits: BTreeMap<_, _> = node.engine.limits().collect();
        let mut all = Vec::new();
        for (origin, bundles) in &node.disk.bundles {
            for bytes in bundles {
                for m in BundleView::parse(bytes).unwrap().messages() {
                    if limits.get(origin).is_none_or(|limit| m.seq < *limit) {
                        all.push((m.clock, *origin, m.seq, String::from_utf8(m.body.to_vec()).unwrap()));
                    }
                }
            }
        }
        all.sort();
        all
    }

    pub fn texts(&self, n: usize) -> Vec<String> {
        self.log(n).into_iter().map(|(_, _, _, text)| text).collect()
    }

    pub fn same_logs(&self, messages: usize) -> bool {
        let alive: Vec<_> = (0..self.nodes.len()).filter(|n| self.nodes[*n].alive).collect();
        let first = self.log(alive[0]);
        first.len() == messages && alive.iter().all(|n| self.log(*n) == first)
    }

    pub fn same_fingerprints(&self) -> bool {
        let alive = self.nodes.iter().filter(|node| node.alive);
        alive.map(|node| node.engine.fingerprint()).collect::<BTreeSet<_>>().len() == 1
    }

    pub fn nothing_unreleased(&self) -> bool {
        self.nodes.iter().filter(|node| node.alive).all(|node| node.unreleased.values().all(|open| *open == 0))
    }
}

impl World {
    pub fn disk_proofs(&self, n: usize) -> usize {
        self.nodes[n].disk.proofs.len()
    }
}
