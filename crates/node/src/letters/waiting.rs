//! What waits, and what is found in the log.

use std::net::IpAddr;

use rumormill_wire::{Origin, Seq};

use super::record::{At, JournalRecord, MemberKey};
use super::shares::Sender;

/// A letter that waits here until a PULL takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WaitingLetter {
    pub(crate) came: Came,
    pub(crate) contents: String,
}

/// By which way a letter came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// By the log: where it stands there, by which it is asked whether it still counts.
    Log(Origin, Seq),
    /// By the door to older nodes.
    Address(IpAddr),
}

impl Came {
    pub(crate) const fn sender(&self) -> Sender {
        match self {
            Self::Log(origin, _) => Sender::Node(origin.node),
            Self::Address(ip) => Sender::Address(*ip),
        }
    }
}

impl WaitingLetter {
    pub(super) fn record(&self, id: u64) -> JournalRecord {
        let (at, from) = match self.came {
            Came::Log(origin, seq) => (Some(At::new(origin, seq)), None),
            Came::Address(from) => (None, Some(from)),
        };
        JournalRecord::Letter { id, at, from, contents: self.contents.clone() }
    }
}

/// A letter to an older node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relayed {
    pub(crate) to: IpAddr,
    pub(crate) contents: String,
}

/// What was found in the log for us.
#[derive(Debug, Clone)]
pub(crate) enum FoundInLog {
    Letter(Seq, String),
    Key(MemberKey),
}
