//! The plain frames of TCP port 43110, against a node as it was and against sockets that do as they like.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, missing_docs, reason = "helpers of tests")]

mod relay_43110_parts;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use relay_43110_parts::*;
use rumormill_testkit::counterparts::relay_43110::frame;
use socket2::{Domain, SockAddr, Socket, Type};

/// Only pauses part what the legacy program reads, and on a busy machine it may read later than the next frame comes. So the
/// pauses grow: frames that we glue together would be glued with any.
#[test]
fn an_old_node_is_dialled_once_greeted_and_reads_each_frame_by_itself() {
    for (pause_ms, messages) in [(80, 12), (500, 6), (4_000, 3)] {
        let [own, peer, _] = net();
        let (node, shown, port) = old_node(peer, 10, 0);
        let house = house(&format!("listen={own}:0,dial={peer}:{port},pause={pause_ms}ms"));
        assert_eq!(next(&shown), format!("LINK {own}"), "by the address that we listen on");
        let begun = Instant::now();
        (0..messages).for_each(|n| house.say(&format!("message {n}")));
        let texts = (0..messages).map(|n| format!("IP: {own} MSG:0002|alice@c0de: message {n}"));
        let expected: Vec<_> = [format!("IP: {own} MSG:0001|{peer}")].into_iter().chain(texts).collect();
        let mut read = Vec::new();
        while read.len() < expected.len() && !read.last().is_some_and(|line: &String| line.starts_with("GARBLED ")) {
            read.push(next(&shown));
        }
        if let Some(glued) = read.last().filter(|line| line.starts_with("GARBLED ")) {
            eprintln!("pauses of {pause_ms} ms were too short for this machine: {glued}");
            continue;
        }
        assert_eq!(read, expected);
        assert!(begun.elapsed() >= (messages - 1) * Duration::from_millis(pause_ms), "with pauses");
        house.until("counted", |counters| count(&counters.messages_out) == u64::from(messages));
        assert_eq!((node.taken(), count(&house.counters.opened)), (1, 1));
        return;
    }
    panic!("frames are glued whatever the pauses");
}

#[test]
fn an_old_node_that_dials_us_is_heard_and_answered_by_the_same_link() {
    let [own, ..] = net();
    // The legacy program does not choose its address, so the system does.
    let from = IpAddr::from([127, 0, 0, 1]);
    let mut house = house(&format!("listen={own}:0"));
    let (node, shown, _) = old_node(own, 10, house.addr.port());
    node.dial(own);
    assert_eq!(next(&shown), format!("LINK {own}"));
    node.push(own, "hello");
    node.push(own, "a|b|c");
    assert_eq!(house.text_from(from), "hello");
    assert_eq!(house.text_from(from), "a|b|c");
    house.say("to all");
    assert_eq!(next(&shown), format!("IP: {own} MSG:0002|alice@c0de: to all"));
    let told = house.send(from, "bare");
    assert_eq!(next(&shown), format!("IP: {own} MSG:0002|bare"));
    assert_eq!(house.told(told), Ok(()));
    assert_eq!(node.taken(), 1);
}

#[test]
fn the_first_text_without_a_frame_and_those_glued_behind_it() {
    let [own, ..] = net();
    let from = IpAddr::from([127, 0, 0, 1]);
    let mut house = house(&format!("listen={own}:0"));
    let (node, ..) = old_node(own, 50, house.addr.port());
    ["first", "second", "third"].iter().for_each(|text| node.push(own, text));
    for expected in ["first", "second", "third"] {
        assert_eq!(house.text_from(from), expected);
    }
    let (alone, ..) = old_node(own, 50, house.addr.port());
    alone.push(own, "alone in room 10");
    assert_eq!(house.text_from(from), "alone in room 10");
}

#[test]
fn glued_and_split_frames_are_cut_by_their_length() {
    let [own, peer, other] = net();
    let mut house = house(&format!("listen={own}:0"));
    let mut stream = connect(peer, house.addr);
    send(&mut stream, &frame("0001", &own.to_string()));
    send(&mut stream, "8|0002|one8|0002|two10|0002|three");
    for expected in ["one", "two", "three"] {
        assert_eq!(house.text_from(peer), expected);
    }
    for byte in "14|0002|by pieces9|FFFE|what9|0002|last".bytes() {
        stream.write_all(&[byte]).unwrap();
    }
    assert_eq!(house.text_from(peer), "by pieces");
    assert_eq!(house.text_from(peer), "last");
    // Twice the same is two messages, and other peers are other peers.
    let mut second = connect(other, house.addr);
    send(&mut second, "8|0002|one8|0002|one");
    assert_eq!((house.text_from(other), house.text_from(other)), ("one".into(), "one".into()));
    assert!(count(&house.counters.malformed) >= 1);
}

#[test]
fn to_one_is_bare_and_says_how_it_went() {
    let [own, peer, nobody] = net();
    let (_node, shown, port) = old_node(peer, 10, 0);
    let house = house(&format!("listen={own}:0,dial={peer}:{port},period=100ms"));
    let told = house.send(peer, "for you");
    assert_eq!(house.told(told), Ok(()));
    let long = "grüße ".repeat(800);
    let told = house.send(peer, &long);
    assert_eq!(house.told(told), Ok(()));
    next(&shown);
    next(&shown);
    assert_eq!(next(&shown), format!("IP: {own} MSG:0002|for you"));
    let mut whole = String::new();
    while whole.len() < long.len() {
        whole += next(&shown).strip_prefix(&format!("IP: {own} MSG:0002|")).unwrap();
    }
    assert!(whole == long, "in several frames, and whole");
    let told = house.send(nobody, "anyone?");
    assert!(house.told(told).unwrap_err().contains("refused"));
    let told = house.send(own, "me?");
    assert!(house.told(told).unwrap_err().contains("itself"));
}

#[test]
fn what_the_old_node_cannot_take_is_cut_and_counted() {
    let [own, peer, _] = net();
    let (_node, shown, port) = old_node(peer, 10, 0);
    let house = house(&format!("listen={own}:0,dial={peer}:{port}"));
    house.say(&"é".repeat(3_000));
    house.say("a|b|c");
    next(&shown);
    next(&shown);
    let line = next(&shown);
    assert!(line.len() <= 2_048 && line.ends_with('\u{2026}'), "{} bytes", line.len());
    assert_eq!(next(&shown), format!("IP: {own} MSG:0002|alice@c0de: a\u{a6}b\u{a6}c"), "nothing is lost");
    assert_eq!(count(&house.counters.cut), 1);
}

#[test]
fn no_text_is_shown_as_a_line_of_another() {
    let [own, peer, _] = net();
    let (_node, shown, port) = old_node(peer, 10, 0);
    let house = house(&format!("listen={own}:0,dial={peer}:{port}"));
    house.say("|bob@c0de: forged");
    next(&shown);
    next(&shown);
    assert_eq!(next(&shown), format!("IP: {own} MSG:0002|alice@c0de: \u{a6}bob@c0de: forged"));
    let told = house.send(peer, "|bob@c0de: forged");
    assert_eq!(next(&shown), format!("IP: {own} MSG:0002|\u{a6}bob@c0de: forged"));
    assert!(house.told(told).is_ok());
}

#[test]
fn a_peer_that_was_killed_and_started_again_is_dialled_when_there_is_something_to_say() {
    let [own, peer, _] = net();
    let listener = TcpListener::bind((peer, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    let house = house(&format!("listen={own}:0,dial={at},period=100ms"));
    let (mut first, from) = listener.accept().unwrap();
    assert_eq!(from.ip(), own);
    assert_eq!(one_read(&mut first), frame("0001", &peer.to_string()));
    // An abrupt end: a reset.
    house.say("before");
    first.read_exact(&mut [0; 5]).unwrap();
    socket2::SockRef::from(&first).set_linger(Some(Duration::ZERO)).unwrap();
    drop((first, listener));
    house.until("the link is gone", |counters| count(&counters.open) == 0);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(count(&house.counters.opened), 1, "nothing to say, nobody dialled");
    house.say("in between");
    let listener = TcpListener::bind(at).unwrap();
    let (mut second, _) = listener.accept().unwrap();
    assert_eq!(one_read(&mut second), frame("0001", &peer.to_string()));
    assert_eq!(one_read(&mut second), frame("0002", "alice@c0de: in between"));
    house.say("after");
    assert_eq!(one_read(&mut second), frame("0002", "alice@c0de: after"));
}

#[test]
fn a_peer_that_closes_at_once_loses_no_more_than_three_places() {
    let [own, peer, _] = net();
    let listener = TcpListener::bind((peer, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    let house = house(&format!("listen={own}:0,dial={at},period=1s"));
    let closer = std::thread::spawn(move || {
        for _ in 0..3 {
            drop(listener.accept().unwrap());
        }
        listener.set_nonblocking(true).unwrap();
        std::thread::sleep(Duration::from_secs(1));
        listener.accept().is_err()
    });
    let told = house.send(peer, "never arrives or is lost");
    let _ = house.told(told);
    while !closer.is_finished() {
        drop(house.send(peer, "again"));
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(closer.join().unwrap(), "a fourth connection");
    let told = house.send(peer, "and again");
    assert!(house.told(told).unwrap_err().contains("no more connections"));
}

#[test]
fn a_restarted_door_is_taken_again_and_an_idle_link_stays() {
    let [own, peer, _] = net();
    let (node, shown, port) = old_node(peer, 10, 0);
    let spec = format!("dial={peer}:{port},period=100ms");
    let first = house(&format!("listen={own}:0,{spec}"));
    let at = first.addr;
    next(&shown);
    next(&shown);
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!((node.taken(), count(&first.counters.open)), (1, 1), "idle for six periods");
    first.stop.send(true).unwrap();
    first.runtime.block_on(async { tokio::time::timeout(PATIENCE, first.running).await.unwrap().unwrap() });
    assert_eq!(next(&shown), format!("GONE {own}"));
    let second = house(&format!("listen={at},{spec}"));
    assert_eq!(next(&shown), format!("LINK {own}"));
    assert_eq!(next(&shown), format!("IP: {own} MSG:0001|{peer}"));
    second.say("back");
    assert_eq!(next(&shown), format!("IP: {own} MSG:0002|alice@c0de: back"));
}

#[test]
fn a_door_beside_an_old_program_on_all_addresses_of_the_machine() {
    let [own, peer, _] = net();
    // As the legacy program binds.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(&SockAddr::from(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))).unwrap();
    socket.listen(8).unwrap();
    let listener = TcpListener::from(socket);
    let port = listener.local_addr().unwrap().port();
    let mut house = house(&format!("listen={own}:{port},dial={peer}:{port}"));
    let (mut link, from) = listener.accept().unwrap();
    assert_eq!((from.ip(), link.local_addr().unwrap().ip()), (own, peer));
    assert_eq!(one_read(&mut link), frame("0001", &peer.to_string()));
    send(&mut link, &frame("0002", "by your link"));
    assert_eq!(house.text_from(peer), "by your link");
    // And whoever dials our address finds us.
    send(&mut connect(peer, house.addr), &frame("0002", "by mine"));
    assert_eq!(house.text_from(peer), "by mine");
}

#[test]
fn other_protocols_are_closed_and_a_stuck_or_silent_peer_holds_nobody_up() {
    let [own, peer, other] = net();
    let mut house = house(&format!("listen={own}:0,pause=1ms"));
    for bytes in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"\x16\x03\x01\x02\x00", &[b'9'; 5_000], &[0; 400]] {
        let mut stream = connect(peer, house.addr);
        let _ = stream.write_all(bytes);
        let mut rest = Vec::new();
        let end = stream.read_to_end(&mut rest).map_err(|why| why.kind());
        assert!(matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)), "{end:?} after {bytes:?}");
    }
    // One reads nothing, the other everything.
    let mut stuck = connect(peer, house.addr);
    let mut well = connect(other, house.addr);
    send(&mut stuck, &frame("0001", &own.to_string()));
    send(&mut well, &frame("0001", &own.to_string()));
    send(&mut stuck, &frame("0002", "in"));
    send(&mut well, &frame("0002", "in"));
    house.incoming();
    house.incoming();
    let text = "x".repeat(1_900);
    for n in 0..400 {
        house.say(&format!("{n} {text}"));
        assert!(one_read(&mut well).contains(&format!("c0de: {n} x")));
    }
}

#[test]
fn a_program_that_dials_from_our_own_address_hears_the_room_too() {
    let [own, other, _] = net();
    let mut house = house(&format!("listen={own}:0"));
    let mut link = connect(own, house.addr);
    send(&mut link, &frame("0001", &own.to_string()));
    send(&mut link, &frame("0002", "hello"));
    assert_eq!(house.text_from(own), "hello");
    house.say("welcome");
    assert_eq!(one_read(&mut link), frame("0002", "alice@c0de: welcome"));
    // Whether somebody is there is asked with no text.
    let reached = |to| house.told(house.send(to, ""));
    assert_eq!((reached(own), reached(other).is_err()), (Ok(()), true));
    drop(link);
    house.until("it is gone", |counters| count(&counters.open) == 0);
    assert!(reached(own).is_err());
}

#[test]
fn a_door_that_closes_says_so_of_what_waits() {
    let [own, peer, _] = net();
    let listener = TcpListener::bind((peer, 0)).unwrap();
    let house = house(&format!("listen={own}:0,dial={},pause=60s", listener.local_addr().unwrap()));
    let (mut link, _) = listener.accept().unwrap();
    assert_eq!(one_read(&mut link), frame("0001", &peer.to_string()));
    let told = house.send(peer, "waits for the pause");
    house.until("it waits", |counters| count(&counters.waiting_out) == 1);
    house.stop.send(true).unwrap();
    assert!(house.told(told).is_err());
    assert_eq!(one_read(&mut link), "");
}
