//! What followers had been told of at some moment.

use std::collections::BTreeMap;

use rumormill_wire::{Origin, Seq};

use super::state::State;
use crate::view::Place;

/// All that followers had been told of at some moment.
#[derive(Debug)]
pub struct SoFar {
    /// Behind it are messages that had come.
    pub(crate) fence: Fence,
    /// Of those, messages up to this clock: their time had come.
    pub(crate) until_us: u64,
}

impl SoFar {
    /// Nothing.
    pub(crate) fn nothing() -> Self {
        Self { fence: Fence::default(), until_us: 0 }
    }

    /// Whether followers had been told of this message.
    pub(crate) fn has(&self, place: &Place) -> bool {
        place.clock.0 <= self.until_us && self.fence.is_behind(&place.origin, place.seq)
    }
}

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
