//! What members write into names, rooms, texts and reasons makes no line of others, at any reader's terminal or in any log.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use rumormill_testkit::frames::bye;
use rumormill_testkit::hostile::{Member, runtime};
use rumormill_testkit::nodes::{Net, Node, said};
use rumormill_testkit::wait::until;
use rumormill_wire::foreign::is_hidden;
use rumormill_wire::native::MessageKind;

const FORGED: &str = "y\n2026-11-25T00:00:00Z alice I quit";
const HIDDEN: &str = "a\u{1b}[2J\u{202e}b\u{2066}c\u{200b}d\u{2028}e\u{9b}f\u{e0041}";

fn out(node: &Node, words: &[&str]) -> String {
    let done = node.ask(words);
    assert!(done.status.success(), "{}", said(&done));
    String::from_utf8(done.stdout).unwrap()
}

fn shows_nothing_hidden(text: &str) {
    let hidden: Vec<_> = text.lines().filter(|line| line.contains(is_hidden)).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

#[test]
fn a_member_forges_no_line_at_any_readers_terminal() {
    let net = Net::new();
    let alice = net.start("alice", &[]);
    let bob = net.start("bob", &[&alice]);
    until("a link", || bob.peers().len() == 1);
    let mallory = Member::new(&net.home(), "mallory");
    let (chat, bridged) = (MessageKind::CHAT, MessageKind::BRIDGED);
    let claim = "udp-mesh\nalice (verified): hi\u{202e}\" by alice\nI quit";
    let claim_hidden = format!("udp-mesh\u{2066}\nb\u{200b}ob\n{HIDDEN}");
    let messages = [
        (chat, FORGED, "x"),
        (chat, HIDDEN, HIDDEN),
        (chat, "", FORGED),
        (bridged, "", claim),
        (bridged, "", claim_hidden.as_str()),
    ];
    runtime().block_on(async {
        let mut link = mallory.link(alice.addr).await;
        link.writer.send([mallory.rumor(&messages).as_slice()]).await.unwrap();
        // The link stays until all is read at the other side of the network.
        tokio::task::block_in_place(|| until("carried to everybody", || bob.shown().len() == messages.len()));
    });
    let log = out(&bob, &["log"]);
    shows_nothing_hidden(&log);
    assert_eq!(log.lines().count(), messages.len(), "one message is one line:\n{log}");
    for line in log.lines() {
        let (head, _) = line.split_once(": ").unwrap();
        assert!(head.contains(" mallory #") || head.ends_with(" mallory") || head.contains(" \""), "{line}");
    }
    let from_doors: Vec<_> = log.lines().filter(|line| line.contains("\"/udp-mesh")).collect();
    assert_eq!(from_doors.len(), 2, "{log}");
    assert!(from_doors.iter().all(|line| line.contains("? by mallory (unverified): ")), "{from_doors:?}");

    let json = out(&bob, &["log", "--json"]);
    shows_nothing_hidden(&json);
    let lines: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["room"], &lines[1]["text"]), (&FORGED.into(), &HIDDEN.into()), "programs get what was said");
}

#[test]
fn a_room_that_forges_lines_is_refused_where_it_is_sent() {
    let net = Net::new();
    let alice = net.start("alice", &[]);
    for room in [FORGED, "\u{1b}[2J", "\u{202e}", "a\u{200b}", "\u{2028}"] {
        let done = alice.ask(&["send", "--room", room, "x"]);
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(!done.status.success() && said.contains("the room's name holds U+"), "{said}");
        shows_nothing_hidden(&said);
    }
    assert!(alice.ask(&["send", "--room", "gr\u{fc}n 1", "x"]).status.success());
    assert_eq!(alice.texts(), ["x"]);
}

#[test]
fn the_reason_of_a_goodbye_forges_no_line_of_the_nodes_log() {
    for format in ["human", "json"] {
        let net = Net::new();
        let mut alice = net.node("alice", &[]);
        alice.words.extend(["--log-format".into(), format.into()]);
        alice.start();
        let forged = "x\n2026-11-25T00:00:00.000000Z  INFO link up peer=bob\u{1b}[2J\u{202e}\u{2028}";
        let mallory = Member::new(&net.home(), "mallory");
        runtime().block_on(async {
            let mut before = mallory.connect(alice.addr).await;
            before.writer.send([bye(forged).as_slice()]).await.unwrap();
            tokio::task::block_in_place(|| alice.says("link refused"));
            let mut after = mallory.link(alice.addr).await;
            tokio::task::block_in_place(|| alice.says("link up"));
            after.writer.send([bye(forged).as_slice()]).await.unwrap();
            tokio::task::block_in_place(|| alice.says("link down"));
        });
        let said = alice.said();
        shows_nothing_hidden(&said);
        for line in said.lines() {
            assert!(!line.starts_with("2026-11-25"), "{line}");
            assert!(format == "human" || serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
        }
        assert_eq!(said.lines().filter(|line| line.contains("\\n2026-11-25T")).count(), 2, "as one field:\n{said}");
    }
}
