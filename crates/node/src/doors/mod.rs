//! Doors: what the node opens for programs that speak legacy protocols, and how their messages meet the room.

mod bridge;
mod exit;
mod mark;
mod open;
mod turns;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use rumormill_doors::Counters;
use serde::{Deserialize, Serialize};

pub(crate) use bridge::{BYTES_PER_DAY, Bridge, Share};
pub(crate) use mark::Mark;
pub use open::door_kinds;
pub(crate) use open::{Bound, check};

/// An open door, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoorInfo {
    /// Its kind; the second of a kind has `#2` behind it.
    pub door: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// What it counted since the start, and how much is open now.
    pub counters: BTreeMap<String, u64>,
}

/// An open door, for the node.
#[derive(Debug, Clone)]
pub(crate) struct OpenDoor {
    pub(crate) name: String,
    pub(crate) listen: SocketAddr,
    pub(crate) counters: Arc<Counters>,
}

impl OpenDoor {
    pub(crate) fn info(&self) -> DoorInfo {
        let counters = self.counters.named().into_iter().map(|(name, n)| (name.to_owned(), n)).collect();
        DoorInfo { door: self.name.clone(), listen: self.listen, counters }
    }
}
