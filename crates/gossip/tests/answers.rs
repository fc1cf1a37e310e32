//! What a neighbour is answered (docs/protocol.md, P-G5): each kind of frame, again and again at full speed, and what honest
//! neighbours are owed whatever that costs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]
mod world;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rumormill_gossip::{Dissemination, EngineConfig, Input, LinkId, Why};
use rumormill_wire::native::{
    BundleHeader, Bye, ByeCode, Coverage, Frame, Hello, RangeRequest, Rumor, Status, StatusEntry, WireFault, kind,
};
use rumormill_wire::{NodeId, Origin, Seq};
use world::frames::{self, claim, encoded, listed, rumor};
use world::{Author, NETWORK, World, config, signed_part};

const SECOND: u64 = 1_000_000;
const ATTACKER: u8 = 50;
/// An author with many incarnations.
const AUTHOR: Author = Author(60);
const BIG: usize = 30_000;
const BIGS: usize = 8;
/// Frames in 10 s.
const FRAMES: u64 = 10_000;

/// A share that a test can use up.
fn small_share() -> EngineConfig {
    EngineConfig {
        answer_bytes: 256 * 1024,
        answer_bytes_per_s: 16 * 1024,
        fresh_bytes: 0,
        fresh_bytes_per_s: 16 * 1024,
        cache_bytes: 16 * 1024,
        ..config(Dissemination::Eager)
    }
}

/// A bundle that asks what the receiver has.
fn asking(bundle: &[u8]) -> Bytes {
    let (header, _) = BundleHeader::peek(bundle).unwrap();
    encoded(&Frame::Rumor(Rumor { want_status: true, answers_range: false, header, bundle }))
}

/// Two first bundles of one chain.
fn proof(incarnation: u64) -> Bytes {
    let bundles = ["one", "other"].map(|text| AUTHOR.life(incarnation).opening(text));
    frames::proof(bundles.map(|bundle| *bundle.signed_header()))
}

fn status(heard: u64, coverage: Coverage, entries: &[StatusEntry], hold: bool) -> Bytes {
    encoded(&Frame::Status(Status { want_status: true, hold, heard, origins: 5, coverage, ..listed(entries) }))
}

/// Lines about many origins that are not there.
fn unknown(n: u64, want_status: bool) -> Bytes {
    let lines: Vec<_> = (0..64).map(|m| claim(AUTHOR.life(1_000 + n % 2 * 64 + m).origin(), 1 << 40)).collect();
    encoded(&Frame::Status(Status { want_status, ..listed(&lines) }))
}

/// Node 0 with a log of 240 kB and of 44 origins, one of them with two histories, and a part of a revocation list; node 1, its
/// honest neighbour.
fn world() -> World {
    let mut world = World::new(1, 2, small_share());
    world.link(0, 1);
    let link = world.stranger(0, AUTHOR.0);
    for n in 0..42 {
        world.give(0, Input::Frame { link, bytes: rumor(AUTHOR.life(n).opening("one").bytes()) });
        world.run_for(2_000);
    }
    world.give(0, Input::Frame { link, bytes: proof(0) });
    let part = signed_part(1, &BTreeMap::from([(NodeId([9; 32]), None)]));
    world.give(0, Input::Frame { link, bytes: encoded(&Frame::Revoked(&part)) });
    for n in 0..BIGS {
        world.say(0, &format!("{n} {}", "x".repeat(BIG)));
        world.run_for(SECOND / 10);
    }
    world.until(SECOND, "all are there", |w| w.log(0) == w.log(1) && w.log(0).len() == 41 + BIGS);
    world.give(0, Input::LinkDown { link });
    world
}

/// What an attacker sends as its frame `n`, when it was given so many RUMOR frames.
type Says = fn(&World, u64, u64) -> Bytes;

/// Every kind of frame. One that is missing here fails the test.
fn table() -> Vec<(u8, &'static str, Says)> {
    vec![
        (kind::HELLO, "a second HELLO", |_, _, _| {
            let (name, agent) = ("a".into(), "".into());
            encoded(&Frame::Hello(Hello { min: 1, max: 1, network: NETWORK, features: 0, name, agent }))
        }),
        (kind::PING, "a PING: the driver's", |_, n, _| encoded(&Frame::Ping(n))),
        (kind::PONG, "a PONG: the driver's", |_, n, _| encoded(&Frame::Pong(n))),
        (kind::BYE, "a BYE: the driver's", |_, _, _| {
            encoded(&Frame::Bye(Bye { code: ByeCode::LEAVING, retry_after_s: 0, reason: "".into() }))
        }),
        (kind::MEMBER, "a certificate that is known", |_, _, _| AUTHOR.member()),
        (kind::RUMOR, "a bundle that is there", |_, _, _| asking(AUTHOR.life(7).opening("one").bytes())),
        (kind::RUMOR, "another history", |_, _, _| asking(AUTHOR.life(7).opening("other").bytes())),
        (kind::RUMOR, "a bundle that was withdrawn", |_, _, _| asking(AUTHOR.life(0).opening("one").bytes())),
        (kind::STATUS, "a summary that differs", |_, _, _| status(0, Coverage::Listed, &[], false)),
        (kind::STATUS, "it has nothing", |_, _, heard| {
            status(heard, Coverage::Range { low: Origin::MIN, high: Origin::MAX }, &[], false)
        }),
        (kind::STATUS, "it lacks a long chain", |w, _, heard| {
            status(heard, Coverage::Listed, &[claim(w.nodes[0].engine.me(), 1)], false)
        }),
        (kind::STATUS, "it has all of a chain that it has not", |w, _, _| {
            status(0, Coverage::Listed, &[claim(w.nodes[0].engine.me(), 1 << 40)], false)
        }),
        (kind::STATUS, "it is full, and is not", |w, n, heard| {
            status(heard, Coverage::Listed, &[claim(w.nodes[0].engine.me(), 1)], n % 2 == 0)
        }),
        (kind::STATUS, "another head", |_, _, _| {
            status(0, Coverage::Listed, &[claim(AUTHOR.life(9).origin(), 2)], false)
        }),
        (kind::STATUS, "many origins that nobody knows", |_, n, _| unknown(n, false)),
        (kind::STATUS, "many that nobody knows, and what is known of them", |_, n, _| unknown(n, true)),
        (kind::BUCKETS, "all parts differ", |_, _, _| {
            let mut frame = vec![kind::BUCKETS];
            frame.resize(1 + 256 * 16, 7);
            Bytes::from(frame)
        }),
        (kind::RANGE, "a long chain", |w, _, _| {
            let (origin, from, until) = (w.nodes[0].engine.me(), Seq(1), Seq(9));
            encoded(&Frame::Range(RangeRequest { origin, from, until }))
        }),
        (kind::PROOF, "one that is there", |_, _, _| proof(0)),
        (kind::REVOKED, "a part that is there", |_, _, _| {
            encoded(&Frame::Revoked(&signed_part(1, &BTreeMap::from([(NodeId([9; 32]), None)]))))
        }),
        (kind::REVISIONS, "it has no part", |_, _, _| encoded(&Frame::Revisions((&[][..]).into()))),
        (kind::SKIPPED, "a kind that nobody knows", |_, _, _| Bytes::from_static(&[0x80, 1, 2, 3])),
    ]
}

/// What was sent to strangers since the last look: frames by bytes, and how many RUMOR frames.
fn overheard(world: &mut World) -> (u64, u64) {
    let frames = world.overheard.replace(Vec::new()).unwrap_or_default();
    let bytes = frames.iter().map(|(_, frame)| u64::try_from(frame.len() + 4).unwrap()).sum();
    let rumors = frames.iter().filter(|(_, frame)| frame.first() == Some(&kind::RUMOR)).count();
    (bytes, u64::try_from(rumors).unwrap())
}

struct Cost {
    bytes_in: u64,
    bytes_out: u64,
    reads: u64,
}

/// One thing said for 10 s at full speed, over links in turn.
fn repeated(world: &mut World, links: &[LinkId], says: Says) -> Cost {
    let reads = world.nodes[0].reads;
    let mut cost = Cost { bytes_in: 0, bytes_out: 0, reads: 0 };
    let mut heard = 0;
    overheard(world);
    for n in 0..FRAMES {
        let link = links[usize::try_from(n).unwrap() % links.len()];
        if world.nodes[0].closed.is_empty() {
            let bytes = says(world, n, heard);
            cost.bytes_in += u64::try_from(bytes.len() + 4).unwrap();
            world.give(0, Input::Frame { link, bytes });
        }
        world.run_for(1_000);
        let (bytes, rumors) = overheard(world);
        cost.bytes_out += bytes;
        heard += if links.len() == 1 { rumors } else { 0 };
    }
    cost.reads = world.nodes[0].reads - reads;
    cost
}

/// What may go to one node in 10 s: all once for each link, its share, and what was begun when that was used up.
fn most(world: &World, links: u64) -> u64 {
    let log: usize = world.nodes[0].disk.bundles.values().flatten().map(Bytes::len).sum();
    let lists = 44 * 400;
    let once = u64::try_from(log + log / 16).unwrap() + lists;
    links * once + world.config.answer_bytes + 10 * world.config.answer_bytes_per_s + 128 * 1024
}

#[test]
fn no_kind_of_frame_is_answered_with_more_than_a_share_whatever_is_said_again_and_again() {
    let known = |kind: &u8| {
        let faults = Frame::decode(&[*kind]).err().map(|fault| fault.reason);
        *kind < kind::SKIPPED && faults != Some(WireFault::FrameKind)
    };
    let all: BTreeSet<u8> = (0..=u8::MAX).filter(known).chain([kind::SKIPPED]).collect();
    assert_eq!(all, table().iter().map(|row| row.0).collect(), "each kind of frame stands in the table");
    let mut over = BTreeSet::new();
    for (kind, what, says) in table() {
        let mut world = world();
        let link = world.stranger(0, ATTACKER);
        world.overheard = Some(Vec::new());
        world.run_for(SECOND);
        let cost = repeated(&mut world, &[link], says);
        println!("{kind:#04x} {what}: {} B in, {} B out, {} reads", cost.bytes_in, cost.bytes_out, cost.reads);
        let most = most(&world, 1);
        // A summary is answered with one, as long as it is, and one line with one. Nothing else is answered frame by frame.
        // Of many lines it hears once a second.
        let answers = match kind {
            kind::STATUS if cost.bytes_in < FRAMES * 256 => cost.bytes_in * 5 / 4,
            kind::STATUS => 10 * 64 * 1_024,
            _ => 10 * 1_024,
        };
        assert!(cost.bytes_out <= most + answers, "{what}: {} out, {most} at most", cost.bytes_out);
        assert!(cost.reads <= 300, "{what}: {} reads", cost.reads);
        let stats = world.nodes[0].engine.stats();
        if stats.answers_over > 0 {
            over.insert(what);
            assert!(world.nodes[0].closed.is_empty(), "{what}: nobody is banned for asking");
        }
        world.say(1, "others go on");
        world.until(SECOND, "others go on", |w| w.log(0) == w.log(1));
    }
    let counted =
        ["a long chain", "a summary that differs", "all parts differ", "it has nothing", "it lacks a long chain"];
    assert!(counted.iter().all(|what| over.contains(what)), "what was held back is counted: {over:?}");
}

const RANGES: Says = |w, _, _| {
    let (origin, from, until) = (w.nodes[0].engine.me(), Seq(1), Seq(9));
    encoded(&Frame::Range(RangeRequest { origin, from, until }))
};

#[test]
fn all_links_of_a_node_have_one_share() {
    let mut world = world();
    let links = [ATTACKER; 4].map(|key| world.stranger(0, key));
    world.overheard = Some(Vec::new());
    let cost = repeated(&mut world, &links, RANGES);
    assert!(cost.bytes_out <= most(&world, 4) + 4 * 64 * 1024, "{} out", cost.bytes_out);
}

#[test]
fn who_comes_again_and_again_is_given_all_at_no_charge_a_few_times_only() {
    let mut world = world();
    world.overheard = Some(Vec::new());
    let mut bytes_out = 0;
    for _ in 0..100 {
        let link = world.stranger(0, ATTACKER);
        for _ in 0..10 {
            let bytes = RANGES(&world, 0, 0);
            world.give(0, Input::Frame { link, bytes });
            world.run_for(10_000);
        }
        world.give(0, Input::LinkDown { link });
        bytes_out += overheard(&mut world).0;
    }
    let most = most(&world, 8) + 8 * 64 * 1024 + 100 * 1_024;
    assert!(bytes_out <= most, "{bytes_out} out, {most} at most");
    assert!(world.nodes[0].engine.stats().links_not_fresh > 80, "and that is counted");
}

/// It says that it has nothing and wants a list, and goes before it is given messages, again and again.
#[test]
fn who_comes_again_and_again_for_lists_is_given_some_and_then_a_share() {
    let mut world = world();
    world.overheard = Some(Vec::new());
    let (mut bytes, mut messages) = (0, 0);
    let seconds = 10;
    for _ in 0..100 * seconds {
        let link = world.stranger(0, ATTACKER);
        let frame = status(0, Coverage::Range { low: Origin::MIN, high: Origin::MAX }, &[], false);
        world.give(0, Input::Frame { link, bytes: frame });
        world.run_for(10_000);
        world.give(0, Input::LinkDown { link });
        let frames = world.overheard.replace(Vec::new()).unwrap_or_default();
        let sum = |rumors: bool| -> usize {
            let some = frames.iter().filter(|(_, frame)| (frame.first() == Some(&kind::RUMOR)) == rumors);
            some.map(|(_, frame)| frame.len() + 4).sum()
        };
        (bytes, messages) = (bytes + sum(false), messages + sum(true));
    }
    // Messages and lists out of one share for all its links; and what every new link is told by itself.
    let most = usize::try_from(most(&world, 4)).unwrap() + 100 * seconds * 512;
    assert!(bytes + messages <= most, "{bytes} of lists and {messages} of messages out, {most} at most");
}

#[test]
fn who_had_its_share_is_told_why_it_waits_and_has_what_is_new_and_what_it_lacks_in_the_end() {
    let mut world = world();
    let link = world.stranger(0, ATTACKER);
    world.overheard = Some(Vec::new());
    repeated(&mut world, &[link], RANGES);
    let stats = world.nodes[0].engine.link_stats(link).unwrap();
    assert_eq!((stats.in_sync, stats.why), (false, Some(Why::OverShare)));
    world.say(1, "what is new");
    let author = world.nodes[1].engine.me();
    let mut came = false;
    for _ in 0..20 {
        world.run_for(SECOND / 10);
        let frames = world.overheard.replace(Vec::new()).unwrap();
        came |= frames
            .iter()
            .any(|(_, frame)| matches!(Frame::decode(frame), Ok(Frame::Rumor(rumor)) if rumor.header.origin == author));
    }
    assert!(came, "at once, whatever else it asked for");
    world.run_for(60 * SECOND);
    let stats = world.nodes[0].engine.link_stats(link).unwrap();
    assert_ne!(stats.why, Some(Why::OverShare), "its share is there again");
    assert!(world.nodes[0].closed.is_empty());
}
