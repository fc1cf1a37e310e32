//! A protobuf door that serves, and peers whose bytes are written out by hand.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests, each of which uses its part")]

use rumormill_doors::protobuf_peer::message::ProtocolMessage;
use rumormill_doors::protobuf_peer::{Config, ProtobufPeer};
use rumormill_doors::{Outgoing, RoomEnd, Spec, Unsent, port};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

pub const SOON: Duration = Duration::from_secs(60);

pub struct Running {
    pub addr: SocketAddr,
    pub room: RoomEnd,
    pub stop: watch::Sender<bool>,
    pub task: JoinHandle<()>,
}

pub async fn door(keys: &str) -> Running {
    let spec: Spec = format!("protobuf-peer,listen=127.0.0.1:0,{keys}").parse().unwrap();
    let door = ProtobufPeer::bind(Config::from_spec(&spec).unwrap()).await.unwrap();
    let (stop, stopped) = watch::channel(false);
    let (port, room) = port("alice", stopped);
    Running { addr: door.local_addr(), room, stop, task: tokio::spawn(door.serve(port)) }
}

impl Running {
    pub async fn heard(&mut self) -> (String, String) {
        let message = timeout(SOON, self.room.incoming.recv()).await.expect("a message").expect("open");
        (message.claimed, message.text)
    }

    pub fn give(&self, text: &str) -> oneshot::Receiver<Result<(), Unsent>> {
        let (done, result) = oneshot::channel();
        let line = format!("alice@c0de: {text}");
        let out =
            Outgoing { author: None, sender: "alice".into(), text: text.into(), line, to: None, done: Some(done) };
        assert!(self.room.way_out().give(out));
        result
    }

    /// Waits until a counter is what it should be.
    pub async fn counts(&self, name: &str, wanted: impl Fn(u64) -> bool) -> u64 {
        let now = || self.room.counters.named().into_iter().find(|(found, _)| *found == name).unwrap().1;
        let end = Instant::now() + SOON;
        while !wanted(now()) {
            assert!(Instant::now() < end, "{name} is {}", now());
            sleep(Duration::from_millis(5)).await;
        }
        now()
    }
}

pub struct Peer(pub TcpStream);

impl Peer {
    pub async fn dial(addr: SocketAddr) -> Self {
        Self(TcpStream::connect(addr).await.unwrap())
    }

    /// Dials and says who it is; takes the answer of the host 10.
    pub async fn joined(addr: SocketAddr, id: i64) -> Self {
        let mut peer = Self::dial(addr).await;
        peer.says(ProtocolMessage::Start { id }).await;
        assert_eq!(peer.hears().await, ProtocolMessage::Welcome { id: 10 });
        peer
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    pub async fn says(&mut self, said: ProtocolMessage) {
        self.send(&said.frame().unwrap()).await;
    }

    pub async fn gets(&mut self, bytes: &[u8]) {
        let mut found = vec![0; bytes.len()];
        timeout(SOON, self.0.read_exact(&mut found)).await.expect("bytes in time").expect("bytes");
        assert_eq!(found, bytes);
    }

    pub async fn try_hear(&mut self) -> Option<ProtocolMessage> {
        let len = self.0.read_u32().await.ok()?;
        let mut body = vec![0; len as usize];
        self.0.read_exact(&mut body).await.ok()?;
        Some(ProtocolMessage::decode(&body).unwrap())
    }

    pub async fn hears(&mut self) -> ProtocolMessage {
        timeout(SOON, self.try_hear()).await.expect("a frame in time").expect("a frame")
    }

    pub async fn ends(&mut self) {
        let mut rest = Vec::new();
        let end = timeout(SOON, self.0.read_to_end(&mut rest)).await.expect("closed in time");
        assert!(end.is_err() || rest.is_empty(), "{rest:02x?} before the end");
    }
}

pub fn text(from: i64, to: i64, text: &str) -> ProtocolMessage {
    ProtocolMessage::Text { from, to, text: text.into() }
}

pub fn claimed(id: i64, text: &str) -> (String, String) {
    (id.to_string(), text.to_owned())
}

pub const START_12: &[u8] = b"\x00\x00\x00\x06\x08\x03\x22\x02\x08\x0c";

pub const WELCOME_10: &[u8] = b"\x00\x00\x00\x06\x08\x04\x2a\x02\x08\x0a";

pub const REFUSED: &[u8] = b"\x00\x00\x00\x06\x08\x04\x2a\x02\x10\x01";

pub const JOIN_11: &[u8] = b"\x00\x00\x00\x0a\x08\x02\x1a\x06\x12\x04\x08\x0b\x10\x0a";

/// A host written here: takes one connection and its start.
pub async fn host(listener: &TcpListener, start: &[u8], answer: &[u8]) -> Peer {
    let (stream, _) = timeout(SOON, listener.accept()).await.expect("a call").unwrap();
    let mut peer = Peer(stream);
    peer.gets(start).await;
    peer.send(answer).await;
    peer
}

pub const START_10: &[u8] = b"\x00\x00\x00\x06\x08\x03\x22\x02\x08\x0a";

pub const WELCOME_1: &[u8] = b"\x00\x00\x00\x06\x08\x04\x2a\x02\x08\x01";

pub async fn find(room: &mut RoomEnd, mark: &str) {
    while room.incoming.recv().await.expect("open").text != mark {}
}
