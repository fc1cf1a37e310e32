//! Two certificates of one node (docs/protocol.md, P-G4): whichever is heard first and wherever, the same one counts at all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]
mod world;

use bytes::Bytes;
use rumormill_gossip::{Dissemination, EngineConfig, Input, LinkId};
use rumormill_wire::NodeId;
use world::{Key, World, certificate, config, frames};

const SECOND: u64 = 1_000_000;
/// A member that shows other certificates to others.
const TWO_NAMES: u8 = 60;

fn member(added: &str) -> Bytes {
    frames::member(subject(), added)
}

fn subject() -> NodeId {
    Key::new(TWO_NAMES).id()
}

fn shows(world: &World, n: usize, added: &str) -> bool {
    world.nodes[n].engine.certificate(&subject()) == Some(&certificate(subject(), added))
}

/// A line of four, with a stranger at each.
fn line(seed: u64) -> (World, Vec<LinkId>) {
    let quick = EngineConfig { anti_entropy_us: SECOND, ..config(Dissemination::Eager) };
    let mut world = World::new(seed, 4, quick);
    world.line();
    let strangers = (0..4).map(|n| world.stranger(n, 50)).collect();
    world.run_for(SECOND);
    (world, strangers)
}

#[test]
fn whichever_comes_first_and_wherever_the_same_one_counts_at_all() {
    // Of one length the lower bytes, else the longer one: it is the later one here.
    for (one, other, counts) in [("", "x", "x"), ("b", "a", "a"), ("abc", "zz", "abc")] {
        for seed in 0..4 {
            let (mut world, links) = line(seed);
            let (first, second) = if seed % 2 == 0 { (one, other) } else { (other, one) };
            world.give(0, Input::Frame { link: links[0], bytes: member(first) });
            world.give(3, Input::Frame { link: links[3], bytes: member(second) });
            if seed < 2 {
                world.run_for(SECOND);
            }
            // The one that does not count comes again, and once after a restart.
            let loser = if counts == first { second } else { first };
            world.give(1, Input::Frame { link: links[1], bytes: member(loser) });
            world.until(SECOND, "all go by one", |w| (0..4).all(|n| shows(w, n, counts)));
            let frames = world.nodes[1].frames;
            for _ in 0..100 {
                world.give(1, Input::Frame { link: links[1], bytes: member(loser) });
            }
            world.run_for(1_000);
            assert!(world.nodes[1].frames - frames < 8, "what does not count is passed on to nobody");
            assert!(world.nodes.iter().all(|node| node.closed.is_empty()), "{}", world.describe());
            world.crash(2);
            world.restart(2, 2);
            world.link(1, 2);
            world.link(2, 3);
            let link = world.stranger(2, 50);
            world.give(2, Input::Frame { link, bytes: member(loser) });
            world.run_for(SECOND);
            assert!((0..4).all(|n| shows(&world, n, counts)), "after a restart");
        }
    }
}

#[test]
fn two_parts_that_were_apart_go_by_the_same_one_once_they_meet() {
    let (mut world, links) = line(7);
    world.crash(1);
    world.give(0, Input::Frame { link: links[0], bytes: member("old") });
    world.give(3, Input::Frame { link: links[3], bytes: member("newer") });
    world.run_for(SECOND);
    assert!(shows(&world, 0, "old") && shows(&world, 2, "newer"));
    world.restart(1, 2);
    world.link(0, 1);
    world.link(1, 2);
    world.until(2 * SECOND, "all go by one", |w| (0..4).all(|n| shows(w, n, "newer")));
}

#[test]
fn a_certificate_that_counts_costs_each_link_one_frame() {
    let (mut world, links) = line(8);
    let before: u64 = world.nodes.iter().map(|node| node.frames).sum();
    for added in ["", "1", "22", "333"] {
        world.give(0, Input::Frame { link: links[0], bytes: member(added) });
        world.run_for(100_000);
    }
    assert!((0..4).all(|n| shows(&world, n, "333")));
    let replaced: Vec<_> = world.nodes.iter().map(|node| node.engine.stats().certificates_replaced).collect();
    assert_eq!(replaced, [3; 4]);
    // Four certificates over three links and to four strangers, and comparisons by the timer.
    let sent = world.nodes.iter().map(|node| node.frames).sum::<u64>() - before;
    assert!(sent <= 4 * (3 + 4) + 16, "{sent} frames");
}
