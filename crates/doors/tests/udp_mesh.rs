//! The UDP mesh: our door on one side, plain sockets on the other.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rumormill_doors::udp_mesh::{Config, UdpMesh};
use rumormill_testkit::ports;
use tokio::net::UdpSocket;
use tokio::time::timeout;

mod udp_mesh_parts;

use udp_mesh_parts::{LONG, Legacy, Running, birth, keepalive, listed, next, until, vanilla};

#[tokio::test]
async fn an_old_peer_is_listed_hears_and_is_heard() {
    let mut door = Running::start("udp-mesh,listen=127.0.0.1:0,name=R").await;
    let mut a = Legacy::join('A', door.addr).await;
    assert_eq!(a.listing(|names| names.len() == 2).await, [('A', a.port()), ('R', door.peer.port())]);
    assert!(door.peer.port() <= 32_767, "a port that legacy peers take");
    a.say(door.peer, "peerA_broadcast_0").await;
    assert_eq!(door.heard().await, ("A".into(), "peerA_broadcast_0".into()));
    let told = door.give("hello\r\nthere\0");
    assert_eq!(a.text().await, (door.peer, "alice@c0de: hello  there ".into()));
    assert_eq!(timeout(LONG, told).await.unwrap().unwrap(), Ok(()));
    let b = Legacy::join('B', door.addr).await;
    a.listing(|names| names.len() == 3).await;
    // Nobody registered this one.
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    stranger.send_to(&vanilla("psst"), door.peer).await.unwrap();
    let port = stranger.local_addr().unwrap().port();
    assert_eq!(door.heard().await, (format!("?:{port}"), "psst".into()));
    assert_eq!((door.count(|c| &c.opened), door.count(|c| &c.open)), (2, 3));
    drop(b);
    door.stop().await;
}

#[tokio::test]
async fn with_nobody_there_a_message_is_told_to_have_failed() {
    let door = Running::quick().await;
    assert!(timeout(LONG, door.give("anybody?")).await.unwrap().unwrap().is_err());
    assert_eq!(door.count(|c| &c.dropped_out), 1);
    door.stop().await;
}

#[tokio::test]
async fn duplicates_are_left_out_without_a_word_and_ours_are_told() {
    let door = Running::start("udp-mesh,listen=127.0.0.1:0,name=R").await;
    let mut a = Legacy::join('A', door.addr).await;
    a.listing(|names| names.len() == 2).await;
    let (other, own) = (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let port = own.local_addr().unwrap().port();
    other.send_to(&birth('A', port), door.addr).await.unwrap();
    assert_eq!(a.listing(|_| true).await.len(), 2, "the members get the directory again");
    let mut buffer = [0; 64];
    let nothing = timeout(Duration::from_millis(300), other.recv_from(&mut buffer)).await;
    assert!(nothing.is_err() && own.try_recv(&mut buffer).is_err(), "a legacy peer is told nothing");
    other.send_to(&birth('A', port), door.addr).await.unwrap();
    let (bytes, from) = next(&other).await;
    assert_eq!((&bytes[..], from), (&b"\xe5\x52\x01"[..], door.addr), "who asks twice is one of ours");
    other.send_to(&birth('B', a.port()), door.addr).await.unwrap();
    until("counted", || door.count(|c| &c.refused_other) == 3).await;
    assert_eq!(door.count(|c| &c.open), 2);
    door.stop().await;
}

#[tokio::test]
async fn the_silent_go_and_a_heartbeat_alone_does_not_bring_them_back() {
    let door = Running::quick().await;
    let mut a = Legacy::join('A', door.addr).await;
    let mut b = Legacy::join('B', door.addr).await;
    a.listing(|names| names.len() == 3).await;
    b.quiet();
    a.listing(|names| names.len() == 2).await;
    b.beat();
    // A rejected process that goes on under the name of another keeps nobody alive.
    let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let refused = door.count(|c| &c.refused_other);
    until("it beats in vain", || {
        let _ = other.try_send_to(&keepalive('A'), door.addr);
        door.count(|c| &c.refused_other) > refused + 20
    })
    .await;
    assert_eq!(door.count(|c| &c.open), 2);
    a.quiet();
    until("dropped", || {
        let _ = other.try_send_to(&keepalive('A'), door.addr);
        door.count(|c| &c.open) == 1
    })
    .await;
    b.birth().await;
    b.listing(|names| names.len() == 2 && names.iter().any(|(name, _)| *name == 'B')).await;
    door.stop().await;
}

#[tokio::test]
async fn what_is_no_datagram_is_counted_and_harms_nobody() {
    let mut door = Running::quick().await;
    let mut a = Legacy::join('A', door.addr).await;
    a.listing(|names| names.len() == 2).await;
    let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let bad: &[&[u8]] = &[
        b"",
        b"\xc0",
        b"\xc0\0B\0\0\0",
        b"\xc0\0B\0\xbd",
        b"\xc0\0B\0\xbd\x0b\0",
        b"\xc0\0B\x01\xbd\x0b",
        b"\xc0\0\0\0\xbd\x0b",
        b"\xc3\0A",
        b"\xc9\0A\0",
        b"\xc2\0\xff\xff\0",
        b"\xc2\0\x03\0a\0b\0",
        b"\xc2\0\x02\0abc",
        b"\xc2\0\x01\0\xff\0",
        b"\xe0\x52",
    ];
    for bytes in bad {
        other.send_to(bytes, door.addr).await.unwrap();
        other.send_to(bytes, door.peer).await.unwrap();
    }
    let all = 2 * u64::try_from(bad.len()).unwrap();
    until("all counted", || door.count(|c| &c.malformed) + door.count(|c| &c.refused_other) == all).await;
    assert_eq!(door.count(|c| &c.refused_other), 2, "port 0");
    // Kinds that do not belong to a socket, and a text that says nothing.
    other.send_to(&vanilla("x"), door.addr).await.unwrap();
    other.send_to(&keepalive('A'), door.peer).await.unwrap();
    other.send_to(&vanilla(""), door.peer).await.unwrap();
    until("these too", || door.count(|c| &c.malformed) + door.count(|c| &c.refused_other) == all + 3).await;
    a.say(door.peer, "still here").await;
    assert_eq!(door.heard().await.1, "still here");
    assert_eq!(door.count(|c| &c.open), 2);
    door.stop().await;
}

#[tokio::test]
async fn a_directory_that_restarts_keeps_its_members_until_they_fall_silent() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("members");
    let listen = format!("127.0.0.1:{}", ports::port());
    let spec = format!("udp-mesh,listen={listen},heartbeat=50ms,reap=1s,name=R,state={}", state.display());
    let door = Running::start(&spec).await;
    let mut a = Legacy::join('A', door.addr).await;
    let b = Legacy::join('B', door.addr).await;
    a.listing(|names| names.len() == 3).await;
    // It is there before the directory goes: a directory that is killed writes nothing any more.
    until("written", || std::fs::read_to_string(&state).is_ok_and(|text| text.lines().count() == 4)).await;
    b.quiet();
    door.task.abort();
    let _ = door.task.await;
    let mut door = Running::start(&spec).await;
    // Neither sends BIRTH again; who beats stays, who does not goes.
    let port = door.peer.port();
    a.listing(|names| names.len() == 3 && names.contains(&('R', port))).await;
    a.listing(|names| names.len() == 2).await;
    a.say(door.peer, "after").await;
    assert_eq!(door.heard().await, ("A".into(), "after".into()));
    door.stop().await;
}

#[tokio::test]
async fn a_file_of_another_refuses_the_directory_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (state, fifo) = (dir.path().join("precious.txt"), dir.path().join("fifo"));
    std::fs::write(&state, "not a list").unwrap();
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    for (path, word) in [(&state, "not ours"), (&fifo, "no regular file")] {
        let spec = format!("udp-mesh,listen=127.0.0.1:0,state={}", path.display());
        let config = Config::from_spec(&spec.parse().unwrap()).unwrap();
        let why = UdpMesh::bind(config).await.unwrap_err().to_string();
        assert!(why.contains(&path.display().to_string()) && why.contains(word), "{why}");
        assert!(why.contains("move it away, or name another"), "{why}");
    }
    assert_eq!(std::fs::read_to_string(&state).unwrap(), "not a list");
    assert!(std::os::unix::fs::FileTypeExt::is_fifo(&std::fs::metadata(&fifo).unwrap().file_type()));
}

#[tokio::test]
async fn an_old_peer_gets_no_burst_and_what_does_not_fit_is_counted() {
    let door = Running::start("udp-mesh,listen=127.0.0.1:0,reap=30s").await;
    let mut a = Legacy::join('A', door.addr).await;
    a.listing(|names| names.len() == 2).await;
    let told: Vec<_> = (0..400).map(|n| door.give(&n.to_string())).collect();
    let (mut times, mut texts, begin) = (Vec::new(), Vec::new(), Instant::now());
    for _ in 0..120 {
        texts.push(a.text().await.1.strip_prefix("alice@c0de: ").unwrap().parse::<usize>().unwrap());
        times.push(begin.elapsed());
    }
    assert!(texts.is_sorted_by(|a, b| a < b), "in order: {texts:?}");
    assert!((140..270).contains(&texts[119]), "the oldest are lost: {texts:?}");
    // In any second no more than it takes.
    for window in times.windows(91) {
        assert!(window[90] - window[0] >= Duration::from_secs(1), "{:?}", window[90] - window[0]);
    }
    let dropped = door.count(|c| &c.dropped_out);
    assert!((140..=144).contains(&dropped), "256 wait, the rest is dropped: {dropped}");
    drop(told);
    door.stop().await;
}

#[tokio::test]
async fn a_long_text_is_cut_between_characters() {
    let door = Running::start("udp-mesh,listen=127.0.0.1:0").await;
    let mut a = Legacy::join('A', door.addr).await;
    a.listing(|names| names.len() == 2).await;
    door.give(&"é".repeat(40_000));
    let (_, text) = a.text().await;
    assert!(text.len() <= 65_502 && text.ends_with("é\u{2026}") && text.len() > 65_000, "{}", text.len());
    assert_eq!(door.count(|c| &c.cut), 1);
    door.stop().await;
}

/// A legacy server: a socket that says what it is told to say.
async fn server() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

#[tokio::test]
async fn as_a_peer_of_an_old_directory() {
    let (server, addr) = server().await;
    let spec = format!("udp-mesh,listen=127.0.0.1:0,join={addr},name=Z,heartbeat=50ms,broadcast=100ms");
    let mut door = Running::start(&spec).await;
    let own = door.addr.port();
    let (first, from) = next(&server).await;
    assert_eq!(first, birth('Z', own));
    assert_ne!(from.port(), own, "BIRTH comes from a port of its own");
    // Nobody answers: it asks again, and keeps silent otherwise.
    let begin = Instant::now();
    assert_eq!(next(&server).await.0, birth('Z', own));
    assert!(begin.elapsed() >= Duration::from_millis(1_500), "{:?}", begin.elapsed());
    let a = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let listing = listed(&[('Z', own), ('A', a.local_addr().unwrap().port())]);
    server.send_to(&listing, door.addr).await.unwrap();
    assert_eq!(next(&server).await, (keepalive('Z'), from));
    // The counter has grown meanwhile, with nobody there.
    let (text, at) = next(&a).await;
    let text = String::from_utf8(text[4..text.len() - 1].to_vec()).unwrap();
    let counter = u32::from_str_radix(text.strip_prefix("peerZ_broadcast_").unwrap(), 16).unwrap();
    assert!(at == door.addr && counter >= 0x10, "{text}");
    assert_eq!(next(&a).await.0, vanilla(&format!("peerZ_broadcast_{:x}", counter + 1)));
    door.give("hello");
    while next(&a).await.0 != vanilla("alice@c0de: hello") {}
    a.send_to(&vanilla("peerA_broadcast_a"), door.addr).await.unwrap();
    assert_eq!(door.heard().await, ("A".into(), "peerA_broadcast_a".into()));
    // A directory that would abort a legacy peer is no directory.
    let mut twice = listed(&[('Z', own), ('A', 1)]);
    twice[8] = b'Z';
    server.send_to(&twice, door.addr).await.unwrap();
    server.send_to(b"", door.addr).await.unwrap();
    until("dropped", || door.count(|c| &c.malformed) == 2).await;
    // The server has forgotten us.
    server.send_to(&listed(&[('A', 3_001)]), door.addr).await.unwrap();
    while next(&server).await.0 != birth('Z', own) {}
    door.stop().await;
}

#[tokio::test]
async fn a_server_that_dies_and_comes_back_is_found_again() {
    let (server, addr) = server().await;
    let door = Running::start(&format!("udp-mesh,listen=127.0.0.1:0,join={addr},name=Z,heartbeat=20ms")).await;
    assert_eq!(next(&server).await.0, birth('Z', door.addr.port()));
    server.send_to(&listed(&[('Z', door.addr.port())]), door.addr).await.unwrap();
    assert_eq!(next(&server).await.0, keepalive('Z'));
    drop(server);
    let before = door.count(|c| &c.bytes_out);
    until("it has noticed and asked in vain", || door.count(|c| &c.bytes_out) >= before + 10).await;
    let server = UdpSocket::bind(addr).await.unwrap();
    let asked = async { while next(&server).await.0 != birth('Z', door.addr.port()) {} };
    timeout(LONG, asked).await.expect("it asks again");
    door.stop().await;
}

#[tokio::test]
async fn a_directory_broadcasts_like_a_peer_if_that_is_asked_for() {
    let door = Running::start("udp-mesh,listen=127.0.0.1:0,name=R,broadcast=200ms").await;
    let mut a = Legacy::join('A', door.addr).await;
    let (from, first) = a.text().await;
    let second = a.text().await.1;
    assert_eq!(from, door.peer);
    let counter = |text: &str| u64::from_str_radix(text.strip_prefix("peerR_broadcast_").unwrap(), 16).unwrap();
    assert_eq!(counter(&first) + 1, counter(&second));
    door.stop().await;
}

#[tokio::test]
async fn there_are_no_more_members_than_letters() {
    let door = Running::start("udp-mesh,listen=127.0.0.1:0,reap=30s").await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for n in 0..95 {
        socket.send_to(&birth(char::from(b' ' + n), 1_000 + u16::from(n)), door.addr).await.unwrap();
    }
    until("all but one", || door.count(|c| &c.opened) == 94).await;
    until("ours", || door.count(|c| &c.refused_other) == 1).await;
    door.stop().await;
    let door = Running::start("udp-mesh,listen=127.0.0.1:0,per_address=3,reap=30s").await;
    for (port, name) in (1_000..).zip(['A', 'B', 'C', 'D']) {
        socket.send_to(&birth(name, port), door.addr).await.unwrap();
    }
    until("bounded by address", || door.count(|c| &c.refused_full) == 2).await;
    assert_eq!(door.count(|c| &c.opened), 2);
    door.stop().await;
}
