//! What those may say who are no members: within a rate for each address and one for all.

use std::net::SocketAddr;

use rumormill_limits::{Rate, Recent, Timestamp};

/// Datagrams from one address that is no member's, at once and a second: it has to send one.
const EACH: Rate = Rate::new(256, 16);
/// From all of them together.
const ALL: Rate = Rate::new(4_096, 4_096);
/// Addresses that are remembered, the latest.
const MAX_KNOWN: usize = 4_096;

/// What becomes of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admit {
    /// It comes from where a member sends its heartbeats from.
    Member,
    /// It is heard after those of members.
    Newcomer,
    /// It is not heard: there were too many.
    Over,
}

/// What is left for those who are no members.
#[derive(Debug)]
pub(super) struct Newcomers {
    all: Rate,
    each: Recent<SocketAddr, Rate, MAX_KNOWN>,
}

impl Default for Newcomers {
    fn default() -> Self {
        Self { all: ALL, each: Recent::new() }
    }
}

impl Newcomers {
    pub(super) fn take(&mut self, now: Timestamp, from: SocketAddr) -> bool {
        let mut each = self.each.get(&from).copied().unwrap_or(EACH);
        let taken = each.take(now) && self.all.take(now);
        if taken {
            self.each.insert(from, each);
        }
        taken
    }
}
