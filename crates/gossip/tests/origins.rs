//! How many origins a member may have, and how many a neighbour may claim: others keep their places (docs/protocol.md, P-G2).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]
mod world;

use bytes::Bytes;
use rumormill_gossip::{Dissemination, EngineConfig, Input};
use rumormill_wire::native::{EntryState, Frame};
use world::frames::{claim, encoded, lines, listed, rumor};
use world::{Author, World, config};

const SECOND: u64 = 1_000_000;
/// Who has many incarnations.
const AUTHOR: Author = Author(60);

#[test]
fn incarnations_of_one_member_leave_places_for_all_others() {
    let limits = EngineConfig { max_origins: 100, ..config(Dissemination::Eager) };
    let mut world = World::new(5, 2, limits);
    world.link(0, 1);
    let link = AUTHOR.link(&mut world, 0);
    for n in 0..300 {
        world.give(0, Input::Frame { link, bytes: rumor(AUTHOR.life(n).opening("again").bytes()) });
        world.run_for(1_000);
    }
    world.run_for(SECOND);
    assert_eq!(world.nodes[0].engine.sizes().1, 100);
    for n in 0..2 {
        world.say(n, "of a member that was there");
    }
    let late = world.add(70, world::Disk::default(), 1);
    world.link(late, 0);
    world.say(late, "of one that comes later");
    world.until(5 * SECOND, "all three are heard", |w| {
        (0..3).all(|n| w.texts(n).iter().filter(|text| text.starts_with("of ")).count() == 3)
    });
    assert!(world.nodes[0].engine.stats().origins_full > 0);
    assert!(world.nodes.iter().all(|node| node.closed.is_empty()), "lag, never refusal: {}", world.describe());
}

#[test]
fn one_member_has_so_many_origins_and_no_more() {
    let limits = EngineConfig { max_origins_per_node: 20, ..config(Dissemination::Eager) };
    let mut world = World::new(14, 2, limits);
    world.link(0, 1);
    let link = AUTHOR.link(&mut world, 0);
    for n in 0..50 {
        // All at once: what is being checked counts too.
        world.give(0, Input::Frame { link, bytes: rumor(AUTHOR.life(n).opening("again").bytes()) });
    }
    world.run_for(SECOND);
    assert_eq!((world.nodes[0].engine.sizes().1, world.nodes[1].engine.sizes().1), (20, 20));
    world.overheard = Some(Vec::new());
    world.give(0, Input::Frame { link, bytes: rumor(AUTHOR.life(99).opening("again").bytes()) });
    world.run_for(SECOND);
    let heard = world.overheard.take().unwrap();
    let refused = AUTHOR.life(99).origin();
    let held =
        |bytes: &Bytes| lines(bytes).iter().any(|entry| entry.origin == refused && entry.state == EntryState::Hold);
    assert!(heard.iter().any(|(to, bytes)| *to == link && held(bytes)), "the sender is told to hold");
    assert!(world.nodes[0].engine.stats().origins_full > 0, "and it is counted");
    world.say(1, "others go on");
    world.until(SECOND, "others go on", |w| w.same_logs(21));
}

#[test]
fn claims_of_one_node_are_remembered_for_all_its_links_together() {
    let mut world = World::new(16, 1, config(Dissemination::Eager));
    let links = [AUTHOR.link(&mut world, 0), AUTHOR.link(&mut world, 0)];
    for (n, link) in (0..).zip(links) {
        for round in 0..8_u64 {
            let entry = |m| claim(AUTHOR.life(n * 10_000 + round * 800 + m).origin(), 9);
            let entries: Vec<_> = (0..800).map(entry).collect();
            world.give(0, Input::Frame { link, bytes: encoded(&Frame::Status(listed(&entries))) });
        }
    }
    let claimed: u64 = links.iter().map(|link| world.nodes[0].engine.link_stats(*link).unwrap().behind).sum();
    assert_eq!(claimed, 4_096 * 8);
}
