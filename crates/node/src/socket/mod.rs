//! The local socket: one JSON object a line each way, for the owner of the node alone.
//!
//! A request is answered by one line, or by many of [`Reply::Line`] and one [`Reply::End`]. An unknown request is an
//! error reply, and the connection goes on.

pub mod client;
pub mod follow;
pub mod patience;
pub mod server;
mod whose;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::doors::DoorInfo;
use crate::handle::PeerInfo;
use crate::link::neighbours::NeighbourInfo;
use crate::view::LogLine;

pub use client::{Client, ClientError, LogEvent};
pub use follow::{Follower, Step};
pub use patience::Patience;
pub use rumormill_wire::native::MAX_ROOM_LEN;
pub use server::{Server, SocketError};

/// Longest line: a message of 32 KiB, each byte of it written as `\u00xx`, and some room.
pub const MAX_LINE: usize = 256 * 1024;
/// Clients that follow the log at once.
pub const MAX_FOLLOWERS: usize = 32;
/// Clients at once that ask for something short, whatever those do that follow.
pub const MAX_ASKING: usize = 32;
/// Clients at once.
pub const MAX_CLIENTS: usize = MAX_FOLLOWERS + MAX_ASKING;
/// Bytes of a Unix socket's path, with the zero that ends it.
pub const MAX_PATH: usize = 108;

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do", deny_unknown_fields)]
pub enum Request {
    /// Write a message; answered when it is durable.
    Send {
        /// Its text.
        text: String,
        /// Which room; empty for the common one.
        #[serde(default)]
        room: String,
        /// `chat`, the default, or `notice`.
        #[serde(default)]
        kind: Option<String>,
    },
    /// The log, all of it or one room; then, with `follow`, what comes.
    Log {
        /// Go on with what comes.
        #[serde(default)]
        follow: bool,
        /// This room alone.
        #[serde(default)]
        room: Option<String>,
        /// Only the last so many.
        #[serde(default)]
        last: Option<usize>,
        /// With `follow`: say `current` where the log so far ends and what comes begins.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        mark: bool,
    },
    /// All links.
    Peers,
    /// The configured neighbours without a link.
    Unlinked,
    /// All open doors.
    Doors,
    /// All counters.
    Metrics,
    /// Who the node is.
    Info,
    /// What it has of a node's chains: what a revocation would cut at.
    Frontier {
        /// Node id, in hexadecimal.
        node: String,
    },
    /// Drain and leave.
    Shutdown,
}

/// What the node answers.
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
    /// All links.
    Peers(Vec<PeerInfo>),
    /// The configured neighbours without a link.
    Unlinked(Vec<NeighbourInfo>),
    /// All open doors.
    Doors(Vec<DoorInfo>),
    /// All counters.
    Metrics(BTreeMap<String, u64>),
    /// Who the node is.
    Info(Info),
    /// What it has of a node's chains.
    Frontier(Frontier),
    /// The node goes.
    Stopping {},
    /// It did not work.
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
    /// Its number there.
    pub seq: u64,
    /// Its clock: UTC, with microseconds.
    pub time: String,
}

/// Who a node is.
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
    /// Until when.
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
}

/// What a node has of another's chains: what a revocation cuts at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontier {
    /// The network, in hexadecimal.
    pub network: String,
    /// Incarnation and last number of each chain, as many as a cut may name.
    pub chains: Vec<(u64, u64)>,
    /// Chains beyond that.
    pub left_out: usize,
}

/// Where a node with this state directory has its socket.
#[must_use]
pub fn default_path(state: &Path) -> PathBuf {
    state.join("node.sock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_what_a_script_would_write() {
        let request: Request = serde_json::from_str(r#"{"do":"send","text":"hi"}"#).unwrap();
        assert_eq!(request, Request::Send { text: "hi".into(), room: String::new(), kind: None });
        let request: Request = serde_json::from_str(r#"{"do":"log","follow":true}"#).unwrap();
        assert_eq!(request, Request::Log { follow: true, room: None, last: None, mark: false });
        assert!(serde_json::from_str::<Request>(r#"{"do":"log","folow":true}"#).is_err());
        assert_eq!(serde_json::to_string(&Reply::End {}).unwrap(), r#"{"end":{}}"#);
    }
}
