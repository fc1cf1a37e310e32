//! What a node with a full store and its neighbours tell each other, frame by frame (docs/protocol.md, P-S8 and P-S9).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]
mod world;

use rumormill_gossip::{Dissemination, EngineConfig, Input, LinkId};
use rumormill_wire::native::{Buckets, Coverage, Frame, Status};
use world::frames::{claim, encoded, lines, listed, rumor};
use world::{Author, World, config, long};

const SECOND: u64 = 1_000_000;
const AUTHOR: Author = Author(60);

/// One node, which compares with nobody by itself; its store takes one bundle more if it is to be full, and is full then.
fn alone(full: bool) -> World {
    let config = EngineConfig { anti_entropy_us: 10_000 * SECOND, ..config(Dissemination::Eager) };
    let mut world = World::new(70, 1, config);
    world.nodes[0].room = full.then_some(1);
    for n in 0..2 {
        world.say(0, &long(n));
        world.run_for(SECOND);
    }
    assert_eq!(world.nodes[0].engine.is_full(), full);
    world.overheard = Some(Vec::new());
    world
}

fn give(world: &mut World, link: LinkId, frame: &Frame<'_>) {
    world.give(0, Input::Frame { link, bytes: encoded(frame) });
    world.run_for(SECOND);
}

/// What went over a link since it was last asked for.
fn heard(world: &mut World, link: LinkId) -> Vec<bytes::Bytes> {
    let all = world.overheard.replace(Vec::new()).unwrap();
    all.into_iter().filter(|(to, _)| *to == link).map(|(_, bytes)| bytes).collect()
}

/// Of the lists of all origins from one to another: how many there are, and whether they ask.
fn ranges(world: &mut World, link: LinkId) -> Vec<bool> {
    let ask = |bytes: &bytes::Bytes| match Frame::decode(bytes) {
        Ok(Frame::Status(Status { coverage: Coverage::Range { .. }, want_status, .. })) => Some(want_status),
        _ => None,
    };
    heard(world, link).iter().filter_map(ask).collect()
}

#[test]
fn each_copy_is_answered_whether_it_passed_or_is_here() {
    let mut world = alone(true);
    let neighbours = [AUTHOR.link(&mut world, 0), world.stranger(0, 61)];
    let own = world.nodes[0].disk.bundles.values().next().unwrap()[0].clone();
    let passes = AUTHOR.life(1).opening("passes");
    for (bytes, origin, next) in
        [(passes.bytes().clone(), passes.header().origin, 1), (own, world.nodes[0].engine.me(), 2)]
    {
        for link in neighbours {
            heard(&mut world, link);
            world.give(0, Input::Frame { link, bytes: rumor(&bytes) });
            world.run_for(SECOND / 10);
            let told: Vec<_> = heard(&mut world, link).iter().flat_map(|bytes| lines(bytes)).collect();
            assert!(told.iter().any(|line| line.origin == origin && line.next.0 == next), "{link:?}: {told:?}");
        }
    }
    assert_eq!(world.nodes[0].engine.link_stats(neighbours[1]).unwrap().behind, 1, "what a neighbour gave it has");
}

#[test]
fn a_neighbour_is_told_anew_and_asked_when_its_store_is_full() {
    let mut world = alone(false);
    let link = world.stranger(0, 61);
    let parts = [[0; 16]; 256];
    let buckets = Frame::Buckets(Buckets::from(&parts));
    let summary = |hold| Frame::Status(Status { hold, ..listed(&[]) });
    let mut told = |frame: &Frame<'_>| {
        give(&mut world, link, frame);
        ranges(&mut world, link)
    };
    told(&summary(true));
    assert_eq!(told(&summary(true)), [], "it was told that");
    told(&summary(false));
    assert_eq!(told(&summary(true)), [false], "and is told again");
    assert_eq!(told(&buckets), [true], "nothing of what it lacks is sent to it, so it has to say what that is");
}

#[test]
fn what_found_no_room_in_an_answer_is_told_by_a_comparison() {
    let mut world = alone(true);
    let link = AUTHOR.link(&mut world, 0);
    let summary = Frame::Status(listed(&[]));
    give(&mut world, link, &summary);
    heard(&mut world, link);
    give(&mut world, link, &summary);
    assert_eq!(ranges(&mut world, link), [], "it was told that");
    for n in 0..600 {
        world.give(0, Input::Frame { link, bytes: rumor(AUTHOR.life(1 + n).opening("passes").bytes()) });
    }
    world.run_for(SECOND);
    give(&mut world, link, &summary);
    assert_eq!(ranges(&mut world, link), [false], "and is told again");
}

#[test]
fn one_that_lacks_what_is_here_has_no_more_than_that() {
    let mut world = alone(true);
    let link = AUTHOR.link(&mut world, 0);
    let me = world.nodes[0].engine.me();
    for (next, lag, behind) in [(9, 0, 7), (1, 1, 0), (4, 0, 2)] {
        let line = [claim(me, next)];
        give(&mut world, link, &Frame::Status(Status { hold: true, ..listed(&line) }));
        let stats = world.nodes[0].engine.link_stats(link).unwrap();
        assert_eq!((stats.lag, stats.behind), (lag, behind), "{next}");
    }
}
