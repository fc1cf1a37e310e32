//! Links, and neighbours without one.

use std::net::SocketAddr;

use rumormill_wire::ForeignText;
use serde::{Deserialize, Serialize};

/// A link, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerInfo {
    /// Name in the network.
    pub name: String,
    /// Node id, in hexadecimal.
    pub node: String,
    /// Where the connection comes from or goes to: with `inbound` no address to dial.
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
    /// The number of its revocation list, by its own word.
    #[serde(default)]
    pub revocations: Option<u64>,
    /// Until when its certificate is valid, in seconds since the Unix epoch.
    #[serde(default)]
    pub certificate_not_after: u64,
    /// By how many seconds its clock is ahead of ours, or behind if negative; 0 if that is not known to be over the limit.
    #[serde(default)]
    pub clock_off_s: i64,
    /// TLS version.
    pub tls_version: String,
    /// TLS key exchange group.
    pub tls_group: String,
    /// Bytes of frames received.
    pub bytes_in: u64,
    /// Bytes of frames sent.
    pub bytes_out: u64,
}

/// A configured neighbour without a link, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighbourInfo {
    /// The name that its certificate has to have; any member will do if `None`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// The address at which it is dialled.
    pub addr: SocketAddr,
    /// Tries without a link since there was one.
    pub tries: u64,
    /// Why the last one gave none; empty before the first has ended.
    pub reason: String,
    /// What the other side said, if it did.
    #[serde(skip_serializing_if = "Option::is_none", default, with = "crate::foreign_json::option")]
    pub said: Option<ForeignText>,
    /// How long ago that was, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failed_s: Option<u64>,
    /// In how many seconds it is tried again; absent while it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_s: Option<u64>,
}

/// By how much our own clock seems to be off, in seconds: what the one in the middle differs by where most neighbours, and
/// more than one, differ in one direction.
#[must_use]
pub fn own_clock_suspected(peers: &[PeerInfo]) -> Option<i64> {
    most_differ(peers.iter().map(|peer| peer.clock_off_s).collect())
}

/// If most of these, and more than one, are over zero, or under it: the one in their middle.
#[must_use]
pub fn most_differ(mut off: Vec<i64>) -> Option<i64> {
    off.sort_unstable();
    let all = off.len();
    let middle = |sign| {
        let same: Vec<i64> = off.iter().copied().filter(|off| off.signum() == sign).collect();
        let most = same.len() >= 2 && same.len().saturating_mul(2) > all;
        same.get(same.len() / 2).copied().filter(|_| most)
    };
    middle(1).or_else(|| middle(-1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_suspected_when_most_differ_from_it_in_one_direction() {
        let off = |off: &[i64]| most_differ(off.to_vec());
        assert_eq!(off(&[]), None);
        assert_eq!(off(&[5]), None, "of two, nobody knows which");
        assert_eq!(off(&[5, 5]), Some(5));
        assert_eq!(off(&[0, 5, 5]), Some(5));
        assert_eq!(off(&[0, 0, 5, 5]), None);
        assert_eq!(off(&[-9, -5, -7, 5]), Some(-7));
        assert_eq!(off(&[5, -5, 5, -5]), None);
        assert_eq!(off(&[0, 0, 0]), None);
    }
}
