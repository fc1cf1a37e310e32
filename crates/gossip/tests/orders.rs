//! An author of several histories, in any order of delivery: all nodes end with one place, one log, and silence
//! (docs/protocol.md, E).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]
mod world;

use std::sync::Arc;

use proptest::prelude::*;
use rumormill_gossip::{Dissemination, EngineConfig, Input, LinkId, VerifiedBundle};
use rumormill_wire::Digest;
use rumormill_wire::native::SignedHeader;
use world::frames::{proof, rumor};
use world::{Author, End, World, config};

const SECOND: u64 = 1_000_000;
const NODES: usize = 4;
/// Numbers of a branch.
const LENGTH: u64 = 12;
const LIAR: Author = Author(60);

type Branch = Vec<Arc<VerifiedBundle>>;

fn sealed(first: u64, count: u64, previous: Digest, name: &str) -> Arc<VerifiedBundle> {
    let texts: Vec<_> = (first..first + count).map(|n| format!("{name} {n}")).collect();
    LIAR.life(1).bundle(first, previous, &texts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Each branch follows an earlier one for a while and then goes its own way; the first is a history by itself.
#[derive(Debug, Clone)]
struct Way {
    follows: usize,
    bundles: usize,
    sizes: Vec<u64>,
}

fn grow(ways: &[Way]) -> Vec<Branch> {
    let mut all: Vec<Branch> = Vec::new();
    for (name, way) in ways.iter().enumerate() {
        let from = all.get(way.follows % all.len().max(1)).cloned().unwrap_or_default();
        let mut branch: Branch = from.into_iter().take(way.bundles).collect();
        let mut sizes = way.sizes.iter().copied().cycle();
        loop {
            let first = branch.last().map_or(1, |last| last.header().next().0);
            if first > LENGTH {
                break;
            }
            let previous = branch.last().map_or(Digest::ZERO, |last| last.digest());
            branch.push(sealed(first, sizes.next().unwrap(), previous, &format!("branch {name}")));
        }
        all.push(branch);
    }
    all
}

/// Two headers of one place that nobody has, as if there were more branches.
fn hanging(place: u64) -> [SignedHeader; 2] {
    let previous = |n| if place == 1 { Digest::ZERO } else { Digest([n; 32]) };
    [1, 2].map(|n| *sealed(place, u64::from(n), previous(n), "hanging").signed_header())
}

#[derive(Debug, Clone)]
enum Step {
    /// Bundles of a branch at a node, from its own link.
    Tell {
        node: usize,
        branch: usize,
        from: usize,
        until: usize,
    },
    /// A proof made of two bundles of two branches, if they prove anything.
    Prove {
        node: usize,
        branches: (usize, usize),
        at: (usize, usize),
    },
    /// A proof that hangs in the air.
    Hang {
        node: usize,
        place: u64,
    },
    Link(usize, usize),
    Cut(usize),
    Restart(usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let node = || 0..NODES;
    let step = prop_oneof![
        6 => (node(), 0..4_usize, 0..6_usize, 1..13_usize)
            .prop_map(|(node, branch, from, until)| Step::Tell { node, branch, from, until }),
        2 => (node(), (0..4_usize, 0..4_usize), (0..12_usize, 0..12_usize))
            .prop_map(|(node, branches, at)| Step::Prove { node, branches, at }),
        1 => (node(), 1..=LENGTH).prop_map(|(node, place)| Step::Hang { node, place }),
        3 => (node(), node()).prop_map(|(a, b)| Step::Link(a, b)),
        1 => any::<usize>().prop_map(Step::Cut),
        1 => node().prop_map(Step::Restart),
        4 => (1..3_000_u64).prop_map(Step::Wait),
        1 => (1..15_000_u64).prop_map(|ms| Step::Wait(ms * 1_000)),
    ];
    prop::collection::vec(step, 1..40)
}

fn ways() -> impl Strategy<Value = Vec<Way>> {
    let way = (0..4_usize, 0..8_usize, prop::collection::vec(1..4_u64, 1..4));
    prop::collection::vec(way.prop_map(|(follows, bundles, sizes)| Way { follows, bundles, sizes }), 1..4)
}

struct Run {
    world: World,
    branches: Vec<Branch>,
    liars: [Option<LinkId>; NODES],
    links: Vec<End>,
}

impl Run {
    /// The liar's own link at a node.
    fn liar(&mut self, node: usize) -> LinkId {
        if let Some(link) = self.liars[node] {
            return link;
        }
        let link = LIAR.link(&mut self.world, node);
        self.liars[node] = Some(link);
        link
    }

    fn proof(&mut self, node: usize, [a, b]: [SignedHeader; 2]) {
        if rumormill_gossip::proof::contradiction(&a, &b).is_some() {
            let link = self.liar(node);
            self.world.give(node, Input::Frame { link, bytes: proof([a, b]) });
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Tell { node, branch, from, until } => {
                let branch = self.branches[branch % self.branches.len()].clone();
                let link = self.liar(node);
                for bundle in branch.iter().take(until).skip(from) {
                    self.world.give(node, Input::Frame { link, bytes: rumor(bundle.bytes()) });
                }
            }
            Step::Prove { node, branches, at } => {
                let pick = |branch: usize, at: usize| {
                    let branch = &self.branches[branch % self.branches.len()];
                    *branch[at % branch.len()].signed_header()
                };
                let pair = [pick(branches.0, at.0), pick(branches.1, at.1)];
                self.proof(node, pair);
            }
            Step::Hang { node, place } => self.proof(node, hanging(place)),
            Step::Link(a, b) if a != b => {
                let (end, _) = self.world.link(a, b);
                self.links.push(end);
            }
            Step::Link(..) => {}
            Step::Cut(n) => {
                if !self.links.is_empty() {
                    let end = self.links.swap_remove(n % self.links.len());
                    self.world.cut(end);
                }
            }
            Step::Restart(node) => {
                self.world.crash(node);
                self.world.restart(node, 0);
                self.liars[node] = None;
            }
            Step::Wait(us) => self.world.run_for(us),
        }
    }

    fn rumors(&self) -> u64 {
        self.world.nodes.iter().map(|node| node.engine.stats().rumors_sent).sum()
    }
}

fn run(ways: &[Way], steps: &[Step], mode: Dissemination, seed: u64) {
    let settings = EngineConfig { quota_places: 0, ..config(mode) };
    let world = World::new(seed, u8::try_from(NODES).unwrap(), settings);
    let mut run = Run { world, branches: grow(ways), liars: [None; NODES], links: Vec::new() };
    for step in steps {
        run.step(step);
    }
    for end in core::mem::take(&mut run.links) {
        run.world.cut(end);
    }
    run.world.line();
    let agree = |w: &World| w.same_fingerprints() && (1..NODES).all(|n| w.log(n) == w.log(0));
    run.world.until(600 * SECOND, "all agree", agree);
    // Messages of the last moment may still be on their way.
    run.world.run_for(60 * SECOND);
    let before = run.rumors();
    run.world.run_for(120 * SECOND);
    assert!(agree(&run.world), "they go on agreeing: {}", run.world.describe());
    assert_eq!(run.rumors(), before, "nothing is sent again and again: {}", run.world.describe());
    let honest = run.world.nodes.iter().enumerate().flat_map(|(n, node)| node.closed.iter().map(move |c| (n, c)));
    let banned: Vec<_> = honest.filter(|(n, (link, _))| run.liars[*n] != Some(*link)).collect();
    assert!(banned.is_empty(), "nobody honest is banned: {banned:?}");
}

fn cases() -> u32 {
    if std::env::var_os("RUMORMILL_TEST_LONG").is_some() { 5_000 } else { 64 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn all_end_alike_whatever_comes_first(ways in ways(), steps in steps(), mongers: bool, seed: u64) {
        let mode = if mongers { Dissemination::Mongering } else { Dissemination::Eager };
        run(&ways, &steps, mode, seed);
    }
}
