//! A real node with a protobuf door beside a separate program that plays the older peer, in both roles, with ends by
//! SIGKILL on either side.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::net::SocketAddr;

use rumormill_testkit::counterpart::Counterpart;
use rumormill_testkit::nodes::{Net, Node};
use rumormill_testkit::wait::until;

/// The older program.
struct Old(Counterpart);

impl Old {
    fn start(local: SocketAddr, host: Option<SocketAddr>, id: u32) -> Self {
        let (local, host, id) = (local.to_string(), host.map(|host| host.to_string()), id.to_string());
        let words: Vec<_> = [local.as_str()].into_iter().chain(host.as_deref()).chain(["--desired-id", &id]).collect();
        let old = Self(Counterpart::start("protobuf_peer", &words));
        old.prints("listening ");
        old
    }

    fn types(&mut self, line: &str) {
        self.0.types(line);
    }

    /// Waits for a line that begins so, which it then forgets.
    fn prints(&self, start: &str) {
        self.0.takes(|line| line.starts_with(start));
    }

    fn kill(self) {
        self.0.kill();
    }
}

/// A port on the node's own loopback address, so that nobody else has it.
fn near(node: &Node, port: u16) -> SocketAddr {
    (node.addr.ip(), port).into()
}

/// A node that runs with this door.
fn with_door(net: &Net, keys: impl Fn(&Node) -> String) -> Node {
    let mut node = net.node("alice", &[]);
    let spec = format!("protobuf-peer,{}", keys(&node));
    node.words.extend(["--door".into(), spec]);
    node.start_with_door();
    node
}

fn room_has(node: &Node, claimed: &str, text: &str) {
    node.has_bridged("protobuf-peer", claimed, text);
}

#[test]
fn a_node_is_host_to_older_peers() {
    let net = Net::new();
    let mut node = with_door(&net, |node| format!("listen={},id=10", near(node, 5_000)));
    let host = near(&node, 5_000);
    let mut a = Old::start(near(&node, 5_011), Some(host), 11);
    a.prints("joined 10");
    a.types("10 Hello, Room");
    room_has(&node, "11", "hello, room");
    let mut b = Old::start(near(&node, 5_012), Some(host), 12);
    b.prints("joined 10");
    b.prints("join 11 via 10");
    a.prints("join 12 via 10");
    b.types("11 via host");
    a.prints("from 12: via host");
    node.send("to all of you");
    for old in [&a, &b] {
        until("the room is heard", || {
            let printed = old.0.printed.lock().unwrap();
            printed.iter().any(|line| line.starts_with("from 10: alice@") && line.ends_with(": to all of you"))
        });
    }
    // An id that is taken, and one that is the host's.
    for id in [11, 10] {
        Old::start(near(&node, 5_013), Some(host), id).prints("not joined");
    }
    b.kill();
    a.prints("leave 12");
    let b = Old::start(near(&node, 5_012), Some(host), 12);
    b.prints("joined 10");
    a.prints("join 12 via 10");
    node.kill();
    a.prints("gone 10");
    b.prints("gone 10");
    node.start_with_door();
    // The older program dials once in its life: a new one comes.
    let mut c = Old::start(near(&node, 5_014), Some(host), 14);
    c.prints("joined 10");
    c.types("10 back");
    room_has(&node, "14", "back");
    assert_eq!(node.term(), Some(0));
    c.prints("gone 10");
}

#[test]
fn a_node_joins_an_older_host() {
    let net = Net::new();
    let place = net.node("place", &[]);
    let at = |port| near(&place, port);
    let mut host = Old::start(at(5_010), None, 10);
    let mut node = with_door(&net, |_| format!("listen={},id=11,join={},retry=1s", at(5_011), at(5_010)));
    host.prints("peer 11");
    host.types("11 Hello");
    room_has(&node, "10", "hello");
    let mut c = Old::start(at(5_012), Some(at(5_010)), 12);
    c.prints("joined 10");
    c.prints("join 11 via 10");
    c.types("11 by way of the host");
    room_has(&node, "12", "by way of the host");
    node.send("to all of you");
    for old in [&host, &c] {
        until("the room is heard", || {
            let printed = old.0.printed.lock().unwrap();
            printed.iter().any(|line| line.starts_with("from 11: alice@") && line.ends_with(": to all of you"))
        });
    }
    // One who dials the node is announced to the node's host.
    let mut d = Old::start(at(5_013), Some(at(5_011)), 13);
    d.prints("join 10 via 11");
    host.prints("join 13 via 11");
    host.types("13 through the node");
    d.prints("from 10: through the node");
    d.types("12 two steps");
    c.prints("from 13: two steps");
    d.kill();
    host.prints("leave 13");
    node.kill();
    host.prints("gone 11");
    c.prints("leave 11");
    node.start_with_door();
    host.prints("peer 11");
    host.kill();
    c.prints("gone 10");
    let mut host = Old::start(at(5_010), None, 10);
    host.prints("peer 11");
    host.types("11 again");
    room_has(&node, "10", "again");
}
