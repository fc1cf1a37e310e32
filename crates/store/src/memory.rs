//! The in-memory twin: the same answers, gone with the process.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use rumormill_wire::{Clock, NodeId, Origin, Seq};

use crate::error::StoreError;
use crate::merge::{Merge, Opened, Place, Source};
use crate::row::Facts;
use crate::types::{BundleRow, ChainHead, Entry, OrderKey, Reader, Record, Recovered, Store};

/// Bundles handed to the merge at a time.
const AHEAD: usize = 16;

#[derive(Debug, Clone)]
struct Row {
    bundle: BundleRow,
    next: Seq,
    last_clock: Clock,
}

#[derive(Debug, Default)]
struct Inner {
    rows: BTreeMap<(Origin, Seq), Row>,
    heads: BTreeMap<Origin, ChainHead>,
    places: BTreeMap<Place, (Origin, Seq)>,
    members: BTreeMap<NodeId, Bytes>,
    proofs: BTreeMap<Origin, Bytes>,
    revocations: Option<Bytes>,
    meta: BTreeMap<String, Bytes>,
    bytes: u64,
    last_row: u64,
}

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: Arc<RwLock<Inner>>,
    max_bytes: u64,
}

impl MemoryStore {
    /// An empty one of at most so many bytes of bundles; 0 is without bound.
    #[must_use]
    pub fn new(max_bytes: u64) -> Self {
        Self { inner: Arc::default(), max_bytes }
    }
}

impl Store for MemoryStore {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        Ok(Recovered {
            chains: inner.heads.values().cloned().collect(),
            members: inner.members.iter().map(|(node, evidence)| (*node, evidence.clone())).collect(),
            proofs: inner.proofs.iter().map(|(origin, bytes)| (*origin, bytes.clone())).collect(),
            revocations: inner.revocations.clone(),
            meta: inner.meta.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            clean: true,
            bytes: inner.bytes,
            ..Recovered::default()
        })
    }

    fn commit(&mut self, batch: &[Record]) -> Result<(), StoreError> {
        // All is read and checked before anything is changed.
        let mut facts = Vec::with_capacity(batch.len());
        let mut added = 0_u64;
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let mut nexts = BTreeMap::new();
        for record in batch {
            let Record::Bundle(row) = record else { continue };
            let read = Facts::read(&row.bytes)?;
            let (origin, first) = (read.origin(), read.first());
            let next =
                nexts.entry(origin).or_insert_with(|| inner.heads.get(&origin).map_or(Seq::FIRST, |head| head.next));
            if *next != first {
                return Err(StoreError::NotNext { origin, first, next: *next });
            }
            *next = read.next();
            added = added.saturating_add(u64::try_from(row.bytes.len()).unwrap_or(u64::MAX));
            facts.push(read);
        }
        let used = inner.bytes.saturating_add(added);
        if self.max_bytes != 0 && added > 0 && used > self.max_bytes {
            return Err(StoreError::Full { used: inner.bytes, most: self.max_bytes });
        }
        inner.bytes = used;
        let mut facts = facts.into_iter();
        for record in batch {
            inner.take(record, &mut facts);
        }
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        Ok(Box::new(MemoryReader { inner: Arc::clone(&self.inner), merge: Merge::default() }))
    }

    fn close(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Inner {
    fn take(&mut self, record: &Record, facts: &mut impl Iterator<Item = Facts>) {
        match record {
            Record::Bundle(row) => {
                let Some(read) = facts.next() else { return };
                self.last_row += 1;
                let place = (read.first_clock, self.last_row);
                let row = Row { bundle: row.clone(), next: read.next(), last_clock: read.last_clock };
                self.places.insert(place, (read.origin(), read.first()));
                self.rows.insert((read.origin(), read.first()), row);
                self.heads.insert(read.origin(), read.head());
            }
            Record::Member { node, evidence } => drop(self.members.insert(*node, evidence.clone())),
            Record::Proof { origin, bytes } => drop(self.proofs.insert(*origin, bytes.clone())),
            Record::Revocations(bytes) => self.revocations = Some(bytes.clone()),
            Record::Meta { key, value } => drop(self.meta.insert(key.clone(), value.clone())),
        }
    }

    fn opened(&self, place: Place, at: (Origin, Seq)) -> Option<Opened> {
        let row = self.rows.get(&at)?;
        Some(Opened { place, bytes: row.bundle.bytes.clone(), received_us: row.bundle.received_us })
    }
}

struct MemoryReader {
    inner: Arc<RwLock<Inner>>,
    merge: Merge,
}

struct View<'a>(&'a RwLock<Inner>);

impl Source for View<'_> {
    fn after(&mut self, place: Option<Place>) -> Result<Vec<Opened>, StoreError> {
        use std::ops::Bound::{Excluded, Unbounded};
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let from = place.map_or(Unbounded, Excluded);
        let some = inner.places.range((from, Unbounded)).take(AHEAD);
        Ok(some.filter_map(|(place, at)| inner.opened(*place, *at)).collect())
    }

    fn spanning(&mut self, clock: Clock) -> Result<Vec<Opened>, StoreError> {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let before = inner.places.range(..=(clock, u64::MAX));
        let ends_later = |at: &(Origin, Seq)| inner.rows.get(at).is_some_and(|row| row.last_clock >= clock);
        Ok(before.filter(|(_, at)| ends_later(at)).filter_map(|(place, at)| inner.opened(*place, *at)).collect())
    }
}

impl Reader for MemoryReader {
    fn range(&mut self, origin: Origin, from: Seq, until: Seq, max_bytes: usize) -> Result<Vec<BundleRow>, StoreError> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let Some((start, row)) = inner.rows.range((origin, Seq(0))..=(origin, from)).next_back() else {
            return Ok(Vec::new());
        };
        if row.next <= from {
            return Ok(Vec::new());
        }
        let mut bytes = 0;
        let mut out = Vec::new();
        for (_, row) in inner.rows.range(*start..(origin, until.max(Seq(from.0.saturating_add(1))))) {
            if bytes >= max_bytes && !out.is_empty() {
                break;
            }
            bytes += row.bundle.bytes.len();
            out.push(row.bundle.clone());
        }
        Ok(out)
    }

    fn page(&mut self, after: Option<OrderKey>, max: usize) -> Result<Vec<Entry>, StoreError> {
        self.merge.page(&mut View(&self.inner), after, max)
    }
}
