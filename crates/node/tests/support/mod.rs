//! Nodes of one test, with a CA of their own.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as it should be")]

use std::net::SocketAddr;
use std::time::Duration;

use rumormill_node::config::{Durability, IdentitySource, Neighbour, StoreKind};
use rumormill_node::{NodeConfig, NodeHandle, start};
use rumormill_testkit::hostile::endpoint;
use rumormill_testkit::wait::until_within;
use rumormill_transport::{Endpoint, LocalCa};
use rumormill_wire::native::MessageKind;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Long enough for a machine whose two cores are busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Net {
    pub dir: TempDir,
}

impl Net {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn config(&self, name: &str, neighbours: &[(&str, SocketAddr)]) -> NodeConfig {
        let mut config = NodeConfig::new(name);
        config.identity = IdentitySource::LocalCa { home: Some(self.dir.path().join("home")) };
        config.neighbours =
            neighbours.iter().map(|(name, addr)| Neighbour { name: Some((*name).to_owned()), addr: *addr }).collect();
        config
    }

    /// The same with a store on disk.
    pub fn on_disk(&self, name: &str, neighbours: &[(&str, SocketAddr)]) -> NodeConfig {
        let mut config = self.config(name, neighbours);
        config.store = StoreKind::Sqlite;
        config.durability = Durability::Normal;
        config.state = Some(self.dir.path().join(format!("state-{name}")));
        config
    }

    pub fn ca(&self) -> LocalCa {
        LocalCa::open_or_create(&self.dir.path().join("home")).unwrap()
    }

    /// A member that says what it likes.
    pub fn endpoint(&self, name: &str) -> Endpoint {
        let ca = self.ca();
        endpoint(&ca, ca.open_or_issue(name).unwrap())
    }

    pub async fn start(&self, name: &str, neighbours: &[(&str, SocketAddr)]) -> NodeHandle {
        start(self.config(name, neighbours)).await.unwrap()
    }
}

/// One request at a push-pull door, as the clients do it, and the whole answer.
pub async fn ask(node: &NodeHandle, request: &str) -> String {
    let doors = node.doors();
    let door = doors.iter().find(|door| door.door == "push-pull").unwrap();
    let mut stream = TcpStream::connect(door.listen).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

pub async fn say(node: &NodeHandle, text: &str) {
    node.submit(MessageKind::CHAT, "", text.to_owned()).await.unwrap().await.unwrap();
}

/// Waits until a node has stopped by itself, and sees that it says so.
pub async fn until_failed(node: &NodeHandle) {
    tokio::time::timeout(2 * PATIENCE, node.stopped()).await.unwrap();
    until("it says that it failed", async || node.has_failed()).await;
}

/// Waits until it holds; fails after a deadline.
pub async fn until(what: &str, holds: impl AsyncFnMut() -> bool) {
    until_within(PATIENCE, what, holds).await;
}

/// Whether it has a link with a member of this name.
pub fn has(node: &NodeHandle, name: &str) -> bool {
    node.peers().iter().any(|peer| peer.name == name)
}

/// A figure of the node's own.
pub fn count(node: &NodeHandle, name: &str) -> u64 {
    node.metrics().into_iter().find(|(found, _)| *found == format!("node_{name}")).map(|(_, n)| n).unwrap()
}

pub async fn until_log(node: &NodeHandle, count: usize) -> Vec<String> {
    until(&format!("{count} messages at {}", node.name()), async || node.chat_log().await.unwrap().len() >= count)
        .await;
    node.chat_log().await.unwrap()
}
