//! Whoever makes a node write its log, it writes a bounded part of it, and says how much it left out.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;

use rumormill_testkit::hostile::{Member, runtime};
use rumormill_testkit::nodes::{Net, Node};
use rumormill_testkit::wait::{PATIENCE, until};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};

/// All that one of these attacks may make a node write.
const MOST: usize = 64 * 1024;

fn lines(node: &Node, words: &str) -> usize {
    node.said().lines().filter(|line| line.contains(words)).count()
}

/// Ends the node, which says what it has left out. Gives that number.
fn left_out(node: &mut Node) -> u64 {
    let counted = node.metric("log_lines_left_out");
    assert_eq!(node.term(), Some(0));
    let said = node.said();
    assert!(said.len() < MOST, "{} bytes", said.len());
    let told = said.lines().filter(|line| line.contains("lines were left out"));
    let told: u64 =
        told.map(|line| line.split("lines=").nth(1).unwrap().split(' ').next().unwrap().parse::<u64>().unwrap()).sum();
    assert!(told >= counted, "all that was counted is told: {told} of {counted}\n{said}");
    counted
}

#[test]
fn lists_that_do_not_hold_cost_a_member_some_lines() {
    let net = Net::new();
    let mut alice = net.start("alice", &[]);
    let mallory = Member::new(&net.home(), "mallory");
    // REVOKED with one byte.
    let frames = [0, 0, 0, 2, 0x0b, 0].repeat(3_000);
    runtime().block_on(async {
        let mut link = mallory.link(alice.addr).await;
        let _ = link.writer.send([frames.as_slice()]).await;
        tokio::task::block_in_place(|| {
            until("it has judged them, or had enough of them", || {
                alice.metric("log_lines_left_out") > 2_000 || alice.said().contains("link down")
            });
        });
    });
    left_out(&mut alice);
}

#[test]
fn proofs_with_places_that_fall_cost_a_member_some_lines() {
    let net = Net::new();
    let mut alice = net.start("alice", &[]);
    let mallory = Member::new(&net.home(), "mallory");
    let places = 1_000..2_000_u64;
    let frames: Vec<_> = places.rev().flat_map(|place| mallory.proof(place)).collect();
    runtime().block_on(async {
        let mut link = mallory.link(alice.addr).await;
        let _ = link.writer.send([frames.as_slice(), &[0, 0, 0, 9, 2, 0, 0, 0, 0, 0, 0, 0, 7]]).await;
        // The PONG says that all before it was taken.
        let pong =
            async { while !matches!(link.reader.next_frame().await, Ok(Some(frame)) if frame.first() == Some(&3)) {} };
        let _ = tokio::time::timeout(PATIENCE, pong).await;
    });
    assert!(lines(&alice, "signed two histories") <= 20);
    left_out(&mut alice);
}

#[test]
fn strangers_from_many_prefixes_cost_some_lines() {
    let net = Net::new();
    let mut alice = net.start("alice", &[]);
    alice.says("listening");
    let begun = alice.metric("transport_refused_not_tls");
    for n in 0..400_u16 {
        let [high, low] = n.to_be_bytes();
        // A socket of its own address, as a host of another network would have.
        let from = SocketAddr::from((Ipv4Addr::new(127, 8 + high, low, 1), 0));
        let mut tcp: TcpStream = dial_from(from, alice.addr);
        let _ = tcp.write_all(b"GET / HTTP/1.1\r\n\r\n");
    }
    until("all are refused", || {
        alice.metric("transport_refused_not_tls") + alice.metric("transport_refused_lost") >= begun + 390
    });
    assert!(lines(&alice, "not TLS") <= 110, "of 400");
    assert!(left_out(&mut alice) >= 250);
}

fn dial_from(from: SocketAddr, to: SocketAddr) -> TcpStream {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &from).unwrap();
    rustix::net::connect(&socket, &to).unwrap();
    TcpStream::from(socket)
}

#[test]
fn a_banned_neighbour_that_comes_again_costs_some_lines() {
    let net = Net::new();
    let mut alice = net.start("alice", &[]);
    let mallory = Member::new(&net.home(), "mallory");
    runtime().block_on(async {
        let mut link = mallory.link(alice.addr).await;
        // A second HELLO is misbehaviour.
        link.writer.send([mallory.hello().as_slice()]).await.unwrap();
        tokio::task::block_in_place(|| alice.says("broke the protocol"));
        for _ in 0..100 {
            let mut again = mallory.link(alice.addr).await;
            while let Ok(Some(_)) = again.reader.next_frame().await {}
        }
        tokio::task::block_in_place(|| until("all are refused", || alice.metric("node_greetings_failed") >= 100));
    });
    assert!((1..=20).contains(&lines(&alice, "link refused")), "{}", alice.said());
    assert!(left_out(&mut alice) >= 80);
}

#[test]
fn the_end_of_a_node_with_many_links_is_a_few_lines() {
    let net = Net::new();
    let mut alice = net.start("alice", &[]);
    let members: Vec<_> = (0..60).map(|n| Member::new(&net.home(), &format!("m{n}"))).collect();
    runtime().block_on(async {
        let mut links = Vec::new();
        for member in &members {
            links.push(member.link(alice.addr).await);
        }
        tokio::task::block_in_place(|| until("linked", || alice.metric("links") == 60));
        let before = alice.said().lines().count();
        let reading = tokio::spawn(async move {
            for mut link in links {
                while let Ok(Some(_)) = link.reader.next_frame().await {}
            }
        });
        tokio::task::block_in_place(|| assert_eq!(alice.term(), Some(0)));
        reading.await.unwrap();
        let said = alice.said();
        assert!(said.contains("draining") && said.contains("saying goodbye to all links=60"), "{said}");
        assert!(said.lines().count() <= before + 15, "{said}");
    });
}

/// A pager, a terminal or a collector of logs that stands still.
#[test]
fn a_log_that_nobody_reads_holds_up_nobody_and_no_end() {
    let net = Net::new();
    let mut alice = net.node("alice", &[]);
    alice.log = net.dir.path().join("full");
    mknodat(CWD, &alice.log, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let nonblock = i32::try_from(OFlags::NONBLOCK.bits()).unwrap();
    let mut full = File::options().read(true).write(true).custom_flags(nonblock).open(&alice.log).unwrap();
    for piece in [&[b'x'; 4_096][..], b"x"] {
        while full.write(piece).is_ok() {}
    }
    alice.start();
    for _ in 0..50 {
        // Strangers, whom the log would name.
        let _ = TcpStream::connect(alice.addr).and_then(|mut stream| stream.write_all(b"no handshake\n"));
    }
    alice.send("still here");
    assert_eq!(alice.texts(), ["still here"]);
    assert_eq!(alice.term(), Some(0));
    drop(full);
}
