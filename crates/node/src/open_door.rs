//! A door that is open.

use std::net::SocketAddr;
use std::sync::Arc;

use rumormill_api::DoorInfo;
use rumormill_doors::Counters;

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
