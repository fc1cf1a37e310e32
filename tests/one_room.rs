//! Five legacy protocols in one room: a UDP peer, a menu chat peer, a protobuf peer, a 43110 node and a classroom process, each
//! at a node of its own; the nodes are linked in a line by TLS. What each says is seen by all the others, once and marked.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::time::Instant;

use rumormill_testkit::legacy::{LegacyUser, classroom, menu, protobuf, relay, udp};
use rumormill_testkit::nodes::{Net, Node};
use rumormill_testkit::wait::until;

fn times(old: &LegacyUser, text: &str) -> usize {
    old.heard.lock().unwrap().iter().filter(|heard| heard.ends_with(text)).count()
}

#[test]
fn five_older_worlds_meet_in_one_room() {
    let net = Net::new();
    let doors = [
        ("udp", "udp-mesh,listen=IP:3000,name=Z"),
        ("menu", "peer-line,listen=IP:8080,name=room"),
        ("proto", "protobuf-peer,listen=IP:5000,id=10"),
        ("relay", "relay-43110,listen=IP:43110"),
        ("class", "classroom,listen=IP:10000"),
    ];
    let mut nodes: Vec<Node> = Vec::new();
    for (name, door) in doors {
        let mut node = net.node(name, &nodes.last().into_iter().collect::<Vec<_>>());
        node.words.extend(["--door".into(), door.replace("IP", &node.addr.ip().to_string())]);
        node.start();
        node.says("a door is open");
        nodes.push(node);
    }
    for (n, node) in nodes.iter().enumerate() {
        let wanted = if n == 0 || n == 4 { 1 } else { 2 };
        until("linked", || node.peers().len() == wanted);
        assert!(node.peers().iter().all(|peer| peer["tls_version"] == "TLSv1.3" || peer["tls_version"] == "1.3"));
    }
    let ip = |n: usize| nodes[n].addr.ip();
    let mut users = [udp(ip(0)), menu(ip(1)), protobuf(ip(2)), relay(ip(3)), classroom(ip(4))];
    // Programs of the classroom split at white space: what came by a door is one word there.
    let shown = |old: &str, from: &LegacyUser, text: &str| match (old, from.door) {
        ("classroom", "") => text.to_owned(),
        ("classroom", _) => text.replace(' ', "_"),
        _ => text.to_owned(),
    };
    // Its first message makes the menu chat's peer known.
    (users[1].say)("hello");
    until("the first message is everywhere", || nodes.iter().all(|node| node.texts().iter().any(|t| t == "hello")));
    for n in 0..users.len() {
        let text = format!("from {} to everyone", users[n].name);
        let began = Instant::now();
        (users[n].say)(&text);
        for old in users.iter().enumerate().filter(|(m, _)| *m != n).map(|(_, old)| old) {
            let text = shown(old.name, &users[n], &text);
            until(&format!("{} hears {text:?}, not {:?}", old.name, old.heard.lock().unwrap()), || {
                times(old, &text) > 0
            });
        }
        println!("{text}: everywhere after {:?}", began.elapsed());
        let log = nodes[(n + 2) % 5].shown();
        let line = log.iter().find(|line| line["text"] == text.as_str()).unwrap();
        if users[n].door.is_empty() {
            assert_eq!((&line["kind"], &line["verified"]), (&"chat".into(), &true.into()));
        } else {
            assert_eq!((&line["kind"], &line["verified"]), (&"bridged".into(), &false.into()));
            assert_eq!((&line["door"], &line["claimed"]), (&users[n].door.into(), &users[n].claimed.as_str().into()));
        }
    }
    // What follows arrives behind them, so nothing of theirs is still on its way.
    nodes[0].send("the end");
    for old in &users {
        until("the end", || times(old, "the end") > 0);
        for from in &users {
            let said = shown(old.name, from, &format!("from {} to everyone", from.name));
            let own = old.name == from.name && !from.door.is_empty();
            assert_eq!(times(old, &said), usize::from(!own), "{} hears {said:?}: {:?}", old.name, old.heard);
            let heard = old.heard.lock().unwrap();
            if let Some(line) = heard.iter().find(|line| line.ends_with(&said))
                && !from.door.is_empty()
            {
                assert!(line.contains(&format!("/{}?@", from.door)), "marked: {line}");
            }
        }
    }
    for node in &mut nodes {
        let doors = node.asked(&["doors", "--json"]).remove(0);
        assert!(doors[0]["counters"]["messages_in"].as_u64().unwrap() >= 1, "{doors}");
        assert_eq!(node.term(), Some(0));
    }
}
