//! Open doors.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// An open door, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoorInfo {
    /// Its kind; the second of a kind has `#2` behind it.
    pub door: String,
    /// Where it listens, the port that the system chose included.
    pub listen: SocketAddr,
    /// What it counted since the start, and how much is open now.
    pub counters: BTreeMap<String, u64>,
}
