//! The protobuf door over real sockets, against bytes written out by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use rumormill_doors::Outgoing;
use rumormill_doors::protobuf_peer::message::{MAX_TEXT_LEN, ProtocolMessage};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;

mod protobuf_peer_parts;

use protobuf_peer_parts::*;

const VIA_A: &[u8] = b"\x00\x00\x00\x0f\x08\x01\x12\x0b\x08\x0c\x10\x0b\x1a\x05via A";

#[tokio::test]
async fn a_host_speaks_as_the_older_one_to_the_byte() {
    let mut door = door("id=10").await;
    let mut a = Peer::dial(door.addr).await;
    a.send(b"\x00\x00\x00\x06\x08\x03\x22\x02\x08\x0b").await;
    a.gets(WELCOME_10).await;
    let mut b = Peer::dial(door.addr).await;
    b.send(START_12).await;
    b.gets(WELCOME_10).await;
    b.gets(JOIN_11).await;
    a.gets(b"\x00\x00\x00\x0a\x08\x02\x1a\x06\x12\x04\x08\x0c\x10\x0a").await;
    b.send(VIA_A).await;
    a.gets(VIA_A).await;
    b.says(text(12, 10, "Hello, Room")).await;
    assert_eq!(door.heard().await, claimed(12, "Hello, Room"));
    let done = door.give("hi\nthere");
    for (peer, id) in [(&mut a, 11), (&mut b, 12)] {
        assert_eq!(peer.hears().await, text(10, id, "alice@c0de: hi there"));
    }
    assert_eq!(timeout(SOON, done).await.unwrap().unwrap(), Ok(()));
    assert_eq!(door.counts("messages_out", |n| n == 2).await, 2);
    drop(b);
    a.gets(b"\x00\x00\x00\x0a\x08\x02\x1a\x06\x08\x01\x1a\x02\x08\x0c").await;
    // It may come back under its id.
    Peer::joined(door.addr, 12).await;
}

#[tokio::test]
async fn frames_come_coalesced_and_cut_at_any_place() {
    let mut door = door("id=10").await;
    let mut stream = START_12.to_vec();
    for n in 0..20 {
        stream.extend(text(12, 10, &format!("grüße {n}")).frame().unwrap());
    }
    for size in [1, 3, 4, 7, 1_000] {
        let mut peer = Peer::dial(door.addr).await;
        peer.0.set_nodelay(true).unwrap();
        for piece in stream.chunks(size) {
            peer.send(piece).await;
            tokio::task::yield_now().await;
        }
        peer.gets(WELCOME_10).await;
        for n in 0..20 {
            assert_eq!(door.heard().await, claimed(12, &format!("grüße {n}")));
        }
        drop(peer);
        door.counts("open", |n| n == 0).await;
    }
}

#[tokio::test]
async fn ids_that_are_taken_ours_or_none_are_refused_and_the_link_is_closed() {
    let door = door("id=10").await;
    let _twelve = Peer::joined(door.addr, 12).await;
    for id in [12, 10, 0, -1] {
        let mut other = Peer::dial(door.addr).await;
        // More than the start, as one who does not wait for the answer sends it.
        other.says(ProtocolMessage::Start { id }).await;
        other.says(text(id, 10, "too early")).await;
        let mut answer = Vec::new();
        timeout(SOON, other.0.read_to_end(&mut answer)).await.expect("closed").expect("no reset");
        assert_eq!(answer, REFUSED, "{id}");
    }
    assert_eq!(door.counts("refused_other", |n| n >= 4).await, 4);
    door.counts("open", |n| n == 1).await;
}

#[tokio::test]
async fn a_message_waits_for_its_receiver_and_comes_before_the_announcements() {
    let door = door("id=10").await;
    let mut a = Peer::joined(door.addr, 11).await;
    a.says(text(11, 12, "first")).await;
    a.says(text(11, 12, "second")).await;
    a.says(text(11, 11, "a mark, so that all before it has been read")).await;
    let mut mark = Peer::joined(door.addr, 50).await;
    assert_eq!(mark.hears().await, ProtocolMessage::Join { id: 11, via: 10 });
    assert_eq!(a.hears().await, ProtocolMessage::Join { id: 50, via: 10 });
    a.says(text(11, 50, "read")).await;
    assert_eq!(mark.hears().await, text(11, 50, "read"));
    let mut b = Peer::joined(door.addr, 12).await;
    assert_eq!(b.hears().await, text(11, 12, "first"));
    assert_eq!(b.hears().await, text(11, 12, "second"));
    assert_eq!(b.hears().await, ProtocolMessage::Join { id: 11, via: 10 });
    assert_eq!(b.hears().await, ProtocolMessage::Join { id: 50, via: 10 });
}

#[tokio::test]
async fn what_is_no_frame_closes_its_link_and_touches_nothing_else() {
    let mut door = door("id=10").await;
    let mut honest = Peer::joined(door.addr, 12).await;
    let long = 200_000u32.to_be_bytes();
    let cases: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /msg HTTP/1.1\r\n\r\n",
        b"\x00\x00\x00\x00",
        b"\xff\xff\xff\xff",
        &long,
        b"\x00\x00\x00\x02\x08\x80",
        b"\x00\x00\x00\x02\x08\x03",
        b"\x00\x00\x00\x06\x08\x04\x22\x02\x08\x0d",
        b"\x00\x00\x00\x04\x22\x02\x08\x0d",
        b"\x00\x00\x00\x06\x08\x04\x2a\x02\x08\x0d",
    ];
    for (n, bytes) in cases.iter().enumerate() {
        let mut bad = Peer::dial(door.addr).await;
        bad.send(bytes).await;
        bad.ends().await;
        let id = 100 + i64::try_from(n).unwrap();
        let mut late = Peer::joined(door.addr, id).await;
        assert_eq!(late.hears().await, ProtocolMessage::Join { id: 12, via: 10 });
        late.send(bytes).await;
        late.ends().await;
        assert_eq!(honest.hears().await, ProtocolMessage::Join { id, via: 10 });
        assert_eq!(honest.hears().await, ProtocolMessage::Leave { id });
    }
    honest.says(text(12, 10, "still here")).await;
    assert_eq!(door.heard().await, claimed(12, "still here"));
}

#[tokio::test]
async fn a_frame_that_ends_in_the_middle_is_counted() {
    let door = door("id=10").await;
    let mut peer = Peer::joined(door.addr, 12).await;
    peer.send(&VIA_A[..9]).await;
    peer.0.shutdown().await.unwrap();
    peer.ends().await;
    door.counts("malformed", |n| n == 1).await;
}

#[tokio::test]
async fn a_text_is_cut_to_what_the_older_program_takes() {
    let mut door = door("id=10").await;
    let mut peer = Peer::joined(door.addr, 12).await;
    door.give(&"é".repeat(100_000));
    let ProtocolMessage::Text { text: found, .. } = peer.hears().await else { panic!("no text") };
    assert!(found.len() <= MAX_TEXT_LEN && found.len() > MAX_TEXT_LEN - 4 && found.ends_with('…'), "{}", found.len());
    assert_eq!(door.room.counters.cut.load(Ordering::Relaxed), 1);
    // The legacy program may send a little more than it takes.
    let long = "x".repeat(100_000);
    let body = [b"\x08\x01\x12\xa8\x8d\x06\x08\x0c\x10\x0a\x1a\xa0\x8d\x06", long.as_bytes()].concat();
    peer.send(&[&u32::try_from(body.len()).unwrap().to_be_bytes(), &body[..]].concat()).await;
    assert_eq!(door.heard().await, claimed(12, &long));
}

#[tokio::test]
async fn a_message_that_nobody_takes_is_said_to_be_so() {
    let door = door("id=10").await;
    let result = timeout(SOON, door.give("anyone?")).await.unwrap().unwrap();
    assert!(result.unwrap_err().to_string().contains("nobody"));
    let (done, result) = oneshot::channel();
    let to = Some([127, 0, 0, 2].into());
    let outgoing =
        Outgoing { author: None, sender: "a".into(), text: "t".into(), line: "a: t".into(), to, done: Some(done) };
    assert!(door.room.way_out().give(outgoing));
    assert!(timeout(SOON, result).await.unwrap().unwrap().is_err());
}

#[tokio::test]
async fn a_joiner_dials_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut door = door(&format!("id=10,join={addr}")).await;
    let mut host = host(&listener, START_10, WELCOME_1).await;
    host.says(ProtocolMessage::Join { id: 2, via: 1 }).await;
    host.says(text(2, 10, "from afar")).await;
    assert_eq!(door.heard().await, claimed(2, "from afar"));
    door.give("hi");
    assert_eq!(host.hears().await, text(10, 1, "alice@c0de: hi"));
    assert_eq!(host.hears().await, text(10, 2, "alice@c0de: hi"));
    let mut b = Peer::joined(door.addr, 12).await;
    assert_eq!(b.hears().await, ProtocolMessage::Join { id: 1, via: 10 });
    assert_eq!(b.hears().await, ProtocolMessage::Join { id: 2, via: 10 });
    assert_eq!(host.hears().await, ProtocolMessage::Join { id: 12, via: 10 });
    drop(host);
    door.counts("open", |n| n == 1).await;
    // The host is gone: nothing is said of it, and nobody dials again.
    assert!(timeout(Duration::from_millis(1_500), listener.accept()).await.is_err());
    b.says(text(12, 10, "on")).await;
    assert_eq!(door.heard().await, claimed(12, "on"));
}

#[tokio::test]
async fn a_joiner_dials_again_if_it_is_told_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut door = door(&format!("id=10,join={addr},retry=1s")).await;
    let mut refusing = host(&listener, START_10, REFUSED).await;
    refusing.ends().await;
    let lost = host(&listener, START_10, WELCOME_1).await;
    drop(lost);
    let mut back = host(&listener, START_10, WELCOME_1).await;
    back.says(text(1, 10, "again")).await;
    assert_eq!(door.heard().await, claimed(1, "again"));
    let done = door.give("back");
    assert_eq!(back.hears().await, text(10, 1, "alice@c0de: back"));
    assert_eq!(timeout(SOON, done).await.unwrap().unwrap(), Ok(()));
}

#[tokio::test]
async fn a_door_that_stops_closes_all() {
    let door = door("id=10").await;
    let mut peers = Vec::new();
    for id in 11..14 {
        peers.push(Peer::joined(door.addr, id).await);
    }
    let mut idle = Peer::dial(door.addr).await;
    door.counts("open", |n| n == 4).await;
    door.stop.send_replace(true);
    timeout(SOON, door.task).await.unwrap().unwrap();
    idle.ends().await;
    for mut peer in peers {
        while let Some(said) = timeout(SOON, peer.try_hear()).await.unwrap() {
            assert!(matches!(said, ProtocolMessage::Join { .. }), "{said:?}");
        }
    }
}
