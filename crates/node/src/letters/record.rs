//! The lines of the file that letters wait in.

use std::net::IpAddr;

use rumormill_wire::{Clock, Incarnation, NodeId, Origin, Seq};
use serde::{Deserialize, Serialize};

/// Where in the log something stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct At {
    node: String,
    incarnation: u64,
    seq: u64,
}

impl At {
    pub(crate) fn new(origin: Origin, seq: Seq) -> Self {
        Self { node: origin.node.to_string(), incarnation: origin.incarnation.0, seq: seq.0 }
    }

    /// `None` if no node has such an id.
    pub(crate) fn place(&self) -> Option<(Origin, Seq)> {
        let node: NodeId = self.node.parse().ok()?;
        Some((Origin { node, incarnation: Incarnation(self.incarnation) }, Seq(self.seq)))
    }
}

/// One line of the file of letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum JournalRecord {
    /// A letter came and waits.
    Letter {
        id: u64,
        /// Of one that came by the mesh.
        at: Option<At>,
        /// Of one that came by a door.
        from: Option<IpAddr>,
        contents: String,
    },
    /// These were handed over, or went out.
    Gone(Vec<u64>),
    /// A letter is to go out by the door to older nodes.
    Relay { id: u64, to: IpAddr, contents: String },
    /// A member's key for letters to it.
    Key { at: At, clock: u64, key: Vec<u8> },
    /// All of an origin before this number was read.
    Read(At),
    /// The next number for a letter here.
    Next(u64),
}

/// A member's key and where it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemberKey {
    pub(crate) clock: Clock,
    pub(crate) origin: Origin,
    pub(crate) seq: Seq,
    pub(crate) key: Vec<u8>,
}

impl MemberKey {
    pub(crate) fn record(&self) -> JournalRecord {
        JournalRecord::Key { at: At::new(self.origin, self.seq), clock: self.clock.0, key: self.key.clone() }
    }
}
