//! Equivocation proofs: what they are good for, what they may cost, and that all agree in whatever order they come
//! (docs/protocol.md, E).
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
use rumormill_gossip::{Dissemination, EngineConfig, Event, Input, LinkId, Why};
use rumormill_wire::native::{EntryState, Frame, Proof};
use rumormill_wire::{Origin, Seq};
use world::frames::{claim, encoded, lines, listed, proof, rumor};
use world::{Author, Life, World, config, signed_part};

const SECOND: u64 = 1_000_000;
/// Who signs two histories.
const LIAR: Author = Author(60);
/// The chain of it that most tests are about.
const CHAIN: Life = LIAR.life(1);

fn equivocations(world: &World, n: usize) -> usize {
    world.nodes[n].events.iter().filter(|event| matches!(event, Event::Equivocation { .. })).count()
}

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

fn all_agree(world: &World, place: u64) -> bool {
    let limit =
        |n: usize| world.nodes[n].engine.limits().find(|(origin, _)| *origin == CHAIN.origin()).map(|(_, at)| at.0);
    (0..world.nodes.len()).all(|n| limit(n) == Some(place)) && world.same_fingerprints()
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
    world.until(60 * SECOND, "all withdraw from 3 on", |w| all_agree(w, 3) && w.same_logs(2));
}

#[test]
fn places_that_fall_again_and_again_are_taken_at_a_bounded_rate_and_the_lowest_wins_in_the_end() {
    let mut world = World::new(4, 3, EngineConfig { greedy_places: 256, ..config(Dissemination::Eager) });
    world.line();
    let link = LIAR.bring(&mut world, 0, &CHAIN.branch("X", &[], 600));
    world.until(SECOND, "all have it", |w| w.same_logs(600));
    for place in (2..=600).rev() {
        world.give(0, Input::Frame { link, bytes: CHAIN.proof(place) });
        world.run_for(1_000);
    }
    world.run_for(60 * SECOND);
    for n in 0..3 {
        let told = equivocations(&world, n);
        assert!((200..=270).contains(&told), "{told} times at {n}");
    }
    world.run_for(10 * SECOND);
    world.give(0, Input::Frame { link, bytes: CHAIN.proof(2) });
    world.until(60 * SECOND, "the lowest is everywhere", |w| all_agree(w, 2));
    assert!(world.nodes.iter().all(|node| node.closed.is_empty()), "{}", world.describe());
}

#[test]
fn incarnations_of_one_member_leave_places_for_all_others() {
    let limits = EngineConfig { max_origins: 100, ..config(Dissemination::Eager) };
    let mut world = World::new(5, 2, limits);
    world.link(0, 1);
    let link = LIAR.link(&mut world, 0);
    for n in 0..300 {
        world.give(0, Input::Frame { link, bytes: rumor(LIAR.life(n).opening("again").bytes()) });
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
    world.until(60 * SECOND, "withdrawn from 5 on", |w| all_agree(w, 5));
    let late = world.add(70, world::Disk::default(), 1);
    world.link(1, late);
    world.until(SECOND, "without waiting for a timer", |w| all_agree(w, 5) && w.same_logs(4));
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
        world.until(60 * SECOND, "withdrawn from 5 on", |w| all_agree(w, 5) && w.same_logs(4));
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
    world.until(60 * SECOND, "withdrawn from 5 on", |w| all_agree(w, 5));
    world.crash(0);
    // Kept by an older life of it, about what nobody has.
    for n in 0..50 {
        let [a, b] = LIAR.life(1_000 + n).headers(1);
        world.nodes[0].disk.proofs.push(rumormill_gossip::VerifiedProof::restored(Proof { a, b }).unwrap());
    }
    world.restart(0, 1);
    assert_eq!(world.nodes[0].engine.sizes().1, 1, "no origin is made of a proof alone");
    world.run_for(SECOND);
    assert!(all_agree(&world, 5), "what its ended chain shows was read again: {}", world.describe());
    world.link(0, 1);
    world.until(30 * SECOND, "in sync", |w| w.nodes.iter().all(|node| node.engine.stats().syncs_equal > 0));
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
    world.until(60 * SECOND, "withdrawn from 2 on", |w| all_agree(w, 2));
    for n in 0..3 {
        assert!((1..=4).contains(&equivocations(&world, n)), "{} at {n}", equivocations(&world, n));
    }
}

/// Each costs its author more than one fall here: honest nodes differ about it no longer than the searches take.
#[test]
fn many_forks_of_one_author_are_settled_in_seconds() {
    let mut world = World::new(21, 5, EngineConfig { greedy_incarnations_per_day: 0, ..config(Dissemination::Eager) });
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
fn of_many_proofs_at_once_those_that_find_no_room_are_asked_for_again() {
    let mut world = World::new(22, 1, EngineConfig { greedy_incarnations_per_day: 0, ..config(Dissemination::Eager) });
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

/// A neighbour is sent 1,024 proofs at once. That a lower place is known it hears all the same.
#[test]
fn proofs_that_may_not_be_sent_yet_come_without_a_comparison() {
    let rare = EngineConfig { greedy_places: 0, anti_entropy_us: 86_400 * SECOND, ..config(Dissemination::Eager) };
    let mut world = World::new(23, 2, rare);
    world.link(0, 1);
    let link = LIAR.bring(&mut world, 0, &CHAIN.branch("X", &[], 1_600));
    world.run_for(10 * SECOND);
    assert!(world.same_logs(1_600));
    for place in (2..=1_600).rev() {
        world.give(0, Input::Frame { link, bytes: CHAIN.proof(place) });
        world.run_for(1_000);
    }
    let place = |w: &World, n: usize| w.nodes[n].engine.limits().next().map(|(_, at)| at.0);
    assert!(place(&world, 0) == Some(2) && place(&world, 1) > Some(2), "{:?}", place(&world, 1));
    world.until(5 * SECOND, "the lowest is at both", |w| all_agree(w, 2));
    assert!(world.nodes.iter().all(|node| node.closed.is_empty()), "{}", world.describe());
}

#[test]
fn a_node_that_may_not_lower_a_place_yet_is_sent_nothing_again_and_again() {
    for lowest in [1, 3] {
        let limits =
            EngineConfig { greedy_places: 4, greedy_place_us: 3 * 3_600 * SECOND, ..config(Dissemination::Eager) };
        let mut world = World::new(12, 3, limits);
        world.link(0, 1);
        let link = LIAR.bring(&mut world, 0, &CHAIN.branch("X", &[], 60));
        let late = LIAR.bring(&mut world, 2, &CHAIN.branch("X", &[], 60));
        for place in (40..=60).rev() {
            world.give(0, Input::Frame { link, bytes: CHAIN.proof(place) });
            world.run_for(SECOND);
        }
        world.give(2, Input::Frame { link: late, bytes: CHAIN.proof(lowest) });
        world.run_for(SECOND);
        world.link(1, 2);
        world.run_for(60 * SECOND);
        assert_eq!(
            world.nodes[1].engine.limits().collect::<Vec<_>>(),
            [(CHAIN.origin(), Seq(56))],
            "one and four more"
        );
        assert!(world.nodes[1].engine.stats().proofs_greedy > 0, "that is counted");
        let sent = |w: &World| w.nodes.iter().map(|node| node.engine.stats().rumors_sent).sum::<u64>();
        let before = sent(&world);
        world.run_for(600 * SECOND);
        assert!(sent(&world) <= before + 1, "{} sent in vain", sent(&world) - before);
        assert!([1, 2].iter().all(|n| disputes(&world, *n) > 0), "both ends say that they are not in sync, {lowest}");
        world.until(13 * 3_600 * SECOND, "the lowest is everywhere", |w| all_agree(w, lowest));
        assert!(world.same_logs(usize::try_from(lowest).unwrap() - 1), "and so is one log: {}", world.describe());
        // The others have links with whoever brought the proofs, too.
        world.until(600 * SECOND, "and nothing is in dispute", |w| disputes(w, 1) == 0);
        assert!(world.nodes.iter().all(|node| node.closed.is_empty()), "{}", world.describe());
    }
}

/// Links of a node that are not in sync because one end may not lower a place yet.
fn disputes(world: &World, n: usize) -> usize {
    let links = (0..100).filter_map(|id| world.nodes[n].engine.link_stats(LinkId(id)));
    links.filter(|link| !link.in_sync && matches!(link.why, Some(Why::OverRate | Why::HeldByPeer))).count()
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
    assert!(all_agree(&world, 1), "{}", world.describe());
}

#[test]
fn one_member_has_so_many_origins_and_no_more() {
    let limits = EngineConfig { max_origins_per_node: 20, ..config(Dissemination::Eager) };
    let mut world = World::new(14, 2, limits);
    world.link(0, 1);
    let link = LIAR.link(&mut world, 0);
    for n in 0..50 {
        // All at once: what is being checked counts too.
        world.give(0, Input::Frame { link, bytes: rumor(LIAR.life(n).opening("again").bytes()) });
    }
    world.run_for(SECOND);
    assert_eq!((world.nodes[0].engine.sizes().1, world.nodes[1].engine.sizes().1), (20, 20));
    world.overheard = Some(Vec::new());
    world.give(0, Input::Frame { link, bytes: rumor(LIAR.life(99).opening("again").bytes()) });
    world.run_for(SECOND);
    let heard = world.overheard.take().unwrap();
    let refused = LIAR.life(99).origin();
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
    let links = [LIAR.link(&mut world, 0), LIAR.link(&mut world, 0)];
    for (n, link) in (0..).zip(links) {
        for round in 0..8_u64 {
            let entry = |m| claim(LIAR.life(n * 10_000 + round * 800 + m).origin(), 9);
            let entries: Vec<_> = (0..800).map(entry).collect();
            world.give(0, Input::Frame { link, bytes: encoded(&Frame::Status(listed(&entries))) });
        }
    }
    let claimed: u64 = links.iter().map(|link| world.nodes[0].engine.link_stats(*link).unwrap().behind).sum();
    assert_eq!(claimed, 4_096 * 8);
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
    world.until(60 * SECOND, "both withdraw what follows the place", |w| all_agree(w, 3) && w.same_logs(2));
}
