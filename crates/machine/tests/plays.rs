//! Random plays: nodes speak, crash, come back, are parted, lose links, run out of room, and one may be revoked. Then faults stop, and all
//! that hold must hold within a stated time. `RUMORMILL_TEST_LONG=1` plays more of them. A failure names its seed,
//! and `RUMORMILL_TEST_SEED=N` plays it alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]

mod world;

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use world::World;
use world::node::config;

const SECOND: u64 = 1_000_000;
/// The longest pause between two tries at a neighbour that was not there, twice, and a comparison after it.
const HEALED_US: u64 = 300 * SECOND;

struct Play {
    world: World,
    dice: StdRng,
    /// What was durable at its author when it could still count.
    said: BTreeSet<String>,
    revoked: Option<usize>,
    log: Vec<String>,
}

impl Play {
    fn new(seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed ^ 0x5eed);
        let nodes = dice.random_range(2..7_usize);
        // A line, so that all can reach all, and some more.
        let mut neighbours: Vec<Vec<usize>> =
            (0..nodes).map(|n| (n + 1 < nodes).then_some(n + 1).into_iter().collect()).collect();
        for _ in 0..dice.random_range(0..nodes) {
            let (a, b) = (dice.random_range(0..nodes), dice.random_range(0..nodes));
            if a != b && !neighbours[a].contains(&b) {
                neighbours[a].push(b);
            }
        }
        let neighbours: Vec<&[usize]> = neighbours.iter().map(Vec::as_slice).collect();
        let world = World::new(seed, config(), &neighbours);
        Self { world, dice, said: BTreeSet::new(), revoked: None, log: Vec::new() }
    }

    fn node(&mut self) -> usize {
        self.dice.random_range(0..self.world.nodes.len())
    }

    fn fault(&mut self) {
        let (n, other) = (self.node(), self.node());
        let what = self.dice.random_range(0..20);
        let alive = self.world.nodes[n].alive;
        self.log.push(format!("{} us: {what} at {n} with {other}", self.world.now));
        match what {
            0 | 1 if alive => self.world.crash(n),
            0..=3 if !alive => self.world.restart(n),
            4 if n != other => self.world.part(n, other),
            5 => self.world.join(),
            6 => {
                let link = self.world.nodes[n].ends.keys().next().copied();
                link.into_iter().filter(|_| alive).for_each(|link| self.world.cut(n, link));
            }
            7 if self.dice.random_bool(0.2) => self.world.nodes[n].room = Some(self.dice.random_range(0..10)),
            8 if self.revoked.is_none() && alive && n != other && self.dice.random_bool(0.3) => {
                self.revoked = Some(other);
                self.world.revoke(n, other);
            }
            _ if alive => {
                let text = format!("{} of {n}", self.log.len());
                let _ = self.world.say(n, &text);
            }
            _ => {}
        }
        let pause = [50, 1_000, 30_000, 1_000_000, 8_000_000][self.dice.random_range(0..5)];
        self.world.run_for(self.dice.random_range(0..pause));
    }

    /// Whose log must be that of all: who is no more revoked and has room.
    fn honest(&self) -> Vec<usize> {
        let nodes = 0..self.world.nodes.len();
        nodes.filter(|n| Some(*n) != self.revoked && self.world.nodes[*n].room.is_none()).collect()
    }

    /// Nothing goes wrong any more.
    fn heal(&mut self) {
        self.world.join();
        for n in 0..self.world.nodes.len() {
            if !self.world.nodes[n].alive {
                self.world.restart(n);
            }
        }
    }

    /// Whether those who must agree can reach each other without the others.
    fn connected(&self) -> bool {
        let honest: BTreeSet<_> = self.honest().into_iter().collect();
        let Some(first) = honest.first().copied() else { return false };
        let (mut seen, mut queue) = (BTreeSet::new(), vec![first]);
        while let Some(n) = queue.pop() {
            if seen.insert(n) {
                let named = |a: usize, b: usize| self.world.nodes[a].neighbours.contains(&b);
                queue.extend(honest.iter().copied().filter(|other| named(n, *other) || named(*other, n)));
            }
        }
        seen == honest
    }
}

fn play(seed: u64) {
    let mut play = Play::new(seed);
    play.world.run_for(2 * SECOND);
    let steps = play.dice.random_range(5..60);
    (0..steps).for_each(|_| play.fault());
    play.heal();
    let (honest, connected) = (play.honest(), play.connected());
    for n in &honest {
        let own = play.world.log(*n).into_iter().filter(|(_, origin, ..)| origin.node == World::id(*n));
        play.said.extend(own.map(|(_, _, _, text)| text));
    }
    let log = play.log.join("\n");
    let what = format!("seed {seed}, {honest:?} agree\n{log}");
    if connected {
        play.world.until(HEALED_US, &what, |w| honest.windows(2).all(|pair| w.log(pair[0]) == w.log(pair[1])));
        play.world.until(HEALED_US, &format!("in sync; {what}"), |w| w.in_sync(&honest));
        let shown: BTreeSet<_> = play.world.log(honest[0]).into_iter().map(|(_, _, _, text)| text).collect();
        assert!(play.said.is_subset(&shown), "{:?} is lost; {what}", play.said.difference(&shown));
    }
    if let Some(revoked) = play.revoked {
        let knows = |n: &usize| play.world.nodes[*n].machine.gossip().revocations().revokes(&World::id(revoked));
        let linked = honest.iter().any(|n| knows(n) && play.world.linked(*n).contains(&revoked));
        assert!(!linked, "the revoked one is linked; {what}");
    }
    let closed: Vec<_> = honest.iter().flat_map(|n| &play.world.nodes[*n].closed).collect();
    let revoked = "its certificate is revoked";
    assert!(closed.iter().all(|why| **why == revoked), "{closed:?}: an honest node was called a liar; {what}");
}

#[test]
fn when_faults_stop_all_have_one_log() {
    let seeds = if std::env::var_os("RUMORMILL_TEST_LONG").is_some() { 3_000 } else { 60 };
    if let Some(seed) = std::env::var_os("RUMORMILL_TEST_SEED") {
        return play(seed.to_str().unwrap().parse().unwrap());
    }
    (0..seeds).for_each(play);
}
