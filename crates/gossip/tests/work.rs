//! What an input costs does not grow with the links that it does not concern: links looked at, counted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]
mod world;

use bytes::Bytes;
use rumormill_gossip::{Dissemination, EngineConfig, Input, LinkId, Ticket};
use rumormill_wire::Seq;
use rumormill_wire::native::{Frame, MessageKind, RangeRequest, Status, StatusEntry};
use world::frames::{self, claim, encoded, same_as};
use world::{Author, WALL, World, config};

const SECOND: u64 = 1_000_000;
/// Keys of the neighbours, one link each.
const NEIGHBOURS: std::ops::Range<u8> = 2..202;
const MANY: u64 = 200;
/// The link that an input concerns, and one more that it may lead to.
const FEW: u64 = 2;

/// A neighbour that has what node 0 has, or names these origins.
fn status(world: &World, entries: &[StatusEntry]) -> Bytes {
    encoded(&Frame::Status(Status { want_status: true, ..same_as(&world.nodes[0], entries) }))
}

fn rumor(author: u8) -> Bytes {
    frames::rumor(Author(author).life(1).opening("a line").bytes())
}

/// Node 0 and its neighbours, in sync.
fn world(dissemination: Dissemination) -> (World, Vec<LinkId>) {
    let mut world = World::new(1, 1, EngineConfig { anti_entropy_us: SECOND, ..config(dissemination) });
    let links: Vec<_> = NEIGHBOURS.map(|key| world.stranger(0, key)).collect();
    world.run_for(2 * SECOND);
    for link in &links {
        let bytes = status(&world, &[]);
        world.give(0, Input::Frame { link: *link, bytes });
    }
    world.run_for(SECOND);
    (world, links)
}

/// How many links an input made node 0 look at.
fn visits(world: &mut World, input: Input) -> u64 {
    let before = world.nodes[0].engine.visits();
    world.give(0, input);
    world.nodes[0].engine.visits() - before
}

#[test]
fn an_input_that_concerns_one_link_looks_at_few() {
    for dissemination in [Dissemination::Eager, Dissemination::Mongering] {
        let (mut world, links) = world(dissemination);
        let link = links[77];
        let origin = Author(3).life(9).origin();
        let line = claim(origin, 4);
        let summary = status(&world, &[]);
        let listed = status(&world, &[line]);
        let range = RangeRequest { origin, from: Seq(1), until: Seq(9) };
        let submit = |n| Input::Submit {
            ticket: Ticket(n),
            kind: MessageKind::CHAT,
            room: String::new(),
            body: Bytes::from_static(b"a line"),
        };
        let inputs = [
            Input::Timeout,
            Input::Writable { link, bytes: 1 },
            Input::Frame { link, bytes: summary },
            Input::Frame { link, bytes: listed },
            Input::Frame { link, bytes: encoded(&Frame::Range(range)) },
            Input::Frame { link, bytes: rumor(100) },
            Input::WallOffset(WALL),
            submit(1_000),
            submit(1_001),
            Input::LinkDown { link: links[5] },
        ];
        for input in inputs {
            let name = format!("{dissemination:?} {input:?}");
            let seen = visits(&mut world, input);
            assert!(seen <= FEW, "{name}: {seen} links");
        }
    }
}

#[test]
fn time_alone_looks_at_no_more_links_than_it_compares_with() {
    let (mut world, _) = world(Dissemination::Eager);
    let before = world.nodes[0].engine.visits();
    world.run_for(20 * SECOND);
    let seen = world.nodes[0].engine.visits() - before;
    assert!((40..400).contains(&seen), "a comparison a second with four of {MANY}: {seen}");
}

#[test]
fn a_new_bundle_looks_at_all_where_it_goes_to_all_and_at_few_where_it_goes_to_one() {
    for (dissemination, all) in [(Dissemination::Eager, true), (Dissemination::Mongering, false)] {
        let (mut world, links) = world(dissemination);
        let before = world.nodes[0].engine.visits();
        world.give(0, Input::Frame { link: links[9], bytes: rumor(100) });
        world.run_for(2_000);
        assert_eq!(world.log(0).len(), 1);
        let seen = world.nodes[0].engine.visits() - before;
        // Each is given it, with its author's certificate, and says when both have left.
        let bound = if all { MANY..=4 * MANY + 9 } else { 1..=9 };
        assert!(bound.contains(&seen), "{dissemination:?}: {seen}");
    }
}
