//! The in-memory twin: the same answers, gone with the process.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use rumormill_wire::{Clock, Digest, NodeId, Origin, Seq};

use crate::error::StoreError;
use crate::merge::{AHEAD, Each, Merge, Place, PlacedBundle, Source};
use crate::row::Facts;
use crate::types::{BundleRow, ChainHead, Entry, OrderKey, Reader, Record, Recovered, Store, bound};
use crate::writer::{ITSELF, weight};

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
    /// Bundles as they came; the first is row 1.
    arrivals: Vec<Place>,
    members: BTreeMap<NodeId, Bytes>,
    proofs: BTreeMap<Origin, Bytes>,
    revocations: BTreeMap<u8, Bytes>,
    meta: BTreeMap<String, Bytes>,
    bytes: u64,
    /// Bytes of all that was taken.
    used: u64,
}

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: Arc<RwLock<Inner>>,
    max_bytes: u64,
    closed: bool,
}

impl MemoryStore {
    /// An empty one of at most so many bytes; 0 is without bound.
    #[must_use]
    pub fn new(max_bytes: u64) -> Self {
        Self { inner: Arc::default(), max_bytes, closed: false }
    }
}

impl Store for MemoryStore {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        Ok(Recovered {
            chains: inner.heads.values().cloned().collect(),
            members: inner.members.iter().map(|(node, evidence)| (*node, evidence.clone())).collect(),
            proofs: inner.proofs.iter().map(|(origin, bytes)| (*origin, bytes.clone())).collect(),
            revocations: inner.revocations.values().cloned().collect(),
            meta: inner.meta.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            clean: true,
            bytes: inner.bytes,
            ..Recovered::default()
        })
    }

    fn commit(&mut self, batch: &[Record]) -> Result<(), StoreError> {
        if self.closed {
            return Err(StoreError::Closed);
        }
        // All is read and checked before anything is changed, and read before readers have to wait.
        let bundles =
            || batch.iter().filter_map(|record| if let Record::Bundle(row) = record { Some(row) } else { None });
        let facts: Vec<Facts> = bundles().map(|row| Facts::read(&row.bytes)).collect::<Result<_, _>>()?;
        let added = bundles().fold(0_u64, |sum, row| sum.saturating_add(row.len()));
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let mut ends = BTreeMap::new();
        for facts in &facts {
            let origin = facts.origin();
            let known =
                ends.get(&origin).copied().or_else(|| inner.heads.get(&origin).map(|head| (head.next, head.head)));
            let (next, digest) = known.unwrap_or((Seq::FIRST, Digest::ZERO));
            facts.follows(next, &digest)?;
            ends.insert(origin, (facts.next(), facts.digest));
        }
        let weight = batch.iter().map(weight).fold(0, usize::saturating_add);
        let used = inner.used.saturating_add(u64::try_from(weight).unwrap_or(u64::MAX));
        if used > bound(self.max_bytes, batch) {
            return Err(StoreError::Full { used: inner.used, most: self.max_bytes });
        }
        inner.used = used;
        inner.bytes = inner.bytes.saturating_add(added);
        let mut facts = facts.into_iter();
        for record in batch {
            inner.take(record, &mut facts);
        }
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        Ok(Box::new(MemoryReader { inner: Arc::clone(&self.inner), merge: Merge::default() }))
    }

    fn abandon(&mut self) {
        self.closed = true;
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.closed = true;
        Ok(())
    }
}

impl Inner {
    fn take(&mut self, record: &Record, facts: &mut impl Iterator<Item = Facts>) {
        match record {
            Record::Bundle(row) => {
                let Some(read) = facts.next() else { return };
                let place = (read.first_clock, self.newest().saturating_add(1));
                self.arrivals.push(place);
                let row = Row { bundle: row.clone(), next: read.next(), last_clock: read.last_clock };
                self.places.insert(place, (read.origin(), read.first()));
                self.rows.insert((read.origin(), read.first()), row);
                self.heads.insert(read.origin(), read.head());
            }
            Record::Member { node, evidence } => {
                let old = self.members.insert(*node, evidence.clone());
                self.replaced(old);
            }
            Record::Proof { origin, bytes } => {
                let old = self.proofs.insert(*origin, bytes.clone());
                self.replaced(old);
            }
            Record::DropProof(origin) => {
                let old = self.proofs.remove(origin);
                self.replaced(old);
            }
            Record::Revocations { place, bytes } => {
                let old = self.revocations.insert(*place, bytes.clone());
                self.replaced(old);
            }
            Record::Meta { key, value } => {
                let old = self.meta.insert(key.clone(), value.clone());
                self.replaced(old);
            }
        }
    }

    /// What was there before gives its room back.
    fn replaced(&mut self, old: Option<Bytes>) {
        let bytes = old.map_or(0, |old| old.len().saturating_add(ITSELF));
        self.used = self.used.saturating_sub(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    fn newest(&self) -> u64 {
        u64::try_from(self.arrivals.len()).unwrap_or(u64::MAX)
    }

    fn placed(&self, place: Place, at: (Origin, Seq)) -> Option<PlacedBundle> {
        let row = self.rows.get(&at)?;
        Some(PlacedBundle { place, bytes: row.bundle.bytes.clone(), received_us: row.bundle.received_us })
    }
}

struct MemoryReader {
    inner: Arc<RwLock<Inner>>,
    merge: Merge,
}

/// One moment of it.
struct View<'a>(&'a Inner);

impl Source for View<'_> {
    fn newest(&mut self) -> Result<u64, StoreError> {
        Ok(self.0.newest())
    }

    fn again(&mut self, place: Place) -> Result<PlacedBundle, StoreError> {
        let at = self.0.places.get(&place);
        at.and_then(|at| self.0.placed(place, *at)).ok_or(StoreError::Closed)
    }

    fn late(&mut self, behind: u64, until: Place, clock: Clock, each: Each<'_>) -> Result<(), StoreError> {
        let inner = self.0;
        let late = inner.arrivals.iter().skip(usize::try_from(behind).unwrap_or(usize::MAX)).filter(|at| **at <= until);
        let placed = |place: &Place| {
            let at = inner.places.get(place)?;
            inner.rows.get(at).filter(|row| row.last_clock >= clock)?;
            inner.placed(*place, *at)
        };
        late.filter_map(placed).try_for_each(each)
    }

    fn after(&mut self, place: Option<Place>) -> Result<Vec<PlacedBundle>, StoreError> {
        use std::ops::Bound::{Excluded, Unbounded};
        let inner = self.0;
        let from = place.map_or(Unbounded, Excluded);
        let some = inner.places.range((from, Unbounded)).take(AHEAD);
        Ok(some.filter_map(|(place, at)| inner.placed(*place, *at)).collect())
    }

    fn spanning(&mut self, clock: Clock, each: Each<'_>) -> Result<(), StoreError> {
        let inner = self.0;
        let before = inner.places.range(..=(clock, u64::MAX));
        let ends_later = |at: &(Origin, Seq)| inner.rows.get(at).is_some_and(|row| row.last_clock >= clock);
        let spans = before.filter(|(_, at)| ends_later(at)).filter_map(|(place, at)| inner.placed(*place, *at));
        spans.into_iter().try_for_each(each)
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
        let mut bytes = 0_usize;
        let mut out = Vec::new();
        for (_, row) in inner.rows.range(*start..(origin, until.max(Seq(from.0.saturating_add(1))))) {
            if bytes >= max_bytes && !out.is_empty() {
                break;
            }
            bytes = bytes.saturating_add(row.bundle.bytes.len());
            out.push(row.bundle.clone());
        }
        Ok(out)
    }

    fn page(&mut self, after: Option<OrderKey>, max: usize) -> Result<Vec<Entry>, StoreError> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        self.merge.page(&mut View(&inner), after, max)
    }
}
