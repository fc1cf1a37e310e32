//! Two and more histories of one chain: nodes search where they part, and all withdraw the same messages (docs/protocol.md, E).
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

use rumormill_gossip::bundle::signed_bytes;
use rumormill_gossip::{Dissemination, EngineConfig, Input, VerifiedBundle};
use rumormill_wire::native::Frame;
use rumormill_wire::{Digest, Seq};
use world::frames::{claim, encoded, listed, proof, rumor};
use world::pair::{give, with_stranger};
use world::shown::{all_agree, equivocations};
use world::{Author, Life, NETWORK, NOW, World, bring, config, signed_part};

const SECOND: u64 = 1_000_000;
/// Who signs two histories.
const LIAR: Author = Author(60);
/// The chain of it that most tests are about.
const CHAIN: Life = LIAR.life(1);

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
            world.give(n, Input::Frame { link, bytes: LIAR.member() });
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
        world.give(n, Input::Frame { link, bytes: LIAR.member() });
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
        world.give(n, Input::Frame { link, bytes: LIAR.member() });
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
    give(&mut world, link, LIAR.member());
    give(&mut world, link, rumor(one.bytes()));
    give(&mut world, link, rumor(again.bytes()));
    world.run_for(SECOND);
    assert_eq!(world.nodes[0].engine.limits().count(), 0);
    assert_eq!(world.nodes[0].engine.stats().messages_duplicate, 1);
}

#[test]
fn three_branches_end_at_the_lowest_place_also_where_the_first_proof_names_a_certain_one() {
    let mut world = World::new(3, 3, config(Dissemination::Eager));
    let trunk = CHAIN.branch("T", &[], 2);
    let one = CHAIN.branch("X", &trunk, 10);
    let two = CHAIN.branch("Y", &one[..7], 10);
    let three = CHAIN.branch("Z", &trunk, 10);
    LIAR.bring(&mut world, 0, &one);
    LIAR.bring(&mut world, 1, &two);
    LIAR.bring(&mut world, 2, &three);
    world.link(0, 1);
    world.until(60 * SECOND, "the first two part at 8", |w| {
        w.nodes[0].engine.fingerprint() == w.nodes[1].engine.fingerprint()
    });
    // The third hears of that proof before it shows what it has.
    let [a, b] = [one[7].signed_header(), two[7].signed_header()].map(|header| *header);
    let link = world.stranger(2, 50);
    world.give(2, Input::Frame { link, bytes: proof([a, b]) });
    world.run_for(SECOND);
    world.link(1, 2);
    world.until(60 * SECOND, "all withdraw from 3 on", |w| all_agree(w, CHAIN, 3) && w.same_logs(2));
}

#[test]
fn a_long_search_tells_and_writes_its_first_and_its_last_step_only() {
    let mut world = World::new(11, 3, config(Dissemination::Eager));
    let trunk = CHAIN.branch("T", &[], 1);
    let [one, two] = ["X", "Y"].map(|name| CHAIN.branch(name, &trunk, 60));
    LIAR.bring(&mut world, 0, &one);
    LIAR.bring(&mut world, 1, &two);
    world.link(1, 2);
    world.until(10 * SECOND, "the third follows the second", |w| w.log(1) == w.log(2));
    world.link(0, 1);
    world.until(60 * SECOND, "withdrawn from 2 on", |w| all_agree(w, CHAIN, 2));
    for n in 0..3 {
        assert!((1..=4).contains(&equivocations(&world, n)), "{} at {n}", equivocations(&world, n));
    }
}

/// Each costs its author more than one fall here: honest nodes differ about it no longer than the searches take.
#[test]
fn many_forks_of_one_author_are_settled_in_seconds() {
    let mut world = World::new(21, 5, EngineConfig { quota_incarnations_per_day: 0, ..config(Dissemination::Eager) });
    for (node, name) in [(0, "X"), (2, "Y"), (3, "Z"), (4, "X")] {
        let link = LIAR.link(&mut world, node);
        for n in 1..=240 {
            // The third parts from the others earlier.
            let trunk = LIAR.life(n).branch("T", &[], if node == 3 { 1 } else { 3 });
            for next in LIAR.life(n).branch(name, &trunk, 6) {
                world.give(node, Input::Frame { link, bytes: rumor(next.bytes()) });
                world.run_for(2_000);
            }
        }
    }
    let end_at = |w: &World, n: usize, place| w.nodes[n].engine.limits().filter(|(_, at)| at.0 == place).count() == 240;
    world.link(0, 1);
    world.link(1, 2);
    world.until(5 * SECOND, "each fork ends where two branches part", |w| (0..3).all(|n| end_at(w, n, 4)));
    world.link(1, 3);
    world.until(5 * SECOND, "and then where the third does", |w| (0..4).all(|n| end_at(w, n, 2)));
    // Who comes with one branch is given all proofs at once.
    world.link(1, 4);
    world.until(5 * SECOND, "and at one that comes later", |w| end_at(w, 4, 2));
    assert!(world.same_fingerprints(), "{}", world.describe());
    assert!(world.nodes.iter().all(|node| node.closed.is_empty()), "{}", world.describe());
}

#[test]
fn a_neighbour_that_does_not_answer_holds_up_no_search_with_another() {
    // Only the comparison of a new link comes, none by timer.
    let mut world = World::new(13, 2, EngineConfig { anti_entropy_us: 3_600 * SECOND, ..config(Dissemination::Eager) });
    let [one, two] = ["X", "Y"].map(|name| CHAIN.branch(name, &[], 30));
    LIAR.bring(&mut world, 0, &one);
    LIAR.bring(&mut world, 1, &two);
    // At both it shows another head for the last number, and then says nothing.
    let mute = [world.stranger(0, 50), world.stranger(1, 50)];
    let claim = encoded(&Frame::Status(listed(&[claim(CHAIN.origin(), 31)])));
    for round in 0..100 {
        // Again and again, so that there is always one search of its own.
        for (n, link) in (0..).zip(mute) {
            world.give(n, Input::Frame { link, bytes: claim.clone() });
        }
        world.run_for(SECOND / 10);
        if round == 30 {
            world.link(0, 1);
        }
    }
    assert!(all_agree(&world, CHAIN, 1), "{}", world.describe());
}

#[test]
fn two_histories_below_a_cut_are_found_too() {
    let mut world = World::new(17, 2, config(Dissemination::Eager));
    let trunk = CHAIN.branch("T", &[], 2);
    let [one, two] = ["X", "Y"].map(|name| CHAIN.branch(name, &trunk, 9));
    LIAR.bring(&mut world, 0, &one);
    LIAR.bring(&mut world, 1, &two);
    let last = BTreeMap::from([(CHAIN.origin().incarnation, Seq(6))]);
    let part = signed_part(1, &BTreeMap::from([(LIAR.id(), Some(last))]));
    for n in 0..2 {
        let link = world.stranger(n, 50);
        world.give(n, Input::Frame { link, bytes: encoded(&Frame::Revoked(&part)) });
    }
    world.run_for(SECOND);
    for n in 0..2 {
        assert_eq!(world.nodes[n].engine.limits().collect::<Vec<_>>(), [(CHAIN.origin(), Seq(7))]);
    }
    world.link(0, 1);
    world.until(60 * SECOND, "both withdraw what follows the place", |w| all_agree(w, CHAIN, 3) && w.same_logs(2));
}
