//! The clocks of new messages are compared with ours, and people are told.

use rumormill_api::most_differ;
use rumormill_wire::NodeId;

use super::clocks::{Class, TELL_AGAIN_US, beyond, seconds};
use super::state::{Driver, State};
use crate::counters::Counters;
use crate::lock;

/// A younger link may still bring what is old, in microseconds.
const YOUNG_US: u64 = 10_000_000;

impl Driver {
    /// Looks at what the clocks of new messages show.
    pub(super) fn compare_clocks(&self, state: &mut State, seen: Vec<(NodeId, i64)>) {
        let now = self.clock.now();
        for (author, off_us) in seen {
            if Class::of(off_us) == Class::Behind && !self.is_fresh(state, &author) {
                continue;
            }
            Counters::add(&self.counters.clocks_off, u64::from(Class::of(off_us) != Class::InTime));
            let class = state.clocks.note(author, off_us, now);
            self.suspect_ours(state);
            let Some(class) = class else { continue };
            let (name, off_s) = (self.checker.names.of(&author).unwrap_or_default(), seconds(off_us));
            match class {
                Class::Ahead => tracing::warn!(
                    node = %author, name, off_s,
                    "this author's clock is ahead of ours: what it says is shown when its time has come here"
                ),
                Class::Behind => tracing::warn!(node = %author, name, off_s, "this neighbour's clock is behind ours"),
                Class::InTime => {
                    tracing::info!(node = %author, name, off_s, "this author's clock and ours agree again")
                }
            }
        }
    }

    /// Whether what comes of an author now has just been written.
    fn is_fresh(&self, state: &State, author: &NodeId) -> bool {
        let link = state.links.values().find(|link| link.facts.peer == *author);
        link.is_some_and(|link| {
            let old = self.clock.now().since(link.since) > YOUNG_US;
            old && state.machine.gossip().link_stats(link.id).is_some_and(|stats| stats.in_sync)
        })
    }

    fn suspect_ours(&self, state: &mut State) {
        let off: Vec<_> = state.links.values().map(|link| beyond(state.clocks.off_us(&link.facts.peer))).collect();
        let neighbours = off.len();
        let found = most_differ(off);
        let class = found.map_or(Class::InTime, Class::of);
        Counters::set(&self.counters.own_clock_suspected, u64::from(found.is_some()));
        let now = self.clock.now();
        let again = state.clocks.ours_at.is_none_or(|at| now.since(at) >= TELL_AGAIN_US);
        if class == state.clocks.ours || !again {
            return;
        }
        (state.clocks.ours, state.clocks.ours_at) = (class, Some(now));
        match found {
            Some(off_us) => tracing::warn!(
                off_s = seconds(off_us),
                neighbours,
                "the clocks of most neighbours differ from ours in one direction: our own is suspected; set the clock of this host"
            ),
            None => tracing::info!(neighbours, "our own clock is not suspected any more"),
        }
    }

    /// By how much a neighbour's clock is off, in seconds; 0 if it is not known to be.
    pub(crate) fn clock_off_s(&self, author: &NodeId) -> i64 {
        seconds(beyond(lock(&self.state).clocks.off_us(author)))
    }
}
