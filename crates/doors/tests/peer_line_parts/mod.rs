//! A door of the menu chat that serves, and programs of that chat.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests, each of which uses its part")]

use rumormill_doors::peer_line::{Config, PeerLine};
use rumormill_doors::{Incoming, Outgoing, RoomEnd, Spec, Unsent, port};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Long enough for a machine on which others have the cores.
pub const SOON: Duration = Duration::from_secs(60);

/// A door that serves, and the room behind it.
pub struct Yard {
    pub at: SocketAddr,
    pub room: RoomEnd,
    pub stop: watch::Sender<bool>,
    pub task: JoinHandle<()>,
}

pub fn config(more: &str) -> Config {
    let spec: Spec = format!("peer-line,listen=127.0.0.1:0,name=team{more}").parse().unwrap();
    Config { retry: Duration::from_millis(50), ..Config::from_spec(&spec).unwrap() }
}

impl Yard {
    pub async fn new(more: &str) -> Self {
        Self::with(config(more)).await
    }

    pub async fn with(config: Config) -> Self {
        let door = PeerLine::bind(config).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let (port, room) = port("node", stopped);
        Self { at: door.local_addr(), room, stop, task: tokio::spawn(door.serve(port)) }
    }

    pub async fn heard(&mut self) -> Incoming {
        timeout(SOON, self.room.incoming.recv()).await.expect("a message").unwrap()
    }

    /// The next message: who claims to have sent it, and what it says.
    pub async fn hears(&mut self, claimed: &str, text: &str) {
        let heard = self.heard().await;
        assert_eq!((heard.claimed.as_str(), heard.text.as_str()), (claimed, text));
        assert_eq!(heard.from, Some([127, 0, 0, 1].into()));
    }

    /// A message from the room; resolves with what became of it.
    pub fn says(&self, text: &str) -> oneshot::Receiver<Result<(), Unsent>> {
        let (done, settled) = oneshot::channel();
        let line = format!("alice@c0de: {text}");
        let outgoing =
            Outgoing { author: None, sender: "alice".into(), text: text.into(), line, to: None, done: Some(done) };
        assert!(self.room.way_out().give(outgoing));
        settled
    }

    pub fn count(&self, name: &str) -> u64 {
        self.room.counters.named().into_iter().find(|(found, _)| *found == name).unwrap().1
    }

    pub async fn ends(self) {
        self.stop.send(true).unwrap();
        timeout(SOON, self.task).await.unwrap().unwrap();
    }
}

/// Waits until it holds.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, wait).await.unwrap_or_else(|_| panic!("{what}"));
}

/// One connection, one message, the end.
pub async fn say(to: SocketAddr, message: impl AsRef<[u8]>) {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(message.as_ref()).await.unwrap();
}

/// A legacy program's listening side.
pub struct Legacy(pub TcpListener, pub SocketAddr);

impl Legacy {
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        Self(listener, at)
    }

    /// Takes a connection and reads once, as most do; and whether the stream ended there.
    pub async fn takes(&self) -> (String, SocketAddr) {
        let (mut stream, from) = timeout(SOON, self.0.accept()).await.expect("a connection").unwrap();
        let mut buffer = vec![0; 1_024];
        let bytes = timeout(SOON, stream.read(&mut buffer)).await.unwrap().unwrap();
        let rest = timeout(SOON, stream.read(&mut [0; 16])).await.unwrap().unwrap();
        assert_eq!(rest, 0, "one message, and the end");
        (String::from_utf8(buffer[..bytes].to_vec()).unwrap(), from)
    }
}
