//! Small files of a CA's home that an editor or a disk has emptied or damaged: each is named, and the way out works.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{DAY, Net};
use rumormill_transport::lost_list::Before;
use rumormill_transport::{CaError, Identity, LocalCa, Revocations, Trust};
use rumormill_wire::NodeId;

const DAMAGE: [&[u8]; 4] = [b"", b"abc\n", b"\xff\xfe\0", b"-----BEGIN CERTIFICATE-----\n"];
const ANEW: Before = Before { at_node: None, begin_anew: true };

fn node(n: u8) -> NodeId {
    NodeId([n; 32])
}

fn parts(list: &Revocations) -> Vec<Vec<u8>> {
    list.parts().map(|part| part.bytes().to_vec()).collect()
}

/// Damages a file, and gives it back.
fn damage(path: &Path, with: &[u8]) -> Vec<u8> {
    let before = fs::read(path).unwrap();
    fs::write(path, with).unwrap();
    before
}

/// The error names the file and says these words of what to do.
#[track_caller]
fn names<T: std::fmt::Debug>(done: Result<T, CaError>, path: &Path, words: &[&str]) {
    let why = done.unwrap_err();
    assert!(why.to_string().contains(path.to_str().unwrap()), "{why}");
    let way = why.way_out().unwrap_or_else(|| panic!("no way out: {why}"));
    for word in words {
        assert!(way.contains(word), "{word}: {why}: {way}");
    }
}

fn home(net: &Net, file: &str) -> PathBuf {
    net.ca.home().join(file)
}

#[test]
fn a_damaged_number_is_as_good_as_lost_and_is_mended_by_what_mends_a_lost_list() {
    let number = |net: &Net| home(net, "revoked.number");
    let words = ["certs restore --state", "only if no node has a list", "certs revoke NAME --new-list"];
    let too_large = ["99999999999999999999999999", "18446744073709551615", "18446744073709551614", "-1", "3 4"];
    let long = "1".repeat(100);
    for with in DAMAGE.iter().copied().chain(too_large.map(str::as_bytes)).chain([long.as_bytes()]) {
        let net = Net::new();
        net.ca.revoke(node(1), None).unwrap();
        let list = net.ca.revoke(node(2), None).unwrap().list;
        damage(&number(&net), with);
        names(net.ca.issue("n", DAY, None), &number(&net), &words);
        names(net.ca.open_or_issue("n"), &number(&net), &words);
        names(net.ca.revoke(node(3), None), &number(&net), &words);
        assert_eq!(fs::read(number(&net)).unwrap(), with);
        // The list is here and whole, and the node's is the same.
        let done = net.ca.restore(&parts(&list)).unwrap();
        assert_eq!((done.parts, done.number_mended, done.quarantine), (0, Some(number(&net)), None));
        assert_eq!(fs::read(number(&net)).unwrap(), b"2\n");
        net.ca.issue("n", DAY, None).unwrap();
        // It is lost too, and comes back from the node.
        damage(&number(&net), with);
        fs::remove_file(LocalCa::revocations_path(net.ca.home())).unwrap();
        names(net.ca.issue("n", DAY, None), &number(&net), &words);
        assert_eq!(net.ca.restore(&[]).unwrap().number_mended, None, "the number says that there was a list");
        names(net.ca.issue("n", DAY, None), &number(&net), &words);
        assert_eq!(net.ca.restore(&parts(&list)).unwrap().number_mended, Some(number(&net)));
        assert_eq!(net.ca.last_list().unwrap(), list);
        assert_eq!(net.ca.revoke(node(3), None).unwrap().list.number(), 3);
        // Or nobody has it any more.
        damage(&number(&net), with);
        assert_eq!(net.ca.revoke_after(&ANEW, node(4), None).unwrap().list.number(), 4);
        assert_eq!(net.ca.revoke(node(5), None).unwrap().list.number(), 5);
    }
}

#[test]
fn a_damaged_list_is_as_good_as_lost_and_is_put_aside_by_what_replaces_it() {
    let words = ["revoked.bin back", "certs restore --state", "certs revoke NAME --new-list"];
    for with in DAMAGE {
        let net = Net::new();
        let path = LocalCa::revocations_path(net.ca.home());
        let list = net.ca.revoke(node(1), None).unwrap().list;
        damage(&path, with);
        names(net.ca.issue("n", DAY, None), &path, &words);
        names(net.ca.revoke(node(3), None), &path, &words);
        names(net.ca.revocations(), &path, &words);
        assert_eq!(net.ca.restore(&[]).unwrap().parts, 0);
        assert_eq!(fs::read(&path).unwrap(), with, "nothing has come that could take its place");
        let done = net.ca.restore(&parts(&list)).unwrap();
        assert_eq!((done.parts, fs::read(done.quarantine.unwrap()).unwrap()), (1, with.to_vec()));
        assert_eq!(net.ca.last_list().unwrap(), list);
        damage(&path, with);
        let done = net.ca.revoke_after(&ANEW, node(3), None).unwrap();
        assert_eq!((done.list.number(), done.list.len()), (2, 1));
        net.ca.issue("n", DAY, None).unwrap();
        // Both at once.
        damage(&path, with);
        damage(&home(&net, "revoked.number"), with);
        assert_eq!(net.ca.restore(&parts(&done.list)).unwrap().list, done.list);
        assert_eq!(net.ca.last_list().unwrap(), done.list);
    }
}

#[test]
fn a_damaged_list_of_keys_that_left_is_named_and_comes_back_from_a_copy_or_line_by_line() {
    for with in DAMAGE {
        let net = Net::new();
        let path = home(&net, "retired");
        fs::write(&path, with).unwrap();
        let words = ["put a copy of it back", "take out what is no node id", "empty file: remove it"];
        names(net.ca.issue("n", DAY, None), &path, &words);
        names(net.ca.revoke_after(&Before::default(), node(3), None), &path, &words);
        fs::write(&path, format!("{}\n", node(7))).unwrap();
        net.ca.issue("n", DAY, None).unwrap();
        fs::remove_file(&path).unwrap();
        net.ca.issue("n", DAY, None).unwrap();
    }
}

#[test]
fn a_damaged_certificate_is_made_anew_by_its_key_and_its_name_stays_with_that() {
    for with in DAMAGE {
        let net = Net::new();
        let (here, out) = (net.ca.issue("here", DAY, None).unwrap(), net.dir.path().join("out"));
        let there = net.ca.issue("there", DAY, Some(&out)).unwrap();
        let nodes = [&here, &there].map(|issued| Identity::load(&issued.certificate, &issued.key).unwrap().node());
        let [at_home, known] = ["here", "there"].map(|name| home(&net, "nodes").join(name).join("cert.pem"));
        damage(&at_home, with);
        damage(&known, with);
        names(net.ca.open_or_issue("here"), &at_home, &["`rumormill certs issue NAME`", "by the key"]);
        names(net.ca.issued("here"), &at_home, &["`rumormill certs issue NAME`", "by the key"]);
        // Neither another key nor another name gets in.
        let taken = net.ca.issue("there", DAY, Some(&net.dir.path().join("other")));
        assert!(matches!(taken, Err(CaError::Taken { node, .. }) if node == nodes[1]), "{taken:?}");
        let named = net.ca.issue("zed", DAY, Some(&out));
        assert!(matches!(named, Err(CaError::Named { .. })), "{named:?}");
        net.ca.issue("here", DAY, None).unwrap();
        net.ca.issue("there", DAY, Some(&out)).unwrap();
        assert_eq!(["here", "there"].map(|name| net.ca.issued(name).unwrap().node), nodes);
        // In a directory that somebody named it stays until it is moved away.
        damage(&there.certificate, with);
        let why = net.ca.issue("there", DAY, Some(&out)).unwrap_err().to_string();
        assert!(why.contains("cert.pem") && why.contains("move it away"), "{why}");
        fs::remove_file(&there.certificate).unwrap();
        net.ca.issue("there", DAY, Some(&out)).unwrap();
        assert_eq!(Identity::load(&there.certificate, &there.key).unwrap().node(), nodes[1]);
        // What it was issued for is not known either.
        damage(&known, with);
        damage(&known.with_file_name("until"), with);
        let words = ["put a copy of it back", "revoke the node by its id", "move this file away"];
        names(net.ca.issue("there", DAY, Some(&net.dir.path().join("other"))), &known, &words);
        net.ca.revoke(nodes[1], None).unwrap();
        fs::remove_file(&known).unwrap();
        net.ca.issue("there", DAY, Some(&net.dir.path().join("other"))).unwrap();
    }
}

/// The certificate of before may hold for ten years.
#[test]
fn an_end_that_is_not_known_any_more_is_no_end() {
    for with in DAMAGE.iter().copied().map(Some).chain([None]) {
        let net = Net::new();
        net.ca.issue("n", 3_650 * DAY, None).unwrap();
        let node = net.ca.issued("n").unwrap().node;
        let until = net.ca.home().join("nodes/n/until");
        match with {
            Some(with) => drop(damage(&until, with)),
            None => fs::remove_file(&until).unwrap(),
        }
        net.ca.issue("n", DAY, None).unwrap();
        let list = net.ca.revoke(node, None).unwrap().list;
        let ends: Vec<_> = list.parts().flat_map(|part| part.nodes().values().map(|held| held.not_after)).collect();
        assert_eq!(ends, [u64::MAX], "it stays on the list for good");
    }
}

#[test]
fn an_automatic_certificate_that_was_damaged_is_made_anew_at_the_next_start() {
    for with in DAMAGE {
        let dir = tempfile::tempdir().unwrap();
        let ca = LocalCa::open_or_create(dir.path()).unwrap();
        let node = ca.open_or_issue("n").unwrap().node();
        for file in ["cert.pem", "until"] {
            damage(&dir.path().join("nodes/n").join(file), with);
            assert_eq!(ca.open_or_issue("n").unwrap().node(), node, "{file}");
            assert_eq!(ca.issue("n", DAY, None).map(drop).and_then(|()| ca.issued("n")).unwrap().node, node);
        }
        damage(&dir.path().join("ca/automatic"), with);
        assert!(LocalCa::open(dir.path()).unwrap().is_automatic(), "it is there, and no more is asked of it");
    }
}

#[test]
fn a_damaged_key_is_named_and_its_node_is_revoked_and_becomes_another_one() {
    for with in DAMAGE {
        let net = Net::new();
        let issued = net.ca.issue("n", DAY, None).unwrap();
        let node = net.ca.issued("n").unwrap().node;
        let whole = damage(&issued.key, with);
        let words = ["put a copy of it back", "certs revoke NAME", "move this file away"];
        for done in [net.ca.issue("n", DAY, None), net.ca.issue_new_key("n", DAY, None)] {
            names(done, &issued.key, &words);
        }
        let why = Identity::load(&issued.certificate, &issued.key).unwrap_err();
        assert!(why.to_string().contains("key.pem") && why.way_out().unwrap().contains(words[0]), "{why}");
        fs::write(&issued.key, whole).unwrap();
        net.ca.issue("n", DAY, None).unwrap();
        damage(&issued.key, with);
        net.ca.revoke(net.ca.issued("n").unwrap().node, None).unwrap();
        fs::remove_file(&issued.key).unwrap();
        net.ca.issue("n", DAY, None).unwrap();
        assert_ne!(net.ca.issued("n").unwrap().node, node);
    }
}

#[test]
fn a_damaged_ca_is_named_and_comes_back_from_a_copy() {
    for with in DAMAGE {
        let net = Net::new();
        let out = net.dir.path().join("out");
        let issued = net.ca.issue("n", DAY, Some(&out)).unwrap();
        let path = net.ca.certificate_path();
        damage(&path, with);
        let words = ["put a copy of it back", "from the host of any node"];
        names(LocalCa::open(net.ca.home()), &path, &words);
        names(LocalCa::init(net.ca.home()), &path, &words);
        let why = Trust::network_ca(&path).unwrap_err();
        assert!(why.to_string().contains("ca.pem") && why.way_out().unwrap().contains(words[1]), "{why}");
        // Gone as a whole: no other CA takes its place.
        fs::remove_file(&path).unwrap();
        names(LocalCa::open_or_create(net.ca.home()), &path, &words);
        fs::copy(&issued.ca, &path).unwrap();
        assert_eq!(LocalCa::open(net.ca.home()).unwrap().network(), net.ca.network());
        let key = home(&net, "ca/ca.key");
        let whole = damage(&key, with);
        for done in [net.ca.issue("m", DAY, None).map(drop), net.ca.revoke(node(1), None).map(drop)] {
            names(done, &key, &["put a copy of it back"]);
        }
        fs::write(&key, whole).unwrap();
        net.ca.issue("m", DAY, None).unwrap();
        net.ca.revoke(node(1), None).unwrap();
    }
}
