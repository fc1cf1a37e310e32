//! A real node with a UDP door beside separate programs that play the old peers and the old server, with ends by SIGKILL on
//! either side.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::fs;
use std::process::Command;

use rumormill_testkit::counterpart::Counterpart;
use rumormill_testkit::nodes::{Net, Node, rumormill};
use rumormill_testkit::ports::port;
use rumormill_testkit::wait::until;

/// An old program, or ours for a person.
struct Program(Counterpart);

impl Program {
    fn spawn(command: &mut Command) -> Self {
        Self(Counterpart::spawn(command))
    }

    fn old(words: &[&str]) -> Self {
        let old = Self(Counterpart::start("udp_mesh", words));
        old.prints(|line| line.starts_with("listening "));
        old
    }

    /// An old peer that says only what it is told to.
    fn peer(name: &str, server: u16) -> Self {
        Self::old(&["peer", name, "0", &server.to_string(), "quiet"])
    }

    fn types(&mut self, line: &str) {
        self.0.types(line);
    }

    /// Waits for such a line; it and those before it are forgotten.
    fn prints(&self, holds: impl Fn(&str) -> bool) -> String {
        self.0.prints(holds)
    }

    /// Waits for a directory of exactly these names.
    fn sees(&self, names: &str) {
        let listed = |line: &str| {
            let entries = line.strip_prefix("directory ")?;
            Some(entries.split(' ').filter_map(|entry| entry.chars().next()).collect::<String>())
        };
        self.prints(|line| listed(line).is_some_and(|found| found == names));
    }

    fn kill(self) {
        self.0.kill();
    }
}

fn with_door(net: &Net, keys: &str) -> Node {
    let mut node = net.node("alice", &[]);
    node.words.extend(["--door".into(), format!("udp-mesh,{keys}")]);
    node.start_with_door();
    node
}

fn room_has(node: &Node, claimed: &str, text: &str) {
    node.has_bridged("udp-mesh", claimed, text);
}

#[test]
fn a_node_is_the_directory_of_old_peers() {
    let net = Net::new();
    let server = port();
    let mut node = with_door(&net, &format!("listen=127.0.0.1:{server},name=R"));
    let mut a = Program::peer("A", server);
    a.sees("AR");
    let b = Program::peer("B", server);
    a.sees("ABR");
    a.types("all hello, room");
    room_has(&node, "A", "hello, room");
    b.prints(|line| line.starts_with("vanilla ") && line.ends_with(" hello, room"));
    node.send("to all of you");
    for old in [&a, &b] {
        old.prints(|line| line.contains(" alice@") && line.ends_with(": to all of you"));
    }
    // A name that is taken, and one that broadcasts by itself.
    let second = Program::peer("A", server);
    a.sees("ABR");
    assert!(second.0.printed.lock().unwrap().is_empty(), "it is left out without a word");
    second.kill();
    let c = Program::old(&["peer", "C", "0", &server.to_string()]);
    room_has(&node, "C", "peerC_broadcast_0");
    c.kill();
    a.sees("ABR");
    b.kill();
    a.sees("AR");
    // Old peers send BIRTH once in their life: the directory has to remember them.
    let members = node.state.join("udp-mesh.members");
    until("the members are written", || fs::read_to_string(&members).is_ok_and(|text| text.lines().count() == 3));
    node.kill();
    node.start_with_door();
    a.sees("AR");
    a.types("all after the restart");
    room_has(&node, "A", "after the restart");
    node.send("still with you");
    a.prints(|line| line.ends_with(": still with you"));
    assert_eq!(node.term(), Some(0));
}

#[test]
fn a_node_joins_an_old_server() {
    let net = Net::new();
    let (at, own) = (port(), port());
    let server = Program::old(&["server", &at.to_string()]);
    let mut a = Program::peer("A", at);
    server.prints(|line| line.starts_with("joined A"));
    let mut node = with_door(&net, &format!("listen=127.0.0.1:{own},join=127.0.0.1:{at},name=Z"));
    server.prints(|line| line == format!("joined Z {own}"));
    a.sees("AZ");
    a.types("all hello, room");
    room_has(&node, "A", "hello, room");
    node.send("to all of you");
    a.prints(|line| line.starts_with(&format!("vanilla {own} alice@")) && line.ends_with(": to all of you"));
    node.kill();
    server.prints(|line| line == "dropped Z");
    node.start();
    server.prints(|line| line == format!("joined Z {own}"));
    // One that comes back knows nobody. The old peer never asks again; ours does.
    server.kill();
    let server = Program::old(&["server", &at.to_string()]);
    server.prints(|line| line == format!("joined Z {own}"));
    let mut b = Program::peer("B", at);
    b.sees("BZ");
    b.types("all back again");
    room_has(&node, "B", "back again");
    assert_eq!(node.term(), Some(0));
    server.prints(|line| line == "dropped Z");
}

#[test]
fn our_own_peer_joins_an_old_server_and_is_told_by_ours_why_it_is_not_taken() {
    let net = Net::new();
    let (at, own) = (port(), port());
    let server = Program::old(&["server", &at.to_string()]);
    let ours = |directory: u16, port: u16| {
        let words = ["--directory", &format!("127.0.0.1:{directory}"), "--name", "Q", "--port", &port.to_string()];
        Program::spawn(rumormill().arg("udp-peer").args(words))
    };
    let mut q = ours(at, own);
    q.prints(|line| line.starts_with("registered as Q"));
    let mut a = Program::peer("A", at);
    a.sees("AQ");
    until("it knows the other", || {
        q.types("peers");
        q.0.printed.lock().unwrap().iter().any(|line| line.starts_with("A 127.0.0.1:"))
    });
    q.types("send hello");
    a.prints(|line| line == format!("vanilla {own} hello"));
    a.types("all hello yourself");
    q.prints(|line| line == "A: hello yourself");
    q.types("quit");
    server.prints(|line| line == "dropped Q");
    let at = port();
    let node = with_door(&net, &format!("listen=127.0.0.1:{at},name=Q"));
    q = ours(at, own);
    q.prints(|line| line.starts_with("Q is in no directory"));
    q.prints(|line| line == "not taken: the name is taken");
    drop(node);
}
