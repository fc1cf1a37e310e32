//! A linked peer that lies harms nobody else (each guard named here fails its test when taken out).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]
mod world;

use bytes::Bytes;
use rumormill_gossip::Dissemination;
use rumormill_wire::native::{Frame, Member, Status, StatusEntry};
use rumormill_wire::{Digest, Incarnation, NodeId, Origin};
use world::frames::{claim, encoded, listed, rumor};
use world::pair::{give, still_works, with_stranger};
use world::{Author, Life, NOW, config};

const SECOND: u64 = 1_000_000;
/// The member whose bundles these are. It has no link of its own.
const AUTHOR: Author = Author(60);
const CHAIN: Life = AUTHOR.life(1_700_000_000);

#[test]
fn a_forged_copy_is_found_and_does_not_suppress_the_true_one() {
    let (mut world, liar) = with_stranger(config(Dissemination::Eager));
    let honest = world.stranger(0, 51);
    let good = CHAIN.dated(1, Digest::ZERO, NOW, &["true"]);
    let mut forged = good.bytes().to_vec();
    forged[100] ^= 1;
    give(&mut world, liar, AUTHOR.member());
    give(&mut world, liar, rumor(&forged));
    give(&mut world, honest, rumor(good.bytes()));
    world.until(SECOND, "the true one is taken", |w| w.texts(1) == ["true"]);
    assert_eq!(world.nodes[0].closed, [(liar, "a bundle that does not hold")]);
    still_works(&mut world);
}

#[test]
fn an_author_without_a_certificate_or_with_a_false_one_gets_nowhere() {
    let (mut world, link) = with_stranger(config(Dissemination::Eager));
    give(&mut world, link, rumor(CHAIN.dated(1, Digest::ZERO, NOW, &["unknown"]).bytes()));
    world.run_for(SECOND);
    assert_eq!(world.nodes[0].engine.stats().bundles_unadmitted, 1);
    assert!(world.nodes[0].closed.is_empty(), "a neighbour may not know better");
    let node = AUTHOR.id();
    give(&mut world, link, encoded(&Frame::Member(Member { node, evidence: b"made up" })));
    give(&mut world, link, rumor(CHAIN.dated(1, Digest::ZERO, NOW, &["unknown"]).bytes()));
    world.run_for(SECOND);
    assert_eq!(world.nodes[0].closed, [(link, "a certificate that does not belong to this network")]);
    assert!(world.log(0).is_empty());
    still_works(&mut world);
}

#[test]
fn numbers_near_the_end_and_gaps_are_dropped_and_bounded() {
    let (mut world, link) = with_stranger(config(Dissemination::Eager));
    give(&mut world, link, AUTHOR.member());
    for first in [u64::MAX - 1, u64::MAX - 600, 1 << 63, 2] {
        give(&mut world, link, rumor(CHAIN.dated(first, Digest([1; 32]), NOW, &["far"]).bytes()));
    }
    world.run_for(SECOND);
    assert_eq!(world.nodes[0].engine.stats().bundles_gap, 4);
    assert_eq!(world.nodes[0].engine.sizes().0, 0, "nothing is kept for later");
    assert_eq!(world.nodes[0].verifies, 0, "no signature is checked for it");
    assert!(world.log(0).is_empty());
    still_works(&mut world);
}

#[test]
fn clocks_from_1970_and_2200_neither_pull_ours_nor_part_the_logs() {
    let (mut world, link) = with_stranger(config(Dissemination::Eager));
    let old = CHAIN.dated(1, Digest::ZERO, 1, &["from 1970"]);
    let new = CHAIN.dated(2, old.digest(), 7_258_118_400_000_000, &["from 2200"]);
    give(&mut world, link, AUTHOR.member());
    give(&mut world, link, rumor(old.bytes()));
    give(&mut world, link, rumor(new.bytes()));
    world.until(SECOND, "stored and passed on everywhere", |w| w.same_logs(2));
    assert_eq!(world.nodes[0].engine.stats().clocks_ahead, 1);
    world.say(0, "ours");
    world.until(SECOND, "ours", |w| w.same_logs(3));
    let ours = world.log(0).into_iter().find(|m| m.3 == "ours").unwrap();
    assert!(ours.0.0 < NOW + 60 * SECOND, "our clock stayed near the wall");
}

#[test]
fn a_clock_that_does_not_rise_is_taken_by_nobody() {
    let (mut world, link) = with_stranger(config(Dissemination::Eager));
    let one = CHAIN.dated(1, Digest::ZERO, NOW, &["one"]);
    give(&mut world, link, AUTHOR.member());
    give(&mut world, link, rumor(one.bytes()));
    give(&mut world, link, rumor(CHAIN.dated(2, one.digest(), NOW, &["same time"]).bytes()));
    world.until(SECOND, "dropped", |w| w.nodes[0].engine.stats().bundles_set_back == 1);
    world.until(SECOND, "the first stays", |w| w.same_logs(1));
    assert!(world.nodes[0].closed.is_empty(), "who passes it on may have nothing to compare it with");
    still_works(&mut world);
}

#[test]
fn malformed_frames_end_the_link_and_only_that() {
    let (mut world, _) = with_stranger(config(Dissemination::Eager));
    for bytes in [&b"\x07garbage"[..], &[0x06], &[0x7f, 1, 2], &[0x01, 0, 1]] {
        let link = world.stranger(0, 50);
        give(&mut world, link, Bytes::copy_from_slice(bytes));
        assert_eq!(world.nodes[0].closed.last().map(|c| c.0), Some(link), "{bytes:?}");
    }
    still_works(&mut world);
}

fn status(entries: &[StatusEntry], heard: u64) -> Bytes {
    encoded(&Frame::Status(Status { want_status: true, heard, origins: 5, ..listed(entries) }))
}

#[test]
fn boasting_statuses_cost_bounded_memory_and_answers() {
    let (mut world, link) = with_stranger(config(Dissemination::Eager));
    let sent = world.nodes[0].wire_bytes;
    for round in 0..200_u64 {
        let origins = (0..800_u64).map(|n| {
            let mut node = [0; 32];
            node[0] = u8::try_from(n / 256).unwrap();
            node[1] = u8::try_from(n % 256).unwrap();
            node[2..10].copy_from_slice(&round.to_be_bytes());
            Origin { node: NodeId(node), incarnation: Incarnation(n) }
        });
        let boast: Vec<_> = origins.map(|origin| claim(origin, u64::MAX)).collect();
        give(&mut world, link, status(&boast, 0));
    }
    let (_, chains, members) = world.nodes[0].engine.sizes();
    assert!(chains <= 3 && members <= 4, "claims alone make no chains");
    let stats = world.nodes[0].engine.link_stats(link).unwrap();
    assert!(!stats.in_sync || stats.behind == 0);
    let answers = world.nodes[0].wire_bytes - sent;
    assert!(answers < 2 * 1024 * 1024, "what we say in reply is bounded: {answers}");
    still_works(&mut world);
    // One that claims to have heard more than was ever said is a liar for certain.
    give(&mut world, link, status(&[], 1 << 40));
    assert_eq!(world.nodes[0].closed.last().map(|c| c.0), Some(link));
}
