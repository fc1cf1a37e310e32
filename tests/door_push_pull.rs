//! PUSH and PULL through real nodes, by a client as it was as a process of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test")]

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rumormill_testkit::counterpart::program;
use rumormill_testkit::nodes::{Net, Node};
use rumormill_testkit::wait::until;

/// The client while it runs.
fn client(node: &Node, words: &[&str]) -> Child {
    let mut command = Command::new(program("push_pull"));
    command.arg(door(node).to_string()).args(words).stdin(Stdio::null()).stdout(Stdio::piped());
    command.spawn().unwrap()
}

/// What the client prints.
fn says(node: &Node, words: &[&str]) -> Vec<String> {
    let done = client(node, words).wait_with_output().unwrap();
    String::from_utf8(done.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn push(node: &Node, to: &str, contents: &str) -> bool {
    says(node, &["push", to, contents]) == ["SUCCESS"]
}

/// Pulls until so many have come, all of them in order.
fn pulls(node: &Node, wanted: usize) -> Vec<String> {
    let mut got = Vec::new();
    until("letters", || {
        got.extend(says(node, &["pull"]).into_iter().skip(1));
        got.len() >= wanted
    });
    got
}

fn door(node: &Node) -> SocketAddr {
    SocketAddr::new(node.addr.ip(), 60_085)
}

fn start(net: &Net, name: &str, neighbours: &[&Node], more: &str) -> Node {
    let mut node = net.node(name, neighbours);
    let listen = door(&node);
    node.words.extend(["--door".into(), format!("push-pull,listen={listen}{more}")]);
    begin(&mut node);
    node
}

/// Its local socket is there before its doors are, but answers after.
fn begin(node: &mut Node) {
    node.start();
    assert_eq!(node.asked(&["doors", "--json"])[0][0]["door"], "push-pull");
}

#[test]
fn letters_wait_over_the_death_of_each_node_and_of_the_client() {
    let net = Net::new();
    let mut alice = start(&net, "alice", &[], "");
    let mut bob = start(&net, "bob", &[&alice], ",gap=100ms");
    until("bob's door is known", || push(&alice, "bob", "number 0, grüße MSG: x"));
    assert_eq!(says(&alice, &["push", "nobody", "x"]), ["FAIL"]);
    // What was promised is sent, even if the node dies at once, and while the other one is away.
    bob.kill();
    for n in 1..10 {
        assert!(push(&alice, "bob", &format!("number {n}, grüße MSG: x")), "{n}");
    }
    alice.kill();
    begin(&mut alice);
    begin(&mut bob);
    let waits = || says(&bob, &["pull-and-die", "0"]) == ["10"];
    until("all have come", waits);

    // A client that is killed in the middle takes nothing away; and neither does a node that is.
    for reads in ["0", "1", "9"] {
        assert_eq!(says(&bob, &["pull-and-die", reads]), ["10"]);
    }
    let mut killed = client(&bob, &["pull"]);
    thread::sleep(Duration::from_millis(350));
    killed.kill().unwrap();
    killed.wait().unwrap();
    let mut cut = client(&bob, &["pull"]);
    thread::sleep(Duration::from_millis(350));
    bob.kill();
    cut.wait().unwrap();
    begin(&mut bob);

    let expected: Vec<_> = (0..10).map(|n| format!("IP: alice MSG:number {n}, grüße MSG: x")).collect();
    let first = says(&bob, &["pull"]);
    assert_eq!((first[0].as_str(), &first[1..]), ("10", &expected[..]));
    // Killed before it has noted that, it would show them again: rather twice than never.
    until("it is noted", || bob.asked(&["doors", "--json"])[0][0]["counters"]["messages_out"] == 10);
    bob.kill();
    begin(&mut bob);
    assert_eq!(says(&bob, &["pull"]), ["0"], "once and not again, over a restart too");
    // The room has heard none of it.
    assert!(alice.texts().is_empty() && bob.texts().is_empty());
    // And back.
    until("an answer", || push(&bob, "alice", "got it"));
    assert_eq!(pulls(&alice, 1), ["IP: bob MSG:got it"]);
}

/// One PUSH after the other until one is not kept: it is not said to be.
#[test]
fn a_letter_that_the_store_could_not_write_is_no_success() {
    let net = Net::new();
    let mut alice = start(&net, "alice", &[], "");
    until("her own key is known", || push(&alice, "alice", "letter 0"));
    let begun = alice.texts().len();
    assert_eq!(alice.term(), Some(0));
    alice.spawn_by(&["bash", "-c", "ulimit -f 300; exec \"$@\"", "bash"]);
    until("her door is open", || std::net::TcpStream::connect(door(&alice)).is_ok());
    let text = |n: usize| format!("letter {n} {}", "x".repeat(1_000));
    let kept = (1..400).take_while(|n| push(&alice, "alice", &text(*n))).count();
    assert!(kept > 0 && kept < 399, "{kept}: {}", alice.said());
    let mut child = alice.child.take().unwrap();
    until("it ends", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(1), "{}", alice.said());
    begin(&mut alice);
    let letters = pulls(&alice, kept + 1);
    let numbers: std::collections::BTreeSet<usize> =
        letters.iter().filter_map(|letter| letter.split(' ').nth(3)?.parse().ok()).collect();
    assert!((0..=kept).all(|n| numbers.contains(&n)), "{kept} were kept beside the first: {numbers:?}");
    assert_eq!(begun, alice.texts().len(), "nothing of it is for the room");
}

#[test]
fn letters_to_an_older_node_and_from_it() {
    let net = Net::new();
    let mut alice = net.node("alice", &[]);
    let own = alice.addr.ip();
    let listen = door(&alice);
    let mut older = Command::new(program("relay_43110"));
    older.args(["127.0.0.1:0", "200", "43110"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut older = older.spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(older.stdout.take().unwrap()));
    let mut next = move || lines.next().unwrap().unwrap();
    let at = next().strip_prefix("LISTENING ").unwrap().to_owned();
    alice.words.extend(["--door".into(), format!("push-pull,listen={listen}")]);
    alice.words.extend(["--door".into(), format!("relay-43110,listen={own}:43110,dial={at},period=1s")]);
    begin(&mut alice);
    assert_eq!(next(), format!("LINK {own}"));
    assert_eq!(next(), format!("IP: {own} MSG:0001|127.0.0.1"));
    assert!(push(&alice, "127.0.0.1", "hello over there"));
    assert_eq!(next(), format!("IP: {own} MSG:0002|hello over there"), "bare, and by the link that is there");
    std::io::Write::write_all(older.stdin.as_mut().unwrap(), format!("push {own} hello back\n").as_bytes()).unwrap();
    assert_eq!(pulls(&alice, 1), ["IP: 127.0.0.1 MSG:hello back"]);
    older.kill().unwrap();
    older.wait().unwrap();
}
