//! Doors: what the node opens for programs that speak older protocols, and how their messages meet the room.

mod bridge;
mod mark;
mod open;

use std::net::SocketAddr;
use std::sync::Arc;

use rumormill_api::DoorInfo;
use rumormill_doors::Counters;

pub(crate) use bridge::{BYTES_PER_DAY, Bridge, Share};
pub(crate) use mark::Mark;
pub(crate) use open::{Bound, check};

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
