//! What one input costs an engine with 2 links and 10 origins, beside the same in one with 2,000 links and 100,000 origins.
//! Batches of the two alternate, so that a busy moment hits both; medians of a few inputs at a time count, so that another process
//! between them counts little. Each is measured twice: on one link and of one author again and again, which is what the others cost
//! that it does not concern; and on all links and of all authors in turn, which adds that nothing of them is in the caches.
//!
//! `cargo bench -p rumormill-gossip --bench frame_cost`; without `--bench` every case runs once, to see that it still works.
#![allow(clippy::disallowed_types, reason = "a test and a bench are outside the walls")]

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rumormill_gossip::bundle::{bundle_digest, seal};
use rumormill_gossip::{
    Ask, CheckId, Dissemination, Engine, EngineConfig, Evidence, Input, LinkId, Output, Recovered, RecoveredChain,
    Signer, Ticket, Timestamp, VerifiedBundle,
};
use rumormill_wire::native::{
    BundleBuilder, BundleHeader, Coverage, Frame, MessageKind, Rumor, SignedHeader, Status, StatusEntries,
};
use rumormill_wire::{Clock, Digest, Incarnation, NetworkId, NodeId, Origin, Seq, Signature};
use rustix::time::{ClockId, clock_gettime};

const NETWORK: NetworkId = NetworkId([7; 32]);
const WALL: u64 = 1_767_225_600_000_000;
const ROUNDS: usize = 15;
/// Inputs of one batch, and of those that are timed together. One that goes to every link has fewer.
const BATCH: usize = 200;
const BATCH_TO_ALL: usize = 5;
const TOGETHER: usize = 5;

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

fn certificate() -> Evidence {
    Evidence { bytes: Bytes::from_static(b"a certificate"), since: 1 }
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
    Duplicate,
    Rumor,
}

struct Side {
    engine: Engine,
    now: Timestamp,
    links: u64,
    chains: Vec<Chain>,
    appends: u64,
    check: Option<CheckId>,
    /// A bundle that is here.
    seen: Bytes,
    /// Bytes given to each link that have not left.
    given: Vec<usize>,
    turn: u64,
    /// How far the next link and the next author are from the last.
    stride: u64,
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
            recovered.members.push((origin.node, certificate()));
            chains.push(Chain { origin, next: head.header.next(), digest: bundle_digest(&header, &head.body) });
        }
        let config = EngineConfig {
            dissemination,
            quota_bytes_per_day: 0,
            quota_incarnations_per_day: 0,
            pace_bytes_per_s: 0,
            ..EngineConfig::new(NETWORK)
        };
        let rng = Box::new(StdRng::seed_from_u64(1));
        let engine = Engine::new(config, Box::new(Anybody(me.node)), recovered, rng);
        let given = vec![0; usize::try_from(links)?];
        let (now, appends, check, seen, turn, stride) = (Timestamp(1), 0, None, Bytes::new(), 1, 0);
        let mut side = Self { engine, now, links, chains, appends, check, seen, given, turn, stride };
        side.give(Input::WallOffset(i64::try_from(WALL)?))?;
        side.give(Input::Admit { node: me.node, evidence: certificate() })?;
        side.give(Input::Start(Ask::Nobody))?;
        for n in 0..links {
            side.give(Input::Admit { node: node(2, n), evidence: certificate() })?;
            side.give(Input::LinkUp { link: LinkId(n), peer: node(2, n), named: false })?;
        }
        let status = side.status()?;
        for n in 0..links {
            side.give(Input::Frame { link: LinkId(n), bytes: status.clone() })?;
        }
        side.settle()?;
        let (bytes, bundle) = side.bundle()?;
        side.seen = bytes.clone();
        side.one(Kind::Rumor, &Bytes::new(), Some((bytes, bundle)))?;
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
        self.turn += self.stride;
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
        self.turn += self.stride;
        LinkId(self.turn % self.links)
    }

    /// How long one takes of a batch, in nanoseconds, a few at a time.
    fn batch(&mut self, kind: Kind, inputs: usize) -> Outcome<Vec<f64>> {
        let mut bundles = Vec::new();
        for _ in 0..if kind == Kind::Rumor { inputs } else { 0 } {
            bundles.push(self.bundle()?);
        }
        let status = if kind == Kind::StatusInSync { self.status()? } else { Bytes::new() };
        let (mut bundles, mut took) = (bundles.into_iter(), Vec::new());
        for _ in 0..inputs / TOGETHER {
            let begun = cpu_ns();
            for _ in 0..TOGETHER {
                self.one(kind, &status, bundles.next())?;
            }
            took.push((cpu_ns() - begun) / f64::from(u32::try_from(TOGETHER)?));
        }
        self.settle()?;
        Ok(took)
    }

    fn one(&mut self, kind: Kind, status: &Bytes, bundle: Option<(Bytes, Arc<VerifiedBundle>)>) -> Outcome<()> {
        let link = self.link();
        match kind {
            Kind::StatusInSync => self.give(Input::Frame { link, bytes: status.clone() })?,
            Kind::Writable => self.give(Input::Writable { link, bytes: 1 })?,
            Kind::Timeout => self.give(Input::Timeout)?,
            Kind::NextTimeout => drop(std::hint::black_box(self.engine.next_timeout())),
            Kind::Submit => {
                let (ticket, body) = (Ticket(self.appends), Bytes::from_static(b"a line"));
                self.give(Input::Submit { ticket, kind: MessageKind::CHAT, room: String::new(), body })?;
            }
            Kind::Duplicate => self.give(Input::Frame { link, bytes: self.seen.clone() })?,
            Kind::Rumor => {
                let (bytes, bundle) = bundle.ok_or("too few bundles")?;
                self.give(Input::Frame { link, bytes })?;
                let check = self.check.take().ok_or("a bundle was not taken")?;
                self.give(Input::Verified { check, verdict: Ok(bundle) })?;
                self.give(Input::Committed { appends: self.appends })?;
            }
        }
        Ok(())
    }
}

/// What this thread has had of a processor: others on the machine do not count.
fn cpu_ns() -> f64 {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(used.tv_sec.unsigned_abs(), u32::try_from(used.tv_nsec).unwrap_or(0)).as_secs_f64() * 1e9
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or_default()
}

/// Both engines, and what each kind costs in them.
struct Pair {
    small: Side,
    large: Side,
    rounds: usize,
}

impl Pair {
    fn new(dissemination: Dissemination, (links, origins): (u64, u64), rounds: usize) -> Outcome<Self> {
        let (small, large) = (Side::new(dissemination, 2, 10)?, Side::new(dissemination, links, origins)?);
        Ok(Self { small, large, rounds })
    }

    /// Nanoseconds in the small one and in the large one.
    fn measure(&mut self, kind: Kind, inputs: usize, stride: u64) -> Outcome<(f64, f64)> {
        (self.small.stride, self.large.stride) = (stride, stride);
        let (mut small, mut large) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            small.extend(self.small.batch(kind, inputs)?);
            large.extend(self.large.batch(kind, inputs)?);
        }
        Ok((median(small), median(large)))
    }
}

fn main() -> Outcome<()> {
    let measured = std::env::args().any(|arg| arg == "--bench");
    let (size, rounds) = if measured { ((2_000, 100_000), ROUNDS) } else { ((20, 100), 1) };
    let mut eager = Pair::new(Dissemination::Eager, size, rounds)?;
    let mut mongering = Pair::new(Dissemination::Mongering, size, rounds)?;
    let mut out = io::stdout().lock();
    let heads = ["one input, ns", "2 and 10", "many", "ratio", "in turn", "many", "ratio"];
    let [a, b, c, d, e, f, g] = heads;
    writeln!(out, "{a:<38}{b:>10}{c:>10}{d:>7}{e:>10}{f:>10}{g:>7}")?;
    // What goes to all but the one that it came from costs something for each of them.
    let others = f64::from(u32::try_from(size.0 - 1)?);
    for (name, one, kind, inputs, to) in [
        ("STATUS in sync, answered", false, Kind::StatusInSync, BATCH, 1.0),
        ("Writable", false, Kind::Writable, BATCH, 1.0),
        ("Timeout, nothing due", false, Kind::Timeout, BATCH, 1.0),
        ("next_timeout", false, Kind::NextTimeout, BATCH, 1.0),
        ("Submit behind another", false, Kind::Submit, BATCH, 1.0),
        ("bundle that is here already", false, Kind::Duplicate, BATCH, 1.0),
        ("bundle, verdict, commit: to all, each", false, Kind::Rumor, BATCH_TO_ALL, others),
        ("bundle, verdict, commit: to one", true, Kind::Rumor, BATCH, 1.0),
    ] {
        let pair = if one { &mut mongering } else { &mut eager };
        write!(out, "{name:<38}")?;
        for stride in [0, 7_919] {
            let (small, large) = pair.measure(kind, inputs, stride)?;
            write!(out, "{small:>10.0}{:>10.0}{:>7.2}", large / to, large / to / small)?;
        }
        writeln!(out)?;
    }
    Ok(())
}
