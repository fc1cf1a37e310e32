//! Mongering beside members that take rumors and never answer: how long a rumor takes then, in the engine's own time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]
mod world;

use rumormill_gossip::{Dissemination, EngineConfig, Input, LinkId, Timestamp};
use world::{World, config};

const SECOND: u64 = 1_000_000;
/// More than a rumor takes from one node to the next: link, check, disk.
const HOP: u64 = SECOND / 20;

fn mongering(anti_entropy_us: u64) -> EngineConfig {
    EngineConfig { anti_entropy_us, ..config(Dissemination::Mongering) }
}

/// So many silent members at each node. Their links.
fn add_silent(world: &mut World, each: u8) -> Vec<(usize, LinkId)> {
    let mut key = 100;
    let mut links = Vec::new();
    for n in 0..world.nodes.len() {
        for _ in 0..each {
            key += 1;
            links.push((n, world.stranger(n, key)));
        }
    }
    links
}

/// How long until all have so many messages.
fn spread(world: &mut World, from: usize, within: u64, messages: usize) -> u64 {
    let begun = world.now;
    world.say(from, &format!("rumor {messages}"));
    world.until(within, "all honest ones have it", |w| w.same_logs(messages));
    world.now - begun
}

#[test]
fn silent_members_cost_a_rumor_one_timeout_each_at_each_node_and_later_ones_nothing() {
    const NODES: u64 = 4;
    const SILENT: u64 = 3;
    let timeout = mongering(0).monger_timeout_us;
    for seed in 0..30 {
        // No comparison helps.
        let mut world = World::new(seed, u8::try_from(NODES).unwrap(), mongering(86_400 * SECOND));
        world.line();
        add_silent(&mut world, u8::try_from(SILENT).unwrap());
        world.run_for(SECOND);
        let hops = NODES - 1;
        let mut waited = spread(&mut world, 0, hops * (SILENT * timeout + HOP), 1);
        for message in 2..40 {
            waited += spread(&mut world, 0, hops * (SILENT * timeout + HOP), message);
        }
        // The last node hands its rumors to silent members alone, and holds up nobody.
        let most = hops * SILENT * timeout + 39 * hops * HOP;
        assert!(waited <= most, "seed {seed}: {waited} us of waiting in all, of at most {most}");
    }
}

#[test]
fn whoever_holds_a_rumor_that_nobody_confirmed_says_so() {
    for seed in 0..10 {
        let mut world = World::new(seed, 2, mongering(86_400 * SECOND));
        let (end, _) = world.link(0, 1);
        let silent = add_silent(&mut world, 2);
        world.run_for(SECOND);
        spread(&mut world, 0, 10 * SECOND, 1);
        world.run_for(5 * SECOND);
        let stats = |link| world.nodes[0].engine.link_stats_at(link, Timestamp(world.now)).unwrap();
        for (_, link) in silent.iter().filter(|(n, _)| *n == 0) {
            let stats = stats(*link);
            assert!(stats.lag == 1 && !stats.in_sync && stats.why.is_some(), "seed {seed}: {stats:?}");
        }
        assert_eq!((stats(end.link).lag, stats(end.link).in_sync), (0, true), "seed {seed}");
    }
}

#[test]
fn in_a_mesh_with_silent_members_a_rumor_takes_no_longer_than_without() {
    const RUMORS: usize = 10;
    let period = 10 * SECOND;
    let mut all = [Vec::new(), Vec::new()];
    for (silent, all) in all.iter_mut().enumerate() {
        for seed in 0..6 {
            let mut world = World::new(seed, 6, mongering(period));
            for n in 0..6 {
                for m in 0..n {
                    world.link(m, n);
                }
            }
            add_silent(&mut world, if silent == 1 { 3 } else { 0 });
            world.run_for(SECOND);
            // Each silent member is found to be so once.
            for message in 0..30 {
                world.say(message % 6, &format!("before {message}"));
                world.run_for(SECOND);
            }
            world.until(6 * period, "all have those", |w| w.same_logs(30));
            for message in 31..=30 + RUMORS {
                all.push(spread(&mut world, message % 6, 3 * period, message));
                world.run_for(SECOND);
            }
        }
        all.sort_unstable();
    }
    let at_once = |all: &Vec<u64>| all.iter().filter(|us| **us < SECOND).count();
    let [without, with] = all.each_ref().map(at_once);
    assert!(with * 10 >= without * 8, "within a second: {with} with silent members, {without} without");
}

/// Its turn may be seconds away.
#[test]
fn who_leaves_gives_what_it_wrote_to_all_at_once() {
    for seed in 0..20 {
        let mut world = World::new(seed, 2, config(Dissemination::Mongering));
        world.link(0, 1);
        for n in 0..6 {
            world.stranger(0, 100 + n);
        }
        world.run_for(SECOND / 2);
        world.say(0, "a last word");
        world.run_for(SECOND / 100);
        let given = |w: &World| (1..=7).filter(|link| w.nodes[0].engine.all_given(LinkId(*link))).count();
        assert!(given(&world) <= 1, "it waits for its turn");
        world.give(0, Input::Leaving);
        world.until(SECOND / 10, "it is there", |w| w.log(1).len() == 1);
        assert!(world.nodes[0].engine.all_given(LinkId(1)));
    }
}
