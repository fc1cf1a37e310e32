//! What one input cost.

use std::collections::BTreeMap;

use rumormill_wire::native::kind;

use crate::io::{Input, LinkId};

/// What one input cost.
#[derive(Debug, Default)]
pub(super) struct Spent {
    /// Control frames, in bytes.
    pub control: BTreeMap<LinkId, usize>,
    /// Events that a shell writes into its log.
    pub events: usize,
    /// Whether it was a BUCKETS frame.
    pub buckets: bool,
}

impl Spent {
    pub(super) fn of(input: &Input) -> Self {
        let buckets = matches!(input, Input::Frame { bytes, .. } if bytes.first() == Some(&kind::BUCKETS));
        Self { buckets, ..Self::default() }
    }

    pub(super) fn control(&mut self, link: LinkId, bytes: usize) {
        *self.control.entry(link).or_default() += bytes;
    }

    pub(super) fn control_to(&self, link: LinkId) -> usize {
        self.control.get(&link).copied().unwrap_or(0)
    }
}
