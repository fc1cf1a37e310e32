//! The one order of all messages, out of bundles that overlap in time: a merge that opens a bundle only when its turn comes,
//! so that memory follows how many overlap, not how much there is.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

use bytes::Bytes;
use rumormill_wire::Clock;
use rumormill_wire::native::BundleView;

use crate::error::StoreError;
use crate::types::{Entry, OrderKey};

/// Bundles asked for at a time.
pub(crate) const AHEAD: usize = 16;

/// A bundle's place in time: the clock of its first message, and its row. Rows are numbered as they come.
pub(crate) type Place = (Clock, u64);

/// A bundle on its way into the merge.
#[derive(Debug)]
pub(crate) struct Opened {
    pub place: Place,
    pub bytes: Bytes,
    pub received_us: u64,
}

/// Where bundles come from.
pub(crate) trait Source {
    /// The row that came last; 0 if there is none.
    fn newest(&mut self) -> Result<u64, StoreError>;
    /// The next bundles by place, at least one if there is one.
    fn after(&mut self, place: Option<Place>) -> Result<Vec<Opened>, StoreError>;
    /// Bundles that begin at this clock or before, and end at it or after.
    fn spanning(&mut self, clock: Clock) -> Result<Vec<Opened>, StoreError>;
    /// Bundles that came after row `behind`, whose place is `until` or before it, and that end at `clock` or after.
    fn late(&mut self, behind: u64, until: Place, clock: Clock) -> Result<Vec<Opened>, StoreError>;
}

struct Waiting(Entry);

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.0.key == other.0.key
    }
}
impl Eq for Waiting {}
impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.key.cmp(&other.0.key)
    }
}

/// The state between two pages.
#[derive(Default)]
pub(crate) struct Merge {
    last: Option<OrderKey>,
    /// How far bundles were fetched. What comes later and belongs before it is opened at once.
    fetched: Option<Place>,
    /// The newest row when it was last looked.
    newest: u64,
    ahead: VecDeque<Opened>,
    open: BinaryHeap<Reverse<Waiting>>,
}

impl Merge {
    /// A page behind `after`, of all that is there now.
    pub fn page(
        &mut self,
        source: &mut dyn Source,
        after: Option<OrderKey>,
        max: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let page = self.fill(source, after, max);
        if page.is_err() {
            // Some of it is gone already: the next call begins anew.
            *self = Self::default();
        }
        page
    }

    fn fill(&mut self, source: &mut dyn Source, after: Option<OrderKey>, max: usize) -> Result<Vec<Entry>, StoreError> {
        if after.is_none() || after != self.last {
            *self = Self::start(source, after)?;
        } else {
            self.open_late(source)?;
        }
        let mut page = Vec::new();
        while page.len() < max {
            self.open_due(source)?;
            let Some(Reverse(Waiting(entry))) = self.open.pop() else { break };
            if Some(entry.key) > self.last {
                self.last = Some(entry.key);
                page.push(entry);
            }
        }
        Ok(page)
    }

    fn start(source: &mut dyn Source, after: Option<OrderKey>) -> Result<Self, StoreError> {
        let mut merge = Self { last: after, newest: source.newest()?, ..Self::default() };
        if let Some(key) = after {
            for opened in source.spanning(key.clock)? {
                merge.open(&opened)?;
            }
            merge.fetched = Some((key.clock, u64::MAX));
        }
        Ok(merge)
    }

    /// Opens what came since the last page and belongs before what was fetched by then.
    fn open_late(&mut self, source: &mut dyn Source) -> Result<(), StoreError> {
        let newest = source.newest()?;
        if let (true, Some(fetched), Some(last)) = (newest > self.newest, self.fetched, self.last) {
            for opened in source.late(self.newest, fetched, last.clock)? {
                self.open(&opened)?;
            }
        }
        self.newest = newest;
        Ok(())
    }

    /// Opens every bundle that may hold the next message.
    fn open_due(&mut self, source: &mut dyn Source) -> Result<(), StoreError> {
        loop {
            if self.ahead.is_empty() {
                self.ahead = source.after(self.fetched)?.into();
                self.fetched = self.ahead.back().map(|last| last.place).or(self.fetched);
            }
            let Some(next) = self.ahead.front() else { return Ok(()) };
            if self.open.peek().is_some_and(|Reverse(Waiting(entry))| entry.key.clock < next.place.0) {
                return Ok(());
            }
            if let Some(opened) = self.ahead.pop_front() {
                self.open(&opened)?;
            }
        }
    }

    fn open(&mut self, opened: &Opened) -> Result<(), StoreError> {
        let view = BundleView::parse(&opened.bytes).map_err(|_| StoreError::NotABundle)?;
        let origin = view.header().origin;
        for message in view.messages() {
            let key = OrderKey { clock: message.clock, origin, seq: message.seq };
            if Some(key) > self.last {
                self.open.push(Reverse(Waiting(Entry {
                    key,
                    kind: message.kind,
                    room: message.room.to_owned(),
                    body: message.body.to_vec(),
                    received_us: opened.received_us,
                })));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rumormill_wire::native::{BundleBuilder, MessageKind};
    use rumormill_wire::{Digest, Incarnation, NodeId, Origin, Seq, Signature};

    use super::*;

    /// Bundle `n` of `all` has one message at `n`; each is of another origin.
    struct Long {
        all: u64,
        given: u64,
    }

    fn bundle(n: u64) -> Opened {
        let origin = Origin { node: NodeId([1; 32]), incarnation: Incarnation(n) };
        let mut builder = BundleBuilder::new(origin, Seq::FIRST, Digest::ZERO);
        builder.push(Clock(n), MessageKind::CHAT, "", b"").unwrap();
        Opened { place: (Clock(n), n), bytes: builder.seal(Signature([0; 64])).into(), received_us: 0 }
    }

    impl Source for Long {
        fn newest(&mut self) -> Result<u64, StoreError> {
            Ok(self.all)
        }
        fn after(&mut self, place: Option<Place>) -> Result<Vec<Opened>, StoreError> {
            let from = place.map_or(0, |(clock, _)| clock.0) + 1;
            let some: Vec<_> = (from..=self.all).take(AHEAD).map(bundle).collect();
            self.given += u64::try_from(some.len()).unwrap();
            Ok(some)
        }
        fn spanning(&mut self, clock: Clock) -> Result<Vec<Opened>, StoreError> {
            self.given += 1;
            Ok(vec![bundle(clock.0)])
        }
        fn late(&mut self, _: u64, _: Place, _: Clock) -> Result<Vec<Opened>, StoreError> {
            Err(StoreError::Closed)
        }
    }

    #[test]
    fn a_page_of_a_long_log_opens_only_what_is_on_it() {
        let mut source = Long { all: 1_000_000, given: 0 };
        let mut merge = Merge::default();
        let mut after = None;
        for n in 0..5 {
            let page = merge.page(&mut source, after, 100).unwrap();
            assert_eq!(page.len(), 100);
            after = page.last().map(|entry| entry.key);
            assert!(merge.open.len() <= 1 && merge.ahead.len() <= AHEAD);
            assert!(source.given <= (n + 1) * 100 + 2 * 16, "{} opened for {n} pages", source.given);
        }
        let jump = bundle(900_000);
        let key = OrderKey {
            clock: Clock(900_000),
            seq: Seq(1),
            origin: BundleView::parse(&jump.bytes).unwrap().header().origin,
        };
        let before = source.given;
        assert_eq!(merge.page(&mut source, Some(key), 3).unwrap()[0].key.clock, Clock(900_001));
        assert!(source.given - before <= 1 + 16);
    }

    #[test]
    fn after_an_error_nothing_is_left_out() {
        let mut source = Long { all: 50, given: 0 };
        let mut merge = Merge::default();
        let first = merge.page(&mut source, None, 10).unwrap();
        source.all = 60;
        let after = first.last().map(|entry| entry.key);
        assert!(merge.page(&mut source, after, 10).is_err());
        let again = merge.page(&mut source, after, 10).unwrap();
        assert_eq!(again.iter().map(|entry| entry.key.clock.0).collect::<Vec<_>>(), (11..=20).collect::<Vec<_>>());
    }
}
