//! The machine alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

use proptest::prelude::*;
use rumormill_wire::native::{BundleHeader, SignedHeader};
use rumormill_wire::{Digest, Incarnation, Signature};

use super::*;

const LINK: LinkId = LinkId(1);
const PEER: NodeId = NodeId([1; 32]);
const NOW: Timestamp = Timestamp(0);

fn origin(n: u8) -> Origin {
    Origin { node: NodeId([n; 32]), incarnation: Incarnation(1) }
}

/// A proof about this author, whose headers begin at these numbers. The machine looks at nothing else.
fn proof(n: u8, first: u64, other: u64) -> Box<Proof> {
    let header = |first| SignedHeader {
        header: BundleHeader { origin: origin(n), first: Seq(first), count: 1, previous: Digest::ZERO },
        body: Digest::ZERO,
        signature: Signature([0; 64]),
    };
    Box::new(Proof { a: header(first), b: header(other) })
}

const fn at(next: u64) -> ForkState {
    ForkState { next: Seq(next), fork: None, checking: false, may_fall: true }
}

fn put(proofs: &mut Proofs, input: Input) -> Vec<Output> {
    proofs.handle(NOW, input);
    core::iter::from_fn(|| proofs.poll_output()).collect()
}

fn came(proof: &Proof, standing: ForkState) -> Input {
    Input::Came { link: LINK, peer: PEER, proof: Box::new(*proof), standing }
}

#[test]
fn of_use_is_what_ends_a_chain_that_we_have_at_a_lower_place() {
    let fork = |place| Some(Seq(place));
    for (standing, place, expected) in [
        (at(1), 1, Use::None),
        (ForkState { checking: true, ..at(1) }, 1, Use::Later),
        (at(5), 5, Use::Needed),
        (at(5), 6, Use::None),
        (ForkState { checking: true, ..at(5) }, 6, Use::Later),
        (ForkState { fork: fork(3), ..at(5) }, 3, Use::None),
        (ForkState { fork: fork(3), ..at(5) }, 2, Use::Needed),
        (ForkState { fork: fork(3), may_fall: false, ..at(5) }, 2, Use::OverQuota),
        (ForkState { may_fall: false, ..at(5) }, 2, Use::Needed),
    ] {
        assert_eq!(standing.use_of(Seq(place)), expected, "{standing:?} {place}");
    }
}

#[test]
fn each_kind_is_answered_in_its_way() {
    let mut proofs = Proofs::default();
    // Its place is that of the lower header.
    let one = proof(7, 4, 2);
    assert_eq!(put(&mut proofs, came(&one, at(2))), [Output::Check(LINK, Box::new(RawProof(*one)))]);
    assert_eq!(put(&mut proofs, came(&one, at(1))), [Output::Vain]);
    let greedy = ForkState { fork: Some(Seq(3)), may_fall: false, ..at(5) };
    assert_eq!(put(&mut proofs, came(&one, greedy)), [Output::Lower(LINK, origin(7), Seq(2))]);
    assert_eq!(put(&mut proofs, came(&one, ForkState { checking: true, ..at(1) })), []);
    assert_eq!(put(&mut proofs, Input::Settled(origin(8))), []);
    assert_eq!(put(&mut proofs, Input::Settled(origin(7))), [Output::Again((LINK, PEER), one)]);
    assert_eq!(proofs.waiting(), 0);
    let why = "a proof that proves nothing";
    assert_eq!(put(&mut proofs, Input::Verdict(LINK, None)), [Output::Misbehaved(LINK, why)]);
}

#[test]
fn those_that_wait_have_a_bound_in_all_and_a_share_each_and_go_with_their_link() {
    let mut proofs = Proofs::default();
    let waits = |proofs: &mut Proofs, link: u64, peer: u8| {
        let standing = ForkState { checking: true, ..at(1) };
        let input = Input::Came { link: LinkId(link), peer: NodeId([peer; 32]), proof: proof(7, 1, 1), standing };
        put(proofs, input).is_empty()
    };
    assert_eq!((0..200).filter(|n| waits(&mut proofs, n % 3, 1)).count(), MAX_EARLY);
    assert_eq!((0..200).filter(|_| waits(&mut proofs, 9, 2)).count(), EARLY_SHARE, "whatever the others do");
    put(&mut proofs, Input::LinkDown(LinkId(9)));
    assert_eq!(proofs.waiting(), MAX_EARLY);
    (0..3).for_each(|link| drop(put(&mut proofs, Input::LinkDown(LinkId(link)))));
    assert_eq!(proofs.waiting(), 0);
}

#[test]
fn four_times_what_an_honest_node_sends_is_too_much_and_a_new_link_gives_some_back() {
    let mut proofs = Proofs::default();
    let sent = |proofs: &mut Proofs| (0..10_000).find(|_| put(proofs, came(&proof(7, 1, 1), at(1))).len() > 1).unwrap();
    let mut others = Sent::default();
    let honest = (0..10_000).filter(|_| others.may_send(NodeId([2; 32]), NOW)).count();
    assert_eq!(sent(&mut proofs), 4 * honest);
    put(&mut proofs, Input::LinkUp(PEER));
    assert_eq!(sent(&mut proofs), honest, "it may have been started anew");
}

proptest! {
    /// Whatever comes: what waits has a bound, and whatever was to be checked or waited comes out once.
    #[test]
    fn nothing_is_kept_beyond_its_bounds(steps in proptest::collection::vec((0..6_u8, 1..4_u8, 1..4_u64, any::<bool>()), 1..300)) {
        let (mut proofs, mut checked, mut waited) = (Proofs::default(), 0_usize, 0_usize);
        for (what, n, link, checking) in steps {
            let (link, peer) = (LinkId(link), NodeId([u8::try_from(link).unwrap(); 32]));
            let outputs = match what {
                0 => put(&mut proofs, Input::Settled(origin(n))),
                1 if checked > 0 => {
                    checked -= 1;
                    put(&mut proofs, Input::Verdict(link, None))
                }
                _ => {
                    let standing = ForkState { checking, ..at(u64::from(what)) };
                    let before = proofs.waiting();
                    let outputs = put(&mut proofs, Input::Came { link, peer, proof: proof(n, 2, 3), standing });
                    waited += proofs.waiting() - before;
                    outputs
                }
            };
            checked += outputs.iter().filter(|output| matches!(output, Output::Check(..))).count();
            waited -= outputs.iter().filter(|output| matches!(output, Output::Again(..))).count();
            prop_assert_eq!(proofs.waiting(), waited);
            prop_assert!(proofs.waiting() <= MAX_EARLY + 3 * EARLY_SHARE);
        }
    }
}
