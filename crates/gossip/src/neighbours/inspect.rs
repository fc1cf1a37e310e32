//! What is told of a link.

use super::Neighbours;
use crate::io::{LinkId, Timestamp};
use crate::link::Parked;
#[cfg(feature = "fuzz")]
use crate::measure::HeldByLink;
use crate::replica::Replica;
use crate::stats::{LinkStats, Stats, Why};

/// A difference older than this means "not in sync" (docs/protocol.md, S).
const SYNC_AGE_US: u64 = 2_000_000;

impl Neighbours {
    /// One link, for people, at the time of the last input or later: nothing comes of a neighbour that is silent. `None` if it is not up.
    pub(crate) fn link_stats_at(&self, replica: &Replica, id: LinkId, now: Timestamp) -> Option<LinkStats> {
        let now = now.max(self.now);
        let link = self.links.get(&id)?;
        let mut stats = LinkStats { window: usize::try_from(link.window).unwrap_or(0), ..LinkStats::default() };
        let (mut young, mut why) = (true, None);
        for (origin, cursor) in link.cursors.iter() {
            let lacks = replica.logs().chains.wanted(origin).0.saturating_sub(cursor.next.0);
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
            let end = replica.logs().limit_of(origin).map_or(behind.next, |limit| limit.min(behind.next));
            let lacks = end.0.saturating_sub(replica.logs().chains.wanted(origin).0);
            stats.behind = stats.behind.saturating_add(lacks);
            if lacks > 0 {
                young &= behind.why.is_none() && now.since(behind.since) < SYNC_AGE_US;
                let held = if replica.logs().full { Some(Why::StoreFull) } else { behind.why };
                why = why.max(held.or(Some(Why::CatchingUp)));
            }
        }
        for (origin, disputed) in link.disputed.iter() {
            let ours = replica.logs().end_of(origin);
            if ours != disputed.place {
                young &= now.since(disputed.since) < SYNC_AGE_US;
                let lower_there = disputed.place.is_some_and(|place| ours.is_none_or(|ours| place < ours));
                let may_fall = || replica.ingress().quota.allows_place(&origin.node, now);
                why = why.max(Some(match lower_there {
                    true if may_fall() => Why::Disputed,
                    true => Why::OverRate,
                    false => Why::HeldByPeer,
                }));
            }
        }
        let (unacked, oldest) = link.unacked.count(|origin| link.cursors.contains_key(origin));
        stats.lag = stats.lag.saturating_add(unacked);
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
            .max((unacked > 0).then_some(Why::Unacked))
            .max(unanswered.then_some(Why::NoAnswer));
        stats.why = why.filter(|why| !stats.in_sync || *why > Why::Unacked);
        stats.revocations = self.revocation.number_at(id);
        Some(stats)
    }

    /// Counters of what happened with neighbours.
    pub(crate) fn stats(&self) -> Stats {
        let mut stats = self.stats;
        (stats.syncs_equal, stats.syncs_differ) = self.reconcile.counts();
        (stats.monger_rounds, stats.monger_timeouts) = self.spread.rounds();
        stats.monger_silent = u64::try_from(self.spread.silent()).unwrap_or(u64::MAX);
        stats
    }
}

/// What is held for links, counted.
#[cfg(feature = "fuzz")]
impl Neighbours {
    /// How often a link was looked at since the start.
    pub(crate) const fn visits(&self) -> u64 {
        self.links.visits()
    }

    /// How many links there are, and the most that one holds. Looks at all of them.
    pub(crate) fn held(&self) -> (usize, HeldByLink) {
        let most = |count: fn(&crate::link::Link) -> usize| self.links.values().map(count).max().unwrap_or(0);
        let (open, dirty) = self.acks.sizes();
        let held = HeldByLink {
            cursors: most(|link| link.cursors.len()),
            behind: self.claims.most(),
            last_sent: most(|link| link.unacked.origins()),
            unacked: most(|link| link.unacked.remembered()),
            open,
            range_requests: most(|link| link.range_requests.len()),
            dirty,
        };
        (self.links.len(), held)
    }
}
