//! One author's burst does not hold up what others write: each author has an even pace (docs/protocol.md, P-G6).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]
mod world;

use std::sync::Arc;

use bytes::Bytes;
use rumormill_gossip::{Dissemination, EngineConfig, Input, LinkId, LinkStats, VerifiedBundle, Why};
use rumormill_wire::Digest;
use rumormill_wire::native::EntryState;
use world::frames::{lines, rumor};
use world::{Author, Key, Life, NOW, World, config};

const SECOND: u64 = 1_000_000;
/// A member without an engine.
const MEMBER: Author = Author(60);
const CHAIN: Life = MEMBER.life(1_700_000_000);
/// Bytes of a text.
const TEXT: usize = 10_000;
const PER_S: u64 = 100_000;
const BURST: u64 = 200_000;

/// A network that compares so rarely that no comparison helps.
fn paced() -> EngineConfig {
    EngineConfig {
        pace_bytes_per_s: PER_S,
        pace_burst_bytes: BURST,
        anti_entropy_us: 36_000 * SECOND,
        ..config(Dissemination::Eager)
    }
}

fn text(n: u64) -> String {
    format!("{n:08} {}", "x".repeat(TEXT))
}

fn bytes_of(world: &World, at: usize, author: u8) -> u64 {
    let author = Key::new(author).id();
    let bundles = world.nodes[at].disk.bundles.iter().filter(|(origin, _)| origin.node == author);
    bundles.flat_map(|(_, bundles)| bundles).map(|bundle| u64::try_from(bundle.len()).unwrap()).sum()
}

fn link_stats(world: &World, node: usize, link: LinkId) -> LinkStats {
    world.nodes[node].engine.link_stats(link).unwrap()
}

/// How long a text of node `from` takes until `to` has it.
fn takes(world: &mut World, from: usize, to: usize, text: &str) -> u64 {
    let begun = world.now;
    world.say(from, text);
    world.until(60 * SECOND, "an honest text arrives", |w| w.texts(to).iter().any(|t| t == text));
    world.now - begun
}

#[test]
fn what_one_author_writes_at_once_goes_on_at_an_even_pace_and_others_do_not_wait_for_it() {
    let mut world = World::new(1, 3, paced());
    world.line();
    world.run_for(2 * SECOND);
    // A disk that takes 20 ms for a bundle.
    world.commit_us = 20_000;
    let count = 100;
    let begun = world.now;
    for n in 0..count {
        world.say(0, &text(n));
    }
    let mut slowest = 0;
    for n in 0..40 {
        world.run_for(50_000);
        for (from, to) in [(2, 0), (1, 2), (0, 0)] {
            let what = format!("{from} says {n}");
            if from != 0 {
                slowest = slowest.max(takes(&mut world, from, to, &what));
            }
        }
        for at in [1, 2] {
            let most = BURST + PER_S * (world.now - begun) / SECOND;
            assert!(bytes_of(&world, at, 1) <= most, "{} bytes at {at} of {most}", bytes_of(&world, at, 1));
        }
    }
    assert!(slowest < SECOND / 2, "{slowest} us");
    let lag = link_stats(&world, 0, LinkId(1));
    assert!(lag.lag > 0 && !lag.in_sync, "what waits is lag: {lag:?}");
    world.until(60 * SECOND, "all is everywhere", |w| w.same_logs(usize::try_from(count).unwrap() + 80));
    for node in &world.nodes {
        let stats = node.engine.stats();
        assert_eq!((stats.bundles_paced, stats.bundles_gap), (0, 0), "honest nodes never send too much: {stats:?}");
        assert_eq!(stats.messages_duplicate, 0, "nothing is sent twice");
    }
}

fn both_say_what_lacks_and_why(world: &World) {
    let (there, here) = (link_stats(world, 0, LinkId(1)), link_stats(world, 1, LinkId(1)));
    assert_eq!((there.why, here.why), (Some(Why::HeldByPeer), Some(Why::OverPace)), "{there:?} {here:?}");
    assert!(there.lag > 0 && here.behind > 0 && !there.in_sync && !here.in_sync, "{there:?} {here:?}");
}

#[test]
fn a_neighbour_that_keeps_no_pace_is_asked_again_by_itself_and_sends_little_twice() {
    // It reads what it sends, a bundle in 2 ms.
    let narrow = EngineConfig { link_window: 2 * TEXT, cache_bytes: 1, ..paced() };
    let mut world = World::new(2, 1, EngineConfig { pace_bytes_per_s: 0, ..narrow.clone() });
    world.config = narrow;
    world.add(2, world::Disk::default(), 0);
    world.read_us = 2_000;
    world.link(0, 1);
    world.run_for(2 * SECOND);
    let begun = world.now;
    let count = 120;
    for n in 0..count {
        world.say(0, &text(n));
    }
    for held_for in [SECOND / 2, 3 * SECOND] {
        world.run_for(held_for);
        both_say_what_lacks_and_why(&world);
    }
    world.until(60 * SECOND, "all is there, by no comparison", |w| w.same_logs(usize::try_from(count).unwrap()));
    let took = world.now - begun;
    let all = bytes_of(&world, 1, 1);
    let pace = (all - BURST) * SECOND / PER_S;
    assert!(took >= pace && took < pace * 13 / 10, "{took} us for {all} bytes, {pace} us at the pace");
    assert!(world.nodes[0].wire_bytes < all * 4, "{} bytes sent for {all}", world.nodes[0].wire_bytes);
    assert!(world.nodes[1].engine.stats().bundles_paced > 0);
}

#[test]
fn a_member_that_pours_is_taken_at_its_pace_and_told_a_bounded_number_of_times() {
    let mut world = World::new(3, 2, paced());
    world.link(0, 1);
    let link = world.stranger(0, MEMBER.0);
    world.run_for(2 * SECOND);
    world.commit_us = 20_000;
    world.overheard = Some(Vec::new());
    let mut chain: Vec<Arc<VerifiedBundle>> = Vec::new();
    for n in 1..=200 {
        let previous = chain.last().map_or(Digest::ZERO, |last| last.digest());
        chain.push(CHAIN.dated(n, previous, NOW + n, &[&text(n)]));
    }
    let begun = world.now;
    let mut slowest = 0;
    // It sends all that is not taken again and again, as fast as it can.
    for round in 0..100 {
        let wanted = world.nodes[0].disk.bundles.values().map(Vec::len).max().unwrap_or(0);
        for one in chain.iter().skip(wanted.min(150)).take(50) {
            world.give(0, Input::Frame { link, bytes: rumor(one.bytes()) });
        }
        slowest = slowest.max(takes(&mut world, 1, 0, &format!("round {round}")));
        let most = BURST + PER_S * (world.now - begun) / SECOND;
        for at in [0, 1] {
            assert!(
                bytes_of(&world, at, MEMBER.0) <= most,
                "{} bytes at {at} of {most}",
                bytes_of(&world, at, MEMBER.0)
            );
        }
        world.run_for(50_000);
    }
    assert!(slowest < SECOND / 2, "{slowest} us");
    let took = world.now - begun;
    let taken = bytes_of(&world, 0, MEMBER.0);
    assert!(taken > BURST + PER_S * took / SECOND * 8 / 10 - 60_000, "{taken} bytes in {took} us");
    // It stops: what it has is asked for once.
    world.run_for(2 * SECOND);
    let told = world.overheard.take().unwrap();
    let said = |frame: &Bytes| lines(frame).iter().find(|e| e.origin.node == MEMBER.id()).map(|e| e.state);
    let said: Vec<_> = told.iter().filter(|(to, _)| *to == link).filter_map(|(_, frame)| said(frame)).collect();
    assert_eq!((said.first(), said.last()), (Some(&EntryState::Hold), Some(&EntryState::Normal)), "{said:?}");
    assert!(u64::try_from(said.len()).unwrap() <= took / 20_000 + 10, "{} in {took} us", said.len());
    let stats = world.nodes[0].engine.stats();
    assert!(stats.bundles_paced > 0, "{stats:?}");
    assert!(world.nodes[0].closed.is_empty(), "lag, never refusal");
    // Nothing of it came to the neighbour faster than it takes it.
    assert_eq!(world.nodes[1].engine.stats().bundles_paced, 0);
}

#[test]
fn a_member_that_pours_bundles_without_content_is_held_to_what_they_cost() {
    let mut world = World::new(4, 1, paced());
    let link = world.stranger(0, MEMBER.0);
    world.run_for(2 * SECOND);
    let (begun, mut last) = (world.now, Digest::ZERO);
    for n in 1..=1_000 {
        let one = CHAIN.dated(n, last, NOW + n, &[""]);
        last = one.digest();
        world.give(0, Input::Frame { link, bytes: rumor(one.bytes()) });
        world.run_for(1_000);
    }
    let most = (BURST + PER_S * (world.now - begun) / SECOND) / 2_048;
    let taken = world.log(0).len();
    assert!(taken > 50 && u64::try_from(taken).unwrap() <= most, "{taken} of at most {most}");
    assert!(world.nodes[0].verifies <= most, "what is over is not checked");
}

#[test]
fn messages_without_content_come_at_an_even_pace_and_are_passed_on_at_it() {
    let mut world = World::new(5, 2, paced());
    world.link(0, 1);
    let link = world.stranger(0, MEMBER.0);
    world.run_for(2 * SECOND);
    let (begun, mut last) = (world.now, Digest::ZERO);
    for n in 0..100 {
        // A bundle as full as can be of messages without content.
        let first = 1 + 512 * n;
        let one = CHAIN.dated(first, last, NOW + first, &[""; 512]);
        last = one.digest();
        world.give(0, Input::Frame { link, bytes: rumor(one.bytes()) });
        world.run_for(1_000);
    }
    let most = (BURST + PER_S * (world.now - begun) / SECOND) / 64;
    let taken = world.log(0).len();
    assert!(taken > 2_000 && u64::try_from(taken).unwrap() <= most, "{taken} of at most {most}");
    world.until(60 * SECOND, "the neighbour has what was taken", |w| w.log(1).len() == w.log(0).len());
    assert_eq!(world.nodes[1].engine.stats().bundles_paced, 0, "and nothing came to it faster than it takes it");
}
