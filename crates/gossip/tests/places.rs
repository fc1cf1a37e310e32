//! A member that lowers the place from which its messages are withdrawn, again and again: what that costs others, and that the
//! lowest place wins in the end (docs/protocol.md, E).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]
mod world;

use rumormill_gossip::{Dissemination, EngineConfig, Input, LinkId, Why};
use rumormill_wire::Seq;
use world::shown::{all_agree, equivocations};
use world::{Author, Life, World, config};

const SECOND: u64 = 1_000_000;
/// Who signs two histories.
const LIAR: Author = Author(60);
/// The chain of it that most tests are about.
const CHAIN: Life = LIAR.life(1);

#[test]
fn places_that_fall_again_and_again_are_taken_at_a_bounded_rate_and_the_lowest_wins_in_the_end() {
    let mut world = World::new(4, 3, EngineConfig { quota_places: 256, ..config(Dissemination::Eager) });
    world.line();
    let link = LIAR.bring(&mut world, 0, &CHAIN.branch("X", &[], 600));
    world.until(SECOND, "all have it", |w| w.same_logs(600));
    for place in (2..=600).rev() {
        world.give(0, Input::Frame { link, bytes: CHAIN.proof(place) });
        world.run_for(1_000);
    }
    world.run_for(60 * SECOND);
    for n in 0..3 {
        let told = equivocations(&world, n);
        assert!((200..=270).contains(&told), "{told} times at {n}");
    }
    world.run_for(10 * SECOND);
    world.give(0, Input::Frame { link, bytes: CHAIN.proof(2) });
    world.until(60 * SECOND, "the lowest is everywhere", |w| all_agree(w, CHAIN, 2));
    assert!(world.nodes.iter().all(|node| node.closed.is_empty()), "{}", world.describe());
}

/// A neighbour is sent 1,024 proofs at once. That a lower place is known it hears all the same.
#[test]
fn proofs_that_may_not_be_sent_yet_come_without_a_comparison() {
    let rare = EngineConfig { quota_places: 0, anti_entropy_us: 86_400 * SECOND, ..config(Dissemination::Eager) };
    let mut world = World::new(23, 2, rare);
    world.link(0, 1);
    let link = LIAR.bring(&mut world, 0, &CHAIN.branch("X", &[], 1_600));
    world.run_for(10 * SECOND);
    assert!(world.same_logs(1_600));
    for place in (2..=1_600).rev() {
        world.give(0, Input::Frame { link, bytes: CHAIN.proof(place) });
        world.run_for(1_000);
    }
    let place = |w: &World, n: usize| w.nodes[n].engine.limits().next().map(|(_, at)| at.0);
    assert!(place(&world, 0) == Some(2) && place(&world, 1) > Some(2), "{:?}", place(&world, 1));
    world.until(5 * SECOND, "the lowest is at both", |w| all_agree(w, CHAIN, 2));
    assert!(world.nodes.iter().all(|node| node.closed.is_empty()), "{}", world.describe());
}

#[test]
fn a_node_that_may_not_lower_a_place_yet_is_sent_nothing_again_and_again() {
    for lowest in [1, 3] {
        let limits =
            EngineConfig { quota_places: 4, quota_place_us: 3 * 3_600 * SECOND, ..config(Dissemination::Eager) };
        let mut world = World::new(12, 3, limits);
        world.link(0, 1);
        let link = LIAR.bring(&mut world, 0, &CHAIN.branch("X", &[], 60));
        let late = LIAR.bring(&mut world, 2, &CHAIN.branch("X", &[], 60));
        for place in (40..=60).rev() {
            world.give(0, Input::Frame { link, bytes: CHAIN.proof(place) });
            world.run_for(SECOND);
        }
        world.give(2, Input::Frame { link: late, bytes: CHAIN.proof(lowest) });
        world.run_for(SECOND);
        world.link(1, 2);
        world.run_for(60 * SECOND);
        assert_eq!(
            world.nodes[1].engine.limits().collect::<Vec<_>>(),
            [(CHAIN.origin(), Seq(56))],
            "one and four more"
        );
        assert!(world.nodes[1].engine.stats().proofs_over_quota > 0, "that is counted");
        let sent = |w: &World| w.nodes.iter().map(|node| node.engine.stats().rumors_sent).sum::<u64>();
        let before = sent(&world);
        world.run_for(600 * SECOND);
        assert!(sent(&world) <= before + 1, "{} sent in vain", sent(&world) - before);
        assert!([1, 2].iter().all(|n| disputes(&world, *n) > 0), "both ends say that they are not in sync, {lowest}");
        world.until(13 * 3_600 * SECOND, "the lowest is everywhere", |w| all_agree(w, CHAIN, lowest));
        assert!(world.same_logs(usize::try_from(lowest).unwrap() - 1), "and so is one log: {}", world.describe());
        // The others have links with whoever brought the proofs, too.
        world.until(600 * SECOND, "and nothing is in dispute", |w| disputes(w, 1) == 0);
        assert!(world.nodes.iter().all(|node| node.closed.is_empty()), "{}", world.describe());
    }
}

/// Links of a node that are not in sync because one end may not lower a place yet.
fn disputes(world: &World, n: usize) -> usize {
    let links = (0..100).filter_map(|id| world.nodes[n].engine.link_stats(LinkId(id)));
    links.filter(|link| !link.in_sync && matches!(link.why, Some(Why::OverRate | Why::HeldByPeer))).count()
}
