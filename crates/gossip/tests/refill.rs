//! A member that shows each node other incarnations of itself, more than its rate: nodes differ about that member's own messages,
//! say so, and end with one log when the rate has filled (docs/protocol.md, P-G1).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]
mod world;

use rumormill_gossip::{Dissemination, EngineConfig, Input, LinkId, Why};
use world::frames::rumor;
use world::{Author, World, config};

const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3_600 * SECOND;
const MEMBER: Author = Author(60);
/// Incarnations given to each of the three nodes.
const EACH: u64 = 40;

/// Each node is given incarnations of its own.
fn give_all(world: &mut World, links: &[LinkId]) {
    for n in 0..EACH {
        for (node, link) in (0..).zip(links) {
            let bytes = rumor(MEMBER.life(1 + n * 3 + node).opening("again").bytes());
            world.give(usize::try_from(node).unwrap(), Input::Frame { link: *link, bytes });
        }
    }
}

/// Why links between honest nodes, all but those of `not`, are not in sync.
fn reasons(world: &World, n: usize, not: &[LinkId]) -> Vec<Why> {
    let links = (0..100).map(LinkId).filter(|id| !not.contains(id));
    let stats = links.filter_map(|id| world.nodes[n].engine.link_stats(id));
    stats.filter(|link| !link.in_sync).filter_map(|link| link.why).collect()
}

#[test]
fn other_incarnations_at_each_node_make_logs_differ_until_the_rate_has_filled_and_both_ends_say_so() {
    let limits = EngineConfig {
        quota_incarnations_per_day: 32,
        // Days pass here.
        anti_entropy_us: 600 * SECOND,
        ..config(Dissemination::Eager)
    };
    let mut world = World::new(71, 3, limits);
    world.line();
    world.run_for(SECOND);
    let links: Vec<_> = (0..3).map(|n| world.stranger(n, MEMBER.0)).collect();
    // All at one moment: none of them comes from a neighbour before.
    give_all(&mut world, &links);
    world.run_for(60 * SECOND);
    assert!((0..3).all(|n| world.log(n).len() == 32), "{}", world.describe());
    assert!(world.log(0) != world.log(1) && world.log(1) != world.log(2));
    for n in 0..3 {
        world.give(n, Input::Timeout);
        let reasons = reasons(&world, n, &links);
        let told = |why: &Why| matches!(why, Why::OverRate | Why::HeldByPeer);
        assert!(!reasons.is_empty() && reasons.iter().all(told), "both ends say why, {n}: {reasons:?}");
    }
    world.say(1, "honest");
    world.until(SECOND, "others are heard at once", |w| (0..3).all(|n| w.texts(n).contains(&"honest".to_owned())));
    let all = usize::try_from(3 * EACH).unwrap() + 1;
    for hours in 0.. {
        assert!(hours < 96, "{}", world.describe());
        // What was not taken it has to show again.
        give_all(&mut world, &links);
        world.run_for(HOUR);
        if world.same_logs(all) {
            break;
        }
    }
    world.run_for(HOUR);
    (0..3).for_each(|n| world.give(n, Input::Timeout));
    assert!((0..3).all(|n| reasons(&world, n, &links).is_empty()), "and are in sync");
    assert!(world.nodes.iter().all(|node| node.closed.is_empty()), "lag, never refusal: {}", world.describe());
}

/// Two nodes keep so many incarnations of one member each that the other does not take. Gives the bytes that they say to each other in ten minutes, in
/// which there is something new sixty times.
fn traffic_of_logs_that_differ(each: u64, a_day: u64) -> u64 {
    let limits = EngineConfig {
        quota_incarnations_per_day: a_day,
        anti_entropy_us: 10 * SECOND,
        ..config(Dissemination::Eager)
    };
    let mut world = World::new(72, 2, limits);
    let links = [0, 1].map(|n| world.stranger(n, MEMBER.0));
    for n in 0..each {
        for (node, link) in (0..).zip(&links) {
            let bytes = rumor(MEMBER.life(1 + n * 2 + node).opening("again").bytes());
            world.give(usize::try_from(node).unwrap(), Input::Frame { link: *link, bytes });
        }
        world.run_for(10_000);
    }
    let taken = [0, 1].map(|n| world.log(n).len() as u64);
    assert!(taken.iter().all(|n| *n >= each), "{taken:?}");
    links.iter().zip(0..).for_each(|(link, n)| world.give(n, Input::LinkDown { link: *link }));
    world.link(0, 1);
    let differ =
        |w: &World| [(0, 1), (1, 0)].iter().all(|(a, b)| w.log(*a).iter().any(|line| !w.log(*b).contains(line)));
    assert!(differ(&world), "{}", world.describe());
    world.run_for(300 * SECOND);
    let count = |w: &World| w.nodes.iter().map(|node| node.wire_bytes).sum::<u64>();
    let before = count(&world);
    for n in 0..60 {
        world.say(n % 2, "honest");
        world.run_for(10 * SECOND);
    }
    assert!((0..2).all(|n| world.texts(n).iter().filter(|text| *text == "honest").count() == 60));
    assert!(differ(&world), "{}", world.describe());
    count(&world) - before
}

#[test]
fn logs_that_differ_for_good_cost_few_lists() {
    // A line has 59 bytes here. Each end begins sixty comparisons in the mean, which would cost one list of what both keep each.
    let lists = |each: u64| 2 * 60 * 59 * each * 2;
    // All origins that a member may have: nothing changes any more.
    let bytes = traffic_of_logs_that_differ(4_096, 0);
    assert!(bytes < lists(4_096) / 8, "{bytes} bytes of {}", lists(4_096));
    // One origin is taken every 216 s.
    let bytes = traffic_of_logs_that_differ(400, 400);
    assert!(bytes < lists(400) * 2 / 3, "{bytes} bytes of {}", lists(400));
}
