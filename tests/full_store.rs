//! The real program with a full store: whoever waits is told why at once, what is new passes, `peers` says what lacks, and it
//! goes on with more room.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::thread;

use rumormill_testkit::nodes::{Net, Node, said};
use rumormill_testkit::wait::until;

/// The smallest that the setting allows.
const MOST: u64 = 1 << 20;

/// Says what is long until it is told no; gives how many are durable and what it was told.
fn fill(node: &Node, who: usize) -> (usize, String) {
    let mut talk = node.talk().unwrap();
    for n in 0.. {
        if let Err(why) = talk.send(&format!("{who} {n} {}", "x".repeat(1_500))) {
            return (n, why.to_string());
        }
    }
    unreachable!()
}

#[test]
fn a_full_node_tells_whoever_waits_and_lets_pass_what_is_new() {
    let net = Net::new();
    let mut alice = net.start("alice", &[]);
    let mut frank = net.node("frank", &[&alice]);
    frank.words.extend(["--store-max".into(), "1MiB".into(), "--anti-entropy".into(), "500ms".into()]);
    frank.start();
    let mut carol = net.start("carol", &[&frank]);
    until("linked", || frank.peers().len() == 2);
    let told: Vec<_> = thread::scope(|all| {
        let frank = &frank;
        let waiting: Vec<_> = (0..4).map(|who| all.spawn(move || fill(frank, who))).collect();
        waiting.into_iter().map(|waits| waits.join().unwrap()).collect()
    });
    let durable: usize = told.iter().map(|(n, _)| n).sum();
    assert!(durable > 100, "{told:?}");
    assert!(told.iter().all(|(_, why)| why.contains("the store is full")), "{told:?}");
    assert!(!frank.said().contains("the node is stopping"), "{}", frank.said());
    frank.says("the store is full");
    assert_eq!(frank.metric("node_store_full"), 1);
    assert_eq!(frank.texts().len(), durable);
    let refused = frank.ask(&["send", "one more"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("the store is full"));
    for n in 0..20 {
        alice.send(&format!("from alice {n}"));
        carol.send(&format!("from carol {n}"));
    }
    until("what is new is at both ends", || alice.texts().len() == durable + 40 && carol.texts().len() == durable + 40);
    assert_eq!(frank.texts().len(), durable, "it keeps none of it");
    let lacks = |node: &Node, lag: u64, behind: u64, why: &str| {
        node.peers()
            .iter()
            .all(|p| p["lag"] == lag && p["behind"] == behind && p["in_sync"] == false && p["why"] == why)
    };
    until("all say what lacks and why", || {
        lacks(&alice, 40, 0, "held-by-peer")
            && lacks(&carol, 40, 0, "held-by-peer")
            && lacks(&frank, 0, 40, "store-full")
    });
    for node in [&alice, &frank, &carol] {
        assert!(!node.said().contains("broke the protocol"), "{}", node.said());
    }
    assert_eq!(frank.term(), Some(0));
    let disk = |node: &Node| -> u64 {
        let files = std::fs::read_dir(&node.state).unwrap().map(|file| file.unwrap().metadata().unwrap());
        files.filter(std::fs::Metadata::is_file).map(|file| file.len()).sum()
    };
    assert!(disk(&frank) <= MOST + 65_536, "{} bytes", disk(&frank));
    let at = frank.words.iter().position(|word| word == "1MiB").unwrap();
    frank.words[at] = "8MiB".into();
    frank.start();
    until("with more room it has all", || frank.texts().len() == durable + 40);
    frank.send("and says again");
    until("in sync", || {
        frank.peers().len() == 2 && frank.peers().iter().all(|p| p["in_sync"] == true && p["why"].is_null())
    });
    assert_eq!([alice.term(), frank.term(), carol.term()], [Some(0); 3]);
}
