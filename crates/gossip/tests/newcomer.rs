//! Honest nodes that lack much, or ask again (docs/protocol.md, P-G5): however many origins there are and however often they start
//! anew, they are given all at the speed of their links and of the authors' pace.
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
use rumormill_wire::Digest;
use world::frames::rumor;
use world::{Author, Disk, NETWORK, NOW, World, certificate, config};

const SECOND: u64 = 1_000_000;
/// The first key of the authors.
const AUTHOR: u8 = 60;

/// A store with so many authors, chains of each, bundles of each chain, and bytes of content of each bundle.
fn disk(authors: u8, chains: u64, bundles: u64, content: usize) -> Disk {
    let mut disk = Disk::default();
    let content = "x".repeat(content);
    for n in 0..authors {
        let author = Author(AUTHOR + n);
        disk.members.push((author.id(), certificate(author.id(), "")));
        for incarnation in 0..chains {
            let chain = author.life(incarnation);
            let mut previous = Digest::ZERO;
            for seq in 1..=bundles {
                let bundle = chain.dated(seq, previous, NOW + seq, &[&content]);
                previous = bundle.digest();
                disk.bundles.entry(chain.origin()).or_default().push(Bytes::copy_from_slice(bundle.bytes()));
            }
        }
    }
    disk
}

/// With the pace of an author and the shares as they are by default.
fn defaults() -> EngineConfig {
    EngineConfig { pace_bytes_per_s: EngineConfig::new(NETWORK).pace_bytes_per_s, ..config(Dissemination::Eager) }
}

fn log_bytes(world: &World, n: usize) -> u64 {
    world.nodes[n].disk.bundles.values().flatten().map(|bundle| u64::try_from(bundle.len()).unwrap()).sum()
}

/// How long a newcomer takes to have all of a store, and the bytes that both sides sent for it, by those of the store.
fn newcomer(disk: Disk, config: EngineConfig, what: &str) -> (u64, u64) {
    let mut world = World::new(4, 0, config);
    let giver = world.add(1, disk, 0);
    let bytes = log_bytes(&world, giver);
    let late = world.add(2, Disk::default(), 1);
    world.link(giver, late);
    let begin = world.now;
    while log_bytes(&world, late) < bytes {
        assert!(world.now - begin < 120 * SECOND, "{what}: {} of {bytes} bytes after 120 s", log_bytes(&world, late));
        world.run_for(SECOND / 10);
    }
    let took = world.now - begin;
    let sent = world.nodes[giver].wire_bytes + world.nodes[late].wire_bytes;
    for n in [giver, late] {
        let stats = world.nodes[n].engine.stats();
        assert_eq!((stats.answers_over, stats.ranges_dropped), (0, 0), "{what}: nobody had to wait, at {n}");
        assert!(world.nodes[n].closed.is_empty(), "{:?}", world.nodes[n].closed);
    }
    (took, sent * 10 / bytes)
}

#[test]
fn a_newcomer_beside_many_origins_is_given_them_as_fast_as_a_few_chains() {
    let (few, _) = newcomer(disk(4, 40, 75, 40), defaults(), "160 chains");
    let (many, sent) = newcomer(disk(4, 3_000, 1, 40), defaults(), "12,000 origins");
    assert!(many <= few * 5 / 2 + SECOND, "{many} us, {few} us for as many bundles in 160 chains");
    assert!(sent <= 50, "lists cost no multiple of the log: {sent} tenths");
}

#[test]
fn what_goes_over_a_link_frees_the_lists_that_it_needs() {
    // The newcomer had nothing to list when the link came up, and the share is next to nothing.
    let tiny = EngineConfig { answer_bytes: 4_096, answer_bytes_per_s: 1, ..config(Dissemination::Eager) };
    newcomer(disk(3, 3_000, 1, 40), tiny, "9,000 origins, hardly a share");
}

/// A node without a store is linked, given all, and dies, again and again, each life so long at least.
fn starts_without_a_store(bundles: u64, starts: u32, life: u64) {
    let mut world = World::new(5, 0, config(Dissemination::Eager));
    let giver = world.add(1, disk(4, 1, bundles, 20_000), 0);
    let bytes = log_bytes(&world, giver);
    assert!(bytes > bundles * 80_000);
    let late = world.add(2, Disk::default(), 1);
    for start in 1..=starts {
        world.link(giver, late);
        let begin = world.now;
        while log_bytes(&world, late) < bytes {
            world.run_for(SECOND / 10);
            assert!(world.now - begin < 3 * SECOND, "start {start}: {} of {bytes} bytes", log_bytes(&world, late));
        }
        world.run_for((begin + life).saturating_sub(world.now));
        world.crash(late);
        world.nodes[late].disk = Disk::default();
        world.restart(late, 1);
    }
    let stats = world.nodes[giver].engine.stats();
    assert_eq!((stats.answers_over, stats.links_not_fresh), (0, 0));
}

#[test]
fn a_node_without_a_store_that_starts_again_and_again_is_given_all_at_once_each_time() {
    starts_without_a_store(100, 30, 20 * SECOND);
}

/// Of a small log, many times four.
#[test]
fn a_process_that_is_tried_out_often_in_a_small_network_is_given_all_each_time() {
    starts_without_a_store(25, 25, 0);
}

/// No honest neighbour had to wait.
fn nobody_waited(world: &World) {
    for (n, node) in world.nodes.iter().enumerate() {
        let stats = node.engine.stats();
        assert_eq!((stats.answers_over, stats.ranges_dropped), (0, 0), "at {n}");
        assert!(node.closed.is_empty(), "{:?}", node.closed);
    }
}

#[test]
fn a_newcomer_and_one_that_lost_its_store_are_given_all_at_full_speed() {
    // A share that is next to nothing: all has to come at no charge.
    let tiny = EngineConfig {
        answer_bytes: 4_096,
        answer_bytes_per_s: 1,
        fresh_bytes: 0,
        fresh_bytes_per_s: 16 * 1024,
        cache_bytes: 16 * 1024,
        ..config(Dissemination::Eager)
    };
    let mut world = World::new(2, 2, tiny);
    world.link(0, 1);
    let link = world.stranger(0, AUTHOR);
    for n in 0..40 {
        world.give(0, Input::Frame { link, bytes: rumor(Author(AUTHOR).life(n).opening("one").bytes()) });
        world.say(0, &format!("{n} {}", "x".repeat(20_000)));
        world.run_for(10_000);
    }
    world.run_for(SECOND);
    assert!(world.same_logs(80), "800 kB");
    let late = world.add(70, Disk::default(), 1);
    world.link(0, late);
    world.run_for(2 * SECOND);
    assert!(world.same_logs(80), "a newcomer has all: {}", world.describe());
    for _ in 0..3 {
        world.crash(late);
        world.nodes[late].disk = Disk::default();
        world.restart(late, 1);
        world.link(0, late);
        world.run_for(2 * SECOND);
        assert!(world.same_logs(80), "so has one that lost its store: {}", world.describe());
    }
    world.crash(late);
    world.say(0, "meanwhile");
    world.run_for(SECOND);
    world.restart(late, 1);
    world.link(0, late);
    world.run_for(2 * SECOND);
    assert!(world.same_logs(81), "and one that comes back: {}", world.describe());
    nobody_waited(&world);
}

#[test]
fn honest_neighbours_that_ask_again_do_not_have_to_wait() {
    for dissemination in [Dissemination::Eager, Dissemination::Mongering] {
        // Copies get lost where little is checked at once, an author is over its rate, and one node is full.
        let limits = EngineConfig {
            max_checks: 2,
            quota_bytes_per_day: 500_000,
            answer_bytes: EngineConfig::new(NETWORK).answer_bytes,
            answer_bytes_per_s: EngineConfig::new(NETWORK).answer_bytes_per_s,
            ..config(dissemination)
        };
        let mut world = World::new(3, 4, limits);
        world.nodes[3].room = Some(20);
        world.line();
        world.link(0, 3);
        let mut forged = Author(AUTHOR).life(1).opening("true").bytes().to_vec();
        forged[100] ^= 1;
        for n in 0..300 {
            for author in 0..4 {
                if world.nodes[author].room.is_none() || n < 5 {
                    world.say(author, &format!("{author} {n} {}", "x".repeat(3_000)));
                }
            }
            if n % 100 == 0 {
                let liar = world.stranger(0, AUTHOR);
                world.give(0, Input::Frame { link: liar, bytes: rumor(&forged) });
            }
            world.run_for(50_000);
        }
        world.run_for(120 * SECOND);
        assert!(world.nodes.iter().any(|node| node.engine.stats().bundles_over_quota > 0), "{}", world.describe());
        for node in &world.nodes {
            assert_eq!(
                (node.engine.stats().answers_over, node.engine.stats().ranges_dropped),
                (0, 0),
                "{}",
                world.describe()
            );
        }
    }
}
