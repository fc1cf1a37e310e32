//! What the engine tells about itself.

use rumormill_wire::{Origin, Seq};

use super::{Engine, SYNC_AGE_US};
use crate::io::LinkId;
use crate::stats::{LinkStats, Stats};

impl Engine {
    /// Under which origin we write now.
    #[must_use]
    pub const fn me(&self) -> Origin {
        self.author.origin
    }

    /// Whether own messages are being written already, or still wait for neighbours' word.
    #[must_use]
    pub const fn recovered(&self) -> bool {
        self.recovery.is_over()
    }

    /// Counters since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats;
        if let Some(mongering) = &self.mongering {
            (stats.monger_rounds, stats.monger_timeouts) = (mongering.begun, mongering.timed_out);
        }
        stats
    }

    /// One link, for people. `None` if it is not up.
    #[must_use]
    pub fn link_stats(&self, id: LinkId) -> Option<LinkStats> {
        let link = self.links.get(&id)?;
        let mut stats = LinkStats { window: usize::try_from(link.window).unwrap_or(0), ..LinkStats::default() };
        let mut young = !link.overflow;
        for (origin, cursor) in &link.cursors {
            let lacks = self.chains.wanted(origin).0.saturating_sub(cursor.next.0);
            stats.lag = stats.lag.saturating_add(lacks);
            young &= lacks == 0 || self.now.since(cursor.since) < SYNC_AGE_US;
        }
        for (origin, behind) in &link.behind {
            let lacks = behind.next.0.saturating_sub(self.chains.wanted(origin).0);
            stats.behind = stats.behind.saturating_add(lacks);
            young &= lacks == 0 || self.now.since(behind.since) < SYNC_AGE_US;
        }
        stats.in_sync = link.compared && young;
        stats.revocations = link.told.number();
        Some(stats)
    }

    /// The revocation list in force.
    #[must_use]
    pub const fn revocations(&self) -> &std::sync::Arc<crate::revocation::Revocations> {
        &self.revocations
    }

    /// The origins whose messages from some number on do not count, with that number: forks and revocations.
    pub fn limits(&self) -> impl Iterator<Item = (Origin, Seq)> {
        self.chains.range(Origin::MIN, Origin::MAX).filter_map(|(origin, chain)| Some((*origin, chain.limit()?)))
    }

    /// What this node has: origin, next number, 16 bytes of the head (docs/protocol.md, "Words").
    pub fn frontier(&self) -> impl Iterator<Item = rumormill_wire::native::StatusEntry> {
        self.chains.entries(Origin::MIN, Origin::MAX)
    }

    /// Of each origin, the number wanted next, whatever of it counts.
    pub fn ends(&self) -> impl Iterator<Item = (Origin, Seq)> {
        self.chains.range(Origin::MIN, Origin::MAX).map(|(origin, chain)| (*origin, chain.next))
    }

    /// The fingerprint of all that.
    #[must_use]
    pub const fn fingerprint(&self) -> [u8; 16] {
        self.chains.fingerprint().whole()
    }

    /// Bundles being checked, origins known, members known: what the memory depends on.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize, usize) {
        (self.checks.len(), self.chains.len(), self.members.len())
    }
}
