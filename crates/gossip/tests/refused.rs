//! What a node does not take or write (a rate, no place, no certificate, a revoked key): nothing is sent again and again, what is
//! missing is said at both ends, and it is taken once it may be.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]
mod world;

use std::collections::BTreeMap;

use bytes::Bytes;
use rumormill_gossip::{Dissemination, EngineConfig, Event, Evidence, Input, Reject, Ticket, Timestamp, Why};
use rumormill_wire::native::{BundleHeader, MessageKind};
use rumormill_wire::{Digest, Incarnation, NodeId, Origin, Seq};
use world::frames::rumor;
use world::shown::{link_stats, nobody_was_closed};
use world::{Author, Key, World, certificate, config, long, quick};

const SECOND: u64 = 1_000_000;
/// A member without an engine.
const AUTHOR: Author = Author(60);

#[test]
fn a_refused_author_and_a_full_table_are_lag_at_both_ends_and_not_sent_again() {
    let day = 4_000_u64;
    let greedy = EngineConfig { quota_bytes_per_day: day, ..quick(Dissemination::Eager) };
    let places = EngineConfig { max_origins_per_node: 0, ..quick(Dissemination::Eager) };
    for (config, why) in [(greedy, Why::OverRate), (places, Why::NoPlace)] {
        let mut world = World::new(8, 2, config);
        world.link(0, 1);
        world.run_for(SECOND);
        for n in 0..20 {
            world.say(0, &format!("{n} {}", "x".repeat(1_000)));
            world.run_for(10_000);
        }
        world.run_for(5 * SECOND);
        let lacks = 20 - world.log(1).iter().filter(|m| m.1.node == Key::new(1).id()).count() as u64;
        assert!(lacks > 0);
        let (a, b) = (link_stats(&world, 0, 1), link_stats(&world, 1, 1));
        assert_eq!((a.lag, a.in_sync, a.why), (lacks, false, Some(Why::HeldByPeer)), "{why:?}");
        assert_eq!((b.behind, b.in_sync, b.why), (lacks, false, Some(why)), "{why:?}");
        let sent = world.nodes[0].engine.stats().rumors_sent;
        world.run_for(120 * SECOND);
        let again = world.nodes[0].engine.stats().rumors_sent - sent;
        // The rate of an author fills with the day: what it then takes is new.
        assert!(again <= 20, "{again} bundles in two minutes, {why:?}");
        nobody_was_closed(&world);
    }
}

/// A member has as many origins at one node as that takes of a member, others at the other, and each of the two holds more of them
/// for its neighbour than it remembers differences.
#[test]
fn origins_of_one_member_that_are_held_take_no_place_of_what_others_say() {
    const ORIGINS: usize = 24;
    for dissemination in [Dissemination::Eager, Dissemination::Mongering] {
        let config = EngineConfig {
            max_cursors: 16,
            max_origins_per_node: ORIGINS,
            quota_incarnations_per_day: 0,
            ..quick(dissemination)
        };
        let mut world = World::new(12, 2, config);
        for n in 0..2 {
            let evidence = certificate(AUTHOR.id(), "");
            world.give(n, Input::Admit { node: AUTHOR.id(), evidence });
            let link = world.stranger(n, AUTHOR.0);
            for k in 0..24 {
                let life = AUTHOR.life(1 + k + 1_000 * u64::try_from(n).unwrap());
                world.give(n, Input::Frame { link, bytes: rumor(life.opening("mine").bytes()) });
            }
        }
        world.until(60 * SECOND, "each takes all of its own", |w| (0..2).all(|n| w.log(n).len() == ORIGINS));
        let (a, b) = world.link(0, 1);
        world.run_for(30 * SECOND);
        assert!((0..2).all(|n| world.log(n).len() == ORIGINS), "neither takes the other's");
        for round in 0..4 {
            for n in 0..2 {
                world.say(n, &format!("{n} says {round}"));
            }
            let all = 2 * (round + 1) + ORIGINS;
            world.until(5 * SECOND, "both are heard", |w| (0..2).all(|n| w.log(n).len() == all));
        }
        let [a, b] = [a, b].map(|end| world.nodes[end.node].engine.link_stats(end.link).unwrap());
        assert!(!a.in_sync && !b.in_sync && a.why.is_some() && b.why.is_some(), "{a:?} {b:?}");
        let sent = world.nodes[0].engine.stats().rumors_sent;
        world.run_for(60 * SECOND);
        let again = world.nodes[0].engine.stats().rumors_sent - sent;
        assert!(again <= 24, "what is held is sent again and again: {again} in a minute");
        nobody_was_closed(&world);
    }
}

#[test]
fn a_held_author_is_taken_once_its_rate_has_filled() {
    let anti_entropy_us = 120 * SECOND;
    let config = EngineConfig { quota_bytes_per_day: 300_000, anti_entropy_us, ..config(Dissemination::Eager) };
    let mut world = World::new(9, 2, config);
    world.link(0, 1);
    world.run_for(SECOND);
    for n in 0..12 {
        world.say(0, &long(n));
        world.run_for(100_000);
    }
    world.run_for(10 * SECOND);
    assert!(world.log(1).len() < 12);
    world.until(86_400 * SECOND, "all is there after a day", |w| w.log(1).len() == 12);
}

#[test]
fn an_author_whose_certificate_nobody_sends_is_held_and_asked_for_once_it_is_admitted() {
    let mut world = World::new(10, 2, quick(Dissemination::Eager));
    world.link(0, 1);
    // Node 0 knows it without a certificate to show, as with a pin file.
    world.give(0, Input::Admit { node: AUTHOR.id(), evidence: Evidence::default() });
    let stranger = world.stranger(0, 50);
    let bundle = AUTHOR.life(1).opening("pinned here alone");
    world.give(0, Input::Frame { link: stranger, bytes: rumor(bundle.bytes()) });
    world.until(SECOND, "taken here", |w| w.log(0).len() == 1);
    world.run_for(60 * SECOND);
    assert!(world.log(1).is_empty());
    assert!(world.nodes[0].engine.stats().rumors_sent <= 2, "{}", world.describe());
    let (a, b) = (link_stats(&world, 0, 1), link_stats(&world, 1, 1));
    assert_eq!((a.lag, a.in_sync, a.why), (1, false, Some(Why::HeldByPeer)));
    assert_eq!((b.behind, b.in_sync, b.why), (1, false, Some(Why::NotAdmitted)));
    world.give(1, Input::Admit { node: AUTHOR.id(), evidence: Evidence::default() });
    world.until(SECOND, "asked for and taken", |w| w.log(1).len() == 1);
}

#[test]
fn more_origins_than_one_status_names_are_not_forgotten() {
    let mut world = World::new(11, 1, EngineConfig { anti_entropy_us: 3_600 * SECOND, ..config(Dissemination::Eager) });
    let link = world.stranger(0, 50);
    world.run_for(SECOND);
    let before = world.nodes[0].frames;
    let bundle = AUTHOR.life(1).opening("x");
    for n in 0..600 {
        // Each is a gap of an origin of its own, and each is to be named.
        let header =
            BundleHeader { origin: Origin { node: NodeId([7; 32]), incarnation: Incarnation(n) }, ..*bundle.header() };
        let mut bytes = bundle.bytes().to_vec();
        bytes[..BundleHeader::LEN]
            .copy_from_slice(&BundleHeader { first: Seq(2), previous: Digest([1; 32]), ..header }.to_bytes());
        world.give(0, Input::Frame { link, bytes: rumor(&bytes) });
    }
    world.run_for(SECOND);
    let stats = world.nodes[0].engine.stats();
    assert_eq!(stats.status_overflow, 1, "{stats:?}");
    assert_eq!(world.nodes[0].frames - before, 2, "a list, and a comparison in place of the rest");
}

#[test]
fn what_we_would_write_under_a_revoked_key_is_refused_with_the_reason() {
    let mut world = World::new(12, 1, config(Dissemination::Eager));
    // It still waits for its neighbours' word when the list comes.
    let n = world.add(3, world::Disk::default(), 1);
    let ticket = world.say(n, "waits");
    let part = world::signed_part(1, &[(Key::new(3).id(), Some(BTreeMap::new()))].into());
    let part = world::checked_part(&part).unwrap();
    world.give(n, Input::Revoked { link: None, part });
    let refused = Event::NotWritten { ticket, reason: Reject::Revoked };
    world.until(10_000, "it is in force", |w| w.nodes[n].events.contains(&refused));
    let submit =
        Input::Submit { ticket: Ticket(99), kind: MessageKind::CHAT, room: String::new(), body: Bytes::from("more") };
    assert_eq!(world.nodes[n].engine.handle(Timestamp(world.now), submit), Err(Reject::Revoked));
}
