//! Clocks that are put right while their nodes run.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as it should be"
)]

mod world;

use rumormill_gossip::clock::{MAX_AHEAD_US, MAX_FOLLOW_US};
use rumormill_gossip::{Dissemination, Event, Input};
use rumormill_wire::{Clock, Digest};
use world::frames::rumor;
use world::{Author, WALL, World, config};

const SECOND: u64 = 1_000_000;
const HOUR: i64 = 3_600_000_000;

fn new_incarnations(world: &World, n: usize) -> usize {
    world.nodes[n].events.iter().filter(|event| matches!(event, Event::NewIncarnation { .. })).count()
}

fn right(world: &World) -> u64 {
    u64::try_from(WALL).unwrap() + world.now
}

fn clock_of(world: &World, text: &str) -> Clock {
    world.log(1).into_iter().find(|(.., said)| said == text).unwrap().0
}

#[test]
fn a_clock_put_right_begins_a_new_incarnation_then_and_there() {
    let mut world = World::new(61, 2, config(Dissemination::Eager));
    world.link(0, 1);
    world.give(0, Input::WallOffset(WALL + 24 * HOUR));
    world.say(0, "tomorrow");
    world.until(SECOND, "stored everywhere", |w| w.same_logs(1));
    let before = world.nodes[0].engine.me();
    // One on its way to the disk, and two that wait behind it.
    world.say(0, "in flight");
    world.say(0, "waits");
    world.say(0, "waits too");
    world.give(0, Input::WallOffset(WALL));
    assert_ne!(world.nodes[0].engine.me(), before, "then and there");
    world.say(0, "today");
    world.until(3 * SECOND, "all are everywhere", |w| w.same_logs(5));
    for text in ["waits", "waits too", "today"] {
        let clock = clock_of(&world, text).0;
        assert!(clock <= right(&world), "{text} is dated by the right clock: {clock} at {}", right(&world));
    }
    assert_eq!(world.texts(1), ["waits", "waits too", "today", "tomorrow", "in flight"]);
    assert_eq!(new_incarnations(&world, 0), 1);
    assert!(world.nodes.iter().all(|n| n.engine.limits().count() == 0), "no fork: {}", world.describe());
    assert!(world.nodes.iter().all(|n| n.closed.is_empty()), "nobody is thought a liar: {}", world.describe());
}

#[test]
fn a_clock_put_back_by_less_or_without_messages_of_the_wrong_time_costs_no_incarnation() {
    let mut world = World::new(62, 2, config(Dissemination::Eager));
    world.link(0, 1);
    world.say(0, "before");
    world.until(SECOND, "stored everywhere", |w| w.same_logs(1));
    let me = world.nodes[0].engine.me();
    world.give(0, Input::WallOffset(WALL + 50_000_000));
    world.say(0, "fifty seconds ahead");
    world.give(0, Input::WallOffset(WALL));
    world.say(0, "after");
    world.until(SECOND, "stored everywhere", |w| w.same_logs(3));
    assert_eq!(world.texts(1), ["before", "fifty seconds ahead", "after"], "the chain goes on in its order");
    world.run_for(60 * SECOND);
    world.give(0, Input::WallOffset(WALL + 24 * HOUR));
    world.give(0, Input::WallOffset(WALL));
    world.say(0, "nothing was said while it was wrong");
    world.until(SECOND, "stored everywhere", |w| w.same_logs(4));
    assert!(clock_of(&world, "nothing was said while it was wrong").0 <= right(&world));
    assert_eq!((world.nodes[0].engine.me(), new_incarnations(&world, 0)), (me, 0));
}

#[test]
fn what_others_said_in_time_still_comes_before_what_answers_it() {
    let mut world = World::new(63, 2, config(Dissemination::Eager));
    world.link(0, 1);
    world.give(0, Input::WallOffset(WALL + 24 * HOUR));
    // Some seconds ahead, which ours follows.
    world.give(1, Input::WallOffset(WALL + 8_000_000));
    world.say(0, "tomorrow");
    world.say(1, "a question");
    world.until(SECOND, "stored everywhere", |w| w.same_logs(2));
    world.give(0, Input::WallOffset(WALL));
    world.say(0, "the answer");
    world.until(SECOND, "stored everywhere", |w| w.same_logs(3));
    assert_eq!(world.texts(1), ["a question", "the answer", "tomorrow"]);
}

/// Clocks of four honest nodes beside the right time, in seconds.
const SKEWS: [i64; 4] = [4, -4, 0, 4];

#[test]
fn a_member_just_inside_the_limit_pushes_no_honest_clock_and_honest_messages_are_seen_at_once() {
    let mut world = World::new(64, 4, config(Dissemination::Eager));
    for (n, skew) in SKEWS.iter().enumerate() {
        world.give(n, Input::WallOffset(WALL + skew * 1_000_000));
    }
    world.line();
    world.link(3, 0);
    // At each honest node, 59.9 s ahead of the right time, for ten minutes.
    let links: Vec<_> = (0..4).map(|n| world.stranger(n, 50)).collect();
    let (mut previous, mut seq, mut said) = (Digest::ZERO, 0, 0);
    for round in 0..600 {
        seq += 1;
        let ahead = Author(50).life(1).dated(seq, previous, right(&world) + 59_900_000, &["ahead"]);
        previous = ahead.digest();
        let frame = rumor(ahead.bytes());
        for (n, link) in links.iter().enumerate() {
            world.give(n, Input::Frame { link: *link, bytes: frame.clone() });
        }
        world.run_for(SECOND / 2);
        if round % 3 == 0 {
            world.say(said % 4, &format!("honest {said}"));
            said += 1;
        }
        world.run_for(SECOND / 2);
    }
    world.until(SECOND, "all have all", |w| w.same_logs(600 + said));
    let start = right(&world) - world.now;
    for (n, skew) in SKEWS.iter().enumerate() {
        let honest: Vec<_> = world.log(n).into_iter().filter(|(.., text)| text.starts_with("honest")).collect();
        assert_eq!(honest.len(), said);
        for (clock, origin, seq, text) in honest {
            // What comes over a link is judged by the wall clock at that moment.
            let came = world.nodes[n].disk.arrived[&(origin, seq)];
            let wall = (start + came).saturating_add_signed(skew * 1_000_000);
            let ahead = clock.0.saturating_sub(wall);
            assert!(
                ahead <= MAX_FOLLOW_US + 8_000_000,
                "{text} is {ahead} us ahead at {n}: hidden beyond {MAX_AHEAD_US}"
            );
            assert!(wall.saturating_sub(clock.0) <= MAX_AHEAD_US, "{text} is behind at {n}");
        }
        assert!(world.nodes[n].engine.stats().clocks_not_followed >= 600, "that is counted");
    }
    assert!((0..4).all(|n| new_incarnations(&world, n) == 0));
}

#[test]
fn honest_clocks_five_seconds_off_in_opposite_directions_keep_answers_behind_questions() {
    let mut world = World::new(65, 2, config(Dissemination::Eager));
    world.give(0, Input::WallOffset(WALL + 5_000_000));
    world.give(1, Input::WallOffset(WALL - 5_000_000));
    world.link(0, 1);
    world.say(0, "a question");
    world.until(SECOND, "stored everywhere", |w| w.same_logs(1));
    world.say(1, "the answer");
    world.until(SECOND, "stored everywhere", |w| w.same_logs(2));
    assert_eq!(world.texts(0), ["a question", "the answer"]);
}

#[test]
fn a_restart_goes_on_in_its_chain_though_it_ends_further_ahead_than_others_are_followed() {
    let mut world = World::new(66, 2, config(Dissemination::Eager));
    world.link(0, 1);
    world.give(0, Input::WallOffset(WALL + 50_000_000));
    world.say(0, "fifty seconds ahead");
    world.until(SECOND, "stored everywhere", |w| w.same_logs(1));
    let me = world.nodes[0].engine.me();
    world.crash(0);
    world.restart(0, 1);
    world.link(0, 1);
    world.say(0, "after");
    world.until(5 * SECOND, "stored everywhere", |w| w.same_logs(2));
    assert_eq!(world.nodes[0].engine.me(), me);
    assert_eq!(world.texts(1), ["fifty seconds ahead", "after"]);
}
