//! What followers had been told of at some moment.

use std::collections::BTreeMap;

use rumormill_wire::{Origin, Seq};

use super::state::State;

/// Of each origin, the first number that followers had not been told of at some moment, or were not to be told of yet.
#[derive(Debug, Default)]
pub(crate) struct Fence(BTreeMap<Origin, Seq>);

impl Fence {
    pub(super) fn of(state: &State) -> Self {
        let mut ends: BTreeMap<_, _> = state.engine.ends().collect();
        // The engine may hear of a commit of ours later than followers.
        if let Some((origin, next)) = state.own_told {
            let end = ends.entry(origin).or_insert(next);
            *end = (*end).max(next);
        }
        for open in state.uncommitted.iter().rev() {
            let header = open.bundle.header();
            ends.insert(header.origin, header.first);
        }
        Self(ends)
    }

    /// Whether followers had been told of this message.
    pub(crate) fn is_behind(&self, origin: &Origin, seq: Seq) -> bool {
        self.0.get(origin).is_some_and(|end| seq < *end)
    }
}
