//! The machine alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use proptest::prelude::*;

use super::*;

const LINK: LinkId = LinkId(1);
const PEER: NodeId = NodeId([1; 32]);

/// A node id that can be one: a key.
fn node(n: u8) -> NodeId {
    let key = Ed25519KeyPair::from_seed_unchecked(&[n; 32]).unwrap();
    NodeId(key.public_key().as_ref().try_into().unwrap())
}

fn certificate(n: u8, since: u64) -> Evidence {
    Evidence { bytes: Bytes::copy_from_slice(&[n; 100]), since }
}

fn put(members: &mut Members, input: Input) -> Vec<Output> {
    members.handle(input);
    core::iter::from_fn(|| members.poll_output()).collect()
}

fn shown(node: NodeId, evidence: &Evidence) -> Input {
    Input::Shown { link: LINK, peer: PEER, node, evidence: evidence.bytes.clone() }
}

fn verdict(node: NodeId, evidence: &Evidence, verdict: Checked) -> Input {
    Input::Verdict { link: LINK, node, evidence: evidence.bytes.clone(), verdict }
}

#[test]
fn one_that_is_shown_is_checked_once_and_counts_when_it_holds() {
    let (mut members, node, first) = (Members::default(), node(7), certificate(1, 10));
    let check = Output::Check { link: LINK, node, evidence: first.bytes.clone(), known: None };
    assert_eq!(put(&mut members, shown(node, &first)), [check]);
    assert_eq!((members.admission(&node), members.checking()), (Admission::Pending, 1));
    assert_eq!(put(&mut members, shown(node, &first)), [], "it is being checked");
    let counts =
        |evidence: &Evidence, fresh| Output::Counts { node, evidence: evidence.clone(), from: Some(LINK), fresh };
    assert_eq!(put(&mut members, verdict(node, &first, Checked::Holds(first.clone()))), [counts(&first, true)]);
    assert_eq!((members.admission(&node), members.checking()), (Admission::Admitted, 0));
    assert_eq!(put(&mut members, shown(node, &first)), [], "it is known");
    // One that is valid from a later time on takes its place; an older one does not, whenever it comes.
    let (newer, older) = (certificate(2, 11), certificate(3, 9));
    assert_eq!(put(&mut members, verdict(node, &newer, Checked::Holds(newer.clone()))), [counts(&newer, false)]);
    assert_eq!(put(&mut members, verdict(node, &older, Checked::Holds(older.clone()))), []);
    assert_eq!((members.get(&node), members.bytes(), members.len()), (Some(&newer), 100, 1));
}

#[test]
fn what_waits_is_void_once_nothing_more_of_that_node_is_checked() {
    let (mut members, node) = (Members::default(), node(7));
    let [one, other] = [certificate(1, 1), certificate(2, 2)];
    put(&mut members, shown(node, &one));
    put(&mut members, shown(node, &other));
    assert_eq!(put(&mut members, verdict(node, &one, Checked::Void)), [], "another may hold");
    let why = "a certificate that does not belong to this network";
    let ends = [Output::Void(node), Output::Misbehaved(LINK, why)];
    assert_eq!(put(&mut members, verdict(node, &other, Checked::False)), ends);
    assert_eq!(members.admission(&node), Admission::Unknown);
}

#[test]
fn who_is_pinned_needs_none_and_a_key_that_can_be_no_node_has_none() {
    let (mut members, pinned) = (Members::default(), node(7));
    put(&mut members, Input::Admit { node: pinned, evidence: Evidence::default(), from: None });
    assert_eq!(put(&mut members, shown(pinned, &certificate(1, 99))), []);
    let admit = Input::Admit { node: pinned, evidence: certificate(1, 99), from: None };
    assert_eq!((put(&mut members, admit), members.get(&pinned)), (vec![], Some(&Evidence::default())));
    let nobody = NodeId([0; 32]);
    assert!(matches!(put(&mut members, shown(nobody, &certificate(1, 1)))[..], [Output::Misbehaved(LINK, _)]));
    assert_eq!(put(&mut members, Input::Admit { node: nobody, evidence: certificate(1, 1), from: None }), []);
    assert!(!members.is_empty() && members.len() == 1);
}

#[test]
fn the_newest_are_those_that_are_valid_from_the_latest_times_on() {
    let members = Members::new((1..=5).map(|n| (node(n), certificate(n, u64::from(n % 4)))));
    assert_eq!(members.newest(2), [node(3), node(2)]);
    assert_eq!(members.newest(9).len(), 5);
    assert_eq!(members.bytes(), 500);
}

proptest! {
    /// In whatever order certificates come: the same one counts, and all bytes are counted.
    #[test]
    fn the_same_certificate_counts_whatever_the_order(all in proptest::collection::vec((0..3_u8, 0..6_u8, 0..4_u64), 1..40)) {
        let nodes = [1, 2, 3].map(node);
        let run = |order: &mut dyn Iterator<Item = &(u8, u8, u64)>| {
            let mut members = Members::default();
            for (who, n, since) in order {
                let node = nodes[usize::from(*who)];
                put(&mut members, Input::Admit { node, evidence: certificate(*n, *since), from: None });
            }
            let known = nodes.map(|node| members.get(&node).cloned());
            let bytes = known.iter().flatten().map(|evidence| evidence.bytes.len()).sum::<usize>();
            assert_eq!(members.bytes(), bytes);
            known
        };
        prop_assert_eq!(run(&mut all.iter()), run(&mut all.iter().rev()));
    }
}
