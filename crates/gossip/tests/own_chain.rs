//! What neighbours say of our own chain at a start (docs/protocol.md, P-S11): lies move us once and use nothing up, and what is
//! true is believed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]
mod world;

use bytes::Bytes;
use rumormill_gossip::{Ask, Dissemination, EngineConfig, Event, Input};
use rumormill_wire::native::{Coverage, Frame, Status, StatusEntry};
use rumormill_wire::{Incarnation, NodeId, Origin, Seq};
use world::frames::{claim, encoded, listed, rumor};
use world::pair::give;
use world::{Author, World, config};

const SECOND: u64 = 1_000_000;

/// The answer to what a node asks at a start: all that is known of its own node.
fn own_known(entries: &[StatusEntry]) -> Bytes {
    known_of(entries[0].origin.node, entries)
}

fn known_of(node: NodeId, entries: &[StatusEntry]) -> Bytes {
    let (low, high) = (Origin { node, ..Origin::MIN }, Origin { node, ..Origin::MAX });
    encoded(&Frame::Status(Status { coverage: Coverage::Range { low, high }, ..listed(entries) }))
}

#[test]
fn a_neighbour_that_claims_our_own_future_moves_us_once_and_never_into_a_fork() {
    let moves = |world: &World| {
        let events = world.nodes[0].events.iter();
        events.filter(|e| matches!(e, Event::NewIncarnation { .. })).count()
    };
    let day = 86_400;
    for (ahead, next, expected) in [(0, 1 << 40, 1), (day - 10, 2, 1), (day + 10, 2, 0), (u64::MAX / 2, 2, 0)] {
        let mut world = World::new(1, 0, config(Dissemination::Eager));
        // Before its first bundle it waits for the word of three neighbours.
        world.add(1, world::Disk::default(), 3);
        let me = world.nodes[0].engine.me();
        world.say(0, "ours");
        for n in 0..20_u8 {
            let link = world.named(0, 50 + n);
            assert_eq!(moves(&world), usize::from(n > 2) * expected, "claim {n}, {ahead} s ahead");
            // The claim is about where it writes now, so that each would be a reason to go on.
            let Origin { node, incarnation } = world.nodes[0].engine.me();
            let claimed = Origin { node, incarnation: Incarnation(incarnation.0 + ahead) };
            let far = Origin { node, incarnation: Incarnation(u64::MAX - 1) };
            give(&mut world, link, own_known(&[claimed, far].map(|origin| claim(origin, next))));
            // Once all three have had their word, and the second is over that names its chain.
            world.run_for(if n == 2 { SECOND } else { SECOND / 100 });
        }
        world.run_for(SECOND);
        assert_eq!(moves(&world), expected, "{ahead} s ahead");
        let written: Vec<_> = world.log(0).into_iter().map(|(_, origin, seq, _)| (origin, seq)).collect();
        assert_eq!(
            written,
            [(world.nodes[0].engine.me(), Seq(1))],
            "what waited is written once, at the start of a chain"
        );
        let now = world.nodes[0].engine.me();
        assert_eq!(expected == 0, now == me);
        assert!(now.incarnation.0 <= me.incarnation.0 + day + 2, "what is far ahead is not believed: {now:?}");
    }
}

/// Whoever is linked first at each start may say that there is more of our chain.
fn lied_to_at_a_start(world: &mut World) {
    world.restart(0, 1);
    let liar = world.named(0, 50);
    let Origin { node, incarnation } = world.nodes[0].engine.me();
    let claimed = Origin { node, incarnation: Incarnation(incarnation.0 + 1) };
    give(world, liar, own_known(&[claim(claimed, 1_000)]));
}

fn say_and_end(world: &mut World, text: &str) {
    world.say(0, text);
    world.run_for(6 * SECOND);
    world.link(0, 1);
    world.run_for(6 * SECOND);
    world.crash(0);
}

/// Others take 32 incarnations of one author a day.
#[test]
fn a_neighbour_that_lies_at_each_start_does_not_use_up_our_incarnations() {
    let rates = EngineConfig { quota_incarnations_per_day: 32, ..config(Dissemination::Eager) };
    let mut world = World::new(31, 2, rates);
    for start in 0..60 {
        lied_to_at_a_start(&mut world);
        say_and_end(&mut world, &format!("start {start}"));
    }
    assert_eq!(world.texts(1), (0..60).map(|start| format!("start {start}")).collect::<Vec<_>>());
    assert_eq!(world.nodes[1].engine.stats().bundles_over_quota, 0);
}

/// However often that was: it can show what we signed.
#[test]
fn a_neighbour_that_has_more_of_our_chain_is_believed_all_the_same() {
    let mut world = World::new(32, 2, config(Dissemination::Eager));
    for start in 0..20 {
        lied_to_at_a_start(&mut world);
        say_and_end(&mut world, &format!("start {start}"));
    }
    for start in 20..24 {
        let old = world.nodes[0].disk.clone();
        world.restart(0, 0);
        say_and_end(&mut world, &format!("start {start}"));
        // The old copy is put back, and at once there is a neighbour that has more.
        world.nodes[0].disk = old;
        let before = world.nodes[0].engine.me();
        world.restart(0, 1);
        world.link(0, 1);
        world.say(0, &format!("again {start}"));
        world.run_for(6 * SECOND);
        assert_ne!(world.nodes[0].engine.me(), before, "it writes elsewhere");
        world.crash(0);
    }
    assert_eq!(world.texts(1).len(), 28, "{}", world.describe());
    assert_eq!(world.nodes[1].engine.stats().proofs, 0, "no number is used twice");
}

/// A node whose old copy was put back, and that has a message to write.
fn put_back(seed: u64, named: usize) -> World {
    let mut world = World::new(seed, 2, config(Dissemination::Eager));
    world.link(0, 1);
    world.say(0, "one");
    world.run_for(SECOND);
    let old = world.nodes[0].disk.clone();
    world.say(0, "two");
    world.until(SECOND, "both have it", |w| w.same_logs(2));
    world.crash(0);
    world.nodes[0].disk = old;
    world.restart_asking(0, Ask::Neighbours(named));
    world.say(0, "three");
    world
}

/// A node's list of its own chains is longer than one STATUS holds.
#[test]
fn a_node_with_many_incarnations_asks_for_those_that_it_may_write_in() {
    for lives in [10, 900] {
        let mut world = World::new(36, 2, config(Dissemination::Eager));
        for n in 0..2 {
            let link = world.stranger(n, 60);
            for life in 1..=lives {
                world.give(n, Input::Frame { link, bytes: rumor(Author(1).life(life).opening("before").bytes()) });
                world.run_for(1_000);
            }
            world.give(n, Input::LinkDown { link });
        }
        world.link(0, 1);
        world.say(0, "one");
        world.run_for(2 * SECOND);
        let old = world.nodes[0].disk.clone();
        world.say(0, "two");
        let all = usize::try_from(lives).unwrap() + 2;
        world.until(2 * SECOND, "both have it", |w| w.same_logs(all));
        world.crash(0);
        world.nodes[0].disk = old;
        world.restart_asking(0, Ask::Neighbours(1));
        world.link(0, 1);
        world.say(0, "three");
        world.until(10 * SECOND, "both have all", |w| w.same_logs(all + 1));
        assert!(world.nodes.iter().all(|node| node.engine.stats().proofs == 0), "{lives}: a number was used twice");
    }
}

/// What a neighbour says of a part is not its word on the whole.
#[test]
fn a_list_of_a_part_ends_no_wait_and_lists_of_all_parts_do() {
    let Origin { node, incarnation } = put_back(37, 1).nodes[0].engine.me();
    let origin = |incarnation| Origin { node, incarnation: Incarnation(incarnation) };
    let part = |low: Origin, high: Origin| {
        encoded(&Frame::Status(Status { coverage: Coverage::Range { low, high }, ..listed(&[]) }))
    };
    let end = Origin { node, ..Origin::MAX };
    let (before, me, after) = (origin(incarnation.0 - 1), origin(incarnation.0), origin(incarnation.0 + 1));
    let parts = [part(Origin::MIN, before), part(after, end), part(Origin::MIN, me), part(before, after)];
    for said in [&parts[..2], &parts[2..3], &parts[3..]] {
        let mut world = put_back(37, 1);
        let link = world.named(0, 50);
        said.iter().for_each(|part| give(&mut world, link, part.clone()));
        world.run_for(SECOND / 10);
        assert!(!world.nodes[0].engine.recovered(), "the rest is to come");
        world.link(0, 1);
        nothing_was_written_twice(&mut world);
    }
    let mut world = put_back(37, 1);
    let link = world.named(0, 50);
    [part(before, me), part(after, end)].iter().for_each(|part| give(&mut world, link, part.clone()));
    world.run_for(SECOND / 10);
    assert!(world.nodes[0].engine.recovered(), "it has said all");
}

fn nothing_was_written_twice(world: &mut World) {
    world.until(5 * SECOND, "both have all", |w| w.same_logs(3));
    assert!(world.nodes.iter().all(|node| node.engine.stats().proofs == 0), "{}", world.describe());
}

/// Members that know nothing of us, before the named neighbour has a link: as one over many links, or as many.
#[test]
fn who_is_not_named_does_not_end_the_wait_however_often_it_answers() {
    for keys in [[50, 50, 50], [50, 51, 52]] {
        let mut world = put_back(33, 1);
        let node = world.nodes[0].engine.me().node;
        for key in keys {
            let link = world.stranger(0, key);
            give(&mut world, link, known_of(node, &[]));
            world.run_for(SECOND / 10);
        }
        world.link(0, 1);
        nothing_was_written_twice(&mut world);
    }
}

#[test]
fn a_named_neighbour_that_answers_again_and_again_is_one() {
    let mut world = put_back(34, 2);
    let node = world.nodes[0].engine.me().node;
    for _ in 0..3 {
        let link = world.named(0, 50);
        give(&mut world, link, known_of(node, &[]));
        world.run_for(SECOND / 10);
        world.give(0, Input::LinkDown { link });
    }
    world.link(0, 1);
    nothing_was_written_twice(&mut world);
}

/// It is enough that one of two names the other: who names nobody waits for whoever comes.
#[test]
fn who_names_nobody_waits_all_the_time_for_whoever_comes() {
    let mut world = put_back(35, 0);
    world.run_for(9 * SECOND / 10);
    world.link(0, 1);
    nothing_was_written_twice(&mut world);
}
