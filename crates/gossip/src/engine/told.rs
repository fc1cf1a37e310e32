//! What the engine tells about itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use rumormill_wire::{Origin, Seq};

use super::{Engine, SYNC_AGE_US};
use crate::io::{LinkId, Timestamp};
use crate::link::Parked;
use crate::stats::{LinkStats, Stats, Why};

impl Engine {
    /// Under which origin we write now.
    #[must_use]
    pub const fn me(&self) -> Origin {
        self.author.origin()
    }

    /// Whether own messages are being written already, or still wait for neighbours' word.
    #[must_use]
    pub const fn recovered(&self) -> bool {
        self.author.recovered()
    }

    /// Counters since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats;
        (stats.submit_busy, stats.clocks_not_followed) = self.author.counts();
        stats.searches_full = stats.searches_full.saturating_add(self.search.full());
        (stats.syncs_equal, stats.syncs_differ) = self.reconcile.counts();
        (stats.monger_rounds, stats.monger_timeouts) = self.spread.rounds();
        stats.monger_silent = u64::try_from(self.spread.silent()).unwrap_or(u64::MAX);
        stats
    }

    /// One link, for people, at the time of the last input. `None` if it is not up.
    #[must_use]
    pub fn link_stats(&self, id: LinkId) -> Option<LinkStats> {
        self.link_stats_at(id, self.now)
    }

    /// The same for whoever looks at a later time: nothing comes of a neighbour that is silent.
    #[must_use]
    pub fn link_stats_at(&self, id: LinkId, now: Timestamp) -> Option<LinkStats> {
        let now = now.max(self.now);
        let link = self.links.get(&id)?;
        let mut stats = LinkStats { window: usize::try_from(link.window).unwrap_or(0), ..LinkStats::default() };
        let (mut young, mut why) = (true, None);
        for (origin, cursor) in link.cursors.iter() {
            let lacks = self.logs.chains.wanted(origin).0.saturating_sub(cursor.next.0);
            stats.lag = stats.lag.saturating_add(lacks);
            if lacks > 0 {
                // What is held is no longer on its way, however short a time it is known.
                young &= cursor.parked != Some(Parked::Peer) && now.since(cursor.since) < SYNC_AGE_US;
                why = why.max(Some(match cursor.parked {
                    None => Why::CatchingUp,
                    Some(Parked::Peer) => Why::HeldByPeer,
                    Some(Parked::Store) => Why::StoreUnread,
                }));
            }
        }
        for (origin, behind) in self.claims.of_link(id) {
            // What a revocation or a fork leaves out is not missing.
            let end = self.logs.limit_of(origin).map_or(behind.next, |limit| limit.min(behind.next));
            let lacks = end.0.saturating_sub(self.logs.chains.wanted(origin).0);
            stats.behind = stats.behind.saturating_add(lacks);
            if lacks > 0 {
                young &= behind.why.is_none() && now.since(behind.since) < SYNC_AGE_US;
                let held = if self.logs.full { Some(Why::StoreFull) } else { behind.why };
                why = why.max(held.or(Some(Why::CatchingUp)));
            }
        }
        for (origin, disputed) in link.disputed.iter() {
            let ours = self.logs.end_of(origin);
            if ours != disputed.place {
                young &= now.since(disputed.since) < SYNC_AGE_US;
                let lower_there = disputed.place.is_some_and(|place| ours.is_none_or(|ours| place < ours));
                let may_fall = || self.ingress.quota.allows_place(&origin.node, now);
                why = why.max(Some(match lower_there {
                    true if may_fall() => Why::Disputed,
                    true => Why::OverRate,
                    false => Why::HeldByPeer,
                }));
            }
        }
        let (unheard, oldest) = link.unheard.count(|origin| link.cursors.contains_key(origin));
        stats.lag = stats.lag.saturating_add(unheard);
        young &= oldest.is_none_or(|since| now.since(since) < SYNC_AGE_US);
        let unanswered = self.reconcile.asked_since(id).is_some_and(|asked| now.since(asked) >= SYNC_AGE_US);
        let lost = link.overflow || link.unsure;
        why = why.max(link.branches.then_some(Why::Disputed));
        young &= !link.branches;
        let wavers = link.denies || link.wavered_at.is_some_and(|at| now.since(at) < SYNC_AGE_US);
        young &= !wavers;
        why = why.max(wavers.then_some(Why::Wavers));
        let compared = self.reconcile.compared(id);
        stats.in_sync = compared && young && !lost && !link.waits && !unanswered;
        why = why
            .max(lost.then_some(Why::TooMany))
            .max(link.waits.then_some(Why::OverShare))
            .max((!compared).then_some(Why::NotCompared))
            .max((unheard > 0).then_some(Why::Unheard))
            .max(unanswered.then_some(Why::NoAnswer));
        stats.why = why.filter(|why| !stats.in_sync || *why > Why::Unheard);
        stats.revocations = self.revocation.number_at(id);
        Some(stats)
    }

    /// The revocation list in force.
    #[must_use]
    pub const fn revocations(&self) -> &Arc<crate::revocation::Revocations> {
        &self.logs.revocations
    }

    /// The origins whose messages from some number on do not count, with that number: forks and revocations.
    pub fn limits(&self) -> impl Iterator<Item = (Origin, Seq)> {
        self.logs.chains.limits().iter().map(|(origin, limit)| (*origin, *limit))
    }

    /// All of them at this moment. It costs nothing while they do not change.
    #[must_use]
    pub fn limits_now(&self) -> Arc<BTreeMap<Origin, Seq>> {
        Arc::clone(self.logs.chains.limits())
    }

    /// What this node has: origin, next number, 16 bytes of the head (docs/protocol.md, "Words").
    pub fn frontier(&self) -> impl Iterator<Item = rumormill_wire::native::StatusEntry> {
        self.logs.chains.entries(Origin::MIN, Origin::MAX)
    }

    /// Of each origin, the number wanted next, whatever of it counts.
    pub fn ends(&self) -> impl Iterator<Item = (Origin, Seq)> {
        self.logs.chains.range(Origin::MIN, Origin::MAX).map(|(origin, chain)| (*origin, chain.next))
    }

    /// The fingerprint of all that.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 16] {
        self.logs.chains.shown()
    }

    /// Whether the store takes no more.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.logs.full
    }

    /// With a full store: origins whose place is remembered, and bytes in memory of what passes.
    #[must_use]
    pub fn passing(&self) -> (usize, usize) {
        self.logs.passing.sizes()
    }

    /// Bundles being checked, origins known, members known: what the memory depends on.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize, usize) {
        (self.ingress.len(), self.logs.chains.len(), self.members.len())
    }
}

impl core::fmt::Debug for Engine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (checks, origins, members) = self.sizes();
        let mut engine = f.debug_struct("Engine");
        engine.field("me", &self.me()).field("now", &self.now).field("full", &self.logs.full);
        engine.field("checks", &checks).field("origins", &origins).field("members", &members).finish_non_exhaustive()
    }
}
