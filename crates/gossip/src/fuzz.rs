//! The body of the engine's fuzz target: a list of operations against a simple model.
//!
//! The model knows three authors whose chains were signed beforehand, one of them with two branches. Whatever comes in
//! whatever order, the engine may append only what an author signed, in order and once, may not send on a link that is
//! down, and may not release more than it was given.

#![allow(
    clippy::missing_panics_doc,
    clippy::arithmetic_side_effects,
    reason = "a failed assertion or a panic is the finding"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use arbitrary::{Arbitrary, Unstructured};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rumormill_wire::native::{BundleBuilder, MessageKind, rumor_prefix};
use rumormill_wire::{Clock, Digest, Incarnation, NetworkId, NodeId, Origin, Seq, Signature};

use crate::bundle::{Signer, VerifiedBundle, seal, verify};
use crate::config::{Dissemination, EngineConfig, Recovered};
use crate::engine::{Engine, Reject};
use crate::io::{CheckId, Input, LinkId, Output, Ticket, Timestamp};
use crate::proof::verify_proof;

const NETWORK: NetworkId = NetworkId([7; 32]);
const WALL_US: u64 = 1_767_225_600_000_000;
const BUNDLES: u64 = 6;
const AUTHORS: u8 = 3;
const MAX_OPS: usize = 256;

struct Key(Ed25519KeyPair, NodeId);

impl Key {
    fn new(n: u8) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[n; 32]).ok()?;
        let id = NodeId(pair.public_key().as_ref().try_into().ok()?);
        Some(Self(pair, id))
    }
}

impl Signer for Key {
    fn node(&self) -> NodeId {
        self.1
    }
    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).as_ref().try_into().unwrap_or([0; 64]))
    }
}

/// Every bundle that an author ever signed.
fn signed() -> &'static Vec<Arc<VerifiedBundle>> {
    static ALL: OnceLock<Vec<Arc<VerifiedBundle>>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = Vec::new();
        for author in 1..=AUTHORS {
            let branches: &[u64] = if author == AUTHORS { &[0, 3] } else { &[0] };
            let Some(key) = Key::new(author) else { continue };
            for parted_at in branches {
                chain(&key, *parted_at, &mut all);
            }
        }
        all
    })
}

fn chain(key: &Key, parted_at: u64, all: &mut Vec<Arc<VerifiedBundle>>) {
    let origin = Origin { node: key.1, incarnation: Incarnation(1) };
    let (mut previous, mut first) = (Digest::ZERO, 1_u64);
    for n in 0..BUNDLES {
        let mut builder = BundleBuilder::new(origin, Seq(first), previous);
        let clock = Clock(WALL_US.saturating_add(n.saturating_mul(100)));
        let text = format!("bundle {n} on branch {}", if n >= parted_at { parted_at } else { 0 });
        let more = n & 1;
        for m in 0..=more {
            let reading = Clock(clock.0.saturating_add(m));
            if builder.push(reading, MessageKind::CHAT, "", text.as_bytes()).is_err() {
                return;
            }
        }
        first = first.saturating_add(more).saturating_add(1);
        let bundle = seal(builder, clock, key, &NETWORK);
        previous = bundle.digest();
        all.push(bundle);
    }
}

/// One operation.
#[derive(Debug, Arbitrary)]
enum Op {
    Up(u8),
    Down(u8),
    Bundle { link: u8, which: u8, want_status: bool, answers_range: bool },
    Forged { link: u8, which: u8, at: u16, with: u8 },
    Raw { link: u8, bytes: Vec<u8> },
    Submit(u8),
    Verify { newest: bool },
    Commit(u8),
    Wait(u16),
    Writable(u8),
}

struct Model {
    engine: Engine,
    now: u64,
    up: BTreeMap<u8, LinkId>,
    down: BTreeSet<LinkId>,
    last_link: u64,
    owed: BTreeMap<LinkId, usize>,
    window: BTreeMap<LinkId, usize>,
    checks: Vec<(CheckId, crate::bundle::RawBundle)>,
    next: BTreeMap<Origin, (Seq, Digest)>,
    appended: u64,
    committed: u64,
    durable: BTreeSet<u64>,
    submitted: u64,
}

/// Runs the operations that the bytes spell. Anything that should never be is a panic.
pub fn engine(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let mongers = input.arbitrary::<bool>().unwrap_or(false);
    let Some(mut model) = Model::new(mongers) else { return };
    for _ in 0..MAX_OPS {
        if input.is_empty() {
            break;
        }
        let Ok(op) = input.arbitrary::<Op>() else { break };
        model.run(op);
    }
    model.settle();
}

impl Model {
    fn new(mongers: bool) -> Option<Self> {
        let key = Key::new(100)?;
        let me = Origin { node: key.1, incarnation: Incarnation(5) };
        let dissemination = if mongers { Dissemination::Mongering } else { Dissemination::Eager };
        let config = EngineConfig { dissemination, cache_bytes: 600, max_checks: 8, ..EngineConfig::new(NETWORK) };
        let rng = Box::new(StdRng::seed_from_u64(1));
        let mut model = Self {
            engine: Engine::new(config, Box::new(key), Recovered::empty(me), rng),
            now: 1,
            up: BTreeMap::new(),
            down: BTreeSet::new(),
            last_link: 0,
            owed: BTreeMap::new(),
            window: BTreeMap::new(),
            checks: Vec::new(),
            next: BTreeMap::new(),
            appended: 0,
            committed: 0,
            durable: BTreeSet::new(),
            submitted: 0,
        };
        model.give(Input::WallOffset(i64::try_from(WALL_US).ok()?));
        for author in (1..=AUTHORS).filter_map(Key::new) {
            model.give(Input::Admit { node: author.1, evidence: Bytes::from_static(b"evidence") });
        }
        model.give(Input::Start { neighbours: 0 });
        Some(model)
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Up(n) if !self.up.contains_key(&(n % 4)) => {
                self.last_link = self.last_link.saturating_add(1);
                let link = LinkId(self.last_link);
                self.up.insert(n % 4, link);
                self.give(Input::LinkUp { link, peer: NodeId([n % 4; 32]) });
            }
            Op::Up(_) => {}
            Op::Down(n) => {
                if let Some(link) = self.up.remove(&(n % 4)) {
                    self.down.insert(link);
                    self.owed.remove(&link);
                    self.give(Input::LinkDown { link });
                }
            }
            Op::Bundle { link, which, want_status, answers_range } => {
                if let Some(bundle) = signed().get(usize::from(which) % signed().len()) {
                    self.rumor(link, bundle.bytes(), want_status, answers_range);
                }
            }
            Op::Forged { link, which, at, with } => {
                if let Some(bundle) = signed().get(usize::from(which) % signed().len()) {
                    let mut bytes = bundle.bytes().to_vec();
                    let at = usize::from(at).checked_rem(bytes.len()).unwrap_or(0);
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= with;
                    }
                    self.rumor(link, &bytes, false, false);
                }
            }
            Op::Raw { link, bytes } => self.frame(link, Bytes::from(bytes)),
            Op::Submit(n) => {
                self.submitted = self.submitted.saturating_add(1);
                let body = Bytes::from(vec![b'x'; usize::from(n)]);
                let ticket = Ticket(self.submitted);
                self.give(Input::Submit { ticket, kind: MessageKind::CHAT, room: String::new(), body });
            }
            Op::Verify { newest } => self.answer(newest),
            Op::Commit(n) => self.commit(u64::from(n)),
            Op::Wait(ms) => {
                self.now = self.now.saturating_add(u64::from(ms).saturating_mul(1_000));
                self.give(Input::Timeout);
            }
            Op::Writable(n) => {
                if let Some(link) = self.up.get(&(n % 4)).copied() {
                    let bytes = self.window.remove(&link).unwrap_or(0);
                    self.give(Input::Writable { link, bytes });
                }
            }
        }
    }

    fn answer(&mut self, newest: bool) {
        if self.checks.is_empty() {
            return;
        }
        let at = if newest { self.checks.len().saturating_sub(1) } else { 0 };
        let (check, raw) = self.checks.remove(at);
        let verdict = verify(&raw, &NETWORK).map(Arc::new);
        self.give(Input::Verified { check, verdict });
    }

    fn commit(&mut self, by: u64) {
        let appends = self.committed.saturating_add(by).min(self.appended);
        if appends > self.committed {
            self.committed = appends;
            self.give(Input::Committed { appends });
        }
    }

    fn rumor(&mut self, link: u8, bundle: &[u8], want_status: bool, answers_range: bool) {
        let Ok(prefix) = rumor_prefix(want_status, answers_range, bundle.len()) else { return };
        let mut frame = prefix.to_vec();
        frame.extend_from_slice(bundle);
        self.frame(link, Bytes::from(frame.split_off(4)));
    }

    fn frame(&mut self, link: u8, bytes: Bytes) {
        if let Some(link) = self.up.get(&(link % 4)).copied() {
            let owed = self.owed.entry(link).or_default();
            *owed = owed.saturating_add(bytes.len());
            self.give(Input::Frame { link, bytes });
        }
    }

    /// Every verdict given and every append committed, nothing may stay open, and what was submitted is durable.
    fn settle(&mut self) {
        while !self.checks.is_empty() {
            self.answer(false);
        }
        while self.committed < self.appended {
            self.commit(u64::MAX);
        }
        assert_eq!(self.engine.sizes().0, 0, "a check was left behind");
        if !self.engine.limits().any(|(origin, _)| origin == self.engine.me()) {
            assert_eq!(self.durable.len(), usize::try_from(self.submitted).unwrap_or(usize::MAX), "a message was lost");
        }
    }

    fn give(&mut self, input: Input) {
        match self.engine.handle(Timestamp(self.now), input) {
            Ok(()) => {}
            Err(Reject::Busy | Reject::Invalid(_)) => self.submitted = self.submitted.saturating_sub(1),
            Err(why) => panic!("refused: {why}"),
        }
        while let Some(output) = self.engine.poll_output() {
            self.check(output);
        }
    }

    fn check(&mut self, output: Output) {
        match output {
            Output::Send { link, frame } => self.sent(link, frame.len()),
            Output::SendBundle { link, bundle, .. } => self.sent(link, bundle.bytes().len()),
            Output::ReadRange { link, origin, .. } => {
                self.sent(link, 0);
                self.give(Input::RangeRead { link, origin, bundles: Vec::new() });
            }
            Output::Verify { check, raw } => self.checks.push((check, raw)),
            Output::CheckMember { link, node, .. } => self.give(Input::MemberVerdict { link, node, verdict: None }),
            Output::CheckProof { link, raw } => {
                let verdict = verify_proof(&raw, &NETWORK).ok().map(Box::new);
                self.give(Input::ProofVerdict { link, verdict });
            }
            Output::Append { bundle } => self.appended(&bundle),
            Output::LookUp { origin, at } => self.give(Input::LookedUp { origin, at, bundle: None }),
            Output::Close { link, .. } => {
                assert!(!self.down.contains(&link), "closed twice");
                self.up.retain(|_, other| *other != link);
                self.down.insert(link);
                self.owed.remove(&link);
                self.give(Input::LinkDown { link });
            }
            Output::Release { link, bytes } => {
                if let Some(owed) = self.owed.get_mut(&link) {
                    assert!(*owed >= bytes, "released more than was given");
                    *owed = owed.saturating_sub(bytes);
                }
            }
            Output::Event(crate::io::Event::Durable { ticket, .. }) => {
                assert!(self.durable.insert(ticket.0), "durable twice");
            }
            Output::Event(_) | Output::Keep(_) | Output::CheckRevocations { .. } => {}
        }
    }

    fn sent(&mut self, link: LinkId, bytes: usize) {
        assert!(!self.down.contains(&link), "sent on a link that is down");
        let window = self.window.entry(link).or_default();
        *window = window.saturating_add(bytes);
    }

    fn appended(&mut self, bundle: &Arc<VerifiedBundle>) {
        self.appended = self.appended.saturating_add(1);
        let header = bundle.header();
        let own = header.origin.node == self.engine.me().node;
        let known = signed().iter().any(|other| other.digest() == bundle.digest());
        assert!(own || known, "appended what nobody signed");
        let next = self.next.entry(header.origin).or_insert((Seq::FIRST, Digest::ZERO));
        assert_eq!((header.first, header.previous), *next, "appended out of order");
        *next = (header.next(), bundle.digest());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn any_operations_keep_to_the_model(data in proptest::collection::vec(any::<u8>(), 0..1_500)) {
            engine(&data);
        }
    }
}
