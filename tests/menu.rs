//! `rumormill menu` by pipes, over the plain format and over the mesh: the same work plan, the same lines; and what only the
//! mesh has: addresses that are taken, nodes that go away.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Output, Stdio};

use rumormill_testkit::menu_person::{MENU, Person, SEND, left, work_plan};
use rumormill_testkit::nodes::{Net, Node, rumormill};
use rumormill_testkit::ports::{port, ports};
use rumormill_testkit::wait::until;
use rustix::process::{Pid, Signal, kill_process};

const NAMES: [&str; 4] = ["alpha", "beta", "gamma", "delta"];

/// A menu that will have that address, and its process.
fn start(words: &[&str], addr: SocketAddr) -> (Person, Pid) {
    let mut command = rumormill();
    command.arg("menu").args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    let id = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    (Person::new(addr, input, output, async move { child.wait().await.unwrap().success() }), id)
}

/// Somebody at a menu of a node, whom all these nodes know.
async fn comes(node: &Node, name: &str, port: u16, nodes: &[&Node]) -> (Person, Pid) {
    let addr = SocketAddr::new(node.addr.ip(), port);
    let online = |node: &Node| node.texts().iter().filter(|text| **text == format!("* {addr} {name} online")).count();
    let before: Vec<_> = nodes.iter().map(|node| online(node)).collect();
    let (person, id) = start(&["--state", &node.state.display().to_string()], addr);
    let person = person.comes(name).await;
    for (node, before) in nodes.iter().zip(before) {
        until("it is known that it has come", || online(node) > before);
    }
    (person, id)
}

/// A menu that is told all at once.
fn run(words: &[&str], input: &str) -> Output {
    let mut child = rumormill()
        .arg("menu")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that ends before it has read all is what some want to see.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn refused(output: &Output, code: i32, why: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(why.iter().all(|why| said.contains(why)), "{said:?} has not all of {why:?}");
}

#[tokio::test]
async fn the_work_plan_over_the_plain_format() {
    let mut people = Vec::new();
    for (name, port) in NAMES.into_iter().zip(ports::<4>()) {
        people.push(start(&[], SocketAddr::from(([127, 0, 0, 1], port))).0.comes(name).await);
    }
    work_plan(people.try_into().ok().unwrap()).await;
}

#[tokio::test]
async fn the_work_plan_over_the_mesh() {
    let net = Net::new();
    let mut nodes: Vec<Node> = Vec::new();
    for name in NAMES {
        let node = net.start(name, &nodes.last().into_iter().collect::<Vec<_>>());
        nodes.push(node);
    }
    let (all, port) = (nodes.iter().collect::<Vec<_>>(), port());
    let mut people = Vec::new();
    for (name, node) in NAMES.into_iter().zip(&nodes) {
        people.push(comes(node, name, port, &all).await.0);
    }
    work_plan(people.try_into().ok().unwrap()).await;
    // They leave nothing at their nodes, and what they said is in no other room.
    for node in &nodes {
        let left: Vec<_> = std::fs::read_dir(&node.state).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("menu-")), "{left:?}");
        assert!(node.shown().iter().all(|line| line["room"] == "menu" && line["verified"] == true));
    }
}

#[tokio::test]
async fn an_address_is_of_one_menu() {
    let net = Net::new();
    let alice = net.start("alice", &[]);
    let bob = net.start("bob", &[&alice]);
    let (port, all) = (port(), [&alice, &bob]);
    let (mut person, _) = comes(&alice, "alpha", port, &all).await;
    let (at, [alices, bobs]) = (person.addr, all.map(|node| node.state.display().to_string()));
    let (ip, input) = (at.ip().to_string(), format!("beta\n{port}\n1\n"));
    let taken = format!("{at} is taken by");
    let output = run(&["--state", &bobs, "--listen", &ip], &input);
    refused(&output, 1, &[&taken, "a menu of node alice (", "choose another port"]);
    assert_eq!(output.stdout, b"Enter your name: Enter your port number: ");
    refused(&run(&["--state", &alices], &input), 1, &[&taken, "another menu of this node", "choose another port"]);
    // At another port it is welcome, and is told who is there.
    let other = SocketAddr::new(at.ip(), port + 1);
    let output =
        run(&["--state", &bobs, "--listen", &ip], &format!("beta\n{}\nWho is online? {at}\n0\n", other.port()));
    refused(&output, 0, &[]);
    assert!(String::from_utf8_lossy(&output.stdout).contains(&format!("Online at {at}: {other}\n")), "{output:?}");
    // A claim by hand is nothing to the others.
    let claims = [format!("* {at} thief online"), format!("{at} {at} alpha exit"), format!("{at} {other} beta hi")];
    for claim in &claims {
        bob.asked(&["send", claim, "--room", "menu", "--json"]);
    }
    until("they are there", || alice.texts().contains(&claims[2]));
    let hi = format!("beta\n{}\n1\n{ip}\n{port}\nhi\n0\n", other.port());
    refused(&run(&["--state", &bobs, "--listen", &ip], &hi), 0, &[]);
    person.prints(&format!("\n{other} beta hi\n{MENU}\n{}\n{MENU}", left(other, "beta"))).await;
    person.types("0\n").await;
    person.ends().await;
    // It is free, for the other node too.
    until("it is known that it left", || bob.texts().contains(&format!("* {at} alpha exit")));
    refused(&run(&["--state", &bobs, "--listen", &ip], &format!("beta\n{port}\n0\n")), 0, &[]);
}

#[tokio::test]
async fn one_that_is_killed_comes_back_to_its_port() {
    let net = Net::new();
    let alice = net.start("alice", &[]);
    let bob = net.start("bob", &[&alice]);
    let (port, all) = (port(), [&alice, &bob]);
    let (mut a, id) = comes(&alice, "alpha", port, &all).await;
    let (mut b, _) = comes(&bob, "beta", port, &all).await;
    let (at_a, at_b) = (a.addr, b.addr);
    b.sends(at_a, "hello").await;
    a.hears(&format!("{at_b} beta hello")).await;
    kill_process(id, Signal::KILL).unwrap();
    a.goes().await;
    // Nobody has said that it left: what is sent is in the log, and not shown when it is back.
    b.sends(at_a, "are you there?").await;
    until("it is in the log", || alice.texts().iter().any(|text| text.ends_with(" are you there?")));
    let (mut a, _) = comes(&alice, "alpha", port, &all).await;
    a.lists(&[]).await;
    b.sends(at_a, "welcome back").await;
    a.hears(&format!("{at_b} beta welcome back")).await;
    a.lists(&[at_b]).await;
    a.types("0\n").await;
    a.ends().await;
    b.hears(&left(at_a, "alpha")).await;
    // Now it has left.
    b.types(&format!("1\n{}\n{port}\nstill there?\n", at_a.ip())).await;
    b.prints(&format!("{SEND}Could not send to {at_a}: nobody listens there\n{MENU}")).await;
    b.types("0\n").await;
    b.ends().await;
}

#[test]
fn a_node_that_goes_away_ends_its_menu_and_says_so() {
    let net = Net::new();
    for end in [|node: &mut Node| assert_eq!(node.term(), Some(0)), Node::kill] {
        let mut node = net.start("alice", &[]);
        let state = node.state.display().to_string();
        let before = node.texts().len();
        let mut command = rumormill();
        command.args(["menu", "--state", &state]).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"alpha\n8080\n").unwrap();
        until("it has come", || node.texts().len() > before);
        end(&mut node);
        let output = child.wait_with_output().unwrap();
        refused(&output, 1, &["error: ", "next: start the node with `rumormill node"]);
        assert!(output.stdout.ends_with(b"Enter choice: \n"), "{output:?}");
        drop(input);
    }
}

#[test]
fn what_is_asked_for_wrongly_is_refused_before_the_first_question() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().display().to_string();
    let output = run(&["--state", &state], "alpha\n8080\n");
    refused(&output, 1, &["no node answers at", "next: start the node"]);
    assert!(output.stdout.is_empty());
    refused(&run(&["--state", &state, "--insecure-bind"], ""), 2, &["--insecure-bind"]);
    refused(&run(&["--listen", "0.0.0.0"], ""), 2, &["0.0.0.0", "--insecure-bind"]);
    let net = Net::new();
    let node = net.start("alice", &[]);
    let output = run(&["--socket", &node.socket().display().to_string(), "--listen", "0.0.0.0"], "");
    refused(&output, 2, &["0.0.0.0", "--listen"]);
    assert!(output.stdout.is_empty());
}
