//! The control port of a running node: what it takes in a day, and how it gives the log.
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::net::SocketAddr;

use rumormill_node::{ChatPlace, NodeHandle, start};
use rumormill_wire::native::MessageKind;
use support::{Net, say};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_the_same_in_parts() {
    let net = Net::new();
    let (node, door) = node(&net).await;
    assert_eq!(log_after(door, std::iter::empty()).await, "");
    for n in 0..100 {
        say(&node, &format!("{n} {}", "y".repeat(n * 37 % 500))).await;
        let room = if n % 3 == 0 { "elsewhere" } else { "" };
        node.submit(MessageKind::CHAT, room, format!("{n} z")).await.unwrap().await.unwrap();
    }
    let whole = node.chat_log().await.unwrap();
    assert_eq!(whole.len(), 166);
    for max in [1, 700, 5_000, 1 << 20] {
        let (mut from, mut parts, mut asked) = (Some(ChatPlace::default()), Vec::new(), 0);
        while let Some(place) = from {
            let (texts, next) = node.chat_part(place, max).await.unwrap();
            let before_last: usize = texts.iter().rev().skip(1).map(String::len).sum();
            assert!(before_last < max, "no more than the longest one above {max}");
            (from, asked) = (next, asked + 1);
            parts.extend(texts);
        }
        assert!(parts == whole && (max > 5_000 || asked > 3), "{max}: {asked} parts");
    }
    assert_eq!(log_after(door, std::iter::empty()).await, whole.join(","));
}
