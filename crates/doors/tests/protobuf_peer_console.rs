//! The protobuf peer for a person, or for a pipe.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use rumormill_doors::protobuf_peer::console::{PeerConsoleOptions, console};
use rumormill_doors::protobuf_peer::message::ProtocolMessage;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, BufReader, DuplexStream};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

mod protobuf_peer_parts;

use protobuf_peer_parts::*;

/// A console with its terminal.
struct Terminal {
    typed: DuplexStream,
    shown: BufReader<DuplexStream>,
    task: JoinHandle<Result<(), String>>,
}

impl Terminal {
    fn open(desired_id: Option<i64>, peer: Option<SocketAddr>) -> Self {
        let (typed, input) = tokio::io::duplex(4_096);
        let (output, shown) = tokio::io::duplex(4_096);
        let local = ([127, 0, 0, 1], 0).into();
        let options = PeerConsoleOptions { local, peer, desired_id, insecure_bind: false };
        let task = tokio::spawn(async move {
            console(options, BufReader::new(input), output).await.map_err(|why| why.to_string())
        });
        Self { typed, shown: BufReader::new(shown), task }
    }

    async fn types(&mut self, line: &str) {
        self.typed.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn shows(&mut self) -> String {
        use tokio::io::AsyncBufReadExt as _;
        let mut line = String::new();
        timeout(SOON, self.shown.read_line(&mut line)).await.expect("a line in time").unwrap();
        line.trim_end_matches('\n').to_owned()
    }

    /// Reads the line that says who and where it is.
    async fn addr(&mut self) -> SocketAddr {
        self.shows().await.rsplit(' ').next().unwrap().parse().unwrap()
    }
}

#[tokio::test]
async fn two_consoles_talk() {
    let mut a = Terminal::open(Some(10), None);
    let addr = a.addr().await;
    a.types("table").await;
    assert_eq!(a.shows().await, "nobody is known");
    a.types("12 Kept For You,  With Spaces").await;
    assert_eq!(a.shows().await, "12 is not known; kept until it is");
    a.types("buffer").await;
    assert_eq!(a.shows().await, "for 12 from 10: Kept For You,  With Spaces");
    let mut b = Terminal::open(Some(12), Some(addr));
    assert!(b.shows().await.starts_with("id 12, listening on 127.0.0.1:"));
    assert_eq!(b.shows().await, format!("joined 10 at {addr}"));
    assert_eq!(b.shows().await, "10: Kept For You,  With Spaces");
    a.types("BUFFER").await;
    assert_eq!(a.shows().await, "nothing is kept");
    a.types("table").await;
    assert_eq!(a.shows().await, "12 via 12");
    b.types("10 grüße\r").await;
    assert_eq!(a.shows().await, "12: grüße");
    for (line, answer) in [
        ("hello", "give `<id> text`, `table`, `buffer` or `end`"),
        ("0 nobody", "give `<id> text`, `table`, `buffer` or `end`"),
        ("12", "there is no text for 12"),
        ("10 me", "not sent: 10 is our own id"),
    ] {
        a.types(line).await;
        assert_eq!(a.shows().await, answer, "{line}");
    }
    a.types("end").await;
    assert_eq!(timeout(SOON, a.task).await.unwrap().unwrap(), Ok(()));
    assert_eq!(b.shows().await, format!("the host at {addr} has gone"));
    drop(b.typed);
    assert_eq!(timeout(SOON, b.task).await.unwrap().unwrap(), Ok(()));
}

#[tokio::test]
async fn what_is_piped_in_waits_for_the_host() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut piped = Terminal::open(Some(12), Some(addr));
    piped.types("10 hello\nend").await;
    piped.addr().await;
    let start = b"\x00\x00\x00\x06\x08\x03\x22\x02\x08\x0c";
    let mut host = host(&listener, start, b"").await;
    sleep(Duration::from_millis(50)).await;
    host.says(ProtocolMessage::Welcome { id: 10 }).await;
    assert_eq!(piped.shows().await, format!("joined 10 at {addr}"));
    assert_eq!(host.hears().await, text(12, 10, "hello"));
    host.ends().await;
    assert_eq!(timeout(SOON, piped.task).await.unwrap().unwrap(), Ok(()));
}

#[tokio::test]
async fn a_console_that_cannot_join_says_so_and_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut refused = Terminal::open(Some(10), Some(addr));
    refused.addr().await;
    let _host = host(&listener, START_10, REFUSED).await;
    let why = timeout(SOON, refused.task).await.unwrap().unwrap().unwrap_err();
    assert!(why.contains("refused our id"), "{why}");
    drop(listener);
    let alone = Terminal::open(None, Some(addr));
    let why = timeout(SOON, alone.task).await.unwrap().unwrap().unwrap_err();
    assert!(why.contains(&format!("cannot join {addr}")), "{why}");
    let none = Terminal::open(Some(0), None);
    assert!(timeout(SOON, none.task).await.unwrap().unwrap().unwrap_err().contains("id: `0`"));
}

#[tokio::test]
async fn what_comes_from_outside_does_not_move_the_cursor() {
    let mut a = Terminal::open(Some(10), None);
    let mut peer = Peer::joined(a.addr().await, 12).await;
    peer.says(text(12, 10, "one\n99: two\x1b[2J")).await;
    assert_eq!(a.shows().await, "12: one\\n99: two\\u{1b}[2J");
    let long = "x".repeat(200_000);
    a.types(&long).await;
    assert_eq!(a.shows().await, "not sent: the line is too long");
    a.typed.write_all(b"12 \xff\n").await.unwrap();
    assert_eq!(a.shows().await, "not sent: the line is not UTF-8");
}
