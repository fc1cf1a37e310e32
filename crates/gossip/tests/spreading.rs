//! Messages reach everybody, once, in one order: eager, mongering, after cuts and crashes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]
mod world;

use rumormill_gossip::{Dissemination, EngineConfig, Event, Input};
use world::{World, config};

const BOTH: [Dissemination; 2] = [Dissemination::Eager, Dissemination::Mongering];
const SECOND: u64 = 1_000_000;

#[test]
fn a_line_of_four_delivers_within_milliseconds() {
    let mut world = World::new(1, 4, config(Dissemination::Eager));
    world.line();
    world.run_for(SECOND);
    let before = world.now;
    world.say(0, "hello");
    world.until(50_000, "the other end has it", |w| w.texts(3) == ["hello"]);
    assert!(world.now - before < 10_000, "{} us for three hops", world.now - before);
}

#[test]
fn everybody_ends_with_the_same_log_in_both_modes() {
    for mode in BOTH {
        for seed in 0..5 {
            let mut world = World::new(seed, 6, config(mode));
            world.line();
            world.link(0, 3);
            world.link(5, 1);
            for round in 0..50 {
                for n in 0..6 {
                    world.say(n, &format!("{n} says {round}"));
                }
                world.run_for(1_000);
            }
            world.until(60 * SECOND, "same logs", |w| w.same_logs(300));
            world.until(SECOND, "all verdicts released", World::nothing_unreleased);
            assert!(world.same_fingerprints());
            assert!(world.nodes.iter().all(|n| n.closed.is_empty()), "nobody is thought a liar: {}", world.describe());
        }
    }
}

#[test]
fn mongering_reaches_all_within_three_comparisons() {
    for seed in 0..10 {
        let period = 10 * SECOND;
        let mut world =
            World::new(seed, 5, EngineConfig { anti_entropy_us: period, ..config(Dissemination::Mongering) });
        world.line();
        world.run_for(SECOND);
        world.say(0, "rumor");
        // A hop that the coin stopped waits for a comparison: each line of three hops may wait three times.
        world.until(3 * period, "all have it", |w| w.same_logs(1));
        assert!(world.nodes[0].engine.stats().monger_rounds > 0);
    }
}

#[test]
fn a_tree_of_links_carries_no_copy_twice_under_load() {
    let mut world = World::new(3, 10, config(Dissemination::Eager));
    for n in 1..10 {
        world.link((n - 1) / 4, n);
    }
    world.run_for(SECOND);
    for round in 0..2_000 {
        for n in 0..10 {
            world.say(n, &format!("{n} {round}"));
        }
        world.run_for(50);
    }
    world.until(60 * SECOND, "same logs", |w| w.same_logs(20_000));
    let (useful, twice) = world
        .nodes
        .iter()
        .fold((0, 0), |(a, b), n| (a + n.engine.stats().messages_accepted, b + n.engine.stats().messages_duplicate));
    assert_eq!(useful, 20_000 * 9);
    assert!(twice * 100 <= useful, "{twice} copies for {useful}: {}", world.describe());
    let bundles: u64 = world.nodes.iter().map(|n| n.appends).sum();
    assert!(bundles < 10 * 20_000 / 4, "load makes bundles grow: {bundles}");
}

#[test]
fn a_late_joiner_and_a_healed_partition_catch_up_from_the_store() {
    let small = EngineConfig { cache_bytes: 4_096, ..config(Dissemination::Eager) };
    let mut world = World::new(4, 4, small);
    world.link(0, 1);
    world.link(2, 3);
    for round in 0..300 {
        world.say(round % 4, &format!("message number {round}"));
        world.run_for(500);
    }
    world.run_for(SECOND);
    assert!(!world.same_fingerprints());
    world.link(1, 2);
    world.until(3 * SECOND, "healed at once, by no timer", |w| w.same_logs(300));
    let late = world.add(9, world::Disk::default(), 1);
    world.link(0, late);
    world.until(3 * SECOND, "the late one has all", |w| w.same_logs(300));
    assert_eq!(world.log(late), world.log(0));
}

#[test]
fn a_crashed_node_keeps_what_was_durable_and_never_uses_a_number_twice() {
    for seed in 0..20 {
        let mut world = World::new(seed, 3, config(Dissemination::Eager));
        world.line();
        let mut shown: Vec<_> = Vec::new();
        for round in 0..60_u64 {
            for n in 0..3 {
                if world.nodes[n].alive {
                    world.say(n, &format!("{n}.{round}"));
                }
            }
            world.run_for(300 + round * 7 + seed * 31);
            if round % 10 == 5 {
                shown = world.log(1);
                world.crash(1);
            }
            if round % 10 == 7 {
                world.restart(1, 2);
                world.link(0, 1);
                world.link(1, 2);
                let now = world.log(1);
                assert!(shown.iter().all(|m| now.contains(m)), "what was shown is shown again");
            }
        }
        world.until(30 * SECOND, "same fingerprints", World::same_fingerprints);
        world.until(SECOND, "same logs", |w| w.log(0) == w.log(1) && w.log(1) == w.log(2));
        let forked =
            |w: &World| w.nodes.iter().any(|n| n.events.iter().any(|e| matches!(e, Event::Equivocation { .. })));
        assert!(!forked(&world));
    }
}

#[test]
fn an_old_copy_of_a_store_goes_on_under_a_new_incarnation() {
    let mut world = World::new(5, 2, config(Dissemination::Eager));
    world.link(0, 1);
    world.say(0, "one");
    world.until(SECOND, "one", |w| w.same_logs(1));
    let old = world.nodes[0].disk.clone();
    world.say(0, "two");
    world.until(SECOND, "two", |w| w.same_logs(2));
    world.crash(0);
    world.nodes[0].disk = old;
    world.restart(0, 1);
    world.say(0, "three");
    world.run_for(1_000);
    world.link(0, 1);
    world.until(3 * SECOND, "three", |w| w.same_logs(3));
    assert_eq!(world.texts(0), ["one", "two", "three"]);
    assert!(world.nodes[0].events.iter().any(|e| matches!(e, Event::NewIncarnation { .. })));
    assert!(world.nodes.iter().all(|n| n.engine.limits().count() == 0), "no fork: {}", world.describe());
}

#[test]
fn a_wall_clock_set_far_back_begins_a_new_chain_and_breaks_none() {
    let mut world = World::new(6, 2, config(Dissemination::Eager));
    world.link(0, 1);
    world.give(0, Input::WallOffset(world::WALL + 3_600_000_000));
    world.say(0, "an hour ahead");
    world.until(SECOND, "stored everywhere", |w| w.same_logs(1));
    world.crash(0);
    world.restart(0, 1);
    world.link(0, 1);
    world.say(0, "the clock is right again");
    world.until(3 * SECOND, "both are everywhere", |w| w.same_logs(2));
    assert!(world.nodes.iter().all(|n| n.closed.is_empty()), "nobody is thought a liar: {}", world.describe());
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut world = World::new(seed, 5, config(Dissemination::Mongering));
        world.tracing = true;
        world.line();
        for round in 0..40 {
            world.say(round % 5, &format!("m{round}"));
            world.run_for(3_000);
        }
        world.run_for(20 * SECOND);
        world.trace.finalize()
    };
    assert_eq!(run(11), run(11));
    assert_ne!(run(11), run(12), "the trace sees the difference");
}
