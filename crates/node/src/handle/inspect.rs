//! What a node tells about itself: its links, doors and counters.

use rumormill_api::{DoorInfo, NeighbourInfo, PeerInfo};
use rumormill_wire::native::MAX_CUT_INCARNATIONS;
use rumormill_wire::{Incarnation, NodeId, Seq};

use super::node::NodeHandle;
use crate::clock::seconds;
use crate::open_door::OpenDoor;
use crate::{lock, logging};

impl NodeHandle {
    /// The name of a member, if it is known.
    #[must_use]
    pub fn name_of(&self, node: &NodeId) -> Option<String> {
        self.0.driver.checker.names.of(node)
    }

    /// Whether the revocation list in force names this node.
    #[must_use]
    pub fn is_revoked(&self, node: &NodeId) -> bool {
        self.0.driver.checker.revoked.revokes(node)
    }

    /// All links that are up, with what each lacks and why.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerInfo> {
        let driver = &self.0.driver;
        let now = driver.clock.now();
        let mut peers: Vec<_> = driver
            .links()
            .iter()
            .filter_map(|link| {
                let stats = driver.with_engine(|engine| engine.link_stats_at(link.id, now))?;
                Some(PeerInfo {
                    name: link.facts.name.clone(),
                    node: link.facts.peer.to_string(),
                    addr: link.facts.addr,
                    direction: link.facts.direction.to_string(),
                    up_s: now.since(link.since) / 1_000_000,
                    lag: stats.lag,
                    behind: stats.behind,
                    in_sync: stats.in_sync,
                    why: stats.why.map(|why| why.name().to_owned()),
                    revocations: stats.revocations,
                    certificate_not_after: link.facts.until,
                    clock_off_s: driver.clock_off_s(&link.facts.peer),
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

    /// The configured neighbours without a link: why the last try gave none, how often that was, when the next one is.
    #[must_use]
    pub fn unlinked(&self) -> Vec<NeighbourInfo> {
        self.0.driver.unlinked()
    }

    /// The open doors with their counters.
    #[must_use]
    pub fn doors(&self) -> Vec<DoorInfo> {
        lock(&self.0.doors).iter().map(OpenDoor::info).collect()
    }

    /// For each incarnation of a node, the last number that we have: what `certs revoke` cuts at. At most as many as a cut
    /// may name, the lowest; and how many more there are.
    #[must_use]
    pub fn frontier_of(&self, node: &NodeId) -> (Vec<(Incarnation, Seq)>, usize) {
        lowest(self.0.driver.with_engine(|engine| {
            let own = engine.frontier().filter(|entry| entry.origin.node == *node && entry.next > Seq::FIRST);
            own.map(|entry| (entry.origin.incarnation, Seq(entry.next.0.saturating_sub(1)))).collect()
        }))
    }

    /// The revocation list in force.
    #[must_use]
    pub fn revocations(&self) -> std::sync::Arc<rumormill_transport::Revocations> {
        self.0.driver.checker.revoked.get()
    }

    /// Why nothing of the list in the file is in force, where that is so.
    #[must_use]
    pub fn revocations_file(&self) -> Option<String> {
        lock(&self.0.driver.list_file).clone()
    }

    /// From when and until when our certificate is valid, in seconds since the Unix epoch.
    #[must_use]
    pub fn certificate_valid(&self) -> (u64, u64) {
        let (from, until) = self.0.endpoint.identity().valid();
        (seconds(from), seconds(until))
    }

    /// The network that this node belongs to; it never changes.
    #[must_use]
    pub fn network(&self) -> rumormill_wire::NetworkId {
        self.0.endpoint.network()
    }

    /// The fingerprint of all that the node has: equal fingerprints are equal logs.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 16] {
        self.0.driver.with_engine(rumormill_gossip::Engine::fingerprint)
    }

    /// Counters of the engine since the start.
    #[must_use]
    pub fn stats(&self) -> rumormill_gossip::Stats {
        self.0.driver.stats()
    }

    /// Every counter and gauge with its name.
    #[must_use]
    pub fn metrics(&self) -> Vec<(String, u64)> {
        let driver = &self.0.driver;
        let as_u64 = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let mut all: Vec<(String, u64)> =
            driver.stats().named().into_iter().map(|(name, n)| (format!("gossip_{name}"), n)).collect();
        let (checks, origins, members) = driver.with_engine(rumormill_gossip::Engine::sizes);
        let passing = driver.with_engine(rumormill_gossip::Engine::passing);
        all.extend([
            ("gossip_checks".to_owned(), as_u64(checks)),
            ("gossip_origins".to_owned(), as_u64(origins)),
            ("gossip_members".to_owned(), as_u64(members)),
            ("gossip_passing_origins".to_owned(), as_u64(passing.0)),
            ("gossip_passing_bytes".to_owned(), as_u64(passing.1)),
            ("links".to_owned(), as_u64(driver.links().len())),
            ("handshakes_in_flight".to_owned(), as_u64(self.0.endpoint.handshakes())),
            ("chat_log_kept_bytes".to_owned(), as_u64(driver.chat_log.bytes())),
            ("known_addresses".to_owned(), as_u64(self.0.endpoint.known_members())),
        ]);
        let list = self.revocations();
        all.extend([
            ("node_revocation_list".to_owned(), list.number()),
            ("node_revocation_issued".to_owned(), list.issued()),
            ("node_revoked_nodes".to_owned(), as_u64(list.len())),
            ("node_revocation_file_not_in_force".to_owned(), u64::from(self.revocations_file().is_some())),
        ]);
        all.extend(driver.counters.named().into_iter().map(|(name, n)| (format!("node_{name}"), n)));
        for door in self.doors() {
            let name = door.door.replace(['-', '#'], "_");
            all.extend(door.counters.into_iter().map(|(counter, n)| (format!("door_{name}_{counter}"), n)));
        }
        all.push(("threads".to_owned(), as_u64(threads())));
        all.push(("log_lines_left_out".to_owned(), logging::left_out()));
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
        self.0.driver.counters.messages_committed.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Whether the store failed, so that the node stopped by itself.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.0.driver.has_failed()
    }
}

/// As many as a cut may name, from the lowest on, and how many more there were: an answer has a bound, whatever a member made.
fn lowest(mut chains: Vec<(Incarnation, Seq)>) -> (Vec<(Incarnation, Seq)>, usize) {
    let left_out = chains.len().saturating_sub(MAX_CUT_INCARNATIONS);
    chains.sort_unstable();
    chains.truncate(MAX_CUT_INCARNATIONS);
    (chains, left_out)
}

/// Threads of this process, by what the system says; 0 where it does not.
fn threads() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Threads:"));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_revocation_is_told_fits_whatever_the_member_made() {
        let made = |n: u64| (0..n).rev().map(|i| (Incarnation(i), Seq(9))).collect::<Vec<_>>();
        let (few, left_out) = lowest(made(3));
        assert_eq!((few[0].0, few.len(), left_out), (Incarnation(0), 3, 0));
        let (most, left_out) = lowest(made(20_000));
        assert_eq!((most.len(), left_out), (MAX_CUT_INCARNATIONS, 20_000 - MAX_CUT_INCARNATIONS));
        assert_eq!(most.last().unwrap().0, Incarnation(1_023), "the lowest ones");
    }
}
