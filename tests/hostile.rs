//! A member with a valid certificate does its worst to one of three nodes, in one way at a time: nobody is closed out, nothing
//! fills, no honest node is turned away, and the member can be revoked.
//!
//! Each way lasts two seconds; with `RUMORMILL_TEST_LONG=1` sixty, and then times are asserted too.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "a test"
)]

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use rumormill_testkit::mallory::Mallory;
use rumormill_testkit::nodes::{Net, Node};
use rumormill_testkit::talk::Talk;
use rumormill_testkit::wait::until;
use rumormill_testkit::ways::Way;
use serde_json::Value;

/// What an honest node may grow by in memory, whatever a member does.
const MEMORY: u64 = 64 << 20;
/// What the node's log may grow by in a minute.
const LOG: u64 = 1 << 20;
/// A member's daily allowance, in which pages and indexes are counted; the bound of the store's write-ahead log; and what comes at once
/// with the last group, with the files beside the store and with what honest members say meanwhile.
const DISK: u64 = (64 << 20) + (20 << 20) + (4 << 20);

fn long() -> bool {
    std::env::var_os("RUMORMILL_TEST_LONG").is_some()
}

fn lasts() -> Duration {
    Duration::from_secs(if long() { 60 } else { 2 })
}

/// Resident memory of a node, in bytes.
fn memory(node: &Node) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.child.as_ref().unwrap().id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn disk(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).unwrap().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len()).sum()
}

/// What a node holds of things that somebody else can make grow.
#[derive(Debug, Clone, Copy)]
struct Size {
    memory: u64,
    disk: u64,
    log: u64,
}

impl Size {
    fn of(node: &Node) -> Self {
        Self { memory: memory(node), disk: disk(&node.state), log: fs::metadata(&node.log).unwrap().len() }
    }
}

/// How long messages of one node take to another, in milliseconds, sorted.
fn latencies(from: &Node, to: &Node, mark: &str, time: Duration) -> Vec<u128> {
    let mut follow = to.follow().unwrap();
    let mut talk = from.talk().unwrap();
    let begun = Instant::now();
    let mut took = Vec::new();
    while begun.elapsed() < time {
        let text = format!("{mark} {}", took.len());
        let sent = Instant::now();
        talk.send(&text).unwrap();
        wait_for(&mut follow, to, &text);
        took.push(sent.elapsed().as_millis());
        thread::sleep(Duration::from_millis(50));
    }
    took.sort_unstable();
    took
}

/// Waits until a follower is told a text, or, if it was too slow for some, until the log has it.
fn wait_for(follow: &mut Talk, at: &Node, text: &str) {
    loop {
        match follow.line_unless_missed().unwrap() {
            Some(line) if line["text"] == text => return,
            Some(_) => {}
            None => {
                let is_it = |line: &Value| line["text"] == text;
                return until("it is in the log", || at.talk().unwrap().last(50).unwrap().iter().any(is_it));
            }
        }
    }
}

fn part(sorted: &[u128], of_hundred: usize) -> u128 {
    sorted[(sorted.len() * of_hundred / 100).min(sorted.len() - 1)]
}

/// Restarts a node; gives how long that took until it answered.
fn restart(node: &mut Node) -> Duration {
    assert_eq!(node.term(), Some(0), "{}", node.said());
    let begun = Instant::now();
    node.start();
    begun.elapsed()
}

fn survives(way: Way) {
    let net = Net::new();
    let alice = net.start("alice", &[]);
    let bob = net.start("bob", &[&alice]);
    let carol = net.start("carol", &[&bob]);
    until("a line of three", || bob.peers().len() == 2);
    let quiet = latencies(&carol, &alice, "quiet", lasts() / 4);
    let mut nodes = [alice, bob, carol];
    let before = nodes.each_ref().map(Size::of);

    let mallory = Mallory::of(&net, "mallory");
    let (to, time) = (nodes[0].addr, lasts());
    let attack = thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async { tokio::time::timeout(time, way.does(&mallory, to)).await.ok() });
        runtime.shutdown_background();
        mallory.sent.load(Ordering::Relaxed)
    });
    let loud = latencies(&nodes[2], &nodes[0], "loud", time / 2);
    // Followed: the whole log may be what the member's allowance holds, and reading that is not hearing.
    let mut follow = nodes[0].follow().unwrap();
    let joined = Instant::now();
    let dave = net.start("dave", &[&nodes[1]]);
    dave.send("I am new here");
    wait_for(&mut follow, &nodes[0], "I am new here");
    let heard = joined.elapsed();
    let sent = attack.join().unwrap();
    println!(
        "{way:?}: {sent} frames; p50/p99 {}/{} ms quiet, {}/{} ms loud; newcomer heard after {heard:?}",
        part(&quiet, 50),
        part(&quiet, 99),
        part(&loud, 50),
        part(&loud, 99)
    );
    if long() {
        assert!(heard < Duration::from_secs(5), "{heard:?}");
        assert!(part(&loud, 99) <= part(&quiet, 99) * 2 + 5, "{quiet:?}\n{loud:?}");
    }
    assert!(sent > 0, "the attack came to nothing: {}", nodes[0].said());
    let after = nodes.each_ref().map(Size::of);
    for (node, (before, after)) in nodes.iter().zip(before.iter().zip(after)) {
        println!("{way:?}: {} {before:?} -> {after:?}", node.name);
        assert!(after.memory.saturating_sub(before.memory) <= MEMORY, "{} {way:?}: memory", node.name);
        assert!(after.disk.saturating_sub(before.disk) <= DISK, "{} {way:?}: disk", node.name);
        assert!(after.log.saturating_sub(before.log) <= LOG, "{} {way:?}: log", node.name);
    }
    // Honest links never ended.
    for (node, links) in nodes.iter().zip([&["bob"][..], &["alice", "carol", "dave"], &["bob"]]) {
        let peers = node.peers();
        for link in links {
            assert!(
                peers.iter().any(|peer| peer["name"] == *link),
                "{}: no link with {link}: {}",
                node.name,
                node.said()
            );
        }
    }
    assert_eq!(nodes[2].metric("node_links_down"), 0, "{}", nodes[2].said());

    let took = restart(&mut nodes[0]);
    println!("{way:?}: a restart took {took:?}");
    assert!(!long() || took < Duration::from_secs(2), "{took:?}");
    let state = nodes[0].state.display().to_string();
    net.certs(&["revoke", "mallory", "--state", &state]);
    until("all know of the revocation", || nodes.iter().all(|node| node.metric("node_revocation_list") == 1));
    let mallory = Mallory::of(&net, "mallory");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    assert!(!runtime.block_on(mallory.is_taken(nodes[0].addr)), "a revoked member got a link");
    until("all show what was said", || {
        let texts = nodes.each_ref().map(Node::texts);
        texts[0] == texts[1]
            && texts[1] == texts[2]
            && texts[0].iter().filter(|t| t.starts_with("loud")).count() == loud.len()
    });
}

macro_rules! ways {
    ($($test:ident: $way:ident,)*) => { $(
        #[test]
        fn $test() {
            survives(Way::$way);
        }
    )* };
}

ways! {
    proofs_about_origins_that_nobody_knows: ProofsFromNothing,
    proofs_whose_place_falls_and_falls: FallingPlaces,
    incarnations_without_end: Incarnations,
    as_many_bytes_as_its_links_take: Bytes,
    as_many_small_bundles_as_its_links_take: SmallBundles,
    claims_without_messages: Claims,
    revocation_lists_that_are_none: Lists,
    certificates_of_nobody: Certificates,
    frames_of_no_form: BadFrames,
    links_that_never_say_hello: Silent,
    farewells_that_forge_log_lines: Farewells,
    texts_that_forge_lines: Texts,
    clocks_from_the_future: Clocks,
    ranges_asked_for_and_never_read: Ranges,
}
