//! A member that writes more than its rate is held back, whatever it writes, and others are not (docs/protocol.md, P-G1).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]
mod world;

use rumormill_gossip::{Dissemination, EngineConfig, Event};
use rumormill_wire::Digest;
use world::frames::rumor;
use world::pair::{give, still_works, with_stranger};
use world::{Author, Life, NOW, config};

/// The member whose bundles these are. It has no link of its own.
const AUTHOR: Author = Author(60);
const CHAIN: Life = AUTHOR.life(1_700_000_000);

#[test]
fn a_greedy_member_is_held_back_and_others_are_not() {
    let limits = EngineConfig { quota_bytes_per_day: 4_000, ..config(Dissemination::Eager) };
    let (mut world, link) = with_stranger(limits);
    let text = "x".repeat(900);
    give(&mut world, link, AUTHOR.member());
    let mut previous = Digest::ZERO;
    for n in 1..=10 {
        let b = CHAIN.dated(n, previous, NOW + n, &[&text]);
        previous = b.digest();
        give(&mut world, link, rumor(b.bytes()));
        world.run_for(10_000);
    }
    let taken = world.log(0).len();
    assert!((2..=4).contains(&taken), "{taken} taken");
    assert!(world.nodes[0].engine.stats().bundles_over_quota >= 1);
    assert!(world.nodes[0].events.contains(&Event::OverQuota { node: AUTHOR.id() }));
    assert!(world.nodes[0].closed.is_empty(), "lag, never refusal");
    still_works(&mut world);
}

#[test]
fn small_bundles_are_charged_with_what_it_costs_to_keep_them() {
    let small = |n, previous| CHAIN.dated(n, previous, NOW + n, &["x"]);
    let day = 20 * small(1, Digest::ZERO).cost();
    let (mut world, link) = with_stranger(EngineConfig { quota_bytes_per_day: day, ..config(Dissemination::Eager) });
    give(&mut world, link, AUTHOR.member());
    let mut previous = Digest::ZERO;
    for n in 1..=40 {
        let b = small(n, previous);
        previous = b.digest();
        give(&mut world, link, rumor(b.bytes()));
        world.run_for(10_000);
    }
    assert_eq!(world.log(0).len(), 20);
    still_works(&mut world);
}

#[test]
fn messages_are_charged_for_beside_their_bytes() {
    let limits = EngineConfig { quota_bytes_per_day: 1 << 20, ..config(Dissemination::Eager) };
    let (mut world, link) = with_stranger(limits);
    give(&mut world, link, AUTHOR.member());
    let mut previous = Digest::ZERO;
    for n in 0..20 {
        // 2.2 KB of messages without content.
        let b = CHAIN.dated(1 + 512 * n, previous, NOW + 1_000 * n, &[""; 512]);
        previous = b.digest();
        give(&mut world, link, rumor(b.bytes()));
        world.run_for(10_000);
    }
    let taken = world.log(0).len();
    assert!((3_000..=4_096).contains(&taken), "{taken} messages in 1 MiB");
    still_works(&mut world);
}

#[test]
fn incarnations_without_end_are_held_back() {
    let limits = EngineConfig { quota_incarnations_per_day: 32, ..config(Dissemination::Eager) };
    let (mut world, link) = with_stranger(limits);
    give(&mut world, link, AUTHOR.member());
    for n in 0..100 {
        let b = AUTHOR.life(1_700_000_000 + n).dated(1, Digest::ZERO, NOW + n, &["again"]);
        give(&mut world, link, rumor(b.bytes()));
        world.run_for(1_000);
    }
    assert_eq!(world.log(0).len(), 32);
    still_works(&mut world);
}
