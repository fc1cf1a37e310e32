//! Menus in one room, without a network: each takes the same messages in the same order.

use rumormill_api::utc;
use rumormill_wire::peer_line::{CONNECT, EXIT, mesh::ONLINE};

use super::*;

const A: &str = "127.0.0.1:8080";
const B: &str = "127.0.0.2:9090";

fn at(addr: &str) -> SocketAddr {
    addr.parse().unwrap()
}

fn node(n: u8) -> NodeId {
    NodeId([n; 32])
}

/// What nodes write, each its own chain.
#[derive(Default)]
struct Log(BTreeMap<u8, u64>);

impl Log {
    fn message(&mut self, by: u8, text: &str) -> LogLine {
        let seq = self.0.entry(by).or_default();
        *seq += 1;
        LogLine {
            origin: node(by).to_string(),
            incarnation: 1,
            seq: *seq,
            time: utc(1),
            kind: "chat".into(),
            room: ROOM.into(),
            text: text.into(),
            verified: true,
            door: None,
            claimed: None,
            late: false,
            revoked: false,
            from: Some(format!("node{by}")),
        }
    }

    /// It is taken by all of them.
    fn say(&mut self, rooms: &mut [&mut Room], by: u8, text: &str) -> Vec<Option<String>> {
        let message = self.message(by, text);
        rooms.iter_mut().map(|room| room.take(&message)).collect()
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A is of node 1, B of node 2.
fn two() -> (Log, Room, Room) {
    let (mut log, mut a, mut b) = (Log::default(), Room::new(at(A), node(1)), Room::new(at(B), node(2)));
    a.open().unwrap();
    b.open().unwrap();
    log.say(&mut [&mut a, &mut b], 1, &format!("* {A} alpha {ONLINE}"));
    log.say(&mut [&mut a, &mut b], 2, &format!("* {B} beta {ONLINE}"));
    (log, a, b)
}

#[test]
fn a_message_is_shown_to_whom_it_is_for_and_makes_its_sender_known() {
    let (mut log, mut a, mut b) = two();
    assert!(a.is_there(at(B)) && a.table.is_empty(), "who is there is not known yet");
    let shown = log.say(&mut [&mut a, &mut b], 1, &format!("{B} {A} alpha two  spaces"));
    assert_eq!(shown, [None, some("127.0.0.1:8080 alpha two  spaces")]);
    assert_eq!(b.table.listed(), [at(A)]);
    log.say(&mut [&mut a, &mut b], 2, &format!("{A} {B} beta {CONNECT}"));
    assert_eq!(a.table.listed(), [at(B)]);
    // To oneself: shown, and nobody is known for it.
    let shown = log.say(&mut [&mut a, &mut b], 1, &format!("{A} {A} alpha note"));
    assert_eq!((shown, a.table.listed()), (vec![some("127.0.0.1:8080 alpha note"), None], vec![at(B)]));
}

#[test]
fn an_exit_to_one_is_that_ones_and_a_farewell_is_everybodys() {
    let (mut log, mut a, mut b) = two();
    // Said to one who does not know its sender, it is a text.
    let shown = log.say(&mut [&mut b], 1, &format!("{B} {A} alpha EXIT"));
    assert_eq!(shown, [some("127.0.0.1:8080 alpha EXIT")]);
    log.say(&mut [&mut a, &mut b], 1, &format!("{B} {A} alpha hi"));
    let shown = log.say(&mut [&mut b], 1, &format!("{B} {A} alpha EXIT"));
    assert_eq!(shown, [some("127.0.0.1:8080 alpha EXIT\n127.0.0.1:8080 alpha left")]);
    assert!(b.is_there(at(A)) && b.table.is_empty(), "it can still be written to");
    // Who left is only told to those who knew it.
    let farewell = format!("* {A} alpha {EXIT}");
    let message = log.message(1, &farewell);
    assert_eq!((b.take(&message), b.is_there(at(A))), (None, false));
    let (mut log, mut a, mut b) = two();
    b.table.reached(at(A), false);
    let shown = log.say(&mut [&mut a, &mut b], 1, &farewell);
    assert_eq!(shown, [None, some("127.0.0.1:8080 alpha exit\n127.0.0.1:8080 alpha left")]);
}

#[test]
fn another_node_that_claims_an_address_says_and_changes_nothing() {
    let (mut log, mut a, mut b) = two();
    for text in [
        format!("* {A} alpha {ONLINE}"),
        format!("{B} {A} alpha give me your money"),
        format!("{B} {A} alpha exit"),
        format!("* {A} alpha {EXIT}"),
        format!("{B} 10.0.0.1:1 nobody never announced"),
    ] {
        assert_eq!(log.say(&mut [&mut a, &mut b], 3, &text), [None, None], "{text}");
    }
    assert!(b.present.has(node(1), at(A)) && b.table.is_empty());
    // It is free once its own node says so.
    log.say(&mut [&mut a, &mut b], 1, &format!("* {A} alpha {EXIT}"));
    log.say(&mut [&mut a, &mut b], 3, &format!("* {A} gamma {ONLINE}"));
    assert!(b.present.has(node(3), at(A)));
}

#[test]
fn what_was_before_it_opened_is_known_and_not_shown() {
    let mut log = Log::default();
    let before = [
        log.message(1, &format!("* {A} alpha {ONLINE}")),
        log.message(2, &format!("* {B} beta {ONLINE}")),
        log.message(1, &format!("{B} {A} alpha while you were away")),
    ];
    let mut b = Room::new(at(B), node(2));
    assert!(before.iter().all(|message| b.take(message).is_none()));
    // It was killed, and comes again to where it was.
    b.open().unwrap();
    assert!(b.is_there(at(A)) && b.table.is_empty());
    // Read again, it is still not shown; what is new is.
    assert!(before.iter().all(|message| b.take(message).is_none()));
    let shown = log.say(&mut [&mut b], 1, &format!("{B} {A} alpha now"));
    assert_eq!(shown, [some("127.0.0.1:8080 alpha now")]);

    let mut thief = Room::new(at(A), node(3));
    assert!(before.iter().all(|message| thief.take(message).is_none()));
    let holder = thief.open().unwrap_err();
    assert_eq!((holder.node, holder.name.as_deref()), (node(1), Some("node1")));
}

#[test]
fn only_signed_chat_of_that_room_and_form_counts() {
    let (mut log, mut a, _) = two();
    let text = format!("{A} {B} beta hi");
    let changes: [fn(&mut LogLine); 5] = [
        |m| m.room = "".into(),
        |m| m.kind = "notice".into(),
        |m| m.verified = false,
        |m| m.origin = "nobody".into(),
        |m| m.text = format!("{}\u{1b}", m.text.as_raw()).into(),
    ];
    for change in changes {
        let mut message = log.message(2, &text);
        change(&mut message);
        assert_eq!(a.take(&message), None, "{message:?}");
    }
    assert!(a.take(&log.message(2, &text)).is_some());
}
