//! When comparisons begin.

use std::collections::BTreeSet;

use rand::{Rng, RngExt};

use crate::io::{LinkId, Timestamp};
use crate::timers::Timers;

/// Before the first comparison with a neighbour has come to its end, another one begins when nothing of it was judged for so long, in
/// microseconds.
pub const SOON_US: u64 = 1_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Round,
    Soon(LinkId),
}

/// Rounds by timer, and single neighbours soon.
#[derive(Debug)]
pub(super) struct Schedule {
    period_us: u64,
    due: Timers<Due>,
    /// Those whose time has come.
    soon: BTreeSet<LinkId>,
}

impl Schedule {
    pub(super) fn new(period_us: u64) -> Self {
        Self { period_us, due: Timers::default(), soon: BTreeSet::new() }
    }

    /// The next round comes at a time at random around the period, so that nodes do not fall into step.
    pub(super) fn next_round(&mut self, now: Timestamp, rng: &mut dyn Rng) {
        let period = self.period_us.max(2);
        let half = period.checked_div(2).unwrap_or(1);
        let delay = rng.random_range(half..=period.saturating_add(half));
        self.due.set(Due::Round, Some(now.plus(delay)));
    }

    /// A neighbour is compared with soon, counted from now.
    pub(super) fn soon(&mut self, link: LinkId, now: Timestamp) {
        self.due.set(Due::Soon(link), Some(now.plus(SOON_US)));
    }

    /// There is no need to.
    pub(super) fn not_soon(&mut self, link: LinkId) {
        self.due.set(Due::Soon(link), None);
        self.soon.remove(&link);
    }

    /// Notes whose time has come. Says whether a round begins.
    pub(super) fn take_due(&mut self, now: Timestamp) -> bool {
        let mut round = false;
        for due in self.due.take_due(now) {
            match due {
                Due::Round => round = true,
                Due::Soon(link) => drop(self.soon.insert(link)),
            }
        }
        round
    }

    /// Takes out one whose time has come.
    pub(super) fn pop_soon(&mut self) -> Option<LinkId> {
        self.soon.pop_first()
    }

    /// When the first of all is due.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.due.next()
    }
}
