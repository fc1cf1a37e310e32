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
        greedy_incarnations_per_day: 32,
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
