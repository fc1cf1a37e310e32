//! What a node tells about itself: its links, doors and counters.

use std::net::SocketAddr;

use rumormill_wire::{Incarnation, NodeId, Seq};
use serde::{Deserialize, Serialize};

use super::NodeHandle;
use crate::doors::{DoorInfo, OpenDoor};
use crate::link::Direction;

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
    /// Why something is missing, or may be: one of the words in docs/operations.md.
    pub why: Option<String>,
    /// TLS version.
    pub tls_version: String,
    /// TLS key exchange group.
    pub tls_group: String,
    /// Bytes of frames received.
    pub bytes_in: u64,
    /// Bytes of frames sent.
    pub bytes_out: u64,
}

impl NodeHandle {
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
                    why: stats.why.map(|why| why.name().to_owned()),
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
        let passing = hub.with_engine(rumormill_gossip::Engine::passing);
        all.extend([
            ("gossip_checks".to_owned(), as_u64(checks)),
            ("gossip_origins".to_owned(), as_u64(origins)),
            ("gossip_members".to_owned(), as_u64(members)),
            ("gossip_passing_origins".to_owned(), as_u64(passing.0)),
            ("gossip_passing_bytes".to_owned(), as_u64(passing.1)),
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
}

/// Threads of this process, by what the system says; 0 where it does not.
fn threads() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Threads:"));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}
