//! Nodes that trust a pin file: whose message it is, the log says by the names of that file, at each node and after each start.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "a test")]

#[path = "support/nodes.rs"]
mod nodes;

use std::fs;

use nodes::{Net, until};
use rumormill_transport::Identity;

const NAMES: [&str; 3] = ["alice", "bob", "carol"];

#[test]
fn names_come_from_the_pin_file_for_all_of_it_and_stay_over_a_restart() {
    let net = Net::new();
    let pins = net.dir.path().join("pins");
    let mut lines = format!("{}\n", "ab".repeat(32));
    for name in NAMES {
        let dir = net.dir.path().join(format!("{name}-keys"));
        net.certs(&["issue", name, "--out", dir.to_str().unwrap()]);
        let identity = Identity::load(&dir.join("cert.pem"), &dir.join("key.pem")).unwrap();
        lines += &format!("{} {name}\n", identity.node());
    }
    fs::write(&pins, lines).unwrap();
    let mut line = Vec::new();
    for name in NAMES {
        let mut node = net.node(name, &line.last().into_iter().collect::<Vec<_>>());
        let keys = net.dir.path().join(format!("{name}-keys"));
        node.words.drain(..2);
        for (flag, file) in
            [("--pins", pins.clone()), ("--cert", keys.join("cert.pem")), ("--key", keys.join("key.pem"))]
        {
            node.words.extend([flag.to_owned(), file.display().to_string()]);
        }
        node.start();
        node.send(&format!("from {name}"));
        line.push(node);
    }
    let all_named = |line: &[nodes::Node]| {
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
