//! Nodes that trust a pin file: whose message it is, the log says by the names of that file, at each node and after each start.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

use rumormill_testkit::nodes::{Net, Node, rumormill};
use rumormill_testkit::wait::until;
use rumormill_transport::{Identity, LocalCa};

const NAMES: [&str; 3] = ["alice", "bob", "carol"];

/// A pin file with these names, each of whom gets its keys.
fn pin(net: &Net, network: &str, names: &[&str]) -> PathBuf {
    let file = net.dir.path().join("pins");
    let mut lines = format!("{network}\n");
    for name in names {
        let dir = net.dir.path().join(format!("{name}-keys"));
        net.certs(&["issue", name, "--out", dir.to_str().unwrap()]);
        let identity = Identity::load(&dir.join("cert.pem"), &dir.join("key.pem")).unwrap();
        lines += &format!("{} {name}\n", identity.node());
    }
    fs::write(&file, lines).unwrap();
    file
}

/// A node that trusts the pin file alone.
fn pinned(net: &Net, name: &str, neighbours: &[&Node], pins: &Path) -> Node {
    let mut node = net.node(name, neighbours);
    let keys = net.dir.path().join(format!("{name}-keys"));
    node.words.drain(..2);
    for (flag, file) in [("--pins", pins), ("--cert", &keys.join("cert.pem")), ("--key", &keys.join("key.pem"))] {
        node.words.extend([flag.to_owned(), file.display().to_string()]);
    }
    node.start();
    node
}

#[test]
fn a_revocation_parts_no_node_with_the_ca_from_one_with_pins() {
    let net = Net::new();
    let mut alice = net.start("alice", &[]);
    let id = LocalCa::open(&net.home()).unwrap().network();
    let pins = pin(&net, &id.to_string(), &["bob"]);
    net.certs(&["issue", "mallory"]);
    let hers = net.home().join("nodes/alice");
    let keys = Identity::load(&hers.join("cert.pem"), &hers.join("key.pem")).unwrap();
    fs::write(&pins, fs::read_to_string(&pins).unwrap() + &format!("{} alice\n", keys.node())).unwrap();
    let bob = pinned(&net, "bob", &[&alice], &pins);
    until("they are linked", || alice.peers().len() == 1 && bob.peers().len() == 1);
    net.certs(&["revoke", "mallory", "--cut-all"]);
    until("alice has the list", || alice.metric("node_revocation_list") == 1);
    until("bob was sent it", || bob.metric("gossip_revocations_void") == 1);
    // Over a new link it comes again.
    alice.term();
    alice.start();
    until("bob was sent it again", || bob.metric("gossip_revocations_void") == 2);
    alice.send("the link stands");
    until("bob hears alice", || bob.texts() == ["the link stands"]);
    let shown = rumormill().args(["peers", "--state"]).arg(&bob.state).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("no revocation list here; alice has 1"), "{shown}");
    assert_eq!((bob.metric("gossip_misbehaviour"), alice.metric("gossip_misbehaviour")), (0, 0));
    assert_eq!(bob.said().matches("take the node out of the pin file").count(), 1, "{}", bob.said());
}

#[test]
fn names_come_from_the_pin_file_for_all_of_it_and_stay_over_a_restart() {
    let net = Net::new();
    let pins = pin(&net, &"ab".repeat(32), &NAMES);
    let mut line = Vec::new();
    for name in NAMES {
        let node = pinned(&net, name, &line.last().into_iter().collect::<Vec<_>>(), &pins);
        node.send(&format!("from {name}"));
        line.push(node);
    }
    let all_named = |line: &[Node]| {
        line.iter().all(|node| {
            let shown = node.shown();
            shown.len() == 3
                && shown.iter().all(|line| line["text"] == format!("from {}", line["from"].as_str().unwrap_or("")))
        })
    };
    until("each log names all, linked or not", || all_named(&line));
    // No link, no name from one.
    let mut bob = line.remove(1);
    bob.term();
    for node in &mut line {
        assert_eq!(node.term(), Some(0));
        node.start();
    }
    until("each log names all after a start", || all_named(&line));
}
