//! The CA's revocation list, whatever the revoked one did: cuts of any size, entries that have had their day.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, missing_docs)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::time::SystemTime;

use common::{DAY, Net};
use rumormill_transport::revocation::check_file;
use rumormill_transport::revoke::{Cut, KEPT_AFTER_END, OddDate};
use rumormill_transport::{CaError, Identity, LocalCa};
use rumormill_wire::native::{MAX_CUT_INCARNATIONS, MAX_REVOCATION_LEN};
use rumormill_wire::{Incarnation, NodeId, Origin, Seq};

/// Numbered nodes of one place in the list, so that they share a part.
fn node(n: u16) -> NodeId {
    let mut node = [9; 32];
    node[30..].copy_from_slice(&n.to_be_bytes());
    NodeId(node)
}

/// As many incarnations as somebody liked to make, each as long in the list as can be.
fn made_up(incarnations: u64) -> Cut {
    (0..incarnations).map(|i| (Incarnation(u64::MAX - incarnations + i), Seq(u64::MAX - 1))).collect()
}

#[test]
fn a_member_cannot_make_its_own_revocation_too_large() {
    let net = Net::new();
    let honest = Cut::from([(Incarnation(1_700_000_000), Seq(40)), (Incarnation(1_700_000_001), Seq(2))]);
    net.ca.revoke(node(0), Some(honest.clone())).unwrap();
    for n in 1..=8 {
        let mut cut = made_up(20_000);
        cut.extend([(Incarnation(7), Seq(3))]);
        let done = net.ca.revoke(node(n), Some(cut)).unwrap();
        assert!(done.left_out >= 20_001 - MAX_CUT_INCARNATIONS, "{n}");
        assert!(done.list.parts().all(|part| part.bytes().len() <= MAX_REVOCATION_LEN));
    }
    let bytes = fs::read(LocalCa::revocations_path(net.ca.home())).unwrap();
    let list = check_file(&bytes, &net.trust()).unwrap();
    assert_eq!((list.number(), list.len()), (9, 9));
    assert_eq!(list.get(&node(0)).unwrap().cut, Some(honest), "another's cut is not shortened for them");
    for n in 1..=8 {
        let limit = |incarnation| list.limit(&Origin { node: node(n), incarnation: Incarnation(incarnation) });
        assert_eq!(limit(7), Some(Seq(4)), "what was there first still counts");
        assert_eq!(limit(8), Some(Seq(1)), "an incarnation that is not listed counts nowhere");
        assert_eq!(limit(u64::MAX - 1), Some(Seq(1)), "nor one for which there was no room");
    }
}

#[test]
fn a_cut_only_becomes_tighter() {
    let net = Net::new();
    let cut = |list: &[(u64, u64)]| Some(list.iter().map(|(i, n)| (Incarnation(*i), Seq(*n))).collect::<Cut>());
    net.ca.revoke(node(1), cut(&[(1, 10), (2, 5)])).unwrap();
    let done = net.ca.revoke(node(1), cut(&[(1, 12), (2, 3), (3, 9)])).unwrap();
    assert_eq!(done.list.get(&node(1)).unwrap().cut, cut(&[(1, 10), (2, 3)]));
}

#[test]
fn who_has_no_valid_certificate_any_more_leaves_the_list_if_it_has_no_cut_and_gets_none_again() {
    let net = Net::new();
    let issue = |name: &str, days: u32| {
        let issued = net.ca.issue(name, DAY * days, None).unwrap();
        Identity::load(&issued.certificate, &issued.key).unwrap().node()
    };
    let (plain, cut) = (issue("plain", 10), issue("cut", 10));
    // Renewed for less: the longer one is what counts.
    assert_eq!(issue("plain", 1), plain);
    net.ca.revoke(plain, None).unwrap();
    net.ca.revoke(cut, Some(BTreeMap::new())).unwrap();
    net.ca.revoke(NodeId([plain.0[0]; 32]), None).unwrap();
    let later = |days: u32| SystemTime::now() + DAY * days + KEPT_AFTER_END;
    let again = |who, at| net.ca.revoke_at(who, None, at).unwrap();
    let mut other = plain;
    other.0[31] ^= 1;
    for at in [later(9), later(11)] {
        let done = again(other, at);
        assert!(done.dropped.is_empty() && done.list.revokes(&plain), "a certificate of it may be valid somewhere");
    }
    let done = again(other, later(12));
    assert_eq!(done.dropped, [plain]);
    assert!(!done.list.revokes(&plain) && done.list.revokes(&cut));
    assert!(done.list.revokes(&NodeId([plain.0[0]; 32])), "whose end nobody knows stays");
    let mut beside = cut;
    beside.0[31] ^= 1;
    assert!(again(beside, later(500)).list.revokes(&cut), "without its entry, what it signs would count again");
    let again = net.ca.issue("plain", DAY * 10, None);
    assert!(matches!(again, Err(CaError::RevokedKey { node, .. }) if node == plain), "it gets no certificate again");
    net.ca.issue_new_key("plain", DAY * 10, None).unwrap();
    assert_ne!(issue("plain", 10), plain);
}

#[test]
fn a_clock_that_is_wrong_once_brings_nobody_back() {
    let net = Net::new();
    let issued = net.ca.issue("plain", DAY * 10, None).unwrap();
    let plain = Identity::load(&issued.certificate, &issued.key).unwrap().node();
    let start = SystemTime::now();
    let at = |days: u32| start + DAY * days;
    let in_part = |n: u8| {
        let mut other = plain;
        other.0[31] ^= n;
        other
    };
    let elsewhere = |n: u8| NodeId([plain.0[0].wrapping_add(n); 32]);
    let sign = |node, days| {
        let done = net.ca.revoke_at(node, None, at(days)).unwrap();
        (done.dropped, done.list.revokes(&plain))
    };
    let stays = (Vec::new(), true);
    assert_eq!(sign(plain, 0), stays);
    assert_eq!(sign(in_part(1), 1_095), stays, "one signing by a clock that is ahead");
    assert_eq!(sign(in_part(2), 1), stays, "the next by one that is right");
    // Several in a row by the wrong clock, as when somebody revokes all of a host: the part itself was signed rightly.
    for n in 1..4 {
        assert_eq!(sign(elsewhere(n), 1_095), stays);
    }
    assert_eq!(sign(in_part(3), 1_095), stays);
    // Wrong again much later, with a list by the right clock in between.
    assert_eq!(sign(elsewhere(4), 2), stays);
    assert_eq!(sign(in_part(4), 1_095), stays);
    // 40 days are not enough, a day more is, by both.
    assert_eq!(sign(in_part(5), 40), stays);
    assert_eq!(sign(in_part(6), 41), stays);
    assert_eq!(sign(in_part(7), 42), (vec![plain], false));
}

#[test]
fn a_list_that_is_dated_oddly_beside_the_one_before_says_so() {
    let net = Net::new();
    let start = SystemTime::now();
    let day = |n: u64| start.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + n * 86_400;
    let odd = |n, days| net.ca.revoke_at(node(n), None, start + DAY * days).unwrap().odd_date;
    assert_eq!(odd(1, 100), None, "there is none before");
    assert_eq!(odd(2, 100 + 366), None);
    assert_eq!(odd(3, 100 + 2 * 366 + 1), Some(OddDate::Later { before: day(466) }));
    assert_eq!(odd(4, 100 + 2 * 366), None, "two clocks of people differ by so much");
    assert_eq!(odd(5, 100), Some(OddDate::Earlier { before: day(832) }));
}
