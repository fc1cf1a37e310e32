//! The search for the place of a fork, alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

use proptest::prelude::*;
use rumormill_wire::native::{BundleBuilder, MessageKind};
use rumormill_wire::{Clock, Digest, Incarnation, NetworkId};

use super::*;
use crate::bundle::seal;
use crate::test_signers::Anybody;

const ORIGIN: Origin = Origin { node: NodeId([1; 32]), incarnation: Incarnation(7) };

/// Bundles of these sizes behind those, saying `text`.
fn grow(chain: &[SignedHeader], sizes: &[u64], text: &str) -> Vec<SignedHeader> {
    let mut chain = chain.to_vec();
    for size in sizes {
        let previous = |head: &SignedHeader| crate::bundle::bundle_digest(&head.header, &head.body);
        let (next, digest) =
            chain.last().map_or((Seq::FIRST, Digest::ZERO), |head| (head.header.next(), previous(head)));
        let mut builder = BundleBuilder::new(ORIGIN, next, digest);
        for n in 0..*size {
            builder.push(Clock(next.0 + n), MessageKind::CHAT, "", text.as_bytes()).unwrap();
        }
        chain.push(*seal(builder, Clock(next.0), &Anybody(ORIGIN.node), &NetworkId([7; 32])).signed_header());
    }
    chain
}

fn holding(chain: &[SignedHeader], at: Seq) -> Option<SignedHeader> {
    chain.iter().find(|signed| holds(&signed.header, at)).copied()
}

fn difference(at: Seq, link: u64, peer: u8) -> Difference {
    let (ours, theirs, peer) = (None, None, NodeId([peer; 32]));
    Difference { origin: ORIGIN, at, ours, theirs, link: LinkId(link), peer, proven: false }
}

/// Answers all questions from two chains. What was found, in order, and how many questions that took.
fn lead(search: &mut Search, ours: &[SignedHeader], theirs: &[SignedHeader]) -> (Vec<Seq>, usize) {
    let (mut found, mut questions) = (Vec::new(), 0);
    while let Some(output) = search.poll_output() {
        match output {
            Output::LookUp { origin, at, .. } => {
                search.handle(Timestamp(1), Input::Ours { origin, at, bundle: holding(ours, at) });
                questions += 1;
            }
            Output::Ask { at, .. } => {
                let bundle = holding(theirs, at).unwrap();
                assert!(search.wants(&bundle.header));
                search.handle(
                    Timestamp(1),
                    Input::Differs(Box::new(Difference { theirs: Some(bundle), ..difference(at, 1, 2) })),
                );
                questions += 1;
            }
            Output::Found { proof, .. } => found.push(proof.place()),
            Output::Room(_) => {}
        }
    }
    (found, questions)
}

proptest! {
    /// Wherever two branches part and wherever that was first seen, the last place found is where they part, no place
    /// is higher than the one before it, and each bundle is asked for once.
    #[test]
    fn the_place_found_is_where_the_branches_part(
        trunk in prop::collection::vec(1_u64..5, 0..6),
        left in prop::collection::vec(1_u64..5, 1..6),
        right in prop::collection::vec(1_u64..5, 1..6),
        seen in 0_u64..40,
    ) {
        let trunk = grow(&[], &trunk, "both");
        let (ours, theirs) = (grow(&trunk, &left, "left"), grow(&trunk, &right, "right"));
        let parting = trunk.last().map_or(Seq::FIRST, |head| head.header.next());
        let end = ours.last().unwrap().header.next().min(theirs.last().unwrap().header.next());
        let at = Seq(parting.0 + seen % (end.0 - parting.0));
        let mut search = Search::default();
        search.handle(Timestamp(0), Input::Differs(Box::new(difference(at, 1, 2))));
        let (found, questions) = lead(&mut search, &ours, &theirs);
        prop_assert_eq!(found.last(), Some(&parting), "{:?}", found);
        prop_assert!(found.len() <= 2 && found.is_sorted_by(|a, b| a >= b), "{:?}", found);
        prop_assert!(questions <= ours.len() + theirs.len(), "{}", questions);
        prop_assert!(search.is_empty());
    }
}

#[test]
fn one_neighbour_leaves_the_others_their_share_and_one_that_is_gone_holds_nothing() {
    let mut search = Search::default();
    let differs = |search: &mut Search, n: u64, peer: u8| {
        let origin = Origin { incarnation: Incarnation(n), ..ORIGIN };
        search.handle(
            Timestamp(0),
            Input::Differs(Box::new(Difference { origin, ..difference(Seq(9), u64::from(peer), peer) })),
        );
    };
    (0..200).for_each(|n| differs(&mut search, n, 1));
    assert_eq!((search.len(), search.full()), (MAX_SEARCHES, 136));
    (200..210).for_each(|n| differs(&mut search, n, 2));
    assert_eq!((search.len(), search.full()), (MAX_SEARCHES + SEARCH_SHARE, 142));
    search.handle(Timestamp(0), Input::LinkDown(LinkId(1)));
    assert_eq!(search.len(), SEARCH_SHARE);
    let room = |search: &mut Search| {
        let all = core::iter::from_fn(|| search.poll_output());
        all.filter_map(|output| if let Output::Room(link) = output { Some(link) } else { None }).collect::<Vec<_>>()
    };
    assert!(room(&mut search).is_empty(), "who is gone waits for nothing, and the other's go on");
    search.handle(Timestamp(SEARCH_US), Input::Comparison);
    assert!(search.is_empty());
    assert_eq!(room(&mut search), [LinkId(2)], "once, when the last has ended");
}

#[test]
fn what_a_search_found_counts_when_its_neighbour_goes_and_the_first_proof_at_once() {
    let trunk = grow(&[], &[1, 1, 1], "both");
    let (ours, theirs) = (grow(&trunk, &[2, 2, 2], "left"), grow(&trunk, &[1, 2, 3], "right"));
    for (proven, at_once) in [(false, 1), (true, 0)] {
        let mut search = Search::default();
        let (mine, other) = (ours.last().copied(), theirs.last().copied());
        let at = other.unwrap().header.first;
        let seen = Difference { ours: mine, theirs: other, proven, ..difference(at, 1, 2) };
        let found = |search: &mut Search| {
            core::iter::from_fn(|| search.poll_output()).filter(|output| matches!(output, Output::Found { .. })).count()
        };
        search.handle(Timestamp(0), Input::Differs(Box::new(Difference { ours: holding(&ours, at), ..seen })));
        assert_eq!(found(&mut search), at_once);
        search.handle(Timestamp(0), Input::LinkDown(LinkId(1)));
        assert_eq!((found(&mut search), search.len()), (1 - at_once, 0));
    }
}

#[test]
fn a_store_that_has_nothing_there_ends_the_search() {
    let mut search = Search::default();
    search.handle(Timestamp(0), Input::Differs(Box::new(difference(Seq(3), 1, 2))));
    assert!(matches!(search.poll_output(), Some(Output::LookUp { at: Seq(3), .. })));
    search.handle(Timestamp(0), Input::Ours { origin: ORIGIN, at: Seq(3), bundle: None });
    assert!(search.poll_output().is_none() && search.is_empty());
}
