//! Nodes that are killed under load, and stores that are damaged or put back while their node is stopped.
//!
//! `RUMORMILL_TEST_LONG=1` kills 50 times instead of 6.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use rumormill_testkit::nodes::{Net, Node, copy_files};
use rumormill_testkit::talk::{Seen, place};
use rumormill_testkit::wait::until;
use serde_json::{Value, json};

fn kills() -> usize {
    if std::env::var_os("RUMORMILL_TEST_LONG").is_some() { 50 } else { 6 }
}

/// Alice, bob and carol, each a neighbour of both others.
fn triangle(net: &Net) -> [Node; 3] {
    let mut nodes = ["alice", "bob", "carol"].map(|name| net.node(name, &[]));
    let all: Vec<_> = nodes.iter().map(|node| format!("{}@{}", node.name, node.addr)).collect();
    for (at, node) in nodes.iter_mut().enumerate() {
        node.words.extend(["--durability".into(), "normal".into()]);
        for (_, other) in all.iter().enumerate().filter(|(other, _)| *other != at) {
            node.words.extend(["--neighbour".into(), other.clone()]);
        }
        node.start();
    }
    nodes
}

/// Messages that may be sent in a round: without a bound, logs would grow faster than they can be compared.
const ROUND: usize = 150;

/// Sends through a node as fast as it answers, whenever it is there and the round allows more. Gives what was answered as
/// durable, as lines.
fn load(node: &Node, go: &Arc<AtomicBool>, sent: &Arc<AtomicUsize>, most: &Arc<AtomicUsize>) -> JoinHandle<Vec<Value>> {
    let name = node.name.clone();
    let (addr, state, log) = (node.addr, node.state.clone(), node.log.clone());
    // The same node as its users see it: without its process.
    let node = Node { name: name.clone(), addr, state, log, words: Vec::new(), child: None };
    let (go, sent, most) = (Arc::clone(go), Arc::clone(sent), Arc::clone(most));
    thread::spawn(move || {
        let mut durable = Vec::new();
        while go.load(Ordering::Relaxed) {
            let Ok(mut talk) = node.talk() else {
                thread::sleep(std::time::Duration::from_millis(5));
                continue;
            };
            while go.load(Ordering::Relaxed) {
                if sent.load(Ordering::Relaxed) >= most.load(Ordering::Relaxed) {
                    thread::sleep(std::time::Duration::from_millis(1));
                    continue;
                }
                let text = format!("{name} says {}", sent.fetch_add(1, Ordering::Relaxed));
                let Ok(mut line) = talk.send(&text) else { break };
                line["text"] = json!(text);
                durable.push(line);
            }
        }
        durable
    })
}

fn all_equal(nodes: &[Node]) -> Vec<Value> {
    let told =
        |node: &Node| -> Vec<_> { node.shown().iter().map(|line| (place(line), line["text"].clone())).collect() };
    until("equal logs", || {
        let log = told(&nodes[0]);
        nodes.iter().all(|node| told(node) == log)
    });
    nodes[0].shown()
}

/// Every line of `what` is in `log`, with the same text.
fn holds(log: &[Value], what: &[Value], why: &str) {
    let log: BTreeSet<_> = log.iter().map(|line| (place(line), line["text"].as_str())).collect();
    for line in what {
        assert!(log.contains(&(place(line), line["text"].as_str())), "{why}: {line}");
    }
}

#[test]
fn what_was_shown_is_shown_again_after_every_kill() {
    let net = Net::new();
    let mut nodes = triangle(&net);
    let (go, sent, most) = (Arc::new(AtomicBool::new(true)), Arc::default(), Arc::default());
    let loads = nodes.each_ref().map(|node| load(node, &go, &sent, &most));
    let (mut seen, mut shown) = (Seen::default(), Vec::new());
    for round in 0..kills() {
        let node = &mut nodes[round % 3];
        let before = node.shown();
        let from = sent.load(Ordering::Relaxed);
        most.store(from + ROUND, Ordering::Relaxed);
        // It dies in the middle of a round, and the others go on without it.
        until("some load", || sent.load(Ordering::Relaxed) > from + ROUND / 3);
        node.kill();
        node.start();
        let after = node.shown();
        seen.take(&before);
        seen.take(&after);
        holds(&after, &before, &format!("round {round}, {} shows again what it had shown", node.name));
        shown = after;
    }
    go.store(false, Ordering::Relaxed);
    let durable: Vec<_> = loads.into_iter().flat_map(|load| load.join().unwrap()).collect();
    seen.take(&durable);
    let log = all_equal(&nodes);
    seen.take(&log);
    holds(&log, &durable, "what was answered as durable is everywhere");
    holds(&log, &shown, "what was shown is everywhere");
    assert_eq!(seen.count(), log.len(), "nothing that was ever shown is gone");
    println!("{} kills, {} messages answered as durable, {} in every log", kills(), durable.len(), log.len());
}

/// Three nodes with 200 messages of each in every store.
fn filled(net: &Net) -> [Node; 3] {
    let nodes = triangle(net);
    for node in &nodes {
        let mut talk = node.talk().unwrap();
        for n in 0..200 {
            talk.send(&format!("{} {n} {}", node.name, "-".repeat(150))).unwrap();
        }
    }
    until("all messages", || nodes.iter().all(|node| node.shown().len() == 600));
    nodes
}

/// The database of a node that is stopped.
fn store(node: &Node) -> PathBuf {
    let files = fs::read_dir(&node.state).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
}

/// Changes bob's store while it is stopped. What bob shows alone is healthy; then the others fill it again.
fn harmed(change: impl FnOnce(&mut Vec<u8>)) {
    let net = Net::new();
    let [mut alice, mut bob, mut carol] = filled(&net);
    let expected = alice.shown();
    assert_eq!(bob.term(), Some(0));
    let path = store(&bob);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(&path, bytes).unwrap();
    alice.kill();
    carol.kill();
    assert!(!bob.said().contains("damage"), "{}", bob.said());
    bob.start();
    bob.says("damage");
    let alone = bob.shown();
    println!("{} of {} messages are kept", alone.len(), expected.len());
    assert!(!alone.is_empty() && alone.len() < expected.len(), "{} of {} are kept", alone.len(), expected.len());
    holds(&expected, &alone, "what is kept is healthy");
    alice.start();
    carol.start();
    until("the rest from its neighbours", || bob.shown() == expected);
    writes_on(&[alice, bob, carol]);
}

/// Bob writes on under another incarnation than any of its earlier ones, and all logs are equal.
fn writes_on(nodes: &[Node; 3]) {
    let log = nodes[0].shown();
    let id = log.iter().find(|line| line["text"].as_str().unwrap().starts_with("bob ")).unwrap()["origin"].clone();
    let earlier: BTreeSet<_> = log.iter().filter(|line| line["origin"] == id).map(|line| place(line).1).collect();
    let (_, incarnation, _) = place(&nodes[1].send("back again"));
    assert!(!earlier.contains(&incarnation), "a new incarnation: {incarnation} after {earlier:?}");
    until("the new one", || nodes.iter().all(|node| node.shown().len() == log.len() + 1));
    let places: BTreeSet<_> = all_equal(nodes).iter().map(place).collect();
    assert_eq!(places.len(), log.len() + 1, "no place twice");
}

#[test]
fn a_store_cut_short_is_said_and_salvaged_and_filled_again() {
    harmed(|bytes| bytes.truncate(bytes.len() * 7 / 10));
}

#[test]
fn a_store_with_flipped_bytes_is_said_and_salvaged_and_filled_again() {
    harmed(|bytes| {
        let middle = bytes.len() / 2;
        bytes[middle..middle + 8 * 4_096].iter_mut().step_by(3).for_each(|byte| *byte ^= 0x5a);
    });
}

#[test]
fn an_old_copy_put_back_is_filled_again_and_never_written_over() {
    let net = Net::new();
    let [alice, mut bob, carol] = filled(&net);
    assert_eq!(bob.term(), Some(0));
    let old = net.dir.path().join("old");
    copy_files(&bob.state, &old);
    bob.start();
    for n in 0..10 {
        bob.send(&format!("bob, later {n}"));
    }
    until("the later ones", || alice.shown().len() == 610);
    assert_eq!(bob.term(), Some(0));
    fs::remove_dir_all(&bob.state).unwrap();
    copy_files(&old, &bob.state);
    assert!(!bob.said().contains("under a new incarnation"), "{}", bob.said());
    bob.start();
    until("the rest from its neighbours", || bob.shown() == alice.shown());
    bob.says("our messages go on under a new incarnation");
    writes_on(&[alice, bob, carol]);
}
