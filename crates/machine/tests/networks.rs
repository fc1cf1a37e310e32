//! Whole networks of whole nodes, with all rates and paces of a deployed node: they find each other, speak, break and heal.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod world;

use bytes::Bytes;
use rumormill_gossip::Input;
use rumormill_machine::Input as Whole;
use world::World;
use world::node::config;

const SECOND: u64 = 1_000_000;

/// Each names the next one, and the last the first.
const RING: &[&[usize]] = &[&[1], &[2], &[3], &[4], &[0]];

fn ring(seed: u64) -> World {
    let mut world = World::new(seed, config(), RING);
    world.until(10 * SECOND, "all are linked", |w| (0..5).all(|n| w.linked(n).len() == 2));
    world
}

fn everybody(world: &mut World, text: &str) {
    for n in 0..5 {
        world.say(n, text).unwrap();
    }
}

#[test]
fn nodes_that_name_each_other_find_each_other_and_show_one_log() {
    let mut world = ring(1);
    for round in 0..20 {
        everybody(&mut world, &format!("round {round}"));
        world.run_for(3_000);
    }
    world.until(10 * SECOND, "one log", |w| w.one_log(0..5, 100));
    world.until(5 * SECOND, "all are in sync", |w| w.in_sync(&[0, 1, 2, 3, 4]));
    assert!(world.nodes.iter().all(|node| node.closed.is_empty()), "{}", world.describe());
}

#[test]
fn what_one_says_faster_than_it_leaves_goes_in_few_bundles() {
    let mut world = ring(2);
    // Neighbours have said what they know of it.
    world.run_for(2 * SECOND);
    let before = world.nodes[0].appends;
    for round in 0..500 {
        world.say(0, &format!("{round}")).unwrap();
        world.run_for(20);
    }
    world.until(10 * SECOND, "one log", |w| w.one_log(0..5, 500));
    // 10 ms in which 500 messages come, and a millisecond between two bundles.
    let bundles = world.nodes[0].appends - before;
    assert!((2..=25).contains(&bundles), "{bundles} bundles: their pace follows what the links take");
}

#[test]
fn what_is_durable_and_waits_for_slow_links_is_said_when_the_store_is_full() {
    let mut world = ring(9);
    world.run_for(2 * SECOND);
    // One after the other: the second waits until the first has left.
    let said = [world.say(0, "first").unwrap(), world.say(0, "second").unwrap()];
    world.until(SECOND, "the second is on the disk and not said to be", |w| {
        w.log(0).len() == 2 && !w.nodes[0].durable.contains(&said[1])
    });
    world.give(0, Whole::Gossip(Input::StoreFull)).unwrap();
    assert!(world.nodes[0].durable.contains(&said[1]), "{}", world.describe());
}

#[test]
fn two_that_name_each_other_keep_one_link() {
    for seed in 0..50 {
        let mut world = World::new(seed, config(), &[&[1], &[0]]);
        world.until(10 * SECOND, "linked", |w| w.linked(0) == [1] && w.linked(1) == [0]);
        world.run_for(SECOND);
        assert_eq!((world.linked(0), world.linked(1)), (vec![1], vec![0]), "seed {seed}\n{}", world.describe());
        let stats =
            world.nodes[0].machine.gossip().link_stats_at(*world.nodes[0].ends.keys().next().unwrap(), world.time());
        assert!(stats.is_some(), "gossip knows the link that is up");
    }
}

#[test]
fn who_crashes_comes_back_with_what_it_said_and_gets_what_it_missed() {
    let mut world = ring(3);
    let said = world.say(2, "durable").unwrap();
    world.until(SECOND, "durable", |w| w.nodes[2].durable.contains(&said));
    world.crash(2);
    for n in [0, 1, 3, 4] {
        world.say(n, "while it was away").unwrap();
    }
    world.until(10 * SECOND, "one log", |w| w.one_log([0, 1, 3, 4], 5) || w.one_log([0, 1, 3, 4], 4));
    world.restart(2);
    world.until(60 * SECOND, "it is linked again", |w| w.linked(2).len() == 2);
    world.say(2, "back").unwrap();
    world.until(20 * SECOND, "one log", |w| w.one_log(0..5, 6));
}

#[test]
fn a_partition_is_found_and_heals() {
    let mut world = ring(4);
    world.part(0, 1);
    world.part(2, 3);
    world.until(60 * SECOND, "links on which nothing arrives end", |w| {
        !w.linked(0).contains(&1) && !w.linked(3).contains(&2)
    });
    everybody(&mut world, "in its half");
    world.run_for(5 * SECOND);
    assert!(world.one_log([1, 2], 2) && world.one_log([0, 3, 4], 3), "{}", world.describe());
    world.join();
    world.until(120 * SECOND, "one log", |w| w.one_log(0..5, 5));
}

#[test]
fn who_breaks_the_protocol_is_banned_and_linked_again_when_the_ban_is_over() {
    let mut world = World::new(5, config(), &[&[1], &[]]);
    world.until(10 * SECOND, "linked", |w| w.linked(1) == [0]);
    let link = *world.nodes[1].ends.keys().next().unwrap();
    let broken = Bytes::from_static(&[2, 1]);
    world.give(1, Whole::Gossip(Input::Frame { link, bytes: broken })).unwrap();
    assert_eq!(world.nodes[1].closed, ["a frame that breaks the form"]);
    assert!(world.nodes[1].machine.peering().is_banned(&World::id(0), world.time()));
    world.run_for(50 * SECOND);
    assert!(world.linked(1).is_empty(), "no link in the time of a ban");
    world.until(300 * SECOND, "linked again", |w| w.linked(1) == [0]);
}

#[test]
fn who_is_revoked_has_no_link_and_no_word_in_a_network_with_a_full_store() {
    let mut world = ring(6);
    world.nodes[3].room = Some(3);
    for round in 0..4 {
        (0..5).for_each(|n| drop(world.say(n, &format!("{n} says {round}"))));
        world.run_for(SECOND);
    }
    assert!(world.nodes[3].machine.gossip().is_full());
    world.revoke(0, 4);
    world.until(10 * SECOND, "nobody is linked with the revoked one", |w| (0..4).all(|n| !w.linked(n).contains(&4)));
    let before: Vec<_> = (0..3).map(|n| world.log(n)).collect();
    let _ = world.say(4, "revoked");
    world.run_for(60 * SECOND);
    assert!(world.linked(4).is_empty(), "{}", world.describe());
    assert_eq!(before, (0..3).map(|n| world.log(n)).collect::<Vec<_>>(), "what it says counts nowhere");
    world.say(1, "after it").unwrap();
    let has = |w: &World, n: usize| w.log(n).iter().any(|(_, _, _, text)| text == "after it");
    world.until(10 * SECOND, "what is new goes to those who keep it", |w| has(w, 0) && has(w, 2));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut world = ring(seed);
        everybody(&mut world, "hello");
        world.crash(1);
        world.run_for(10 * SECOND);
        world.restart(1);
        world.run_for(20 * SECOND);
        (world.now, world.trace.finalize())
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
