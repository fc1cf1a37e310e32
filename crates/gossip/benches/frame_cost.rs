//! What one input costs an engine with 2 links and 10 origins, beside the same in one with 2,000 links and 100,000 origins.
//! Batches of the two alternate, so that a busy moment hits both; medians count. Links and origins are used in turn.
//!
//! `cargo bench -p rumormill-gossip --bench frame_cost`; without `--bench` every case runs once, to see that it still works.
#![allow(clippy::disallowed_types, reason = "a test and a bench are outside the walls")]

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rumormill_gossip::bundle::{bundle_digest, seal};
use rumormill_gossip::{
    CheckId, Dissemination, Engine, EngineConfig, Input, LinkId, Output, Recovered, RecoveredChain, Signer, Ticket,
    Timestamp, VerifiedBundle,
};
use rumormill_wire::native::{
    BundleBuilder, BundleHeader, Coverage, Frame, MessageKind, Rumor, SignedHeader, Status, StatusEntries,
};
use rumormill_wire::{Clock, Digest, Incarnation, NetworkId, NodeId, Origin, Seq, Signature};

const NETWORK: NetworkId = NetworkId([7; 32]);
const WALL: u64 = 1_767_225_600_000_000;
const ROUNDS: usize = 15;
/// Inputs of one batch. One that goes to every link has fewer.
const BATCH: usize = 200;
const BATCH_TO_ALL: usize = 4;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Signatures are checked outside the engine, so they need not hold here.
struct Anybody(NodeId);

impl Signer for Anybody {
    fn node(&self) -> NodeId {
        self.0
    }
    fn sign(&self, _: &[u8]) -> Signature {
        Signature([0; 64])
    }
}

fn node(kind: u8, n: u64) -> NodeId {
    NodeId(*blake3::hash(&[&[kind][..], &n.to_be_bytes()].concat()).as_bytes())
}

/// One author's chain, to be gone on with.
struct Chain {
    origin: Origin,
    next: Seq,
    digest: Digest,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    StatusInSync,
    Writable,
    Timeout,
    NextTimeout,
    Submit,
    Rumor,
}

struct Side {
    engine: Engine,
    now: Timestamp,
    links: u64,
    chains: Vec<Chain>,
    appends: u64,
    check: Option<CheckId>,
    /// Bytes given to each link that have not left.
    given: Vec<usize>,
    turn: u64,
}

impl Side {
    fn new(dissemination: Dissemination, links: u64, origins: u64) -> Outcome<Self> {
        let me = Origin { node: node(0, 0), incarnation: Incarnation(WALL / 1_000_000) };
        let (mut chains, mut recovered) = (Vec::new(), Recovered::empty(me));
        for n in 0..origins {
            let origin = Origin { node: node(1, n), incarnation: Incarnation(1) };
            let header = BundleHeader { origin, first: Seq::FIRST, count: 1, previous: Digest::ZERO };
            let head = SignedHeader { header, body: Digest([1; 32]), signature: Signature([0; 64]) };
            recovered.chains.push(RecoveredChain { head, last_clock: Clock(WALL), kept: Seq::FIRST });
            recovered.members.push((origin.node, Bytes::from_static(b"a certificate")));
            chains.push(Chain { origin, next: head.header.next(), digest: bundle_digest(&header, &head.body) });
        }
        let config = EngineConfig {
            dissemination,
            greedy_bytes_per_day: 0,
            greedy_incarnations_per_day: 0,
            pace_bytes_per_s: 0,
            ..EngineConfig::new(NETWORK)
        };
        let rng = Box::new(StdRng::seed_from_u64(1));
        let engine = Engine::new(config, Box::new(Anybody(me.node)), recovered, rng);
        let given = vec![0; usize::try_from(links)?];
        let mut side = Self { engine, now: Timestamp(1), links, chains, appends: 0, check: None, given, turn: 0 };
        side.give(Input::WallOffset(i64::try_from(WALL)?))?;
        side.give(Input::Admit { node: me.node, evidence: Bytes::from_static(b"a certificate") })?;
        side.give(Input::Start { neighbours: 0 })?;
        for n in 0..links {
            side.give(Input::Admit { node: node(2, n), evidence: Bytes::from_static(b"a certificate") })?;
            side.give(Input::LinkUp { link: LinkId(n), peer: node(2, n) })?;
        }
        let status = side.status()?;
        for n in 0..links {
            side.give(Input::Frame { link: LinkId(n), bytes: status.clone() })?;
        }
        side.settle()?;
        Ok(side)
    }

    fn give(&mut self, input: Input) -> Outcome<()> {
        self.engine.handle(self.now, input)?;
        while let Some(output) = self.engine.poll_output() {
            let (link, bytes) = match output {
                Output::Append { .. } => {
                    self.appends += 1;
                    continue;
                }
                Output::Verify { check, .. } => {
                    self.check = Some(check);
                    continue;
                }
                Output::Send { link, frame } => (link, frame.len()),
                Output::SendBundle { link, bundle, .. } => (link, bundle.bytes().len() + 6),
                _ => continue,
            };
            if let Some(given) = self.given.get_mut(usize::try_from(link.0)?) {
                *given += bytes;
            }
        }
        Ok(())
    }

    /// All that was given to links leaves, and rounds of mongering come to their end.
    fn settle(&mut self) -> Outcome<()> {
        self.give(Input::Committed { appends: self.appends })?;
        for _ in 0..32 {
            for n in 0..self.given.len() {
                let bytes = self.given.get_mut(n).map(std::mem::take).unwrap_or_default();
                if bytes > 0 {
                    self.give(Input::Writable { link: LinkId(u64::try_from(n)?), bytes })?;
                }
            }
            self.now = self.now.plus(1_000_000);
            self.give(Input::Timeout)?;
        }
        Ok(())
    }

    /// What a neighbour says that has what we have.
    fn status(&self) -> Outcome<Bytes> {
        let status = Status {
            want_status: true,
            hold: false,
            heard: 0,
            fingerprint: self.engine.fingerprint(),
            origins: u32::try_from(self.engine.frontier().count())?,
            coverage: Coverage::Listed,
            entries: StatusEntries::from(&[][..]),
        };
        let mut frame = Vec::new();
        Frame::Status(status).encode(&mut frame)?;
        Ok(Bytes::from(frame).slice(4..))
    }

    /// The next bundle of the author whose turn it is, in a frame and checked.
    fn bundle(&mut self) -> Outcome<(Bytes, Arc<VerifiedBundle>)> {
        self.turn += 7_919;
        let which = usize::try_from(self.turn)? % self.chains.len();
        let chain = self.chains.get_mut(which).ok_or("no such chain")?;
        let clock = Clock(WALL + self.now.0 + chain.next.0);
        let mut builder = BundleBuilder::new(chain.origin, chain.next, chain.digest);
        builder.push(clock, MessageKind::CHAT, "", &[b'x'; 256])?;
        let bundle = seal(builder, clock, &Anybody(chain.origin.node), &NETWORK);
        (chain.next, chain.digest) = (bundle.header().next(), bundle.digest());
        let mut frame = Vec::new();
        let (header, bytes) = (*bundle.header(), bundle.bytes());
        Frame::Rumor(Rumor { want_status: false, answers_range: false, header, bundle: bytes }).encode(&mut frame)?;
        Ok((Bytes::from(frame).slice(4..), bundle))
    }

    fn link(&mut self) -> LinkId {
        self.turn += 7_919;
        LinkId(self.turn % self.links)
    }

    /// How long one takes of a batch, in nanoseconds.
    fn batch(&mut self, kind: Kind, inputs: usize) -> Outcome<f64> {
        let mut bundles = Vec::new();
        for _ in 0..if kind == Kind::Rumor { inputs } else { 0 } {
            bundles.push(self.bundle()?);
        }
        let status = self.status()?;
        let mut bundles = bundles.into_iter();
        let begun = Instant::now();
        for n in 0..inputs {
            let link = self.link();
            match kind {
                Kind::StatusInSync => self.give(Input::Frame { link, bytes: status.clone() })?,
                Kind::Writable => self.give(Input::Writable { link, bytes: 1 })?,
                Kind::Timeout => self.give(Input::Timeout)?,
                Kind::NextTimeout => drop(std::hint::black_box(self.engine.next_timeout())),
                Kind::Submit => {
                    let (ticket, body) = (Ticket(u64::try_from(n)?), Bytes::from_static(b"a line"));
                    self.give(Input::Submit { ticket, kind: MessageKind::CHAT, room: String::new(), body })?;
                }
                Kind::Rumor => {
                    let (bytes, bundle) = bundles.next().ok_or("too few bundles")?;
                    self.give(Input::Frame { link, bytes })?;
                    let check = self.check.take().ok_or("a bundle was not taken")?;
                    self.give(Input::Verified { check, verdict: Ok(bundle) })?;
                    self.give(Input::Committed { appends: self.appends })?;
                }
            }
        }
        let took = begun.elapsed();
        self.settle()?;
        Ok(per(took, inputs))
    }
}

fn per(took: Duration, inputs: usize) -> f64 {
    took.as_secs_f64() * 1e9 / f64::from(u32::try_from(inputs.max(1)).unwrap_or(u32::MAX))
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or_default()
}

fn main() -> Outcome<()> {
    let measured = std::env::args().any(|arg| arg == "--bench");
    let mut out = io::stdout().lock();
    let large = if measured { (2_000, 100_000) } else { (20, 100) };
    let cases = [
        ("STATUS in sync, answered", Kind::StatusInSync, Dissemination::Eager, BATCH),
        ("Writable", Kind::Writable, Dissemination::Eager, BATCH),
        ("Timeout, nothing due", Kind::Timeout, Dissemination::Eager, BATCH),
        ("next_timeout", Kind::NextTimeout, Dissemination::Eager, BATCH),
        ("Submit behind another", Kind::Submit, Dissemination::Eager, BATCH),
        ("RUMOR, verdict, commit: to one link", Kind::Rumor, Dissemination::Mongering, BATCH),
        ("RUMOR, verdict, commit: to all, a link", Kind::Rumor, Dissemination::Eager, BATCH_TO_ALL),
    ];
    writeln!(out, "{:<42}{:>12}{:>12}{:>8}", "ns for one", "2 / 10", "large", "ratio")?;
    for (name, kind, dissemination, inputs) in cases {
        let mut small = Side::new(dissemination, 2, 10)?;
        let mut big = Side::new(dissemination, large.0, large.1)?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..if measured { ROUNDS } else { 1 } {
            ours.push(small.batch(kind, inputs)?);
            theirs.push(big.batch(kind, inputs)?);
        }
        // What goes to all but the one that it came from costs something for each of them.
        let to_all = kind == Kind::Rumor && dissemination == Dissemination::Eager;
        let links = if to_all { f64::from(u32::try_from(large.0 - 1)?) } else { 1.0 };
        let (ours, theirs) = (median(ours), median(theirs) / links);
        writeln!(out, "{name:<42}{ours:>12.0}{theirs:>12.0}{:>8.2}", theirs / ours)?;
    }
    Ok(())
}
