//! The machine that writes our own chain, alone.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rumormill_wire::native::{EntryState, MessageKind, StatusEntry};
use rumormill_wire::{Digest, HeadHash, NodeId};

use super::*;
use crate::test_signers::Key;

/// The first incarnation, and the wall clock in microseconds at the start of each test, a second later.
const WALL_S: u64 = 1_767_225_600;
const WALL: i64 = 1_767_225_601_000_000;

fn author() -> Author {
    let key = Key::new(1);
    let origin = Origin { node: key.node(), incarnation: Incarnation(WALL_S) };
    let config = EngineConfig { max_pending: 8, ..EngineConfig::new(NetworkId([7; 32])) };
    let mut author = Author::new(origin, Box::new(key), &config);
    author.handle(Timestamp(0), Input::WallOffset { offset: WALL, seen: None }).unwrap();
    author
}

fn submit(n: u64) -> Input {
    Input::Submit { ticket: Ticket(n), kind: MessageKind::CHAT, room: String::new(), body: n.to_string().into() }
}

fn drain(author: &mut Author) -> Vec<Output> {
    core::iter::from_fn(|| author.poll_output()).collect()
}

fn line(origin: Origin, next: u64) -> StatusEntry {
    let (kept, state) = (Seq::FIRST, EntryState::Normal);
    StatusEntry { origin, next: Seq(next), head: HeadHash([9; 16]), kept, state }
}

#[test]
fn nothing_is_written_before_the_neighbours_had_their_word_or_their_time() {
    for silent in [false, true] {
        let mut author = author();
        author.handle(Timestamp(0), Input::Start(Ask::Neighbours(2))).unwrap();
        author.handle(Timestamp(0), submit(1)).unwrap();
        author.handle(Timestamp(10), Input::Answered(NodeId([9; 32]))).unwrap();
        author.handle(Timestamp(999_999), Input::Timeout).unwrap();
        assert!(drain(&mut author).is_empty() && !author.recovered());
        assert_eq!(author.next_timeout(), Some(Timestamp(1_000_000)));
        let (now, last) =
            if silent { (1_000_000, Input::Timeout) } else { (999_999, Input::Answered(NodeId([8; 32]))) };
        author.handle(Timestamp(now), last).unwrap();
        assert!(matches!(drain(&mut author)[..], [Output::Append(_)]) && author.next_timeout().is_none());
    }
}

#[test]
fn one_node_that_answers_again_is_one_and_who_names_nobody_waits_for_its_time() {
    for named in [0, 2] {
        let mut author = author();
        author.handle(Timestamp(0), Input::Start(Ask::Neighbours(named))).unwrap();
        author.handle(Timestamp(0), submit(1)).unwrap();
        for n in 0..10 {
            author.handle(Timestamp(n), Input::Answered(NodeId([9; 32]))).unwrap();
        }
        author.handle(Timestamp(999_999), Input::Timeout).unwrap();
        assert!(drain(&mut author).is_empty(), "{named} named");
        author.handle(Timestamp(1_000_000), Input::Timeout).unwrap();
        assert!(matches!(drain(&mut author)[..], [Output::Append(_)]));
    }
}

/// A life of ours of which nothing is left may have begun in this second, too.
#[test]
fn nothing_is_written_in_the_second_that_names_a_new_chain_unless_it_is_certain() {
    let offset = WALL - 1_000_000 + 300_000;
    for (ask, from) in [(Ask::Neighbours(1), 700_000), (Ask::Nobody, 0)] {
        let mut author = author();
        author.handle(Timestamp(0), Input::WallOffset { offset, seen: None }).unwrap();
        author.handle(Timestamp(0), Input::Start(ask)).unwrap();
        author.handle(Timestamp(0), submit(1)).unwrap();
        author.handle(Timestamp(0), Input::Answered(NodeId([9; 32]))).unwrap();
        let written = (0..10).map(|tenth| tenth * 100_000).find(|now| {
            author.handle(Timestamp(*now), Input::Timeout).unwrap();
            !drain(&mut author).is_empty()
        });
        assert_eq!(written, Some(from), "{ask:?}");
    }
}

#[test]
fn a_chain_that_neighbours_know_further_is_left_for_a_new_incarnation() {
    let me = author().origin();
    let newer = |seconds| Origin { incarnation: Incarnation(WALL_S + seconds), ..me };
    // Messages that our store lacks; a later incarnation; one too far ahead to be believed; nothing more than we have.
    let cases = [(line(me, 4), Some(WALL_S + 1)), (line(newer(60), 2), Some(WALL_S + 61))];
    let cases = cases.into_iter().chain([(line(newer(90_000), 2), None), (line(me, 1), None)]);
    for (theirs, incarnation) in cases {
        let mut author = author();
        author.handle(Timestamp(0), Input::Start(Ask::Neighbours(1))).unwrap();
        author.handle(Timestamp(0), Input::Known { ours: None, theirs }).unwrap();
        author.handle(Timestamp(0), Input::Answered(NodeId([9; 32]))).unwrap();
        assert_eq!(author.origin().incarnation.0, incarnation.unwrap_or(WALL_S), "{theirs:?}");
        assert_eq!(drain(&mut author).len(), usize::from(incarnation.is_some()));
    }
}

#[test]
fn who_leaves_does_not_wait_for_the_proof_that_a_neighbour_may_never_show() {
    for before in [false, true] {
        let mut author = author();
        let me = author.origin();
        (0..16).for_each(|n| author.handle(Timestamp(0), Input::Incarnation(WALL_S - n)).unwrap());
        author.handle(Timestamp(0), Input::Start(Ask::Neighbours(1))).unwrap();
        author.handle(Timestamp(0), submit(1)).unwrap();
        author.handle(Timestamp(0), Input::Known { ours: None, theirs: line(me, 4) }).unwrap();
        if before {
            author.handle(Timestamp(1), Input::Leaving).unwrap();
            assert!(drain(&mut author).is_empty(), "the neighbours have their second");
        }
        author.handle(Timestamp(2), Input::Answered(NodeId([9; 32]))).unwrap();
        if !before {
            assert!(drain(&mut author).is_empty() && author.next_timeout() == Some(Timestamp(2 + PROOF_US)));
            author.handle(Timestamp(3), Input::Leaving).unwrap();
        }
        let not_written =
            |output: &Output| matches!(output, Output::NotWritten { ticket: Ticket(1), reason: Reject::Leaving });
        assert!(drain(&mut author).iter().map(not_written).eq([true]), "{before}");
        assert_eq!(author.handle(Timestamp(4), submit(2)), Err(Reject::Leaving));
        assert_eq!(author.waiting(), 0);
    }
}

#[test]
fn idle_one_message_goes_at_once_and_loaded_they_share_a_bundle() {
    let mut author = author();
    author.handle(Timestamp(0), Input::Start(Ask::Nobody)).unwrap();
    let mut sizes = Vec::new();
    for n in 0..6 {
        author.handle(Timestamp(n), submit(n)).unwrap();
        sizes.extend(drain(&mut author));
    }
    assert!(matches!(&sizes[..], [Output::Append(bundle)] if bundle.header().count == 1));
    author.handle(Timestamp(9), Input::Committed).unwrap();
    let outputs = drain(&mut author);
    assert!(matches!(&outputs[..], [Output::Durable { .. }, Output::Append(five)] if five.header().count == 5));
}

#[test]
fn a_new_incarnation_that_is_cut_gets_no_message() {
    let mut author = author();
    author.handle(Timestamp(0), Input::Start(Ask::Nobody)).unwrap();
    author.handle(Timestamp(0), submit(1)).unwrap();
    assert_eq!(drain(&mut author).len(), 1);
    author.handle(Timestamp(0), submit(2)).unwrap();
    author.handle(Timestamp(1), Input::Forked).unwrap();
    author.handle(Timestamp(1), Input::Committed).unwrap();
    // Whoever joins the machines says that the revocation leaves out the new origin too, before it takes the next output.
    assert!(matches!(author.poll_output(), Some(Output::NewIncarnation { .. })));
    author.handle(Timestamp(1), Input::Cut(Some(Seq::FIRST))).unwrap();
    assert!(matches!(author.poll_output(), Some(Output::Durable { .. })));
    assert!(matches!(author.poll_output(), Some(Output::NotWritten { ticket: Ticket(2), reason: Reject::Revoked })));
    assert!(author.poll_output().is_none());
    assert_eq!(author.handle(Timestamp(1), submit(3)), Err(Reject::Revoked));
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Submit,
    Commit,
    Answer,
    NotOurs,
    Fork,
    Cut(Option<u64>),
    Full,
    Pass(u64),
    Wall(i64),
    Seen(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Submit),
        6 => Just(Step::Commit),
        2 => Just(Step::Answer),
        1 => Just(Step::NotOurs),
        1 => Just(Step::Fork),
        1 => prop::option::of(1_u64..9).prop_map(Step::Cut),
        1 => Just(Step::Full),
        3 => (0_u64..400_000).prop_map(Step::Pass),
        1 => (-200_000_000_i64..200_000_000).prop_map(Step::Wall),
        1 => (0_u64..200_000_000).prop_map(Step::Seen),
    ]
}

proptest! {
    /// Whatever happens in any order: each message that was taken ends once, no place is used twice, each chain is one
    /// unbroken run with rising clocks, and nothing is written before the start is over or beyond a cut.
    #[test]
    fn each_message_ends_once_and_no_place_is_used_twice(steps in prop::collection::vec(step(), 1..80)) {
        let mut author = author();
        author.handle(Timestamp(0), Input::Start(Ask::Neighbours(1))).unwrap();
        let (mut now, mut cut, mut full) = (Timestamp(0), None::<Seq>, false);
        let (mut open, mut chains) = (BTreeSet::new(), BTreeMap::<Origin, (Seq, Digest, Clock)>::new());
        let mut flying = 0;
        for (n, step) in steps.into_iter().enumerate() {
            let n = u64::try_from(n).unwrap();
            let input = match step {
                Step::Submit => submit(n),
                Step::Commit => Input::Committed,
                Step::Answer => Input::Answered(NodeId([9; 32])),
                Step::NotOurs => Input::NotOurs,
                Step::Fork => Input::Forked,
                Step::Cut(at) => {
                    cut = at.map(Seq);
                    Input::Cut(cut)
                }
                Step::Full => {
                    (full, flying) = (true, 0);
                    Input::Full
                }
                Step::Pass(us) => {
                    now = now.plus(us);
                    Input::Timeout
                }
                Step::Wall(by) => Input::WallOffset { offset: WALL + by, seen: None },
                Step::Seen(ahead) => Input::Seen(Clock(WALL.unsigned_abs() + ahead)),
            };
            if matches!(step, Step::Commit) {
                flying = 0;
            }
            let waiting = author.waiting();
            match author.handle(now, input) {
                Ok(()) if matches!(step, Step::Submit) => prop_assert!(open.insert(Ticket(n))),
                Ok(()) => {}
                Err(_) => prop_assert_eq!(author.waiting(), waiting),
            }
            while let Some(output) = author.poll_output() {
                match output {
                    Output::Append(bundle) => {
                        prop_assert!(author.recovered() && !full && flying == 0);
                        flying += 1;
                        let header = bundle.header();
                        prop_assert!(cut.is_none_or(|cut| header.first < cut));
                        prop_assert_eq!(header.origin, author.origin());
                        let empty = (Seq::FIRST, Digest::ZERO, Clock(0));
                        let (next, digest, last) = chains.get(&header.origin).copied().unwrap_or(empty);
                        prop_assert_eq!((header.first, header.previous), (next, digest));
                        prop_assert!(bundle.first_clock() > last);
                        chains.insert(header.origin, (header.next(), bundle.digest(), bundle.last_clock()));
                    }
                    Output::Durable { tickets, .. } => {
                        for (ticket, _) in tickets {
                            prop_assert!(open.remove(&ticket), "{ticket:?} ended twice");
                        }
                    }
                    Output::NotWritten { ticket, reason } => {
                        prop_assert!(open.remove(&ticket), "{ticket:?} ended twice");
                        let why = if matches!(step, Step::Full) { Reject::StoreFull } else { Reject::Revoked };
                        prop_assert_eq!(reason, why);
                    }
                    Output::NewIncarnation { origin, .. } => {
                        prop_assert!(!chains.contains_key(&origin) && origin > *chains.keys().last().unwrap_or(&Origin::MIN));
                    }
                }
            }
            prop_assert!(open.len() <= author.waiting() + 8 * flying.max(1));
        }
    }
}
