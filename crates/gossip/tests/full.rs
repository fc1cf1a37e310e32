//! A store that takes no more, and reads that take long: nobody honest is thought a liar, nothing is sent again and again,
//! what is new passes, and what is missing is said at both ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]
mod world;

use std::collections::BTreeMap;

use rumormill_gossip::{Dissemination, EngineConfig, Event, Input, LinkId, Reject, Timestamp, Why};
use rumormill_wire::native::{Frame, Status};
use rumormill_wire::{Digest, Seq};
use world::frames::{encoded, listed, rumor};
use world::shown::{link_stats, nobody_was_closed};
use world::{Author, Life, NOW, World, config, long, quick};

const SECOND: u64 = 1_000_000;

#[test]
fn a_slow_read_makes_no_liar_of_a_neighbour_that_answers_at_once() {
    let small = EngineConfig { cache_bytes: 1_024, anti_entropy_us: 20_000, ..config(Dissemination::Eager) };
    for seed in 0..5 {
        let mut world = World::new(seed, 1, small.clone());
        world.read_us = 50_000;
        for n in 0..200 {
            world.say(0, &format!("message {n}"));
            world.run_for(1_000);
        }
        // It has all to read from the store for a late joiner, which says what it heard while the read is under way.
        let late = world.add(9, world::Disk::default(), 1);
        world.link(0, late);
        for n in 0..50 {
            world.say(late, &format!("answer {n}"));
            world.run_for(5_000);
        }
        world.until(30 * SECOND, "all have all", |w| w.same_logs(250));
        assert!(world.nodes.iter().all(|n| n.closed.is_empty()), "{}", world.describe());
    }
}

/// a - f - c, and the store of f takes so many bundles.
fn line_with_a_full_one(seed: u64, room: u64, config: EngineConfig) -> World {
    let mut world = World::new(seed, 3, config);
    world.nodes[1].room = Some(room);
    world.line();
    world.run_for(SECOND);
    world
}

const BOTH: [Dissemination; 2] = [Dissemination::Eager, Dissemination::Mongering];

#[test]
fn what_is_new_passes_through_a_full_node_that_keeps_none_of_it() {
    for mode in BOTH {
        for seed in 0..8 {
            let mut world = line_with_a_full_one(seed, 5, quick(mode));
            for n in 0..30 {
                world.say(0, &long(n));
                world.run_for(300);
            }
            let all = |w: &World| w.log(0).len() == 30 && w.log(2) == w.log(0);
            world.until(20 * SECOND, "all passed while it filled", all);
            for n in 0..40 {
                world.say([0, 2][n % 2], &format!("after {n}"));
                world.run_for(20_000);
            }
            world.until(20 * SECOND, "both ends have all", |w| w.log(0).len() == 70 && w.log(2) == w.log(0));
            assert!(world.nodes[1].engine.is_full());
            let bundles: usize = world.nodes[1].disk.bundles.values().map(Vec::len).sum();
            assert_eq!(bundles, 5, "it keeps what its store took");
            let claims: u64 = world.nodes[1].engine.frontier().map(|entry| entry.next.0 - 1).sum();
            assert_eq!(claims, world.log(1).len() as u64, "it claims what it has");
            nobody_was_closed(&world);
            world.until(SECOND, "all verdicts released", World::nothing_unreleased);
        }
    }
}

#[test]
fn a_new_author_passes_with_its_certificate() {
    for mode in BOTH {
        let mut world = line_with_a_full_one(1, 1, quick(mode));
        for n in 0..4 {
            world.say(0, &long(n));
        }
        world.until(20 * SECOND, "it is full", |w| w.nodes[1].engine.is_full());
        let late = world.add(9, world::Disk::default(), 1);
        world.link(late, 1);
        world.run_for(2 * SECOND);
        world.say(late, "from somebody new");
        world.until(20 * SECOND, "it is at both", |w| {
            [0, 2].iter().all(|n| w.texts(*n).contains(&"from somebody new".to_owned()))
        });
        nobody_was_closed(&world);
    }
}

#[test]
fn two_full_nodes_and_a_ring_of_them_pass_each_bundle_once() {
    let mut world = World::new(3, 6, quick(Dissemination::Eager));
    for n in [1, 2, 3, 4] {
        world.nodes[n].room = Some(3);
    }
    world.line();
    world.link(1, 4);
    world.link(2, 4);
    world.run_for(SECOND);
    for n in 0..20 {
        world.say(0, &long(n));
        world.run_for(50_000);
    }
    world.until(20 * SECOND, "the other end has all", |w| w.log(5).len() == 20);
    let passed: Vec<_> = (1..5).map(|n| world.nodes[n].engine.stats().bundles_passed).collect();
    assert!(passed.iter().all(|n| *n <= 20), "{passed:?}");
    nobody_was_closed(&world);
}

#[test]
fn a_full_node_costs_no_traffic_that_grows() {
    for mode in BOTH {
        let mut world = line_with_a_full_one(4, 3, quick(mode));
        for n in 0..27 {
            world.say(0, &long(n));
            world.run_for(10_000);
        }
        world.until(20 * SECOND, "both ends have all", |w| w.log(0).len() == 27 && w.log(2) == w.log(0));
        world.run_for(5 * SECOND);
        let count = |w: &World| w.nodes.iter().fold((0, 0), |(f, b), n| (f + n.frames, b + n.wire_bytes));
        let (before, sent) = (count(&world), world.nodes.iter().map(|n| n.engine.stats().rumors_sent).sum::<u64>());
        world.run_for(600 * SECOND);
        let after = count(&world);
        let again = world.nodes.iter().map(|n| n.engine.stats().rumors_sent).sum::<u64>();
        assert_eq!(again, sent, "what is held is sent again");
        // Each compares once a second or so: a summary each way, 46 bytes.
        let (frames, bytes) = (after.0 - before.0, after.1 - before.1);
        assert!(frames <= 3 * 2 * 1_300 && bytes <= frames * 60, "{frames} frames, {bytes} bytes in ten minutes");
        nobody_was_closed(&world);
    }
}

#[test]
fn all_ends_say_what_a_full_node_lacks_and_why() {
    for mode in BOTH {
        let mut world = line_with_a_full_one(5, 3, quick(mode));
        for n in 0..10 {
            world.say(0, &long(n));
            world.run_for(100_000);
        }
        world.until(20 * SECOND, "the far end has all", |w| w.log(2).len() == 10);
        world.run_for(5 * SECOND);
        let lacks = 10 - world.log(1).len() as u64;
        for (node, link) in [(0, 1), (2, 2)] {
            let stats = link_stats(&world, node, link);
            assert_eq!((stats.lag, stats.behind), (lacks, 0), "{mode:?}: node {node} of the full one");
            assert_eq!((stats.in_sync, stats.why), (false, Some(Why::HeldByPeer)));
        }
        for link in [1, 2] {
            let stats = link_stats(&world, 1, link);
            assert_eq!((stats.lag, stats.behind), (0, lacks), "{mode:?}: the full one of link {link}");
            assert_eq!((stats.in_sync, stats.why), (false, Some(Why::StoreFull)));
        }
    }
}

/// Two bundles of the next number, of which none counts from then on.
fn fork(world: &mut World, link: LinkId, chain: Life, next: u64, previous: Digest) {
    for (clock, text) in [(NOW + 500, "this"), (NOW + 600, "or that")] {
        let bytes = rumor(chain.dated(next, previous, clock, &[text]).bytes());
        world.give(0, Input::Frame { link, bytes });
        world.run_for(SECOND / 10);
    }
}

/// Two nodes, of which the second is full, and a link of a member at the first.
fn beside_a_full_one(seed: u64) -> (World, LinkId) {
    let mut world = World::new(seed, 2, quick(Dissemination::Eager));
    world.nodes[1].room = Some(1);
    let member = world.stranger(0, 60);
    world.link(0, 1);
    world.run_for(SECOND);
    world.say(0, "fills it");
    world.run_for(SECOND);
    (world, member)
}

/// How many messages count at node 0 and not at node 1, as the two say.
fn said_at_both_ends(world: &World) -> (u64, u64) {
    let last = |n: usize| (0..100).rev().find_map(|id| world.nodes[n].engine.link_stats(LinkId(id))).unwrap();
    (last(0).lag, last(1).behind)
}

#[test]
fn what_a_full_node_lacks_of_forked_chains_is_counted_after_a_restart_too() {
    let (mut world, member) = beside_a_full_one(7);
    for n in 0..5 {
        let chain = Author(60).life(10 + n);
        let first = chain.opening("counts");
        world.give(0, Input::Frame { link: member, bytes: rumor(first.bytes()) });
        world.run_for(SECOND / 10);
        fork(&mut world, member, chain, 2, first.digest());
    }
    world.run_for(10 * SECOND);
    let lacks = (world.log(0).len() - world.log(1).len()) as u64;
    assert_eq!((lacks, said_at_both_ends(&world)), (5, (5, 5)), "{}", world.describe());
    world.give(0, Input::LinkDown { link: member });
    world.crash(0);
    world.restart(0, 0);
    world.link(0, 1);
    world.run_for(30 * SECOND);
    assert_eq!(said_at_both_ends(&world), (5, 5), "{}", world.describe());
}

#[test]
fn what_a_neighbour_has_withdrawn_whole_is_missing_no_more() {
    let (mut world, member) = beside_a_full_one(8);
    for n in 0..6 {
        let chain = Author(60).life(10 + n);
        world.give(0, Input::Frame { link: member, bytes: rumor(chain.opening("counts").bytes()) });
        world.run_for(SECOND / 10);
    }
    world.run_for(10 * SECOND);
    assert_eq!(said_at_both_ends(&world), (6, 6));
    for n in 0..3 {
        fork(&mut world, member, Author(60).life(10 + n), 1, Digest::ZERO);
    }
    world.run_for(30 * SECOND);
    let lacks = (world.log(0).len() - world.log(1).len()) as u64;
    assert_eq!((lacks, said_at_both_ends(&world)), (3, (3, 3)), "{}", world.describe());
}

#[test]
fn whoever_leaves_knows_that_a_neighbour_does_not_take_what_it_wrote() {
    for mode in BOTH {
        let mut world = line_with_a_full_one(6, 3, quick(mode));
        world.say(0, "taken");
        world.until(5 * SECOND, "it is there", |w| w.log(1).len() == 1);
        world.run_for(SECOND);
        assert!(!world.nodes[0].engine.lacks_own(LinkId(1)), "{mode:?}");
        for n in 0..10 {
            world.say(0, &long(n));
            world.run_for(100_000);
        }
        world.until(20 * SECOND, "the far end has all", |w| w.log(2).len() == 11);
        world.run_for(5 * SECOND);
        let engine = &world.nodes[0].engine;
        assert!(
            engine.all_given(LinkId(1)) && engine.lacks_own(LinkId(1)),
            "{mode:?}: nothing to wait for, and it lacks"
        );
    }
}

#[test]
fn a_full_node_is_behind_another_full_one_by_what_that_one_keeps() {
    for mode in BOTH {
        for rooms in [[3, 3], [3, 7], [7, 3]] {
            let mut world = World::new(5, 4, quick(mode));
            [1, 2].iter().zip(rooms).for_each(|(n, room)| world.nodes[*n].room = Some(room));
            world.line();
            world.run_for(SECOND);
            for n in 0..20 {
                world.say([0, 3][n % 2], &long(n));
                world.run_for(100_000);
            }
            world.until(20 * SECOND, "what is new has passed", |w| w.log(0).len() == 20 && w.log(3) == w.log(0));
            world.run_for(30 * SECOND);
            let more = |a: usize, b: usize| {
                let ends: BTreeMap<_, _> = world.nodes[b].engine.ends().collect();
                let more = |(origin, next): (_, Seq)| next.0 - ends.get(&origin).map_or(1, |next| next.0).min(next.0);
                world.nodes[a].engine.ends().map(more).sum::<u64>()
            };
            for (node, link, other) in [(1, 1, 0), (1, 2, 2), (2, 2, 1), (2, 3, 3)] {
                let stats = link_stats(&world, node, link);
                let is = (more(node, other), more(other, node));
                assert_eq!((stats.lag, stats.behind), is, "{mode:?} {rooms:?}: node {node} of {other}");
            }
        }
    }
}

#[test]
fn with_more_room_after_a_restart_it_goes_on_where_it_was() {
    let mut world = line_with_a_full_one(6, 3, quick(Dissemination::Eager));
    for n in 0..10 {
        world.say(0, &long(n));
        world.run_for(100_000);
    }
    world.until(20 * SECOND, "the far end has all", |w| w.log(2).len() == 10);
    world.crash(1);
    world.restart(1, 2);
    world.link(0, 1);
    world.link(1, 2);
    world.until(20 * SECOND, "the same everywhere", |w| w.same_logs(10));
    world.until(20 * SECOND, "and all say so", |w| {
        [(0, 3), (1, 3), (1, 4), (2, 4)].iter().all(|(n, link)| {
            let stats = link_stats(w, *n, *link);
            stats.in_sync && stats.why.is_none()
        })
    });
}

#[test]
fn whoever_waits_when_the_store_fills_is_told_at_once() {
    let mut world = World::new(7, 1, config(Dissemination::Eager));
    world.nodes[0].room = Some(2);
    world.run_for(2 * SECOND);
    let tickets: Vec<_> = (0..40).map(|n| world.say(0, &long(n))).collect();
    world.run_for(10_000);
    let mut told = BTreeMap::new();
    for event in &world.nodes[0].events {
        let (ticket, how) = match event {
            Event::Durable { ticket, .. } => (*ticket, Ok(())),
            Event::NotWritten { ticket, reason } => (*ticket, Err(*reason)),
            _ => continue,
        };
        assert!(told.insert(ticket, how).is_none(), "told twice");
    }
    assert_eq!(told.keys().copied().collect::<Vec<_>>(), tickets, "each is told");
    let durable = told.values().filter(|how| how.is_ok()).count();
    assert_eq!(durable, world.log(0).len(), "what is durable is there");
    assert!(told.values().all(|how| matches!(how, Ok(()) | Err(Reject::StoreFull))));
}

/// Its store is full from the start, and it learns that when it has taken what its neighbour has and it lacks.
#[test]
fn a_node_that_finds_its_store_full_after_a_start_and_its_neighbour_say_what_lacks() {
    for mode in BOTH {
        for (seed, messages) in [(0, 3), (1, 3), (2, 40), (3, 600)] {
            let mut world = World::new(seed, 2, config(mode));
            for n in 0..messages {
                world.say(1, &long(n));
                world.run_for(1_000);
            }
            world.nodes[0].room = Some(0);
            let (full, other) = world.link(0, 1);
            // At once, without waiting for a comparison, and for good.
            for wait in [3, 90] {
                world.run_for(wait * SECOND);
                assert!(world.nodes[0].engine.is_full() && world.log(0).is_empty(), "{mode:?}");
                let at = |end: world::End| {
                    world.nodes[end.node].engine.link_stats_at(end.link, Timestamp(world.now)).unwrap()
                };
                let all = u64::try_from(messages).unwrap();
                let said = (at(full).in_sync, at(full).why, at(full).behind);
                assert_eq!(said, (false, Some(Why::StoreFull), all), "{mode:?}, {wait}");
                let said = (at(other).in_sync, at(other).why, at(other).lag);
                assert_eq!(said, (false, Some(Why::HeldByPeer), all), "{mode:?}, {wait}");
            }
            nobody_was_closed(&world);
        }
    }
}

/// It has nothing of what it passes on, so nothing of that is lacking here.
#[test]
fn what_a_full_neighbour_passes_with_gaps_is_not_counted_as_what_it_has() {
    for (hold, behind) in [(true, 0), (false, 9)] {
        let mut world = World::new(44, 1, quick(Dissemination::Eager));
        let author = Author(60);
        author.link(&mut world, 0);
        let full = world.stranger(0, 61);
        let bytes = encoded(&Frame::Status(Status { hold, ..listed(&[]) }));
        world.give(0, Input::Frame { link: full, bytes });
        let ninth = author.life(1).bundle(9, Digest([1; 32]), &["the ninth"]);
        world.give(0, Input::Frame { link: full, bytes: rumor(ninth.bytes()) });
        world.run_for(SECOND);
        assert_eq!(world.nodes[0].engine.link_stats(full).unwrap().behind, behind, "{hold}");
        assert_eq!(world.nodes[0].engine.stats().bundles_gap, 1);
    }
}

/// What other members say under many origins passes through it, from whichever neighbour brings it first; each of them has it all in the end.
#[test]
fn a_full_node_is_behind_each_neighbour_by_all_that_passed_however_many_origins_it_is() {
    for mode in BOTH {
        for (seed, origins) in [(0, 20), (1, 70), (2, 200), (3, 900)] {
            let mut world = World::new(50 + seed, 3, EngineConfig { quota_incarnations_per_day: 0, ..config(mode) });
            world.nodes[1].room = Some(2);
            let links = [world.link(0, 1), world.link(1, 2), world.link(0, 2)];
            for n in 0..4 {
                world.say(0, &long(n));
                world.run_for(100_000);
            }
            world.until(SECOND, "it is full", |w| w.nodes[1].engine.is_full());
            world.run_for(3 * SECOND);
            let ends = [Author(60).link(&mut world, 0), Author(60).link(&mut world, 2)];
            for n in 0..origins {
                let side = usize::try_from(n % 2).unwrap();
                let bytes = rumor(Author(60).life(1_000 + n).opening("passes").bytes());
                world.give(2 * side, Input::Frame { link: ends[side], bytes });
                world.run_for(20_000);
            }
            world.run_for(60 * SECOND);
            let all = world.log(0).len();
            assert_eq!((world.log(2).len(), all), (all, 4 + usize::try_from(origins).unwrap()), "{mode:?} {origins}");
            let lacks = u64::try_from(all - world.log(1).len()).unwrap();
            let (full, others) = ([links[0].1, links[1].0], [links[0].0, links[1].1]);
            for end in full {
                let stats = world.nodes[1].engine.link_stats(end.link).unwrap();
                assert_eq!((stats.lag, stats.behind), (0, lacks), "{mode:?} {origins}: the full one of {}", end.link.0);
            }
            for end in others {
                let stats = world.nodes[end.node].engine.link_stats(end.link).unwrap();
                assert_eq!((stats.lag, stats.behind), (lacks, 0), "{mode:?} {origins}: {} of the full one", end.node);
            }
        }
    }
}
