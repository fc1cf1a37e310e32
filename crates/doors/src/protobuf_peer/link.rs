//! One connection as the hub sees it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rumormill_limits::Timestamp;

/// Frames that wait to be written to one peer.
pub(super) const MAX_WAITING: usize = 1_024;
/// Bytes of them.
pub(super) const MAX_WAITING_BYTES: usize = 512 * 1_024;

/// A link's number. None is used twice.
pub(super) type LinkId = u64;

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It dialled in and has not said who it is.
    New,
    /// We dialled and have not been answered.
    Calling,
    /// It has an id.
    Peer(i64),
}

/// Why a link is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Why {
    /// The id is taken, or none.
    #[error("id {0} is taken or not allowed")]
    Taken(i64),
    /// The host does not want us.
    #[error("the host refused our id")]
    Refused,
    /// A frame at the wrong time.
    #[error("a frame that has no place here")]
    OutOfTurn,
    /// No frame.
    #[error("{0}")]
    Unreadable(String),
    /// No handshake in time.
    #[error("it does not say who it is")]
    Silent,
    /// Somebody else needs the place.
    #[error("its place is needed")]
    Crowded,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    /// How far it has come.
    pub stage: Stage,
    /// Whether we dialled.
    pub called: bool,
    /// When it last said something useful; at first, when it was made.
    pub heard: Timestamp,
    /// Whether it has said more than who it is.
    pub spoke: bool,
    /// The ids that it was told of and not told to have gone.
    pub announced: BTreeSet<i64>,
    /// How many ids are known by way of it.
    pub learned: usize,
    address: IpAddr,
    waiting: usize,
    bytes: usize,
}

impl Link {
    /// A connection that has just been made.
    #[must_use]
    pub(super) fn new(address: IpAddr, called: bool, now: Timestamp) -> Self {
        let stage = if called { Stage::Calling } else { Stage::New };
        let announced = BTreeSet::new();
        Self { stage, called, heard: now, spoke: false, announced, learned: 0, address, waiting: 0, bytes: 0 }
    }

    /// Its id, once it has one.
    #[must_use]
    pub(super) fn peer(&self) -> Option<i64> {
        match self.stage {
            Stage::Peer(id) => Some(id),
            Stage::New | Stage::Calling => None,
        }
    }

    /// Whether a frame of so many bytes may wait. One may, however long it is.
    #[must_use]
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.waiting == 0 || self.waiting < MAX_WAITING && self.bytes.saturating_add(bytes) <= MAX_WAITING_BYTES
    }

    /// A frame of so many bytes waits.
    pub(super) fn waits(&mut self, bytes: usize) {
        self.waiting = self.waiting.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// A frame of so many bytes waits no longer.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.waiting = self.waiting.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// Which of these is the least loss: of the address with the most of them, the one that has said nothing useful for
/// longest. Who never said more than who it is goes before those who did.
pub(super) fn victim<'a>(links: impl Iterator<Item = (&'a LinkId, &'a Link)> + Clone) -> Option<LinkId> {
    let mut by_address = BTreeMap::<IpAddr, usize>::new();
    for (_, link) in links.clone() {
        let count = by_address.entry(link.address).or_default();
        *count = count.saturating_add(1);
    }
    let rank = |(id, link): &(&LinkId, &Link)| {
        (by_address.get(&link.address).copied(), Reverse((link.spoke, link.heard, **id)))
    };
    links.max_by_key(rank).map(|(id, _)| *id)
}
