//! A linked peer that lies harms nobody else (each guard named here fails its test when taken out).
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
use rumormill_gossip::bundle::signed_bytes;
use rumormill_gossip::{Dissemination, EngineConfig, Event, Input, LinkId, VerifiedBundle};
use rumormill_wire::native::{Coverage, Frame, Member, Status, StatusEntry};
use rumormill_wire::{Digest, Incarnation, NodeId, Origin, Seq};
use world::frames::{claim, encoded, listed, rumor};
use world::{Author, Life, NETWORK, NOW, World, bring, config};

const SECOND: u64 = 1_000_000;
/// The member whose bundles these are. It has no link of its own.
const AUTHOR: Author = Author(60);
const CHAIN: Life = AUTHOR.life(1_700_000_000);

fn give(world: &mut World, link: LinkId, bytes: Bytes) {
    world.give(0, Input::Frame { link, bytes });
}

/// Two honest nodes, 0 and 1, linked, and a stranger of key 50 at node 0.
fn with_stranger(config: EngineConfig) -> (World, LinkId) {
    let mut world = World::new(1, 2, config);
    world.link(0, 1);
    let link = world.stranger(0, 50);
    world.run_for(SECOND);
    (world, link)
}

fn still_works(world: &mut World) {
    world.say(1, "still here");
    world.until(SECOND, "honest messages arrive", |w| {
        w.texts(0).contains(&"still here".to_owned()) && w.log(0) == w.log(1)
    });
}

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

/// The answer to what a node asks at a start: all that is known of its own node.
fn own_known(entries: &[StatusEntry]) -> Bytes {
    let node = entries[0].origin.node;
    let (low, high) = (Origin { node, ..Origin::MIN }, Origin { node, ..Origin::MAX });
    encoded(&Frame::Status(Status { coverage: Coverage::Range { low, high }, ..listed(entries) }))
}

#[test]
fn a_neighbour_that_claims_our_own_future_moves_us_once_and_never_into_a_fork() {
    let moves = |world: &World| {
        let events = world.nodes[0].events.iter();
        events.filter(|e| matches!(e, Event::NewIncarnation { .. })).count()
    };
    let day = 86_400;
    for (ahead, next, expected) in [(0, 1 << 40, 1), (day - 10, 2, 1), (day + 10, 2, 0), (u64::MAX / 2, 2, 0)] {
        let mut world = World::new(1, 0, config(Dissemination::Eager));
        // Before its first bundle it waits for the word of three neighbours.
        world.add(1, world::Disk::default(), 3);
        let me = world.nodes[0].engine.me();
        world.say(0, "ours");
        for n in 0..20 {
            let link = world.stranger(0, 50);
            assert_eq!(moves(&world), usize::from(n > 2) * expected, "claim {n}, {ahead} s ahead");
            // The claim is about where it writes now, so that each would be a reason to go on.
            let Origin { node, incarnation } = world.nodes[0].engine.me();
            let claimed = Origin { node, incarnation: Incarnation(incarnation.0 + ahead) };
            let far = Origin { node, incarnation: Incarnation(u64::MAX - 1) };
            give(&mut world, link, own_known(&[claimed, far].map(|origin| claim(origin, next))));
            world.run_for(SECOND / 100);
        }
        world.run_for(SECOND);
        assert_eq!(moves(&world), expected, "{ahead} s ahead");
        let written: Vec<_> = world.log(0).into_iter().map(|(_, origin, seq, _)| (origin, seq)).collect();
        assert_eq!(
            written,
            [(world.nodes[0].engine.me(), Seq(1))],
            "what waited is written once, at the start of a chain"
        );
        let now = world.nodes[0].engine.me();
        assert_eq!(expected == 0, now == me);
        assert!(now.incarnation.0 <= me.incarnation.0 + day + 2, "what is far ahead is not believed: {now:?}");
    }
}

#[test]
fn a_greedy_member_is_held_back_and_others_are_not() {
    let limits = EngineConfig { greedy_bytes_per_day: 4_000, ..config(Dissemination::Eager) };
    let (mut world, link) = with_stranger(limits);
    let text = "x".repeat(900);
    give(&mut world, link, AUTHOR.member());
    let mut previous = Digest::ZERO;
    for n in 1..=10 {
        let b = CHAIN.dated(n, previous, NOW + n, &[&text]);
        previous = b.digest();
        give(&mut world, link, rumor(b.bytes()));
        world.run_for(10_000);
    }
    let taken = world.log(0).len();
    assert!((2..=4).contains(&taken), "{taken} taken");
    assert!(world.nodes[0].engine.stats().bundles_greedy >= 1);
    assert!(world.nodes[0].events.contains(&Event::Greedy { node: AUTHOR.id() }));
    assert!(world.nodes[0].closed.is_empty(), "lag, never refusal");
    still_works(&mut world);
}

#[test]
fn small_bundles_are_charged_with_what_it_costs_to_keep_them() {
    let small = |n, previous| CHAIN.dated(n, previous, NOW + n, &["x"]);
    let day = 20 * small(1, Digest::ZERO).cost();
    let (mut world, link) = with_stranger(EngineConfig { greedy_bytes_per_day: day, ..config(Dissemination::Eager) });
    give(&mut world, link, AUTHOR.member());
    let mut previous = Digest::ZERO;
    for n in 1..=40 {
        let b = small(n, previous);
        previous = b.digest();
        give(&mut world, link, rumor(b.bytes()));
        world.run_for(10_000);
    }
    assert_eq!(world.log(0).len(), 20);
    still_works(&mut world);
}

#[test]
fn messages_are_charged_for_beside_their_bytes() {
    let limits = EngineConfig { greedy_bytes_per_day: 1 << 20, ..config(Dissemination::Eager) };
    let (mut world, link) = with_stranger(limits);
    give(&mut world, link, AUTHOR.member());
    let mut previous = Digest::ZERO;
    for n in 0..20 {
        // 2.2 KB of messages without content.
        let b = CHAIN.dated(1 + 512 * n, previous, NOW + 1_000 * n, &[""; 512]);
        previous = b.digest();
        give(&mut world, link, rumor(b.bytes()));
        world.run_for(10_000);
    }
    let taken = world.log(0).len();
    assert!((3_000..=4_096).contains(&taken), "{taken} messages in 1 MiB");
    still_works(&mut world);
}

#[test]
fn incarnations_without_end_are_held_back() {
    let limits = EngineConfig { greedy_incarnations_per_day: 32, ..config(Dissemination::Eager) };
    let (mut world, link) = with_stranger(limits);
    give(&mut world, link, AUTHOR.member());
    for n in 0..100 {
        let b = AUTHOR.life(1_700_000_000 + n).dated(1, Digest::ZERO, NOW + n, &["again"]);
        give(&mut world, link, rumor(b.bytes()));
        world.run_for(1_000);
    }
    assert_eq!(world.log(0).len(), 32);
    still_works(&mut world);
}

/// Two branches of one chain that part after `common` bundles, `a` and `b` bundles long.
fn branches(common: u64, a: u64, b: u64) -> [Vec<Arc<VerifiedBundle>>; 2] {
    let trunk = CHAIN.branch("common", &[], common);
    [("A", a), ("B", b)].map(|(name, length)| CHAIN.branch(name, &trunk, common + length))
}

#[test]
fn an_equivocator_is_found_proved_and_contained_at_one_place_everywhere() {
    for (common, a, b) in [(3, 1, 1), (0, 1, 1), (2, 5, 1), (4, 6, 9), (0, 3, 7), (1, 4, 4)] {
        let mut world = World::new(common * 100 + a * 10 + b, 4, config(Dissemination::Eager));
        // Each half hears another branch while they are apart.
        world.link(0, 1);
        world.link(2, 3);
        let [branch_a, branch_b] = branches(common, a, b);
        for (n, branch) in [(0, branch_a), (3, branch_b)] {
            let link = world.stranger(n, 50);
            world.give(n, Input::Frame { link, bytes: AUTHOR.member() });
            bring(&mut world, n, link, &branch);
        }
        world.say(0, "honest");
        world.run_for(SECOND);
        world.link(1, 2);
        let place = Seq(common + 1);
        world.until(60 * SECOND, "one place", |w| {
            w.same_fingerprints() && (0..4).all(|n| w.nodes[n].engine.limits().eq([(CHAIN.origin(), place)]))
        });
        world.run_for(30 * SECOND);
        for n in 0..4 {
            assert!(world.nodes[n].engine.limits().eq([(CHAIN.origin(), place)]), "the place stays");
            assert_eq!(world.disk_proofs(n), 1, "one proof is kept");
        }
        let kept = usize::try_from(common).unwrap() + 1;
        world.until(SECOND, "one log", |w| w.same_logs(kept));
        let late = world.add(70, world::Disk::default(), 1);
        world.link(late, 2);
        world.until(30 * SECOND, "a late one agrees", |w| w.log(late) == w.log(0) && w.same_fingerprints());
    }
}

#[test]
fn a_search_that_a_broken_link_ended_goes_on_with_the_next() {
    let mut world = World::new(77, 2, config(Dissemination::Eager));
    let [branch_a, branch_b] = branches(1, 30, 30);
    for (n, branch) in [(0, branch_a), (1, branch_b)] {
        let link = world.stranger(n, 50);
        world.give(n, Input::Frame { link, bytes: AUTHOR.member() });
        bring(&mut world, n, link, &branch);
    }
    let mut breaks = 0;
    while !world.nodes[0].engine.limits().eq([(CHAIN.origin(), Seq(2))]) {
        let (end, _) = world.link(0, 1);
        world.run_for(6_000);
        world.cut(end);
        breaks += 1;
        assert!(breaks < 200, "{}", world.describe());
    }
    assert!(breaks > 1, "the search was broken off at least once");
    world.link(0, 1);
    world.until(30 * SECOND, "both agree", |w| w.same_fingerprints() && w.log(0) == w.log(1));
    assert_eq!(world.texts(0), ["common 1"]);
}

#[test]
fn a_fork_with_bundles_cut_differently_is_found_too() {
    let mut world = World::new(8, 2, config(Dissemination::Eager));
    let long = CHAIN.dated(1, Digest::ZERO, NOW, &["1", "2", "3", "4"]);
    let short = CHAIN.dated(1, Digest::ZERO, NOW, &["1", "2"]);
    let behind = CHAIN.dated(3, short.digest(), NOW + 50, &["3", "4", "5"]);
    for (n, list) in [(0, vec![long]), (1, vec![short, behind])] {
        let link = world.stranger(n, 50);
        world.give(n, Input::Frame { link, bytes: AUTHOR.member() });
        bring(&mut world, n, link, &list);
    }
    world.link(0, 1);
    world.until(30 * SECOND, "withdrawn from 1 on", |w| {
        (0..2).all(|n| w.nodes[n].engine.limits().eq([(CHAIN.origin(), Seq(1))])) && w.same_fingerprints()
    });
}

#[test]
fn a_signature_with_other_bytes_is_the_same_bundle_and_no_fork() {
    let (mut world, link) = with_stranger(config(Dissemination::Eager));
    let one = CHAIN.dated(1, Digest::ZERO, NOW, &["one"]);
    let again = CHAIN.dated(1, Digest::ZERO, NOW, &["one"]);
    assert_eq!(signed_bytes(&NETWORK, &one.digest()), signed_bytes(&NETWORK, &again.digest()));
    give(&mut world, link, AUTHOR.member());
    give(&mut world, link, rumor(one.bytes()));
    give(&mut world, link, rumor(again.bytes()));
    world.run_for(SECOND);
    assert_eq!(world.nodes[0].engine.limits().count(), 0);
    assert_eq!(world.nodes[0].engine.stats().messages_duplicate, 1);
}

/// Whoever is linked first at each start may say that there is more of our chain.
fn lied_to_at_a_start(world: &mut World) {
    world.restart(0, 1);
    let liar = world.stranger(0, 50);
    let Origin { node, incarnation } = world.nodes[0].engine.me();
    let claimed = Origin { node, incarnation: Incarnation(incarnation.0 + 1) };
    give(world, liar, own_known(&[claim(claimed, 1_000)]));
}

fn say_and_end(world: &mut World, text: &str) {
    world.say(0, text);
    world.run_for(6 * SECOND);
    world.link(0, 1);
    world.run_for(6 * SECOND);
    world.crash(0);
}

/// Others take 32 incarnations of one author a day.
#[test]
fn a_neighbour_that_lies_at_each_start_does_not_use_up_our_incarnations() {
    let rates = EngineConfig { greedy_incarnations_per_day: 32, ..config(Dissemination::Eager) };
    let mut world = World::new(31, 2, rates);
    for start in 0..60 {
        lied_to_at_a_start(&mut world);
        say_and_end(&mut world, &format!("start {start}"));
    }
    assert_eq!(world.texts(1), (0..60).map(|start| format!("start {start}")).collect::<Vec<_>>());
    assert_eq!(world.nodes[1].engine.stats().bundles_greedy, 0);
}

/// However often that was: it can show what we signed.
#[test]
fn a_neighbour_that_has_more_of_our_chain_is_believed_all_the_same() {
    let mut world = World::new(32, 2, config(Dissemination::Eager));
    for start in 0..20 {
        lied_to_at_a_start(&mut world);
        say_and_end(&mut world, &format!("start {start}"));
    }
    for start in 20..24 {
        let old = world.nodes[0].disk.clone();
        world.restart(0, 0);
        say_and_end(&mut world, &format!("start {start}"));
        // The old copy is put back, and at once there is a neighbour that has more.
        world.nodes[0].disk = old;
        let before = world.nodes[0].engine.me();
        world.restart(0, 1);
        world.link(0, 1);
        world.say(0, &format!("again {start}"));
        world.run_for(6 * SECOND);
        assert_ne!(world.nodes[0].engine.me(), before, "it writes elsewhere");
        world.crash(0);
    }
    assert_eq!(world.texts(1).len(), 28, "{}", world.describe());
    assert_eq!(world.nodes[1].engine.stats().proofs, 0, "no number is used twice");
}
