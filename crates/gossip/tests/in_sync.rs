//! A link is in sync when nothing older than two seconds is missing, as far as the neighbour's own word goes: what it has
//! not said that it has is missing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]
mod world;

use rumormill_gossip::stats::LinkStats;
use rumormill_gossip::{Dissemination, Input, LinkId, Timestamp};
use rumormill_wire::Origin;
use rumormill_wire::native::{Buckets, Coverage, EntryState, Frame, Status, StatusEntry};
use world::frames::{claim, encoded, listed, rumor, same_as};
use world::{Author, Disk, Key, World, certificate, config};

const SECOND: u64 = 1_000_000;
const BOTH: [Dissemination; 2] = [Dissemination::Eager, Dissemination::Mongering];

fn stats(world: &World, n: usize, link: LinkId) -> LinkStats {
    world.nodes[n].engine.link_stats_at(link, Timestamp(world.now)).unwrap()
}

fn why(world: &World, n: usize, link: LinkId) -> &'static str {
    stats(world, n, link).why.map_or("", |why| why.name())
}

/// A member that says that it has what node 0 has.
fn has_the_same(world: &mut World, link: LinkId, heard: u64) {
    let status = Status { heard, ..same_as(&world.nodes[0], &[]) };
    world.give(0, Input::Frame { link, bytes: encoded(&Frame::Status(status)) });
}

#[test]
fn what_a_silent_member_was_given_is_lag_until_it_says_that_it_has_it() {
    for mode in BOTH {
        let mut world = World::new(1, 1, config(mode));
        let link = world.stranger(0, 50);
        has_the_same(&mut world, link, 0);
        world.run_for(SECOND);
        assert!(stats(&world, 0, link).in_sync, "{mode:?}");
        world.say(0, "a message");
        world.run_for(SECOND);
        assert_eq!((stats(&world, 0, link).lag, stats(&world, 0, link).in_sync), (1, true), "{mode:?}: it is new");
        world.run_for(SECOND + SECOND / 2);
        assert_eq!((stats(&world, 0, link).lag, stats(&world, 0, link).in_sync), (1, false), "{mode:?}");
        assert!(["unheard", "no-answer"].contains(&why(&world, 0, link)), "{mode:?}: {}", why(&world, 0, link));
        has_the_same(&mut world, link, 1);
        assert_eq!((stats(&world, 0, link).lag, stats(&world, 0, link).in_sync), (0, true), "{mode:?}");
    }
}

#[test]
fn a_member_that_answers_no_comparison_is_not_in_sync_until_it_does() {
    for mode in BOTH {
        let mut world = World::new(1, 1, config(mode));
        let link = world.stranger(0, 50);
        has_the_same(&mut world, link, 0);
        world.run_for(18 * SECOND);
        assert_eq!((stats(&world, 0, link).in_sync, why(&world, 0, link)), (false, "no-answer"), "{mode:?}");
        has_the_same(&mut world, link, 0);
        assert_eq!((stats(&world, 0, link).in_sync, why(&world, 0, link)), (true, ""), "{mode:?}");
    }
}

#[test]
fn a_receiver_that_stands_still_is_not_in_sync() {
    for mode in BOTH {
        let mut world = World::new(1, 2, config(mode));
        let (end, _) = world.link(0, 1);
        world.say(1, "first");
        world.until(30 * SECOND, "in sync", |w| w.same_logs(1) && stats(w, 0, end.link).in_sync);
        world.nodes[1].alive = false;
        world.say(0, "lost");
        world.run_for(2 * SECOND + SECOND / 2);
        assert_eq!((stats(&world, 0, end.link).lag, stats(&world, 0, end.link).in_sync), (1, false), "{mode:?}");
    }
}

/// So many nodes, and both ends of each link.
fn linked(
    seed: u64,
    nodes: u8,
    mode: Dissemination,
    linked: impl Fn(usize, usize) -> bool,
) -> (World, Vec<(usize, LinkId, usize)>) {
    let mut world = World::new(seed, nodes, config(mode));
    let mut ends = Vec::new();
    for n in 0..usize::from(nodes) {
        for m in (0..usize::from(nodes)).filter(|m| linked(n, *m)) {
            let (a, b) = world.link(n, m);
            ends.extend([(n, a.link, m), (m, b.link, n)]);
        }
    }
    (world, ends)
}

/// A ring of six, and one more linked to all.
fn ring(seed: u64, mode: Dissemination) -> (World, Vec<(usize, LinkId, usize)>) {
    linked(seed, 7, mode, |n, m| n < 6 && (m == (n + 1) % 6 || m == 6))
}

#[test]
fn what_mongering_has_not_given_a_neighbour_yet_is_lag_there() {
    let mut late = 0;
    for seed in 1..=8 {
        // Six that know the first alone: it gives it to two or some more of them, and they can give it to nobody.
        let (mut world, ends) = linked(seed, 7, Dissemination::Mongering, |n, m| n == 0 && m > 0);
        world.run_for(20 * SECOND);
        world.say(0, "one message");
        let mut had: Vec<Option<u64>> = vec![None; 7];
        for step in 0..200_u64 {
            world.run_for(SECOND / 10);
            for (n, had) in had.iter_mut().enumerate() {
                *had = had.or((!world.log(n).is_empty()).then_some(step));
            }
            for (n, link, m) in &ends {
                if had[*n].is_some_and(|since| step >= since + 22) && had[*m].is_none() {
                    late += 1;
                    let stats = stats(&world, *n, *link);
                    // A comparison that has just found it takes what it found as new: it is on its way then.
                    let on_its_way = stats.in_sync && {
                        world.run_for(SECOND / 10);
                        !world.log(*m).is_empty()
                    };
                    assert!(
                        stats.lag == 1 && (!stats.in_sync || on_its_way),
                        "seed {seed}, step {step}: {n} says of {m} {stats:?}"
                    );
                }
            }
        }
    }
    assert!(late > 0, "nobody was late: the test shows nothing");
}

#[test]
fn a_newcomer_is_not_in_sync_before_it_has_all() {
    const ORIGINS: u64 = 4_000;
    for mode in BOTH {
        let mut disk = Disk::default();
        for incarnation in 1..=ORIGINS {
            let life = Author(40).life(incarnation);
            disk.bundles.insert(life.origin(), vec![life.opening("a line").bytes().clone()]);
        }
        disk.members.push((Key::new(40).id(), certificate(Key::new(40).id(), "")));
        let mut world = World::new(1, 0, config(mode));
        let old = world.add(1, disk, 0);
        let new = world.add(2, Disk::default(), 0);
        let (a, b) = world.link(old, new);
        let deadline = world.now + 30 * SECOND;
        loop {
            world.run_for(SECOND / 100);
            let (a, b) = (stats(&world, old, a.link), stats(&world, new, b.link));
            if world.same_fingerprints() {
                if a.in_sync && b.in_sync {
                    break;
                }
            } else {
                assert!(!b.in_sync, "{mode:?}: the newcomer says {b:?}");
            }
            assert!(world.now < deadline, "{mode:?}: {a:?} {b:?}\n{}", world.nodes[new].engine.frontier().count());
        }
    }
}

#[test]
fn an_honest_network_is_in_sync_soon_after_the_last_message_and_stays_so() {
    for mode in BOTH {
        let (mut world, ends) = ring(3, mode);
        world.run_for(60 * SECOND);
        for n in 0..40 {
            world.say(n % 7, &format!("message {n}"));
            for _ in 0..4 {
                world.run_for(SECOND / 20);
                for (n, link, _) in &ends {
                    let stats = stats(&world, *n, *link);
                    assert!(
                        mode == Dissemination::Mongering || stats.in_sync,
                        "{mode:?} while it talks: {n} {stats:?}"
                    );
                }
            }
        }
        world.until(60 * SECOND, "all came", |w| w.same_logs(40));
        let wait = if mode == Dissemination::Eager { 2 * SECOND } else { 120 * SECOND };
        world.until(wait, "in sync everywhere", |w| {
            ends.iter().all(|(n, link, _)| stats(w, *n, *link).in_sync && stats(w, *n, *link).lag == 0)
        });
        for _ in 0..600 {
            world.run_for(SECOND / 10);
            for (n, link, _) in &ends {
                let stats = stats(&world, *n, *link);
                assert!(stats.in_sync && stats.lag == 0 && stats.why.is_none(), "{mode:?} idle: {n} {stats:?}");
            }
        }
    }
}

#[test]
fn that_it_was_heard_is_said_once_a_second_at_most_and_not_when_idle() {
    for mode in BOTH {
        let mut world = World::new(1, 2, config(mode));
        let (end, _) = world.link(0, 1);
        world.run_for(20 * SECOND);
        let before = world.nodes[1].engine.stats().status_sent;
        for n in 0..500 {
            world.say(0, &format!("message {n}"));
            world.run_for(SECOND / 50);
        }
        world.run_for(2 * SECOND);
        assert!(stats(&world, 0, end.link).in_sync && world.same_logs(500), "{mode:?}");
        let said = world.nodes[1].engine.stats().status_sent - before;
        // A monger asks for a STATUS after each of its own accord.
        assert!(mode == Dissemination::Mongering || (10..=16).contains(&said), "{mode:?}: {said} in 12 s");
        let before = world.nodes[1].engine.stats().status_sent;
        world.run_for(60 * SECOND);
        let said = world.nodes[1].engine.stats().status_sent - before;
        assert!(said <= 30, "{mode:?}: {said} in an idle minute");
    }
}

#[test]
fn a_neighbour_that_says_without_proof_where_a_chain_ends_blames_no_author() {
    let mut world = World::new(1, 2, config(Dissemination::Eager));
    world.link(0, 1);
    world.say(1, "one");
    world.say(1, "two");
    world.until(SECOND, "both are there", |w| w.log(0).len() == 2);
    let link = world.stranger(0, 50);
    has_the_same(&mut world, link, 0);
    let origin = world.nodes[1].engine.me();
    let entries = [StatusEntry { state: EntryState::Forked, ..claim(origin, 2) }];
    world.give(0, Input::Frame { link, bytes: encoded(&Frame::Status(listed(&entries))) });
    world.run_for(4 * SECOND);
    assert_eq!((stats(&world, 0, link).in_sync, why(&world, 0, link)), (false, "end-disputed"));
}

/// Says something of these lines, as whoever is linked.
fn says(world: &mut World, link: LinkId, heard: u64, entries: &[StatusEntry]) {
    let status = Status { heard, ..listed(entries) };
    world.give(0, Input::Frame { link, bytes: encoded(&Frame::Status(status)) });
}

fn own_line(world: &World, next: u64, state: EntryState) -> StatusEntry {
    StatusEntry { state, ..claim(world.nodes[0].engine.me(), next) }
}

/// Each time it is given all, or there is nothing to give: what it says next is as old as what it said first.
#[test]
fn a_neighbour_that_says_the_same_again_and_again_is_not_in_sync_meanwhile() {
    type Says = fn(&mut World, LinkId, u64, u64);
    let lacks: Says = |world, link, heard, _| says(world, link, heard, &[own_line(world, 1, EntryState::Normal)]);
    let has_more: Says = |world, link, heard, n| match n % 2 {
        0 => says(world, link, heard, &[own_line(world, 20, EntryState::Normal)]),
        _ => has_the_same(world, link, heard),
    };
    let ends: Says = |world, link, heard, n| match n % 2 {
        0 => says(world, link, heard, &[own_line(world, 3, EntryState::Forked)]),
        _ => has_the_same(world, link, heard),
    };
    for mode in BOTH {
        for (what, word) in [("lacks", lacks), ("has more", has_more), ("ends", ends)] {
            let mut world = World::new(1, 1, config(mode));
            let link = world.stranger(0, 50);
            for n in 0..10 {
                world.say(0, &n.to_string());
            }
            world.run_for(SECOND);
            let sent = world.nodes[0].engine.stats().rumors_sent;
            has_the_same(&mut world, link, sent);
            world.run_for(3 * SECOND);
            assert!(stats(&world, 0, link).in_sync, "{mode:?} {what}");
            for n in 0..100 {
                let heard = world.nodes[0].engine.stats().rumors_sent;
                word(&mut world, link, heard, n);
                world.run_for(SECOND / 5);
                let found = stats(&world, 0, link);
                assert!(n < 11 || !found.in_sync && found.why.is_some(), "{mode:?} {what} {n}: {found:?}");
            }
            let heard = world.nodes[0].engine.stats().rumors_sent;
            has_the_same(&mut world, link, heard);
            world.run_for(3 * SECOND);
            assert!(stats(&world, 0, link).in_sync, "{mode:?} {what}: once it stays with one word");
        }
    }
}

/// It acknowledges each frame and has nothing by every word of its own: what it was given and has heard is not what it has.
#[test]
fn a_neighbour_that_hears_all_and_says_that_it_has_nothing_is_not_in_sync() {
    for mode in BOTH {
        let mut world = World::new(1, 1, config(mode));
        for n in 0..10 {
            world.say(0, &n.to_string());
        }
        let link = world.stranger(0, 50);
        let (mut untrue, mut looked) = (0, 0);
        for n in 0..300 {
            let heard = world.nodes[0].engine.stats().rumors_sent;
            // A list of nothing each ten seconds, as comparisons come, and else the summary of nothing.
            let all = Coverage::Range { low: Origin::MIN, high: Origin::MAX };
            let coverage = if n % 50 == 0 { all } else { Coverage::Listed };
            let status = Status { heard, coverage, ..listed(&[]) };
            world.give(0, Input::Frame { link, bytes: encoded(&Frame::Status(status)) });
            world.run_for(SECOND / 5);
            // By the second list it has said against its own word.
            looked += u32::from(n > 50);
            untrue += u32::from(n > 50 && stats(&world, 0, link).in_sync);
        }
        assert_eq!(untrue, 0, "{mode:?}: of {looked}");
        assert_eq!(why(&world, 0, link), "no-answer", "{mode:?}: it says that it has something else, and not what");
        let heard = world.nodes[0].engine.stats().rumors_sent;
        has_the_same(&mut world, link, heard);
        world.run_for(3 * SECOND);
        assert!(stats(&world, 0, link).in_sync, "{mode:?}: its word agrees");
    }
}

/// A word waits for five seconds since the link takes nothing, and is handed on then: it is no younger for that.
#[test]
fn what_waited_for_a_link_is_no_younger_when_the_link_takes_it() {
    for mode in BOTH {
        let mut world = World::new(1, 1, config(mode));
        let link = world.stranger(0, 50);
        has_the_same(&mut world, link, 0);
        world.run_for(SECOND);
        world.give(0, Input::Window { link, bytes: 0 });
        world.say(0, "a word");
        world.run_for(5 * SECOND);
        assert_eq!((stats(&world, 0, link).lag, stats(&world, 0, link).in_sync), (1, false), "{mode:?}");
        world.give(0, Input::Window { link, bytes: 64 * 1024 });
        assert_eq!(world.nodes[0].engine.stats().rumors_sent, 1, "{mode:?}: it is handed on");
        world.run_for(SECOND / 10);
        assert_eq!((stats(&world, 0, link).lag, stats(&world, 0, link).in_sync), (1, false), "{mode:?}");
        has_the_same(&mut world, link, 1);
        assert!(stats(&world, 0, link).in_sync, "{mode:?}");
    }
}

/// It answers each question, and never with what differs: other fingerprints each time, or the parts of nothing.
#[test]
fn a_member_that_says_at_each_comparison_that_it_differs_and_not_how_is_not_in_sync() {
    for mode in BOTH {
        let mut world = World::new(1, 1, config(mode));
        world.say(0, "a message");
        let link = world.stranger(0, 50);
        world.run_for(SECOND);
        let heard = world.nodes[0].engine.stats().rumors_sent;
        has_the_same(&mut world, link, heard);
        assert!(stats(&world, 0, link).in_sync, "{mode:?}");
        let (mut untrue, mut looked) = (0, 0);
        for n in 0..200_u8 {
            let status = Status { heard, fingerprint: [n; 16], origins: 7, ..listed(&[]) };
            let parts = [[if n % 4 < 2 { 0 } else { n }; 16]; 256];
            let frame = if n < 100 { Frame::Status(status) } else { Frame::Buckets(Buckets::from(&parts)) };
            world.give(0, Input::Frame { link, bytes: encoded(&frame) });
            world.run_for(SECOND / 4);
            if n > 12 {
                looked += 1;
                untrue += u32::from(stats(&world, 0, link).in_sync);
            }
        }
        assert_eq!((untrue, why(&world, 0, link)), (0, "no-answer"), "{mode:?}: of {looked}");
        has_the_same(&mut world, link, heard);
        world.run_for(3 * SECOND);
        assert!(stats(&world, 0, link).in_sync, "{mode:?}: its word agrees");
    }
}

/// An author has written one history for each of two nodes; both are as long, so nothing is lacking by its numbers.
#[test]
fn nodes_that_were_told_two_histories_of_one_length_do_not_say_that_they_are_in_sync() {
    const CHAINS: u64 = 40;
    for mode in BOTH {
        let mut world = World::new(5, 2, config(mode));
        let author = Key::new(60).id();
        for n in 0..2 {
            world.give(n, Input::Admit { node: author, evidence: certificate(author, "") });
            let link = world.stranger(n, 50);
            for k in 0..CHAINS {
                let bundle = Author(60).life(1_000 + k).opening(&format!("to {n}"));
                world.give(n, Input::Frame { link, bytes: rumor(bundle.bytes()) });
            }
            world.until(60 * SECOND, "it has its history", |w| w.log(n).len() == 32);
        }
        let (a, b) = world.link(0, 1);
        let mut differed = 0;
        for n in 0..6_000 {
            world.run_for(if n < 4_000 { 50 } else { 5_000 });
            if world.log(0) == world.log(1) {
                continue;
            }
            differed += 1;
            let both = [a, b].map(|end| stats(&world, end.node, end.link).in_sync);
            assert_ne!(both, [true, true], "{mode:?}, {} us", world.now);
        }
        assert!(differed > 0, "{mode:?}");
        world.until(60 * SECOND, "in sync in the end", |w| {
            w.log(0) == w.log(1) && [a, b].iter().all(|end| stats(w, end.node, end.link).in_sync)
        });
    }
}
