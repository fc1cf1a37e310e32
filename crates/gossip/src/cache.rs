//! Recent bundles in memory, so that a neighbour at the head of a chain is served without the store.
//!
//! What is not yet committed stays whatever the bound says: the store could not serve it. The engine keeps that
//! small by holding readers back ([`crate::EngineConfig::backlog_bytes`]).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rumormill_wire::{Origin, Seq};

use crate::bundle::VerifiedBundle;

#[derive(Debug)]
struct Cached {
    origin: Origin,
    first: Seq,
    append: u64,
    bytes: usize,
}

/// The recent bundles, oldest leave first.
#[derive(Debug)]
pub struct Cache {
    limit: usize,
    bytes: usize,
    uncommitted: usize,
    committed: u64,
    by_place: BTreeMap<(Origin, Seq), Arc<VerifiedBundle>>,
    order: VecDeque<Cached>,
    commit_queue: VecDeque<(u64, usize)>,
}

impl Cache {
    /// A cache of about so many bytes.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            bytes: 0,
            uncommitted: 0,
            committed: 0,
            by_place: BTreeMap::new(),
            order: VecDeque::new(),
            commit_queue: VecDeque::new(),
        }
    }

    /// Takes a bundle whose append has this number.
    pub fn insert(&mut self, bundle: Arc<VerifiedBundle>, append: u64) {
        let (origin, first) = (bundle.header().origin, bundle.header().first);
        let bytes = bundle.bytes().len();
        if self.by_place.insert((origin, first), bundle).is_none() {
            self.bytes = self.bytes.saturating_add(bytes);
            self.order.push_back(Cached { origin, first, append, bytes });
        }
        if append > self.committed {
            self.uncommitted = self.uncommitted.saturating_add(bytes);
            self.commit_queue.push_back((append, bytes));
        }
        self.trim();
    }

    /// All appends up to this number are durable.
    pub fn commit(&mut self, appends: u64) {
        self.committed = self.committed.max(appends);
        while let Some((append, bytes)) = self.commit_queue.front().copied() {
            if append > self.committed {
                break;
            }
            self.commit_queue.pop_front();
            self.uncommitted = self.uncommitted.saturating_sub(bytes);
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.bytes > self.limit {
            match self.order.front() {
                Some(kept) if kept.append <= self.committed => {}
                _ => return,
            }
            let Some(kept) = self.order.pop_front() else { return };
            self.by_place.remove(&(kept.origin, kept.first));
            self.bytes = self.bytes.saturating_sub(kept.bytes);
        }
    }

    /// Bytes not yet durable.
    #[must_use]
    pub const fn uncommitted(&self) -> usize {
        self.uncommitted
    }

    /// The bundle that holds this number.
    #[must_use]
    pub fn holding(&self, origin: Origin, at: Seq) -> Option<&Arc<VerifiedBundle>> {
        let (_, bundle) = self.by_place.range((origin, Seq(0))..=(origin, at)).next_back()?;
        (bundle.header().next() > at).then_some(bundle)
    }

    /// The first number of this origin at or after `at` that is here.
    #[must_use]
    pub fn first_from(&self, origin: Origin, at: Seq) -> Option<Seq> {
        self.by_place.range((origin, at)..=(origin, Seq(u64::MAX))).next().map(|((_, seq), _)| *seq)
    }
}
