//! A door that runs, and a legacy peer, byte by byte.
#![allow(dead_code, reason = "not every test uses all of it")]

pub mod signed;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rumormill_doors::udp_mesh::{Config, UdpMesh};
use rumormill_doors::{Counters, Outgoing, RoomEnd, Spec, Unsent, port};
use tokio::net::UdpSocket;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

pub const LONG: Duration = Duration::from_secs(60);

/// A door that runs.
pub struct Running {
    pub addr: SocketAddr,
    pub peer: SocketAddr,
    pub room: RoomEnd,
    pub stop: watch::Sender<bool>,
    pub task: JoinHandle<()>,
}

impl Running {
    pub async fn start(spec: &str) -> Self {
        let spec: Spec = spec.parse().unwrap();
        let door = UdpMesh::bind(Config::from_spec(&spec).unwrap()).await.unwrap();
        let (addr, peer) = (door.local_addr(), door.peer_addr());
        let (stop, stopped) = watch::channel(false);
        let (port, room) = port("alice", stopped);
        Self { addr, peer, room, stop, task: tokio::spawn(door.serve(port)) }
    }

    /// A directory that is quick to look for the silent.
    pub async fn quick() -> Self {
        Self::start("udp-mesh,listen=127.0.0.1:0,heartbeat=50ms,reap=400ms").await
    }

    pub async fn stop(self) {
        self.stop.send(true).unwrap();
        timeout(LONG, self.task).await.expect("closed").unwrap();
    }

    pub fn count(&self, of: impl Fn(&Counters) -> &AtomicU64) -> u64 {
        of(&self.room.counters).load(Ordering::Relaxed)
    }

    pub fn give(&self, text: &str) -> oneshot::Receiver<Result<(), Unsent>> {
        let (done, told) = oneshot::channel();
        let line = format!("alice@c0de: {text}");
        let outgoing =
            Outgoing { author: None, sender: "alice".into(), text: text.into(), line, to: None, done: Some(done) };
        assert!(self.room.way_out().give(outgoing));
        told
    }

    pub async fn heard(&mut self) -> (String, String) {
        let incoming = timeout(LONG, self.room.incoming.recv()).await.expect("a message").unwrap();
        (incoming.claimed, incoming.text)
    }
}

/// Waits until something holds.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The next datagram.
pub async fn next(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 70_000];
    let (len, from) = timeout(LONG, socket.recv_from(&mut buffer)).await.expect("a datagram").unwrap();
    buffer.truncate(len);
    (buffer, from)
}

pub fn birth(name: char, port: u16) -> Vec<u8> {
    [&[0xc0, 0, name as u8, 0][..], &port.to_le_bytes()].concat()
}

pub fn keepalive(name: char) -> Vec<u8> {
    vec![0xc3, 0, name as u8, 0]
}

pub fn vanilla(text: &str) -> Vec<u8> {
    let len = u16::try_from(text.len()).unwrap().to_le_bytes();
    [&[0xc2, 0], &len[..], text.as_bytes(), &[0]].concat()
}

pub fn listed(entries: &[(char, u16)]) -> Vec<u8> {
    let mut out = vec![0xc1, 0, u8::try_from(entries.len()).unwrap(), 0];
    for (name, port) in entries {
        out.extend([*name as u8, 0]);
        out.extend(port.to_le_bytes());
    }
    out
}

pub struct Legacy {
    name: char,
    server: SocketAddr,
    own: UdpSocket,
    speak: Arc<UdpSocket>,
    beats: Arc<AtomicBool>,
    heart: JoinHandle<()>,
    texts: Vec<(SocketAddr, String)>,
    listings: Vec<Vec<(char, u16)>>,
}

impl Drop for Legacy {
    fn drop(&mut self) {
        self.heart.abort();
    }
}

impl Legacy {
    pub async fn join(name: char, server: SocketAddr) -> Self {
        let own = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let speak = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let beats = Arc::new(AtomicBool::new(true));
        let heart = tokio::spawn({
            let (speak, beats) = (Arc::clone(&speak), Arc::clone(&beats));
            async move {
                loop {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    if beats.load(Ordering::Relaxed) {
                        let _ = speak.send_to(&keepalive(name), server).await;
                    }
                }
            }
        });
        let peer = Self { name, server, own, speak, beats, heart, texts: Vec::new(), listings: Vec::new() };
        peer.birth().await;
        peer
    }

    pub async fn birth(&self) {
        self.speak.send_to(&birth(self.name, self.port()), self.server).await.unwrap();
    }

    pub fn port(&self) -> u16 {
        self.own.local_addr().unwrap().port()
    }

    pub fn quiet(&self) {
        self.beats.store(false, Ordering::Relaxed);
    }

    pub fn beat(&self) {
        self.beats.store(true, Ordering::Relaxed);
    }

    pub async fn say(&self, to: SocketAddr, text: &str) {
        self.raw(to, &vanilla(text)).await;
    }

    pub async fn raw(&self, to: SocketAddr, bytes: &[u8]) {
        self.own.send_to(bytes, to).await.unwrap();
    }

    async fn read(&mut self, end: Instant) -> bool {
        let mut buffer = vec![0; 70_000];
        let Ok(read) = timeout_at(end, self.own.recv_from(&mut buffer)).await else { return false };
        let (len, from) = read.unwrap();
        let bytes = &buffer[..len];
        match bytes {
            [0xc1, 0, low, high, entries @ ..] => {
                let count = usize::from(u16::from_le_bytes([*low, *high]));
                assert_eq!(entries.len(), 4 * count, "{bytes:02x?}");
                let mut names: Vec<_> = entries
                    .chunks(4)
                    .map(|e| {
                        assert!(e[1] == 0 && (32..127).contains(&e[0]), "{bytes:02x?}");
                        (char::from(e[0]), u16::from_le_bytes([e[2], e[3]]))
                    })
                    .collect();
                names.sort_unstable();
                assert!(names.windows(2).all(|w| w[0].0 != w[1].0), "a legacy peer aborts: {names:?}");
                self.listings.push(names);
            }
            [0xc2, 0, low, high, text @ .., 0] => {
                assert_eq!(text.len(), usize::from(u16::from_le_bytes([*low, *high])), "{bytes:02x?}");
                self.texts.push((from, String::from_utf8(text.to_vec()).unwrap()));
            }
            // An empty one would freeze it.
            other => panic!("a legacy peer does not know {other:02x?}"),
        }
        true
    }

    /// All that has come.
    pub async fn drain(&mut self) -> (Vec<String>, Vec<Vec<(char, u16)>>) {
        while self.read(Instant::now() + Duration::from_millis(1)).await {}
        let texts = self.texts.drain(..).map(|(_, text)| text).collect();
        (texts, self.listings.drain(..).collect())
    }

    /// The next listing that holds.
    pub async fn listing(&mut self, holds: impl Fn(&[(char, u16)]) -> bool) -> Vec<(char, u16)> {
        let end = Instant::now() + LONG;
        loop {
            while let Some(names) = (!self.listings.is_empty()).then(|| self.listings.remove(0)) {
                if holds(&names) {
                    return names;
                }
            }
            assert!(self.read(end).await, "{}: no such listing", self.name);
        }
    }

    /// The next text.
    pub async fn text(&mut self) -> (SocketAddr, String) {
        let end = Instant::now() + LONG;
        while self.texts.is_empty() {
            assert!(self.read(end).await, "{}: no text", self.name);
        }
        self.texts.remove(0)
    }
}
