//! A running node, for those who use it: doors, the local socket, tests.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use rumormill_store::{OrderKey, StoreError};
use rumormill_transport::Endpoint;
use rumormill_wire::native::MessageKind;
use rumormill_wire::{Incarnation, NodeId, Origin, Seq};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, oneshot};

use crate::doors::{DoorInfo, Mark, OpenDoor};
use crate::hub::{Committed, Hub, Receipt, SubmitError};
use crate::link::Direction;
use crate::lock;
use crate::view::{Message, Place, Rules};

/// Messages read from the store at once.
pub const MAX_PAGE: usize = 4_096;
/// How long a node takes to drain and leave.
pub const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);

/// A submitted message on its way to the disk. Await it to know when it is durable.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<Receipt>);

impl Future for Pending {
    type Output = Result<Receipt, SubmitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|result| result.map_err(|_| SubmitError::Stopping))
    }
}

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The store.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

/// A link, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerInfo {
    /// Name in the network.
    pub name: String,
    /// Node id, in hexadecimal.
    pub node: String,
    /// Address.
    pub addr: SocketAddr,
    /// `inbound` or `outbound`.
    pub direction: String,
    /// How long the link is up, in seconds.
    pub up_s: u64,
    /// Messages that we have and the neighbour, as far as we know, does not.
    pub lag: u64,
    /// Messages that the neighbour said it has and we do not.
    pub behind: u64,
    /// Nothing is missing on either side that was known two seconds ago.
    pub in_sync: bool,
    /// TLS version.
    pub tls_version: String,
    /// TLS key exchange group.
    pub tls_group: String,
    /// Bytes of frames received.
    pub bytes_in: u64,
    /// Bytes of frames sent.
    pub bytes_out: u64,
}

/// A node that runs. Clones share it; the node stops with [`NodeHandle::shutdown`].
#[derive(Clone)]
pub struct NodeHandle(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) hub: Arc<Hub>,
    pub(crate) endpoint: Endpoint,
    pub(crate) local_addr: SocketAddr,
    pub(crate) name: String,
    pub(crate) max_message: usize,
    pub(crate) doors: OnceLock<Vec<OpenDoor>>,
}

impl NodeHandle {
    /// Where it listens for neighbours.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.0.local_addr
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its node id.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.0.hub.checker.me
    }

    /// Under which origin it writes now.
    #[must_use]
    pub fn me(&self) -> Origin {
        self.0.hub.with_engine(rumormill_gossip::Engine::me)
    }

    fn check_length(&self, body: &Bytes) -> Result<(), SubmitError> {
        let (len, max) = (body.len(), self.0.max_message);
        if len > max { Err(SubmitError::TooLong { len, max }) } else { Ok(()) }
    }

    /// Takes a message; waits while too many wait before it. Messages are written in the order in which this returns.
    ///
    /// # Errors
    /// It can be no message, the store is full, or the node stops.
    pub async fn submit(&self, kind: MessageKind, room: &str, body: impl Into<Bytes>) -> Result<Pending, SubmitError> {
        let body = body.into();
        self.check_length(&body)?;
        self.0.hub.submit(kind, room, body).await.map(Pending)
    }

    /// The same without waiting: [`rumormill_gossip::Reject::Busy`] if too many wait.
    ///
    /// # Errors
    /// As [`NodeHandle::submit`], or busy.
    pub fn try_submit(&self, kind: MessageKind, room: &str, body: impl Into<Bytes>) -> Result<Pending, SubmitError> {
        let body = body.into();
        self.check_length(&body)?;
        self.0.hub.try_submit(kind, room, body).map(Pending)
    }

    /// What hides messages right now.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let hub = &self.0.hub;
        Rules { limits: hub.with_engine(|engine| engine.limits().collect()), wall_us: hub.wall_us() }
    }

    /// The next messages of the log after a place, at most `max` of them; fewer only at the end of the log.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn page(&self, after: Option<Place>, max: usize) -> Result<Vec<Message>, LogError> {
        let (pages, rules) = (self.0.hub.disk.pages(), self.rules());
        let task = move || {
            let mut reader = lock(&pages);
            let mut after = after.map(|at| OrderKey { clock: at.clock, origin: at.origin, seq: at.seq });
            let mut shown = Vec::new();
            while shown.len() < max {
                let wanted = max.saturating_sub(shown.len()).min(MAX_PAGE);
                let entries = reader.page(after, wanted)?;
                let more = entries.len() == wanted;
                after = entries.last().map(|entry| entry.key).or(after);
                shown.extend(entries.into_iter().filter_map(|entry| rules.entry(entry)));
                if !more {
                    break;
                }
            }
            Ok(shown)
        };
        tokio::task::spawn_blocking(task).await.map_err(|_| LogError::Stopping)?
    }

    /// The texts of the common room, in order: what the classroom interface shows. What came through a door of an older
    /// protocol bears the network's mark and the claimed sender.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn chat_log(&self) -> Result<Vec<String>, LogError> {
        let mark = Mark::of(&self.0.endpoint.network());
        let mut log = Vec::new();
        let mut after = None;
        loop {
            let page = self.page(after, MAX_PAGE).await?;
            let more = page.len() == MAX_PAGE;
            after = page.last().map(|message| message.place);
            let shown = page.into_iter().filter(|m| m.kind.is_text() && m.room.is_empty());
            log.extend(shown.map(|message| match message.through {
                Some(_) => mark.line(&message.sender(""), &message.text),
                None => message.text,
            }));
            if !more {
                return Ok(log);
            }
        }
    }

    /// Bundles as they become durable, in the order in which they came. A receiver that lags is told so.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Committed>> {
        self.0.hub.follow()
    }

    /// The name of a member, if it is known.
    #[must_use]
    pub fn name_of(&self, node: &NodeId) -> Option<String> {
        self.0.hub.checker.names.of(node)
    }

    /// All links.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerInfo> {
        let hub = &self.0.hub;
        let now = hub.clock.now();
        let mut peers: Vec<_> = hub
            .links()
            .iter()
            .filter_map(|link| {
                let stats = hub.with_engine(|engine| engine.link_stats(link.id))?;
                let direction = if link.facts.direction == Direction::Inbound { "inbound" } else { "outbound" };
                Some(PeerInfo {
                    name: link.facts.name.clone(),
                    node: link.facts.peer.to_string(),
                    addr: link.facts.addr,
                    direction: direction.to_owned(),
                    up_s: now.since(link.since) / 1_000_000,
                    lag: stats.lag,
                    behind: stats.behind,
                    in_sync: stats.in_sync,
                    tls_version: link.facts.tls_version.clone(),
                    tls_group: link.facts.tls_group.clone(),
                    bytes_in: link.bytes_in.load(std::sync::atomic::Ordering::Relaxed),
                    bytes_out: link.bytes_out.load(std::sync::atomic::Ordering::Relaxed),
                })
            })
            .collect();
        peers.sort_by(|a, b| a.name.cmp(&b.name));
        peers
    }

    /// The open doors with their counters.
    #[must_use]
    pub fn doors(&self) -> Vec<DoorInfo> {
        self.0.doors.get().into_iter().flatten().map(OpenDoor::info).collect()
    }

    /// For each incarnation of a node, the last number that we have: what `certs revoke` cuts at.
    #[must_use]
    pub fn frontier_of(&self, node: &NodeId) -> Vec<(Incarnation, Seq)> {
        self.0.hub.with_engine(|engine| {
            let own = engine.frontier().filter(|entry| entry.origin.node == *node);
            own.map(|entry| (entry.origin.incarnation, Seq(entry.next.0.saturating_sub(1)))).collect()
        })
    }

    /// The fingerprint of all that the node has: equal fingerprints are equal logs.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 16] {
        self.0.hub.with_engine(rumormill_gossip::Engine::fingerprint)
    }

    /// Counters of the engine.
    #[must_use]
    pub fn stats(&self) -> rumormill_gossip::Stats {
        self.0.hub.stats()
    }

    /// Every counter and gauge with its name.
    #[must_use]
    pub fn metrics(&self) -> Vec<(String, u64)> {
        let hub = &self.0.hub;
        let as_u64 = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let mut all: Vec<(String, u64)> =
            hub.stats().named().into_iter().map(|(name, n)| (format!("gossip_{name}"), n)).collect();
        let (checks, origins, members) = hub.with_engine(rumormill_gossip::Engine::sizes);
        all.extend([
            ("gossip_checks".to_owned(), as_u64(checks)),
            ("gossip_origins".to_owned(), as_u64(origins)),
            ("gossip_members".to_owned(), as_u64(members)),
            ("links".to_owned(), as_u64(hub.links().len())),
            ("handshakes_in_flight".to_owned(), as_u64(self.0.endpoint.handshakes())),
        ]);
        all.extend(hub.counters.named().into_iter().map(|(name, n)| (format!("node_{name}"), n)));
        for door in self.doors() {
            let name = door.door.replace(['-', '#'], "_");
            all.extend(door.counters.into_iter().map(|(counter, n)| (format!("door_{name}_{counter}"), n)));
        }
        all.push(("threads".to_owned(), as_u64(threads())));
        all.extend(self.0.endpoint.metrics().named().into_iter().map(|(name, n)| (format!("transport_{name}"), n)));
        all
    }

    /// Bytes of frames given to TLS by all links since the start.
    #[must_use]
    pub fn bytes_out(&self) -> u64 {
        self.0.endpoint.metrics().bytes_out.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Messages made durable since the start, our own among them.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.0.hub.counters.messages_committed.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Whether the store failed, so that the node stopped by itself.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.0.hub.has_failed()
    }

    /// Resolves when the node begins to stop, whoever asked for it.
    pub async fn stopped(&self) {
        let _ = self.0.hub.stopping().wait_for(|stop| *stop).await;
    }

    /// Asks the node to stop; [`NodeHandle::shutdown`] then does the work.
    pub fn stop(&self) {
        self.0.hub.stop();
    }

    /// Takes no more, makes durable what was taken, says goodbye and closes the store as clean; within
    /// [`SHUTDOWN_DEADLINE`].
    ///
    /// # Errors
    /// The store could not be closed.
    pub async fn shutdown(&self) -> Result<(), LogError> {
        let hub = Arc::clone(&self.0.hub);
        hub.stop();
        hub.drain(SHUTDOWN_DEADLINE).await;
        let closed = tokio::task::spawn_blocking(move || hub.disk.close()).await;
        Ok(closed.map_err(|_| LogError::Stopping)??)
    }
}

/// Threads of this process, by what the system says; 0 where it does not.
fn threads() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Threads:"));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}
