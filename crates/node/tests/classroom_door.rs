//! The control port of a running node: what it takes in a day, and how it gives the log.
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::net::SocketAddr;

use rumormill_node::{ChatPlace, NodeHandle, start};
use rumormill_wire::classroom::LogReply;
use rumormill_wire::native::MessageKind;
use support::{Net, say, until_log};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

async fn node(net: &Net) -> (NodeHandle, SocketAddr) {
    let mut config = net.config("a", &[]);
    config.doors = vec!["classroom,listen=127.0.0.1:0".parse().unwrap()];
    let node = start(config).await.unwrap();
    let door = node.doors()[0].listen;
    (node, door)
}

/// Says all of it in one go, and asks for the log.
async fn log_after(door: SocketAddr, texts: impl Iterator<Item = String>) -> String {
    let mut stream = BufReader::new(TcpStream::connect(door).await.unwrap());
    for text in texts {
        stream.write_all(format!("msg 1 {text}\n").as_bytes()).await.unwrap();
    }
    stream.write_all(b"get chatLog\n").await.unwrap();
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    line.strip_prefix("chatLog ").unwrap().strip_suffix('\n').unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_port_takes_whole_sessions_and_no_more_than_its_share_of_a_day() {
    let net = Net::new();
    let (node, door) = node(&net).await;
    for client in 0..4 {
        let log = log_after(door, (0..1_000).map(|n| format!("client {client} says {n}"))).await;
        assert_eq!(log.split(',').count(), 1_000 * (client + 1));
    }
    assert_eq!(node.doors()[0].counters["dropped_in"], 0);
    let log = log_after(door, (0..700).map(|_| "x".repeat(30_000))).await;
    let taken = log.split(',').count() - 4_000;
    assert!(log.len() < 16 << 20 && taken > 400, "{} bytes, {taken} messages", log.len());
    assert_eq!(node.doors()[0].counters["dropped_in"], 700 - taken as u64);
    say(&node, "others are heard").await;
    assert!(node.chat_log().await.unwrap().len() == 4_001 + taken);
}

/// A program that hears what a door sends out and says it here would have it go round for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_this_network_sent_out_does_not_come_in_by_a_control_port() {
    let net = Net::new();
    let (node, door) = node(&net).await;
    let network = node.network();
    let mark: String = network.as_bytes().iter().take(2).map(|byte| format!("{byte:02x}")).collect();
    let texts = [format!("bob@{mark}: hello"), format!("12:01 <x> bob@{mark}:hello"), "bob@zzzz: hello".to_owned()];
    let log = log_after(door, texts.into_iter()).await;
    assert_eq!(log, "bob@zzzz: hello");
    assert_eq!((node.doors()[0].counters["echoes"], node.doors()[0].counters["dropped_in"]), (2, 0));
}

/// The log part by part; with how many parts it has.
async fn in_parts(node: &NodeHandle) -> (String, usize) {
    let (mut from, mut line, mut parts) = (Some(ChatPlace::default()), Vec::new(), 0);
    let mut reply = LogReply::begin(&mut line);
    while let Some(place) = from {
        let (messages, next) = node.chat_part(place).await.unwrap();
        let most = (128 << 10) + LONGEST + 1;
        assert!(messages.len() <= most, "no more than the longest one above a part: {}", messages.len());
        reply.messages(&messages, &mut line);
        (from, parts) = (next, parts + 1);
    }
    reply.end(&mut line);
    let line = String::from_utf8(line).unwrap();
    (line.strip_prefix("chatLog ").unwrap().strip_suffix('\n').unwrap().to_owned(), parts)
}

/// The longest message of these tests.
const LONGEST: usize = 32_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_the_same_in_parts() {
    let net = Net::new();
    let (node, door) = node(&net).await;
    assert_eq!(log_after(door, std::iter::empty()).await, "");
    assert_eq!(in_parts(&node).await, (String::new(), 1));
    for n in 0..100 {
        say(&node, &format!("{n} {}", "y".repeat(n * 3_700 % LONGEST))).await;
        let room = if n % 3 == 0 { "elsewhere" } else { "" };
        node.submit(MessageKind::CHAT, room, format!("{n} z")).await.unwrap().await.unwrap();
        if n % 10 == 0 {
            // Each time it goes on from what was read before.
            assert_eq!(in_parts(&node).await.0, node.chat_log().await.unwrap().join(","));
        }
    }
    let whole = node.chat_log().await.unwrap();
    assert_eq!(whole.len(), 166);
    let (line, parts) = in_parts(&node).await;
    assert!(line == whole.join(",") && parts > 5, "{parts} parts");
    assert_eq!(log_after(door, std::iter::empty()).await, whole.join(","));
}

fn rows_read(node: &NodeHandle) -> u64 {
    node.metrics().into_iter().find(|(name, _)| name == "node_log_rows_read").map(|(_, n)| n).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_ask_at_once_share_one_reading_and_later_ones_read_what_is_new() {
    const CLIENTS: u64 = 20;
    const MESSAGES: u64 = 20_000;
    let net = Net::new();
    let (node, door) = node(&net).await;
    // Its own get is answered once all are durable; from then on the whole log is to be read.
    let log = log_after(door, (0..MESSAGES).map(|n| format!("message {n} of a log of several parts"))).await;
    let more = "one more";
    say(&node, more).await;
    let (log, before) = (format!("{log},{more}"), rows_read(&node));
    assert!(before >= MESSAGES, "{before} rows for the first reader");
    for (asking, new) in [(CLIENTS, 1), (CLIENTS, 0), (1, 0)] {
        let before = rows_read(&node);
        let clients: Vec<_> = (0..asking).map(|_| tokio::spawn(log_after(door, std::iter::empty()))).collect();
        for client in clients {
            assert!(client.await.unwrap() == log, "everybody gets all of it");
        }
        assert_eq!(rows_read(&node) - before, new, "rows for {asking} who asked at once");
    }
    // A log that nobody has asked for yet: all come to it at once.
    let other = net.start("b", &[("a", node.local_addr())]).await;
    until_log(&other, usize::try_from(MESSAGES).unwrap() + 1).await;
    let before = rows_read(&other);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            tokio::spawn({
                let other = other.clone();
                async move { in_parts(&other).await.0 }
            })
        })
        .collect();
    for client in clients {
        assert!(client.await.unwrap() == log);
    }
    let read = rows_read(&other) - before;
    // What was read for the end of a part and belongs to the next one is read again.
    assert!(
        (MESSAGES..MESSAGES + MESSAGES / 4).contains(&read),
        "{read} rows for {CLIENTS} readings of {MESSAGES} messages"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_from_elsewhere_stands_where_it_belongs_for_those_who_had_asked_before() {
    let net = Net::new();
    let (node, door) = node(&net).await;
    let other = net.start("b", &[]).await;
    // Both write while they do not know of each other: their messages belong between each other.
    for n in 0..40 {
        say(&node, &format!("a {n}")).await;
        say(&other, &format!("b {n}")).await;
    }
    let alone = log_after(door, std::iter::empty()).await;
    assert_eq!(alone.split(',').count(), 40);
    let third = net.start("c", &[("a", node.local_addr()), ("b", other.local_addr())]).await;
    let whole = until_log(&node, 80).await;
    assert!(whole[..40] != alone.split(',').collect::<Vec<_>>(), "none belonged into the middle");
    assert_eq!(log_after(door, std::iter::empty()).await, whole.join(","));
    drop(third);
}
