//! A link, from its handshake to its end.

use rumormill_limits::{LinkId, Timestamp};

use crate::neighbour::NeighbourId;
use crate::peer::Peer;

/// How far a link has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkStage {
    /// Its node was told all ([`crate::Input::ToldAll`]): its HELLO has to wait.
    Held,
    /// The first frame of the peer is waited for, until then.
    Greeting {
        until: Timestamp,
    },
    /// The same as `Held`, after its HELLO.
    Greeted,
    /// A PING was sent at `asked` over the `older` link with its peer. The new one takes its place if nothing is heard of that `until` then.
    Testing {
        older: LinkId,
        asked: Timestamp,
        until: Timestamp,
    },
    /// It is told why, and ends.
    Refused,
    Up,
    /// It was up, and stands in nobody's way; its end is still to come.
    Closing,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) peer: Peer,
    /// Who was dialled for it.
    pub(crate) neighbour: Option<NeighbourId>,
    pub(crate) stage: LinkStage,
    /// Its place among those that greet.
    pub(crate) seat: Option<u64>,
    /// When its HELLO came.
    pub(crate) since: Timestamp,
    pub(crate) heard: Timestamp,
}

impl Link {
    /// Whether it has one of the places of links that are up.
    pub(crate) const fn is_up(&self) -> bool {
        matches!(self.stage, LinkStage::Up | LinkStage::Closing)
    }
}
