//! What was accepted and is not durable yet, and where each chain ends without it: when the store takes no more, the
//! chains go back there, so that what a STATUS claims is what the node has.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rumormill_wire::Origin;

use crate::bundle::VerifiedBundle;
use crate::chain::End;

#[derive(Debug, Clone, Copy)]
struct Durable {
    /// Bundles of this origin that are not committed.
    open: usize,
    end: End,
}

/// Bundles given to the store and not committed, in order.
#[derive(Debug, Default)]
pub struct Uncommitted {
    queue: VecDeque<(u64, Arc<VerifiedBundle>)>,
    durable: BTreeMap<Origin, Durable>,
}

impl Uncommitted {
    /// A bundle goes to the store by this append; its chain ended `before`.
    pub fn push(&mut self, append: u64, bundle: Arc<VerifiedBundle>, before: End) {
        let origin = bundle.header().origin;
        let durable = self.durable.entry(origin).or_insert(Durable { open: 0, end: before });
        durable.open = durable.open.saturating_add(1);
        self.queue.push_back((append, bundle));
    }

    /// All appends up to this one are durable.
    pub fn commit(&mut self, appends: u64) {
        while self.queue.front().is_some_and(|(append, _)| *append <= appends) {
            let Some((_, bundle)) = self.queue.pop_front() else { return };
            let origin = bundle.header().origin;
            let Some(durable) = self.durable.get_mut(&origin) else { continue };
            durable.end = End::after(&bundle);
            durable.open = durable.open.saturating_sub(1);
            if durable.open == 0 {
                self.durable.remove(&origin);
            }
        }
    }

    /// Nothing more is committed: the chains that go back, and where they end.
    pub fn give_up(&mut self) -> Vec<(Origin, End)> {
        self.queue.clear();
        core::mem::take(&mut self.durable).into_iter().map(|(origin, durable)| (origin, durable.end)).collect()
    }
}
