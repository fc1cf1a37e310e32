//! Clocks that are put right while their nodes run.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a test ends where something is not as it should be"
)]

mod world;

use rumormill_gossip::{Dissemination, Event, Input};
use rumormill_wire::Clock;
use world::{WALL, World, config};

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
    // Half a minute ahead, which is in time.
    world.give(1, Input::WallOffset(WALL + 30_000_000));
    world.say(0, "tomorrow");
    world.say(1, "a question");
    world.until(SECOND, "stored everywhere", |w| w.same_logs(2));
    world.give(0, Input::WallOffset(WALL));
    world.say(0, "the answer");
    world.until(SECOND, "stored everywhere", |w| w.same_logs(3));
    assert_eq!(world.texts(1), ["a question", "the answer", "tomorrow"]);
}
