//! What a node answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::door::DoorInfo;
use crate::line::LogLine;
use crate::peer::{NeighbourInfo, PeerInfo};

/// One line that a node answers a [`crate::Request`] with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// A message is durable.
    Sent(Sent),
    /// A message of the log.
    Line(LogLine),
    /// The follower was too slow and missed some; asking for the log again shows them.
    Missed {
        /// How many messages; said at most once a second.
        messages: u64,
    },
    /// What follows came after the request; only if a mark was asked for.
    Current {},
    /// The log ends here.
    End {},
    /// All links that are up.
    Peers(Vec<PeerInfo>),
    /// The configured neighbours without a link.
    Unlinked(Vec<NeighbourInfo>),
    /// All doors that are open.
    Doors(Vec<DoorInfo>),
    /// All counters and gauges, by name.
    Metrics(BTreeMap<String, u64>),
    /// The answer to [`crate::Request::Info`].
    Info(Info),
    /// The answer to [`crate::Request::Frontier`]: what it has of a node's chains.
    Frontier(Frontier),
    /// A part of its revocation list.
    RevocationPart(RevocationPart),
    /// The node has begun to end; the answer to [`crate::Request::Shutdown`].
    Stopping {},
    /// What was asked for was not done, and why, for people: it may work later.
    Error(String),
    /// It was asked for wrongly, and nothing was done: it will not work the next time either.
    Wrong(String),
}

/// Where a message was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Node id, in hexadecimal.
    pub origin: String,
    /// Which life of its store.
    pub incarnation: u64,
    /// Its place in that chain, from 1.
    pub seq: u64,
    /// Its clock: UTC, with microseconds.
    pub time: String,
}

/// Who a node is, where it listens, and how long its certificate and its revocation list count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Name in the network.
    pub name: String,
    /// Node id, in hexadecimal.
    pub node: String,
    /// Under which incarnation it writes.
    pub incarnation: u64,
    /// Where it listens for neighbours.
    pub listen: String,
    /// Fingerprint of all that it has: equal ones are equal logs.
    pub fingerprint: String,
    /// From when its certificate is valid, in seconds since the Unix epoch.
    #[serde(default)]
    pub certificate_not_before: u64,
    /// Until when it is, in seconds since the Unix epoch.
    #[serde(default)]
    pub certificate_not_after: u64,
    /// The number of its revocation list; 0 for none.
    #[serde(default)]
    pub revocations: u64,
    /// When that was issued, in seconds since the Unix epoch.
    #[serde(default)]
    pub revocations_issued: u64,
    /// How many nodes it names.
    #[serde(default)]
    pub revoked_nodes: usize,
    /// Why nothing of the list in its file is in force; nothing where that is not so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocations_file: Option<String>,
}

/// What a node has of another's chains: what a revocation cuts at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontier {
    /// The network, in hexadecimal.
    pub network: String,
    /// Incarnation and last number of each chain, as many as a cut may name.
    pub chains: Vec<(u64, u64)>,
    /// How many chains there are beyond those.
    pub left_out: usize,
}

/// A part of the revocation list that a node has in force, and the number of the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationPart {
    /// The network, in hexadecimal.
    pub network: String,
    /// The number of its list; 0 for none.
    pub list: u64,
    /// The part as the CA signed it, in hexadecimal; nothing where the node has none.
    pub part: Option<String>,
}
