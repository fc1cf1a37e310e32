//! What followers had been told of at some moment.

use std::collections::BTreeMap;

use rumormill_wire::{Origin, Seq};

use crate::view::Place;

/// All that followers had been told of at some moment.
#[derive(Debug)]
pub(crate) struct SoFar {
    /// Behind it are messages that had come.
    pub(crate) fence: Fence,
    /// Of those, messages up to this clock: their time had come.
    pub(crate) until_us: u64,
}

impl SoFar {
    /// They had been told of nothing: all that comes is new to them.
    pub(crate) fn nothing() -> Self {
        Self { fence: Fence::default(), until_us: 0 }
    }

    /// About as many as it holds.
    pub(super) fn bytes(&self) -> usize {
        self.fence.0.len().saturating_mul(size_of::<(Origin, Seq)>())
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
    /// Just behind these ends, of each origin the number that comes next.
    pub(super) const fn behind(ends: BTreeMap<Origin, Seq>) -> Self {
        Self(ends)
    }

    /// Whether followers had been told of this message.
    pub(crate) fn is_behind(&self, origin: &Origin, seq: Seq) -> bool {
        self.0.get(origin).is_some_and(|end| seq < *end)
    }
}
