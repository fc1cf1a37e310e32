//! A neighbour that cannot be linked: tried less and less, and `rumormill peers` says why.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use rumormill_testkit::frames::encoded;
use rumormill_testkit::hostile::{Member, runtime};
use rumormill_testkit::nodes::{Net, Node};
use rumormill_testkit::wait::until;
use rumormill_wire::native::{Bye, ByeCode, Frame};
use serde_json::Value;
use tokio::sync::watch;

fn says_of_its_neighbour(node: &Node, words: &str) -> Value {
    let mut last = Value::Null;
    until(&format!("{} says {words:?}", node.name), || {
        last = node.unlinked().first().cloned().unwrap_or_default();
        last["reason"].as_str().is_some_and(|reason| reason.contains(words))
    });
    last
}

#[test]
fn the_true_reason_is_in_peers_and_tries_grow_rare() {
    let (net, other) = (Net::new(), Net::new());
    let alice = net.start("alice", &[]);
    let mut stranger = other.node("stranger", &[&alice]);
    stranger.start();
    let refused = says_of_its_neighbour(&stranger, "certificate from another CA");
    assert_eq!((&refused["name"], refused["addr"].as_str()), (&"alice".into(), Some(alice.addr.to_string().as_str())));
    // 100 ms, doubled each time: nine tries take 25 s at least half of the time each; twice a second would be many more.
    until("some tries", || stranger.unlinked()[0]["tries"].as_u64().unwrap() >= 4);
    let text = String::from_utf8(stranger.ask(&["peers"]).stdout).unwrap();
    let (before, rows) = text.split_once("not linked:\n").unwrap();
    assert!(before.ends_with("no links\n") && rows.lines().count() == 1 && rows.starts_with("alice "), "{text}");
    assert!(
        text.contains("no links") && text.contains("certificate from another CA") && text.contains(" tries, the last "),
        "{text}"
    );
    assert!(stranger.said().matches("no link yet").count() <= 2, "said once: {}", stranger.said());

    let mut nobody = net.node("bob", &[&net.node("carol", &[])]);
    nobody.start();
    says_of_its_neighbour(&nobody, "Connection refused");
}

/// A listener of mallory's that answers each link with this BYE; and how many links it has had.
fn refuses(
    runtime: &tokio::runtime::Runtime,
    mallory: &Member,
    (code, retry_after_s, reason): (ByeCode, u16, &'static str),
) -> (SocketAddr, watch::Receiver<u64>) {
    runtime.block_on(async {
        let mut listener = mallory.endpoint.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let addr = listener.local_addr();
        let (count, come) = watch::channel(0);
        tokio::spawn(async move {
            while let Some(mut opened) = listener.accept().await {
                count.send_modify(|count| *count += 1);
                let bye = encoded(&Frame::Bye(Bye { code, retry_after_s, reason: reason.into() }));
                let _ = opened.writer.send([bye.as_slice()]).await;
                opened.writer.close().await;
            }
        });
        (addr, come)
    })
}

#[test]
fn another_link_that_is_kept_is_the_usual_end_of_two_dials_and_said_only_if_there_is_none() {
    let (net, runtime) = (Net::new(), runtime());
    let mallory = Member::new(&net.home(), "mallory");
    let (addr, come) = refuses(&runtime, &mallory, (ByeCode::DUPLICATE, 0, "another link with this peer is kept"));
    let mut alice = net.node("alice", &[]);
    alice.words.extend(["--neighbour".into(), format!("mallory@{addr}")]);
    alice.start();
    until("the first try has ended", || alice.unlinked().first().is_some_and(|one| one["tries"].as_u64() >= Some(1)));
    let before = alice.said();
    if *come.borrow() == 1 {
        assert!(!before.contains("no link yet"), "{before}");
    }
    // Somebody says so again and again, and there is no link.
    alice.says("no link yet");
    assert!(*come.borrow() >= 2, "only from the second time on");
}

#[test]
fn a_neighbour_that_says_when_to_come_again_is_left_alone_until_then() {
    let (net, runtime) = (Net::new(), runtime());
    let mallory = Member::new(&net.home(), "mallory");
    let reason = "x\n\u{202e}full";
    let (addr, come) = refuses(&runtime, &mallory, (ByeCode::OVERLOAD, 300, reason));
    let mut alice = net.node("alice", &[]);
    alice.words.extend(["--neighbour".into(), format!("mallory@{addr}")]);
    alice.start();
    let told = says_of_its_neighbour(&alice, "it said goodbye (code 8)");
    assert_eq!(told["said"], reason);
    assert!((290..=300).contains(&told["next_s"].as_u64().unwrap()), "{told}");
    assert_eq!((&told["tries"], *come.borrow()), (&1.into(), 1));
    let text = String::from_utf8(alice.ask(&["peers"]).stdout).unwrap();
    assert!(text.contains("it said \"x\\n\\u{202e}full\"") && text.lines().count() == 3, "{text}");
}

/// Whoever sits where a neighbour is expected cannot make the link wait for long after that neighbour has come back.
#[test]
fn an_alert_of_a_stranger_is_shown_as_unproven_and_makes_no_try_rarer() {
    let net = Net::new();
    let stranger = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let addr = stranger.local_addr().unwrap();
    let mut alice = net.node("alice", &[]);
    alice.words.extend(["--neighbour".into(), format!("bob@{addr}")]);
    alice.start();
    // certificate_revoked: after as many tries a refusal is left alone for minutes.
    for _ in 0..14 {
        let (mut tcp, _) = stranger.accept().unwrap();
        let _ = tcp.read(&mut [0; 4_096]).unwrap();
        tcp.write_all(&[0x15, 3, 3, 0, 2, 2, 44]).unwrap();
        let _ = tcp.read_to_end(&mut Vec::new());
    }
    let shown = says_of_its_neighbour(&alice, "(unproven) answered with a TLS alert");
    assert!(shown["reason"].as_str().unwrap().contains(&format!("something at {addr}")), "{shown}");
    drop(stranger);
    let shown = says_of_its_neighbour(&alice, "Connection refused");
    assert!(shown["next_s"].as_u64().is_none_or(|next| next <= 5), "{shown}");
}

#[test]
fn a_member_at_an_address_without_a_name_keeps_nobody_away_for_more_than_a_minute() {
    let (net, runtime) = (Net::new(), runtime());
    let mallory = Member::new(&net.home(), "mallory");
    let (addr, _) = refuses(&runtime, &mallory, (ByeCode::OVERLOAD, u16::MAX, "go away"));
    let mut alice = net.node("alice", &[]);
    alice.words.extend(["--neighbour".into(), addr.to_string()]);
    alice.start();
    let told = says_of_its_neighbour(&alice, "it said goodbye (code 8)");
    assert!((50..=60).contains(&told["next_s"].as_u64().unwrap()), "{told}");
}
