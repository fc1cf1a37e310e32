//! A home whose revocation list is gone, or an old copy: nothing is signed that nodes would not take, and it comes back from them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, missing_docs)]

mod common;

use std::fs;
use std::path::PathBuf;

use common::{DAY, Net};
use rumormill_transport::lost_list::{AtNode, Before};
use rumormill_transport::revoke::Cut;
use rumormill_transport::{CaError, LocalCa, Revocations};
use rumormill_wire::NodeId;

fn node(place: u8, n: u8) -> NodeId {
    let mut node = [place; 32];
    node[31] = n;
    NodeId(node)
}

fn path(net: &Net) -> PathBuf {
    LocalCa::revocations_path(net.ca.home())
}

fn has(list: &Revocations, place: u8) -> Before {
    let part = list.part(place).map(|part| part.bytes().to_vec());
    Before { at_node: Some(AtNode { list: list.number(), part }), begin_anew: false }
}

fn parts(list: &Revocations) -> Vec<Vec<u8>> {
    list.parts().map(|part| part.bytes().to_vec()).collect()
}

#[track_caller]
fn is_lost(net: &Net, before: &Before, who: NodeId, words: &str) {
    let (list, number) = (fs::read(path(net)).ok(), fs::read(net.ca.home().join("revoked.number")).ok());
    let why = net.ca.revoke_after(before, who, Some(Cut::new())).unwrap_err();
    assert!(matches!(why, CaError::ListLost { .. }), "{why}");
    assert!(why.to_string().contains(words), "{why}");
    assert_eq!((list, number), (fs::read(path(net)).ok(), fs::read(net.ca.home().join("revoked.number")).ok()));
}

#[test]
fn a_list_that_is_gone_or_an_old_copy_is_noticed_at_home_and_no_number_comes_twice() {
    let net = Net::new();
    net.ca.revoke(node(1, 1), None).unwrap();
    let copy = fs::read(path(&net)).unwrap();
    let last = net.ca.revoke(node(2, 1), None).unwrap().list;
    let whole = fs::read(path(&net)).unwrap();
    fs::write(path(&net), copy).unwrap();
    is_lost(&net, &Before::default(), node(3, 1), "has list 1, but list 2 was made here");
    fs::remove_file(path(&net)).unwrap();
    is_lost(&net, &Before::default(), node(3, 1), "has list 0, but list 2 was made here");
    assert!(matches!(net.ca.issue("n", DAY, None), Err(CaError::ListLost { .. })), "whose key is revoked is not known");
    fs::write(path(&net), whole).unwrap();
    assert_eq!(net.ca.last_list().unwrap(), last);
    assert_eq!(net.ca.revoke(node(3, 1), None).unwrap().list.number(), 3);
    // Where nobody has it any more the owner says so: the numbers go on.
    fs::remove_file(path(&net)).unwrap();
    let anew = Before { at_node: None, begin_anew: true };
    let done = net.ca.revoke_after(&anew, node(1, 1), None).unwrap();
    assert_eq!((done.list.number(), done.list.len()), (4, 1));
    assert_eq!(net.ca.revoke(node(1, 2), None).unwrap().list.number(), 5);
}

#[test]
fn a_home_without_a_number_is_known_by_what_revocations_leave_behind() {
    let net = Net::new();
    let forget = || {
        fs::remove_file(path(&net)).unwrap();
        fs::remove_file(net.ca.home().join("revoked.number")).unwrap();
    };
    net.ca.issue("n", DAY, None).unwrap();
    net.ca.revoke(net.ca.issued("n").unwrap().node, None).unwrap();
    forget();
    assert_eq!(net.ca.revoke(node(1, 1), None).unwrap().list.number(), 1, "nothing tells of an earlier list");
    net.ca.revoke(net.ca.issued("n").unwrap().node, None).unwrap();
    net.ca.issue_new_key("n", DAY, None).unwrap();
    forget();
    is_lost(&net, &Before::default(), node(1, 1), "n has had another key, which was revoked");
    fs::write(net.ca.home().join("retired"), format!("{}\n", node(7, 7))).unwrap();
    is_lost(&net, &Before::default(), node(1, 1), "keys that left a list");
    assert_eq!(
        net.ca.revoke_after(&Before { begin_anew: true, ..Before::default() }, node(1, 1), None).unwrap().list.number(),
        1
    );
}

#[test]
fn what_a_node_has_in_force_goes_before_what_the_home_says_and_comes_back_from_it() {
    let net = Net::new();
    let old = net.ca.revoke(node(1, 1), None).unwrap().list;
    let at_home = fs::read(path(&net)).unwrap();
    let newer = net.ca.revoke(node(2, 1), None).unwrap().list;
    let home_of = |list: &[u8], number: &str| {
        fs::write(path(&net), list).unwrap();
        fs::write(net.ca.home().join("revoked.number"), number).unwrap();
    };
    // The whole home was put back from a copy: it cannot know by itself.
    home_of(&at_home, "1\n");
    is_lost(&net, &has(&newer, 9), node(9, 1), "the running node has list 2");
    // It went on without asking, so that the numbers are equal and what they say is not.
    let forked = net.ca.revoke(node(2, 9), None).unwrap().list;
    assert_eq!(forked.number(), newer.number());
    is_lost(&net, &has(&newer, 2), node(2, 1), "the running node has another list 2");
    // It went on further elsewhere: the list has a higher number, and the part has not.
    home_of(&at_home, "1\n");
    net.ca.revoke(node(3, 1), None).unwrap();
    let ahead = net.ca.revoke(node(3, 2), None).unwrap().list;
    assert!(ahead.number() > newer.number());
    is_lost(&net, &has(&newer, 2), node(2, 9), "the running node has list 2 where");
    // A node that has no more than the home stands in nobody's way.
    assert_eq!(net.ca.revoke_after(&has(&old, 3), node(3, 3), None).unwrap().list.number(), 4);
    let done = net.ca.restore(&parts(&newer)).unwrap();
    assert_eq!((done.parts, done.list.number(), done.otherwise.len()), (1, 4, 0));
    assert!([node(1, 1), node(2, 1), node(3, 1)].iter().all(|node| done.list.revokes(node)));
    assert_eq!(net.ca.restore(&parts(&newer)).unwrap().parts, 0);
    assert_eq!(net.ca.revoke_after(&has(&newer, 2), node(2, 9), None).unwrap().list.number(), 5);
    // Of equal numbers that of the nodes stays, and whom only this home named is said.
    home_of(&at_home, "1\n");
    net.ca.revoke(node(2, 9), None).unwrap();
    let done = net.ca.restore(&parts(&newer)).unwrap();
    assert_eq!((&done.list, done.otherwise), (&newer, vec![node(2, 9)]));
    assert_eq!(net.ca.last_list().unwrap(), newer);
    // What another CA signed, or nobody, is not put back.
    let other = Net::new().ca.revoke(node(2, 1), None).unwrap().list;
    let before = fs::read(path(&net)).unwrap();
    for parts in [parts(&other), vec![b"x".to_vec()]] {
        assert!(matches!(net.ca.restore(&parts), Err(CaError::Revocations(_))));
    }
    assert_eq!(fs::read(path(&net)).unwrap(), before);
}
