//! Equivocation proofs: what they are good for, whenever they come, and what they may cost (docs/protocol.md, E).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]
mod world;

use std::collections::BTreeSet;

use rumormill_gossip::{Dissemination, EngineConfig, Input};
use rumormill_wire::native::Proof;
use rumormill_wire::{Origin, Seq};
use world::frames::{lines, proof, rumor};
use world::shown::{all_agree, equivocations};
use world::{Author, Life, World, config};

const SECOND: u64 = 1_000_000;
/// Who signs two histories.
const LIAR: Author = Author(60);
/// The chain of it that most tests are about.
const CHAIN: Life = LIAR.life(1);

#[test]
fn a_flood_of_proofs_about_made_up_incarnations_costs_nothing_and_closes_the_network_to_nobody() {
    const FLOOD: u64 = 6_000;
    let limits = EngineConfig { max_origins: 1_000, ..config(Dissemination::Eager) };
    let mut world = World::new(1, 2, limits);
    world.link(0, 1);
    world.say(0, "before");
    world.until(SECOND, "before", |w| w.same_logs(1));
    let (before, sent) = (world.nodes[0].engine.sizes(), world.nodes[0].wire_bytes);
    let link = LIAR.link(&mut world, 0);
    for n in 0..FLOOD {
        world.give(0, Input::Frame { link, bytes: LIAR.life(n).proof(1) });
        if !world.nodes[0].closed.is_empty() {
            break;
        }
    }
    world.run_for(SECOND);
    assert_eq!(world.nodes[0].engine.sizes(), (0, before.1, before.2 + 1), "checks, origins, and the liar as a member");
    assert_eq!(world.disk_proofs(0) + world.disk_proofs(1), 0, "nothing is written");
    assert_eq!(equivocations(&world, 0), 0, "nothing is told");
    let sent = world.nodes[0].wire_bytes - sent;
    assert!(sent < 4_096, "nothing is passed on: {sent}");
    assert_eq!(world.nodes[0].engine.stats().proofs, 0);
    let late = world.add(70, world::Disk::default(), 1);
    world.link(late, 1);
    world.say(late, "a newcomer");
    world.until(5 * SECOND, "a newcomer is heard", |w| w.same_logs(2));
    assert_eq!(world.nodes[0].closed, [(link, "more proofs in vain than an honest node sends")]);
}

#[test]
fn one_that_is_started_anew_again_and_again_may_offer_its_proofs_anew_each_time() {
    const AT_ONCE: u64 = 1_024;
    let mut world = World::new(1, 1, config(Dissemination::Eager));
    for life_of_it in 0..12 {
        let link = LIAR.link(&mut world, 0);
        for n in 0..AT_ONCE {
            world.give(0, Input::Frame { link, bytes: LIAR.life(n).proof(1) });
        }
        world.run_for(SECOND);
        assert!(world.nodes[0].closed.is_empty(), "life {life_of_it} of one that sends no more than an honest one");
        world.give(0, Input::LinkDown { link });
    }
}

/// What stands in a frontier.
fn shown(world: &World, n: usize) -> Vec<(Origin, Seq)> {
    world.nodes[n].engine.frontier().map(|entry| (entry.origin, entry.next)).collect()
}

#[test]
fn who_withdrew_all_looks_like_who_never_had_any_and_who_still_shows_it_gets_the_proof() {
    let mut world = World::new(6, 3, config(Dissemination::Eager));
    let [one, two] = ["X", "Y"].map(|name| CHAIN.branch(name, &[], 3));
    LIAR.bring(&mut world, 0, &one);
    LIAR.bring(&mut world, 1, &two);
    world.link(0, 1);
    world.until(60 * SECOND, "withdrawn from 1 on", |w| [0, 1].iter().all(|n| shown(w, *n).is_empty()));
    assert!(world.same_fingerprints(), "the third has nothing and looks the same");
    world.link(1, 2);
    world.run_for(30 * SECOND);
    assert_eq!((world.disk_proofs(2), world.nodes[2].engine.sizes().1), (0, 0), "nothing of it is kept there");
    assert_eq!(world.nodes[2].engine.stats().proofs_vain, 0, "nobody sent it for nothing");
    // Its neighbour keeps the proof, so whoever brings it messages brings them once.
    LIAR.bring(&mut world, 2, &one);
    assert_eq!(shown(&world, 2), [(CHAIN.origin(), Seq(4))], "it cannot know yet");
    world.until(30 * SECOND, "it heard", |w| shown(w, 2).is_empty() && w.same_fingerprints() && w.same_logs(0));
    assert_eq!(world.disk_proofs(2), 1);
    let told = world.nodes[0].engine.stats().status_sent;
    let link = world.stranger(0, 50);
    world.run_for(SECOND);
    let greeted = world.nodes[0].engine.stats().status_sent;
    world.give(0, Input::Frame { link, bytes: rumor(one[0].bytes()) });
    world.run_for(SECOND);
    let told_why = world.nodes[0].engine.stats().status_sent;
    assert!(told_why > greeted && greeted > told, "who sends what was withdrawn hears of it");
    let quiet: u64 = world.nodes.iter().map(|node| node.engine.stats().rumors_sent).sum();
    world.run_for(60 * SECOND);
    let after: u64 = world.nodes.iter().map(|node| node.engine.stats().rumors_sent).sum();
    assert_eq!(after, quiet, "nothing is sent again and again");
}

#[test]
fn a_newcomer_fetches_up_to_the_place_and_then_gets_the_proof_at_once() {
    let mut world = World::new(7, 2, config(Dissemination::Eager));
    let trunk = CHAIN.branch("T", &[], 4);
    let [one, two] = ["X", "Y"].map(|name| CHAIN.branch(name, &trunk, 9));
    LIAR.bring(&mut world, 0, &one);
    LIAR.bring(&mut world, 1, &two);
    world.link(0, 1);
    world.until(60 * SECOND, "withdrawn from 5 on", |w| all_agree(w, CHAIN, 5));
    let late = world.add(70, world::Disk::default(), 1);
    world.link(1, late);
    world.until(SECOND, "without waiting for a timer", |w| all_agree(w, CHAIN, 5) && w.same_logs(4));
    let vain: Vec<_> = world.nodes.iter().map(|node| node.engine.stats().proofs_vain).collect();
    assert!(vain.iter().all(|vain| *vain <= 1), "{vain:?}");
}

#[test]
fn a_proof_that_comes_before_the_messages_that_it_is_about_is_of_no_use_yet() {
    for ahead in [false, true] {
        let mut world = World::new(8, 2, config(Dissemination::Eager));
        let trunk = CHAIN.branch("T", &[], 4);
        let [one, two] = ["X", "Y"].map(|name| CHAIN.branch(name, &trunk, 9));
        let [a, b] = [&one[4], &two[4]].map(|bundle| *bundle.signed_header());
        let link = LIAR.link(&mut world, 0);
        if ahead {
            world.give(0, Input::Frame { link, bytes: rumor(one[0].bytes()) });
            world.run_for(SECOND);
        }
        world.give(0, Input::Frame { link, bytes: proof([a, b]) });
        world.run_for(SECOND);
        assert_eq!((world.disk_proofs(0), world.nodes[0].engine.limits().count()), (0, 0));
        assert_eq!(world.nodes[0].engine.stats().proofs_vain, 1);
        LIAR.bring(&mut world, 0, &one);
        LIAR.bring(&mut world, 1, &two);
        world.link(0, 1);
        world.until(60 * SECOND, "withdrawn from 5 on", |w| all_agree(w, CHAIN, 5) && w.same_logs(4));
    }
}

#[test]
fn a_proof_that_overtakes_its_messages_in_the_verifier_waits_for_them() {
    let mut world = World::new(9, 1, config(Dissemination::Eager));
    let [one, two] = ["X", "Y"].map(|name| CHAIN.branch(name, &[], 1));
    let [a, b] = [&one[0], &two[0]].map(|bundle| *bundle.signed_header());
    let link = LIAR.link(&mut world, 0);
    world.run_for(SECOND);
    world.give(0, Input::Frame { link, bytes: rumor(one[0].bytes()) });
    world.give(0, Input::Frame { link, bytes: proof([a, b]) });
    world.run_for(SECOND);
    assert!(world.nodes[0].engine.limits().eq([(CHAIN.origin(), Seq(1))]), "{}", world.describe());
    assert_eq!(world.nodes[0].engine.stats().proofs_vain, 0);
}

#[test]
fn a_restart_keeps_what_is_of_use_and_forgets_nothing_of_it() {
    let mut world = World::new(10, 2, config(Dissemination::Eager));
    let trunk = CHAIN.branch("T", &[], 4);
    let [one, two] = ["X", "Y"].map(|name| CHAIN.branch(name, &trunk, 9));
    LIAR.bring(&mut world, 0, &one);
    LIAR.bring(&mut world, 1, &two);
    world.link(0, 1);
    world.until(60 * SECOND, "withdrawn from 5 on", |w| all_agree(w, CHAIN, 5));
    world.crash(0);
    // Kept by an older life of it, about what nobody has.
    for n in 0..50 {
        let [a, b] = LIAR.life(1_000 + n).headers(1);
        world.nodes[0].disk.proofs.push(rumormill_gossip::VerifiedProof::restored(Proof { a, b }).unwrap());
    }
    world.restart(0, 1);
    assert_eq!(world.nodes[0].engine.sizes().1, 1, "no origin is made of a proof alone");
    world.run_for(SECOND);
    assert!(all_agree(&world, CHAIN, 5), "what its ended chain shows was read again: {}", world.describe());
    world.link(0, 1);
    world.until(30 * SECOND, "in sync", |w| w.nodes.iter().all(|node| node.engine.stats().syncs_equal > 0));
}

#[test]
fn of_many_proofs_at_once_those_that_find_no_room_are_asked_for_again() {
    let mut world = World::new(22, 1, EngineConfig { quota_incarnations_per_day: 0, ..config(Dissemination::Eager) });
    let link = LIAR.link(&mut world, 0);
    for n in 1..=240 {
        world.give(0, Input::Frame { link, bytes: rumor(LIAR.life(n).opening("once").bytes()) });
        world.run_for(2_000);
    }
    world.run_for(SECOND);
    world.overheard = Some(Vec::new());
    for n in 1..=240 {
        world.give(0, Input::Frame { link, bytes: LIAR.life(n).proof(1) });
    }
    world.run_for(SECOND);
    assert!((1..240).contains(&equivocations(&world, 0)), "{} had room", equivocations(&world, 0));
    let said = world.overheard.take().unwrap();
    let named: BTreeSet<_> = said.iter().flat_map(|(_, bytes)| lines(bytes)).map(|entry| entry.origin).collect();
    assert_eq!(named.len(), 240, "whoever sent them hears where each chain ends");
}
