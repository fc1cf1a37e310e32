//! An author whose clock does not rise from bundle to bundle (docs/protocol.md, P-B11): its bundles pass through nodes that
//! keep nothing, nobody honest is closed for it, nothing is sent again and again, and the logs are the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]
mod world;

use rand::RngExt;
use rumormill_gossip::{Dissemination, EngineConfig, Input, LinkId, VerifiedBundle, Why};
use rumormill_wire::{Digest, Seq};
use world::frames::rumor;
use world::{Author, Life, NOW, World, quick};

const SECOND: u64 = 1_000_000;
/// The author whose clock does not rise.
const AUTHOR: Author = Author(60);
const CHAIN: Life = AUTHOR.life(1_700_000_000);
/// The member that brings what it wrote.
const CARRIER: u8 = 50;

fn give(world: &mut World, n: usize, link: LinkId, bundle: &VerifiedBundle) {
    world.give(n, Input::Frame { link, bytes: rumor(bundle.bytes()) });
}

/// The carrier's link with a node, with the author's certificate.
fn carrier(world: &mut World, n: usize) -> LinkId {
    let link = world.stranger(n, CARRIER);
    world.give(n, Input::Frame { link, bytes: AUTHOR.member() });
    link
}

/// A ring of five, of which these keep two bundles and no more, and a chord from 0 to 2, which keep all.
const FULL: [usize; 3] = [1, 3, 4];

fn ring(seed: u64, config: EngineConfig) -> World {
    let mut world = World::new(seed, 5, config);
    for n in FULL {
        world.nodes[n].room = Some(2);
    }
    world.line();
    world.link(4, 0);
    world.link(0, 2);
    world.run_for(SECOND);
    for n in 0..4 {
        world.say(0, &format!("{n} {}", "x".repeat(32_000)));
        world.run_for(50_000);
    }
    let filled = |w: &World| FULL.iter().all(|n| w.nodes[*n].engine.is_full()) && w.log(2).len() == 4;
    world.until(20 * SECOND, "the three are full", filled);
    world
}

fn nobody_was_closed(world: &World) {
    assert!(world.nodes.iter().all(|node| node.closed.is_empty()), "{}", world.describe());
    assert!(world.nodes.iter().all(|node| node.engine.stats().misbehaviour == 0), "{}", world.describe());
}

fn rumors(world: &World) -> u64 {
    world.nodes.iter().map(|node| node.engine.stats().rumors_sent).sum()
}

/// Whether nothing more is sent: two minutes bring no more than a comparison finds once.
fn it_comes_to_rest(world: &mut World) {
    world.run_for(10 * SECOND);
    let before = rumors(world);
    world.run_for(120 * SECOND);
    let again = rumors(world) - before;
    assert!(again <= 8, "{again} bundles in two minutes\n{}", world.describe());
}

#[test]
fn in_whatever_order_they_come_through_full_nodes_nobody_is_closed_and_the_logs_are_the_same() {
    for mode in [Dissemination::Eager, Dissemination::Mongering] {
        for seed in 0..6 {
            let mut world = ring(seed, quick(mode));
            let links: Vec<_> = (0..5).map(|n| carrier(&mut world, n)).collect();
            for incarnation in 0..24 {
                let chain = AUTHOR.life(1_700_000_000 + incarnation);
                let one = chain.dated(1, Digest::ZERO, NOW, &["one"]);
                let two = chain.dated(2, one.digest(), 5, &["two, of 1970"]);
                let three = chain.dated(3, two.digest(), 7, &["three"]);
                // In half of the chains another second one would do, and with it there are two.
                let other = chain.dated(2, one.digest(), NOW + 1, &["another two"]);
                let others = if incarnation % 2 == 0 { vec![] } else { vec![&other] };
                let mut all = [vec![&one, &two, &three], others].concat();
                while !all.is_empty() {
                    let which = all.remove(world.rng.random_range(0..all.len()));
                    for _ in 0..2 {
                        let n = world.rng.random_range(0..5);
                        give(&mut world, n, links[n], which);
                    }
                    let pause = world.rng.random_range(0..60_000);
                    world.run_for(pause);
                }
                // The author sees to it that its first one is where it is kept.
                give(&mut world, 0, links[0], &one);
            }
            world.say(0, "still here");
            let same = |w: &World| w.log(0) == w.log(2) && w.texts(2).contains(&"still here".to_owned());
            world.until(20 * SECOND, "the two that keep all show the same", same);
            it_comes_to_rest(&mut world);
            assert_eq!(world.log(0), world.log(2));
            assert!(!world.texts(0).iter().any(|text| text.contains("1970")), "{:?}", world.texts(0));
            let set_back: u64 = world.nodes.iter().map(|node| node.engine.stats().bundles_set_back).sum();
            assert!(set_back > 0, "{}", world.describe());
            let stats = world.nodes[0].engine.link_stats(LinkId(6)).unwrap();
            assert!(stats.in_sync, "the two that have the same say so: {stats:?}");
            nobody_was_closed(&world);
        }
    }
}

#[test]
fn what_passed_a_full_node_before_its_predecessor_closes_no_link_and_comes_once() {
    // As in a line of three whose middle is full: number 2 comes there first, number 1 straight to the end.
    let mut world = ring(1, quick(Dissemination::Eager));
    let (middle, end) = (carrier(&mut world, 1), carrier(&mut world, 0));
    let one = CHAIN.dated(1, Digest::ZERO, NOW, &["one"]);
    let two = CHAIN.dated(2, one.digest(), 5, &["two"]);
    let three = CHAIN.dated(3, two.digest(), 7, &["three"]);
    give(&mut world, 1, middle, &two);
    world.run_for(SECOND);
    give(&mut world, 0, end, &one);
    world.run_for(SECOND);
    give(&mut world, 1, middle, &three);
    world.run_for(SECOND);
    it_comes_to_rest(&mut world);
    nobody_was_closed(&world);
    let node = &world.nodes[0].engine;
    let (set_back, verifies) = (node.stats().bundles_set_back, world.nodes[0].verifies);
    assert!(set_back > 0, "{}", world.describe());
    assert!(verifies <= 16, "{verifies} signatures were checked");
    assert_eq!(world.texts(0), world.texts(2));
    assert_eq!(world.texts(0).iter().filter(|text| *text == "one").count(), 1);
}

#[test]
fn whoever_brings_it_from_a_whole_chain_is_told_to_hold_it_and_the_link_says_why() {
    let mut world = World::new(2, 2, quick(Dissemination::Eager));
    world.link(0, 1);
    let link = carrier(&mut world, 0);
    let one = CHAIN.dated(1, Digest::ZERO, NOW, &["one"]);
    let two = CHAIN.dated(2, one.digest(), NOW, &["the same time"]);
    give(&mut world, 0, link, &one);
    for _ in 0..50 {
        give(&mut world, 0, link, &two);
        world.run_for(50_000);
    }
    world.run_for(5 * SECOND);
    nobody_was_closed(&world);
    let stats = world.nodes[0].engine.link_stats(link).unwrap();
    assert_eq!((stats.behind, stats.in_sync, stats.why), (1, false, Some(Why::SetBack)));
    assert_eq!(world.nodes[0].verifies, 2, "what is known is not checked again");
    assert_eq!(world.nodes[0].engine.stats().bundles_set_back, 50);
    let honest = world.nodes[0].engine.link_stats(LinkId(1)).unwrap();
    assert!(honest.in_sync, "{honest:?}");
    assert_eq!((world.texts(0), world.texts(1)), (vec!["one".to_owned()], vec!["one".to_owned()]));
}

#[test]
fn two_bundles_of_one_number_are_a_fork_whichever_of_them_is_set_back() {
    let one = CHAIN.dated(1, Digest::ZERO, NOW, &["one"]);
    let seconds = [NOW, NOW - 1, NOW + 1].map(|clock| CHAIN.dated(2, one.digest(), clock, &["two"]));
    for (first, second) in [(0, 1), (0, 2), (2, 0)] {
        let mut world = World::new(3, 2, quick(Dissemination::Eager));
        world.link(0, 1);
        let link = carrier(&mut world, 0);
        for bundle in [&one, &seconds[first], &seconds[second]] {
            give(&mut world, 0, link, bundle);
            world.run_for(SECOND);
        }
        let ended = |w: &World, n: usize| w.nodes[n].engine.limits().any(|(_, place)| place == Seq(2));
        world.until(10 * SECOND, "both know it", |w| ended(w, 0) && ended(w, 1));
        assert!(world.same_logs(1), "{first} {second}: {}", world.describe());
        nobody_was_closed(&world);
    }
}
