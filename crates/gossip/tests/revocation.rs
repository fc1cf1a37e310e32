//! The CA's revocation list, from its bytes on the wire to what counts, in a whole network (docs/protocol.md, R).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use rumormill_gossip::{Dissemination, EngineConfig, Input, LinkId};
use rumormill_wire::native::Frame;
use rumormill_wire::{Incarnation, NodeId, Origin, Seq};
use world::frames::{encoded, rumor};
use world::{Author, Cuts, Disk, World, config, signed_part};

const SECOND: u64 = 1_000_000;
/// The revoked author of the tests below, who has no link of its own.
const AUTHOR: Author = Author(60);

fn revoked(part: &[u8]) -> Bytes {
    encoded(&Frame::Revoked(part))
}

fn cuts(node: NodeId, cut: Option<&[(u64, u64)]>) -> Cuts {
    let cut = cut.map(|cut| cut.iter().map(|(i, n)| (Incarnation(*i), Seq(*n))).collect());
    BTreeMap::from([(node, cut)])
}

/// A neighbour of node 0 that takes part in the protocol, for all that is said here.
fn stranger(world: &mut World, n: usize) -> LinkId {
    let link = world.stranger(n, 50);
    world.give(n, Input::Frame { link, bytes: encoded(&Frame::Revisions([].as_slice().into())) });
    link
}

#[test]
fn a_signed_list_in_bytes_drops_the_link_and_cuts_the_chain_the_same_everywhere() {
    let mut world = World::new(2, 3, config(Dissemination::Eager));
    world.line();
    for n in 1..=4 {
        world.say(2, &format!("message {n}"));
        world.run_for(20_000);
    }
    world.until(SECOND, "all have four", |w| w.same_logs(4));
    let victim = world.nodes[2].engine.me();
    let part = signed_part(1, &cuts(victim.node, Some(&[(victim.incarnation.0, 2)])));
    let link = stranger(&mut world, 0);
    world.give(0, Input::Frame { link, bytes: revoked(&part) });
    world.until(SECOND, "both have it", |w| (0..2).all(|n| w.nodes[n].engine.revocations().number() == 1));
    world.run_for(SECOND);
    assert!(world.nodes[1].closed.iter().any(|(_, reason)| reason.contains("revoked")));
    assert_eq!(world.texts(0), ["message 1", "message 2"]);
    assert_eq!(world.log(0), world.log(1));
    assert_eq!(world.nodes[0].engine.fingerprint(), world.nodes[1].engine.fingerprint());
    assert_eq!(world.nodes[1].disk.revocations.number(), 1, "it is kept");
    let (end, _) = world.link(1, 2);
    world.run_for(SECOND);
    assert!(world.nodes[1].closed.iter().any(|(id, reason)| *id == end.link && reason.contains("revoked")));
}

/// What each took of the author before, it took all places of it; what the list lets stand is had by both all the same.
#[test]
fn what_a_cut_lets_stand_has_a_place_whatever_else_its_author_took() {
    const ORIGINS: u64 = 6;
    let places = usize::try_from(ORIGINS).unwrap();
    let unbounded =
        EngineConfig { max_origins_per_node: places, quota_incarnations_per_day: 0, ..config(Dissemination::Eager) };
    let mut world = World::new(4, 2, EngineConfig { anti_entropy_us: SECOND, ..unbounded });
    let author = AUTHOR.id();
    for n in 0..2 {
        let link = stranger(&mut world, n);
        world.give(n, Input::Frame { link, bytes: AUTHOR.member() });
        for k in 0..ORIGINS {
            let incarnation = 1_000 + 10 * k + u64::try_from(n).unwrap();
            world.give(n, Input::Frame { link, bytes: rumor(AUTHOR.life(incarnation).opening("here").bytes()) });
        }
    }
    world.until(30 * SECOND, "each has its own", |w| (0..2).all(|n| w.log(n).len() == places));
    world.link(0, 1);
    world.run_for(10 * SECOND);
    assert!((0..2).all(|n| world.log(n).len() == places), "there is no place for the other's");
    // What node 0 has stands.
    let stands: Vec<_> = (0..ORIGINS).map(|k| (1_000 + 10 * k, 1)).collect();
    let link = stranger(&mut world, 0);
    world.give(0, Input::Frame { link, bytes: revoked(&signed_part(1, &cuts(author, Some(&stands)))) });
    world.until(30 * SECOND, "both have what stands", |w| w.same_logs(places) && w.same_fingerprints());
}

/// Before the list came, whoever has the key made the author use up its incarnations at a newcomer.
#[test]
fn what_a_cut_lets_stand_is_taken_whatever_its_author_used_up() {
    let rates =
        EngineConfig { quota_incarnations_per_day: 4, quota_incarnation_days: 1, ..config(Dissemination::Eager) };
    let mut world = World::new(12, 2, rates);
    let author = AUTHOR.id();
    let link = stranger(&mut world, 0);
    world.give(0, Input::Frame { link, bytes: AUTHOR.member() });
    for next in AUTHOR.life(1_000).branch("true", &[], 20) {
        world.give(0, Input::Frame { link, bytes: rumor(next.bytes()) });
        world.run_for(10_000);
    }
    let thief = stranger(&mut world, 1);
    world.give(1, Input::Frame { link: thief, bytes: AUTHOR.member() });
    for incarnation in 0..8 {
        world.give(1, Input::Frame { link: thief, bytes: rumor(AUTHOR.life(incarnation).opening("void").bytes()) });
        world.run_for(10_000);
    }
    assert_eq!((world.log(0).len(), world.log(1).len()), (20, 4));
    world.give(0, Input::Frame { link, bytes: revoked(&signed_part(1, &cuts(author, Some(&[(1_000, 20)])))) });
    world.link(0, 1);
    world.until(30 * SECOND, "both have what stands", |w| w.same_logs(20) && w.same_fingerprints());
}

#[test]
fn what_a_revoked_key_signs_later_counts_nowhere_whatever_incarnation_and_messenger() {
    for dissemination in [Dissemination::Eager, Dissemination::Mongering] {
        let mut world = World::new(3, 2, config(dissemination));
        world.link(0, 1);
        let link = stranger(&mut world, 0);
        let author = AUTHOR.id();
        let before = AUTHOR.life(1_000).opening("before");
        let after = AUTHOR.life(1_000).bundle(2, before.digest(), &["after"]);
        world.give(0, Input::Frame { link, bytes: AUTHOR.member() });
        world.give(0, Input::Frame { link, bytes: rumor(before.bytes()) });
        world.until(30 * SECOND, "both have it", |w| w.same_logs(1));
        let part = signed_part(1, &cuts(author, Some(&[(1_000, 1)])));
        world.give(0, Input::Frame { link, bytes: revoked(&part) });
        world.until(SECOND, "both know", |w| (0..2).all(|n| w.nodes[n].engine.revocations().number() == 1));
        let mallory = stranger(&mut world, 1);
        for (n, by) in [(0, link), (1, mallory)] {
            world.give(n, Input::Frame { link: by, bytes: rumor(after.bytes()) });
            for incarnation in [1, 999, 1_001, u64::MAX] {
                world.give(n, Input::Frame { link: by, bytes: rumor(AUTHOR.life(incarnation).opening("new").bytes()) });
            }
        }
        world.run_for(30 * SECOND);
        let late = world.add(70, Disk::default(), 1);
        world.link(late, 1);
        world.until(30 * SECOND, "a newcomer has the list", |w| w.nodes[late].engine.revocations().number() == 1);
        world.run_for(30 * SECOND);
        for n in 0..3 {
            assert_eq!(world.texts(n), ["before"], "at {n}");
            assert_eq!(world.nodes[n].disk.bundles.len(), 1, "nothing of it is kept at {n}");
        }
        assert!(world.nodes[0].engine.stats().bundles_withdrawn >= 5);
        assert!(world.same_fingerprints());
    }
}

#[test]
fn without_a_cut_only_links_end() {
    let mut world = World::new(4, 2, config(Dissemination::Eager));
    world.link(0, 1);
    let link = stranger(&mut world, 0);
    let author = AUTHOR.id();
    world.give(0, Input::Frame { link, bytes: AUTHOR.member() });
    world.give(0, Input::Frame { link, bytes: revoked(&signed_part(1, &cuts(author, None))) });
    world.run_for(SECOND);
    world.give(0, Input::Frame { link, bytes: rumor(AUTHOR.life(1_000).opening("still counts").bytes()) });
    world.until(SECOND, "both show it", |w| w.same_logs(1));
}

#[test]
fn an_older_part_changes_nothing_and_a_node_that_restarts_knows_the_list() {
    let mut world = World::new(5, 1, config(Dissemination::Eager));
    let link = stranger(&mut world, 0);
    let author = AUTHOR.id();
    world.give(0, Input::Frame { link, bytes: AUTHOR.member() });
    let [first, second] = [1, 2].map(|n| signed_part(n, &cuts(author, (n == 2).then_some(&[(1_000, 1)]))));
    for part in [&second, &first] {
        world.give(0, Input::Frame { link, bytes: revoked(part) });
        world.run_for(SECOND);
    }
    assert_eq!(world.nodes[0].engine.revocations().number(), 2);
    assert_eq!(world.nodes[0].engine.stats().revocations_known, 1);
    world.crash(0);
    world.restart(0, 0);
    assert_eq!(world.nodes[0].engine.revocations().number(), 2);
    let link = stranger(&mut world, 0);
    let texts = [AUTHOR.life(1_000).opening("counts"), AUTHOR.life(1_001).opening("does not")];
    for text in texts {
        world.give(0, Input::Frame { link, bytes: AUTHOR.member() });
        world.give(0, Input::Frame { link, bytes: rumor(text.bytes()) });
        world.run_for(SECOND);
    }
    assert_eq!(world.texts(0), ["counts"]);
}

#[test]
fn a_list_is_durable_before_it_is_in_force_and_a_crash_in_between_leaves_no_trace_of_it() {
    let mut world = World::new(8, 2, config(Dissemination::Eager));
    world.commit_us = 50_000;
    world.link(0, 1);
    world.overheard = Some(Vec::new());
    let (link, revoked_one) = (stranger(&mut world, 0), world.stranger(0, AUTHOR.0));
    let part = signed_part(1, &cuts(AUTHOR.id(), Some(&[])));
    world.run_for(SECOND);
    for _ in 0..3 {
        world.give(0, Input::Frame { link, bytes: revoked(&part) });
        world.run_for(1_000);
    }
    world.run_for(40_000);
    // The store has it, and has not said that it is durable.
    assert!((0..2).all(|n| world.nodes[n].engine.revocations().is_empty()));
    assert!(world.nodes[0].closed.is_empty(), "the link of whom it names stands as before");
    assert_eq!(world.nodes[0].engine.stats().revocations_known, 2, "what is on its way is not checked again");
    world.crash(0);
    world.restart(0, 0);
    world.run_for(SECOND);
    assert!((0..2).all(|n| world.nodes[n].engine.revocations().is_empty()), "nobody has heard of it");
    // Once it is durable all follows at one step, and no crash takes it away.
    world.link(0, 1);
    let (link, revoked_two) = (stranger(&mut world, 0), world.stranger(0, AUTHOR.0));
    world.give(0, Input::Frame { link, bytes: revoked(&part) });
    world.until(SECOND, "it is in force", |w| w.nodes[0].engine.revocations().number() == 1);
    assert!(revoked_one != revoked_two && world.nodes[0].closed.iter().any(|(id, _)| *id == revoked_two));
    assert!(world.nodes[1].engine.revocations().is_empty(), "the neighbour has not heard of it yet");
    world.crash(0);
    world.restart(0, 0);
    assert_eq!(world.nodes[0].engine.revocations().number(), 1);
    world.link(0, 1);
    world.until(SECOND, "and passed on", |w| w.nodes[1].engine.revocations().number() == 1);
    let heard: Vec<_> = world.overheard.take().unwrap().into_iter().filter(|(id, _)| *id == link).collect();
    let confirmed = encoded(&Frame::Revisions([(part[0], 1)].as_slice().into()));
    assert_eq!(heard.iter().filter(|(_, bytes)| *bytes == confirmed).count(), 1, "who sent it hears that it is kept");
}

#[test]
fn of_two_parts_of_a_place_on_their_way_to_the_store_the_newer_stays() {
    let author = AUTHOR.id();
    let parts = [1, 2].map(|n| world::checked_part(&signed_part(n, &cuts(author, (n == 2).then_some(&[])))).unwrap());
    for order in [[0, 1], [1, 0]] {
        let mut world = World::new(9, 1, config(Dissemination::Eager));
        for at in order {
            world.give(0, Input::Revoked { link: None, part: Arc::clone(&parts[at]) });
        }
        // The store may say so in any order, too.
        for part in parts.iter().rev() {
            world.run_for(SECOND);
            world.give(0, Input::RevocationsKept { part: Arc::clone(part) });
        }
        assert_eq!(world.nodes[0].engine.revocations().number(), 2);
        assert_eq!(world.nodes[0].disk.revocations.number(), 2);
        assert!(
            world.nodes[0].engine.revocations().limit(&Origin { node: author, incarnation: Incarnation(1) }).is_some()
        );
    }
}

#[test]
fn a_list_that_the_ca_did_not_sign_ends_the_link_of_whoever_passed_it_on() {
    let author = AUTHOR.id();
    let good = signed_part(1, &cuts(author, Some(&[])));
    let mut unsigned = good.to_vec();
    *unsigned.last_mut().unwrap() ^= 1;
    for (bytes, reason) in
        [(&unsigned[..], "did not sign"), (&good[..40], "breaks the form"), (&[1], "breaks the form")]
    {
        let mut world = World::new(6, 2, config(Dissemination::Eager));
        world.link(0, 1);
        let link = stranger(&mut world, 0);
        world.give(0, Input::Frame { link, bytes: revoked(bytes) });
        world.run_for(SECOND);
        assert!(matches!(&world.nodes[0].closed[..], [(id, why)] if *id == link && why.contains(reason)));
        assert!((0..2).all(|n| world.nodes[n].engine.revocations().is_empty()));
    }
}

/// Beside nodes with the CA: what it cannot judge it drops, and whoever sent it is honest.
#[test]
fn a_node_that_has_no_ca_drops_a_list_counts_it_and_blames_nobody() {
    let mut world = World::new(10, 3, config(Dissemination::Eager));
    world.pinned = Some(1);
    world.line();
    let author = AUTHOR.id();
    let link = stranger(&mut world, 0);
    world.give(0, Input::Frame { link, bytes: AUTHOR.member() });
    for (n, next) in (1..).zip(AUTHOR.life(1_000).branch("of the revoked", &[], 2)) {
        world.give(0, Input::Frame { link, bytes: rumor(next.bytes()) });
        world.until(SECOND, "all have it", |w| w.same_logs(n));
    }
    let said = world.texts(0);
    world.overheard = Some(Vec::new());
    for number in 1..=3 {
        let part = signed_part(number, &cuts(author, Some(&[(1_000, 1)])));
        world.give(0, Input::Frame { link, bytes: revoked(&part) });
        world.run_for(30 * SECOND);
        assert_eq!(world.nodes[0].engine.revocations().number(), number);
        assert_eq!(world.nodes[1].engine.stats().revocations_void, number, "each once a link");
    }
    assert!(world.nodes.iter().all(|node| node.closed.is_empty()), "nobody broke the protocol");
    // It does not reach whoever is behind the pinned one, either.
    assert!((1..3).all(|n| world.nodes[n].engine.revocations().is_empty() && world.texts(n) == said));
    assert_eq!(world.texts(0), said[..1]);
    world.say(0, "after it");
    world
        .until(SECOND, "the links stand", |w| (0..3).all(|n| w.texts(n).last().is_some_and(|last| last == "after it")));
    // Over a new link it comes once more, and is nothing again.
    world.link(0, 1);
    world.run_for(SECOND);
    assert_eq!(world.nodes[1].engine.stats().revocations_void, 4);
    // What breaks the form needs no CA to be seen.
    let link = stranger(&mut world, 1);
    world.give(1, Input::Frame { link, bytes: revoked(&[1]) });
    world.run_for(SECOND);
    assert!(matches!(&world.nodes[1].closed[..], [(id, why)] if *id == link && why.contains("breaks the form")));
}

/// A part that is nearly as long as it may be.
/// A node without the CA goes on taking what a revoked author says. Those that have the list keep nothing of it, and say so once.
#[test]
fn what_a_pinned_node_has_of_a_revoked_author_is_sent_once_to_those_that_have_the_list() {
    const LIVES: u64 = 8;
    let unbounded = EngineConfig { quota_incarnations_per_day: 0, ..config(Dissemination::Eager) };
    let mut world = World::new(15, 3, EngineConfig { anti_entropy_us: SECOND, ..unbounded });
    world.pinned = Some(1);
    let links = [world.link(0, 1), world.link(1, 2)];
    for n in [0, 2] {
        let link = stranger(&mut world, n);
        world.give(n, Input::Frame { link, bytes: revoked(&signed_part(1, &cuts(AUTHOR.id(), Some(&[])))) });
    }
    world.run_for(SECOND);
    let link = stranger(&mut world, 1);
    world.give(1, Input::Frame { link, bytes: AUTHOR.member() });
    for life in 0..LIVES {
        world.give(1, Input::Frame { link, bytes: rumor(AUTHOR.life(1_000 + life).opening("void").bytes()) });
    }
    world.run_for(10 * SECOND);
    assert_eq!((world.log(0).len(), world.log(1).len(), world.log(2).len()), (0, usize::try_from(LIVES).unwrap(), 0));
    let sent = |w: &World| w.nodes[1].engine.stats().rumors_sent;
    let before = sent(&world);
    assert!(before <= 3 * 2 * LIVES, "{before}: it hears once that nothing of it counts");
    for _ in 0..2 {
        world.run_for(60 * SECOND);
        assert_eq!(sent(&world), before, "nothing is sent again and again");
        for end in links.iter().flat_map(|(a, b)| [a, b]) {
            let stats = world.nodes[end.node].engine.link_stats(end.link).unwrap();
            assert!(!stats.in_sync, "{}: the logs differ: {stats:?}", end.node);
        }
    }
    assert!(world.nodes.iter().all(|node| node.closed.is_empty()), "nobody broke the protocol");
}

#[test]
fn where_a_cut_lets_all_stand_a_pinned_node_and_those_that_have_the_list_are_in_sync() {
    let mut world = World::new(16, 2, EngineConfig { anti_entropy_us: SECOND, ..config(Dissemination::Eager) });
    world.pinned = Some(1);
    let (a, b) = world.link(0, 1);
    let link = stranger(&mut world, 0);
    world.give(0, Input::Frame { link, bytes: AUTHOR.member() });
    for (n, next) in (1..).zip(AUTHOR.life(1_000).branch("of the revoked", &[], 3)) {
        world.give(0, Input::Frame { link, bytes: rumor(next.bytes()) });
        world.until(SECOND, "both have it", |w| w.same_logs(n));
    }
    world.give(0, Input::Frame { link, bytes: revoked(&signed_part(1, &cuts(AUTHOR.id(), Some(&[(1_000, 3)])))) });
    world.run_for(60 * SECOND);
    assert!(world.nodes[0].engine.revocations().revokes(&AUTHOR.id()) && world.same_logs(3));
    for end in [a, b] {
        let stats = world.nodes[end.node].engine.link_stats(end.link).unwrap();
        assert!(stats.in_sync && (stats.lag, stats.behind) == (0, 0), "{}: {stats:?}", end.node);
    }
}

fn long_part(place: u8, number: u64) -> Bytes {
    let cut: BTreeMap<_, _> = (0..1_024).map(|i| (Incarnation(u64::MAX - i), Seq(u64::MAX))).collect();
    let node = |last: u8| {
        let mut node = [place; 32];
        node[31] = last;
        NodeId(node)
    };
    signed_part(number, &(0..3).map(|last| (node(last), Some(cut.clone()))).collect())
}

#[test]
fn a_long_list_goes_round_in_parts_and_each_part_once_to_whoever_lacks_it() {
    let mut world = World::new(7, 1, config(Dissemination::Eager));
    let file: Vec<_> = (0..40).map(|place| long_part(place, u64::from(place) + 1)).collect();
    for bytes in &file {
        let part = world::checked_part(bytes).unwrap();
        world.give(0, Input::Revoked { link: None, part });
    }
    let bytes: usize = file.iter().map(Bytes::len).sum();
    assert!(bytes > 2_000_000, "more than the window of a link: {bytes}");
    let before = world.nodes[0].wire_bytes;
    let late = world.add(70, Disk::default(), 1);
    let (end, _) = world.link(0, late);
    world.until(60 * SECOND, "a newcomer has all of it", |w| {
        w.nodes[late].engine.revocations() == w.nodes[0].engine.revocations()
    });
    world.run_for(SECOND);
    assert_eq!(world.nodes[0].engine.link_stats(end.link).unwrap().revocations, Some(40), "it says what it has");
    // A neighbour that says again and again that it has nothing is sent the list once.
    let link = world.stranger(0, 50);
    for _ in 0..50 {
        world.give(0, Input::Frame { link, bytes: encoded(&Frame::Revisions([].as_slice().into())) });
        world.run_for(SECOND);
    }
    let sent = world.nodes[0].wire_bytes - before;
    assert!(sent < 2 * u64::try_from(bytes).unwrap() + 100_000, "{sent} bytes for twice {bytes}");
}

/// More than one STATUS names.
#[test]
fn what_a_cut_lets_stand_comes_however_many_origins_it_is() {
    const ORIGINS: u64 = 1_100;
    let places = usize::try_from(ORIGINS).unwrap();
    let unbounded = EngineConfig {
        max_origins_per_node: places,
        quota_incarnations_per_day: 0,
        pace_bytes_per_s: 0,
        ..config(Dissemination::Eager)
    };
    let mut world = World::new(4, 2, EngineConfig { anti_entropy_us: SECOND, ..unbounded });
    for n in 0..2 {
        let link = AUTHOR.link(&mut world, n);
        for k in 0..ORIGINS {
            let incarnation = 1_000 + 10 * k + u64::try_from(n).unwrap();
            world.give(n, Input::Frame { link, bytes: rumor(AUTHOR.life(incarnation).opening("here").bytes()) });
            world.run_for(2_000);
        }
        world.give(n, Input::LinkDown { link });
    }
    world.until(SECOND, "each has its own", |w| (0..2).all(|n| w.log(n).len() == places));
    world.link(0, 1);
    world.run_for(10 * SECOND);
    let stands: Vec<_> = (0..1_024).map(|k| (1_000 + 10 * k, 1)).collect();
    let link = stranger(&mut world, 0);
    world.give(0, Input::Frame { link, bytes: revoked(&signed_part(1, &cuts(AUTHOR.id(), Some(&stands)))) });
    for _ in 0..30 {
        if !world.same_fingerprints() {
            world.run_for(SECOND);
        }
    }
    assert!(world.same_fingerprints() && world.same_logs(1_024), "{} of 1,024", world.log(1).len());
}
