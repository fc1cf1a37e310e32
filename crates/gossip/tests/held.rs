//! What one neighbour can make an engine hold, table by table: each has its bound, and an honest neighbour goes on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]
mod world;

use rumormill_gossip::acks::MAX_LINES;
use rumormill_gossip::link::{MAX_BEHIND, MAX_RANGE_REQUESTS};
use rumormill_gossip::measure::Held;
use rumormill_gossip::{Dissemination, Input, LinkId};
use rumormill_wire::native::{BundleBuilder, Frame, Member, MessageKind, RangeRequest};
use rumormill_wire::{Clock, Digest, Incarnation, NodeId, Origin, Seq, Signature};
use world::frames::{claim, encoded, listed, rumor};
use world::{Key, NOW, World, config};

const SECOND: u64 = 1_000_000;
const FLOOD: u64 = 5_000;
/// Certificates being checked, for all neighbours and for one beside it.
const MEMBER_CHECKS: usize = 256 + 32;

/// Two honest nodes, 0 and 1, linked, and a member that floods node 0.
fn flooded() -> (World, LinkId) {
    let mut world = World::new(1, 2, config(Dissemination::Eager));
    world.link(0, 1);
    let link = world.stranger(0, 50);
    world.run_for(SECOND);
    (world, link)
}

fn give(world: &mut World, link: LinkId, frame: &Frame<'_>) {
    world.give(0, Input::Frame { link, bytes: encoded(frame) });
}

fn held(world: &World) -> Held {
    world.nodes[0].engine.held()
}

fn still_works(world: &mut World) {
    world.say(1, "still here");
    world.until(10 * SECOND, "honest messages arrive", |w| w.log(0) == w.log(1) && !w.log(0).is_empty());
}

/// A node id that nobody has.
fn nobody(n: u64) -> NodeId {
    NodeId(*blake3::hash(&n.to_be_bytes()).as_bytes())
}

/// A bundle that nobody signed.
fn unsigned(origin: Origin, first: u64) -> Vec<u8> {
    let previous = if first == 1 { Digest::ZERO } else { Digest([1; 32]) };
    let mut builder = BundleBuilder::new(origin, Seq(first), previous);
    builder.push(Clock(NOW), MessageKind::CHAT, "", b"made up").unwrap();
    builder.seal(Signature([1; 64]))
}

fn give_bundle(world: &mut World, link: LinkId, bundle: &[u8]) {
    world.give(0, Input::Frame { link, bytes: rumor(bundle) });
}

#[test]
fn claims_of_what_is_not_there_are_remembered_up_to_a_bound() {
    let (mut world, link) = flooded();
    for round in 0..FLOOD / 500 {
        let mut origins: Vec<_> =
            (0..500).map(|n| Origin { node: nobody(round * 500 + n), incarnation: Incarnation(1) }).collect();
        origins.sort();
        let entries: Vec<_> = origins.into_iter().map(|origin| claim(origin, u64::MAX)).collect();
        give(&mut world, link, &Frame::Status(listed(&entries)));
        assert!(held(&world).link.behind <= MAX_BEHIND, "{:?}", held(&world));
    }
    assert!(held(&world).link.behind > MAX_BEHIND / 2, "the flood came: {:?}", held(&world));
    assert_eq!((held(&world).origins, held(&world).link.cursors), (0, 0), "claims alone make nothing else");
    still_works(&mut world);
}

#[test]
fn ranges_asked_for_wait_in_a_short_row() {
    let (mut world, link) = flooded();
    for n in 0..8 {
        world.say(0, &format!("{n} {}", "x".repeat(30_000)));
        world.run_for(SECOND);
    }
    let origin = world.nodes[0].engine.me();
    let mut most = 0;
    for _ in 0..FLOOD {
        give(&mut world, link, &Frame::Range(RangeRequest { origin, from: Seq(1), until: Seq(9) }));
        most = most.max(held(&world).link.range_requests);
        assert!(most <= MAX_RANGE_REQUESTS, "{:?}", held(&world));
    }
    assert_eq!(most, MAX_RANGE_REQUESTS, "the flood came");
    still_works(&mut world);
}

#[test]
fn bundles_that_are_dropped_make_a_short_list_of_what_to_say() {
    let (mut world, link) = flooded();
    for n in 0..FLOOD {
        give_bundle(&mut world, link, &unsigned(Origin { node: nobody(n), incarnation: Incarnation(1) }, 1));
        assert!(held(&world).link.dirty <= MAX_LINES, "{:?}", held(&world));
    }
    assert_eq!(held(&world).link.dirty, MAX_LINES, "the flood came");
    assert_eq!((held(&world).checks, held(&world).link.open), (0, 0), "nothing is checked for it");
    still_works(&mut world);
}

#[test]
fn certificates_being_checked_are_bounded() {
    let (mut world, link) = flooded();
    for n in 0..FLOOD {
        give(&mut world, link, &Frame::Member(Member { node: nobody(n), evidence: b"made up" }));
        assert!(held(&world).member_checks <= MEMBER_CHECKS, "{:?}", held(&world));
    }
    assert!(held(&world).member_checks >= 256, "the flood came");
    world.run_for(SECOND);
    assert_eq!(held(&world).member_checks, 0, "each has its verdict");
    still_works(&mut world);
}

#[test]
fn bundles_being_checked_are_bounded() {
    let (mut world, link) = flooded();
    let most = world.config.max_checks + 32;
    for n in 0..FLOOD {
        give_bundle(&mut world, link, &unsigned(Origin { node: Key::new(50).id(), incarnation: Incarnation(n) }, 1));
        assert!(held(&world).checks <= most, "{:?}", held(&world));
        assert!(held(&world).link.open <= most, "{:?}", held(&world));
    }
    assert!(held(&world).checks >= world.config.max_checks, "the flood came");
    world.run_for(SECOND);
    assert_eq!(held(&world).checks, 0, "each has its verdict");
    still_works(&mut world);
}

#[test]
fn copies_that_wait_for_a_certificate_that_is_none_are_let_go() {
    let (mut world, link) = flooded();
    let author = Origin { node: nobody(1), incarnation: Incarnation(1) };
    give(&mut world, link, &Frame::Member(Member { node: author.node, evidence: b"made up" }));
    for incarnation in 0..100 {
        for copy in 0..4 {
            let mut bundle = unsigned(Origin { incarnation: Incarnation(incarnation), ..author }, 1);
            bundle[100] ^= copy;
            give_bundle(&mut world, link, &bundle);
        }
    }
    assert!(held(&world).checks >= world.config.max_checks, "the flood came");
    world.run_for(SECOND);
    assert_eq!(held(&world).checks, 0, "none is left to take the place of others");
    still_works(&mut world);
}
