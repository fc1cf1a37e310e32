//! The one order of all messages, out of bundles that overlap in time: a merge that opens a bundle only when its turn comes,
//! so that memory follows how many overlap, not how much there is. Of those that overlap it holds 16 MiB of messages at most,
//! and of the rest the next key alone: they are read again, a part at a time, when their turn comes. A member can make as
//! many overlap as it has origins, each of 64 KiB.

use std::collections::{BTreeMap, VecDeque};

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
pub(crate) struct PlacedBundle {
    pub place: Place,
    pub bytes: Bytes,
    pub received_us: u64,
}

/// Where bundles come from.
pub(crate) trait Source {
    /// The row that came last; 0 if there is none.
    fn newest(&mut self) -> Result<u64, StoreError>;
    /// The next bundles by place, at least one if there is one.
    fn after(&mut self, place: Option<Place>) -> Result<Vec<PlacedBundle>, StoreError>;
    /// The bundle of a place that came once.
    fn again(&mut self, place: Place) -> Result<PlacedBundle, StoreError>;
    /// Bundles that begin at this clock or before, and end at it or after, one at a time.
    fn spanning(&mut self, clock: Clock, each: Each<'_>) -> Result<(), StoreError>;
    /// Bundles that came after row `behind`, whose place is `until` or before it, and that end at `clock` or after.
    fn late(&mut self, behind: u64, until: Place, clock: Clock, each: Each<'_>) -> Result<(), StoreError>;
}

/// Takes one bundle of many; an error ends the reading.
pub(crate) type Each<'a> = &'a mut dyn FnMut(PlacedBundle) -> Result<(), StoreError>;

/// Bytes of messages that a merge holds; while it holds less than half of them, a bundle is held whole.
const MOST: usize = 16 << 20;
/// Of a bundle that is opened when half of them are taken, so much.
const PART: usize = 4 << 10;

/// An opened bundle, from its next message on. Its key is known always, its messages as far as there is room.
#[derive(Default)]
struct Run {
    place: Place,
    rest: VecDeque<Entry>,
    /// The key of the message behind those: the bundle is read again when its turn comes.
    then: Option<OrderKey>,
}

impl Run {
    fn key(&self) -> Option<OrderKey> {
        self.rest.front().map(|entry| entry.key).or(self.then)
    }
}

fn weight(room: &str, body: &[u8]) -> usize {
    size_of::<Entry>().saturating_add(room.len()).saturating_add(body.len())
}

/// The state between two pages.
#[derive(Default)]
pub(crate) struct Merge {
    last: Option<OrderKey>,
    /// How far bundles were fetched. What comes later and belongs before it is opened at once.
    fetched: Option<Place>,
    /// The newest row when it was last looked.
    newest: u64,
    ahead: VecDeque<PlacedBundle>,
    /// By the key of the next message.
    open: BTreeMap<OrderKey, Run>,
    /// Bytes of the messages in those.
    held: usize,
}

impl Merge {
    /// A page behind `after`, of all that is there now.
    pub(crate) fn page(
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
            let Some(entry) = self.next(source)? else { break };
            page.push(entry);
        }
        Ok(page)
    }

    fn next(&mut self, source: &mut dyn Source) -> Result<Option<Entry>, StoreError> {
        let Some((_, mut run)) = self.open.pop_first() else { return Ok(None) };
        if run.rest.is_empty() {
            run = self.read(&source.again(run.place)?, true)?;
        }
        let Some(entry) = run.rest.pop_front() else { return Ok(None) };
        self.held = self.held.saturating_sub(weight(&entry.room, &entry.body));
        self.last = Some(entry.key);
        self.put(run);
        Ok(Some(entry))
    }

    /// One that is there already came again.
    fn put(&mut self, run: Run) {
        let Some(key) = run.key() else { return };
        let Some(twice) = self.open.insert(key, run) else { return };
        let bytes = twice.rest.iter().map(|entry| weight(&entry.room, &entry.body)).fold(0, usize::saturating_add);
        self.held = self.held.saturating_sub(bytes);
    }

    fn start(source: &mut dyn Source, after: Option<OrderKey>) -> Result<Self, StoreError> {
        let mut merge = Self { last: after, newest: source.newest()?, ..Self::default() };
        if let Some(key) = after {
            source.spanning(key.clock, &mut |bundle| merge.open(&bundle))?;
            merge.fetched = Some((key.clock, u64::MAX));
        }
        Ok(merge)
    }

    /// Opens what came since the last page and belongs before what was fetched by then.
    fn open_late(&mut self, source: &mut dyn Source) -> Result<(), StoreError> {
        let newest = source.newest()?;
        if let (true, Some(fetched), Some(last)) = (newest > self.newest, self.fetched, self.last) {
            let before = self.newest;
            source.late(before, fetched, last.clock, &mut |bundle| self.open(&bundle))?;
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
            if self.open.first_key_value().is_some_and(|(key, _)| key.clock < next.place.0) {
                return Ok(());
            }
            if let Some(bundle) = self.ahead.pop_front() {
                self.open(&bundle)?;
            }
        }
    }

    fn open(&mut self, bundle: &PlacedBundle) -> Result<(), StoreError> {
        let run = self.read(bundle, false)?;
        self.put(run);
        Ok(())
    }

    /// What follows of a bundle, as far as there is room; at its turn one message at least.
    fn read(&mut self, bundle: &PlacedBundle, turn: bool) -> Result<Run, StoreError> {
        let view = BundleView::parse(&bundle.bytes).map_err(|_| StoreError::NotABundle)?;
        let origin = view.header().origin;
        let most = match self.held {
            held if held < MOST / 2 => usize::MAX,
            held if held < MOST => PART,
            _ => 0,
        };
        let (mut run, mut bytes) = (Run { place: bundle.place, ..Run::default() }, 0_usize);
        for message in view.messages() {
            let key = OrderKey { clock: message.clock, origin, seq: message.seq };
            if Some(key) <= self.last {
                continue;
            }
            bytes = bytes.saturating_add(weight(message.room, message.body));
            if bytes > most && (!turn || !run.rest.is_empty()) {
                run.then = Some(key);
                break;
            }
            self.held = self.held.saturating_add(weight(message.room, message.body));
            run.rest.push_back(Entry {
                key,
                kind: message.kind,
                room: message.room.to_owned(),
                body: message.body.to_vec(),
                received_us: bundle.received_us,
            });
        }
        Ok(run)
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

    fn bundle(n: u64) -> PlacedBundle {
        let origin = Origin { node: NodeId([1; 32]), incarnation: Incarnation(n) };
        let mut builder = BundleBuilder::new(origin, Seq::FIRST, Digest::ZERO);
        builder.push(Clock(n), MessageKind::CHAT, "", b"").unwrap();
        PlacedBundle { place: (Clock(n), n), bytes: builder.seal(Signature([0; 64])).into(), received_us: 0 }
    }

    impl Source for Long {
        fn newest(&mut self) -> Result<u64, StoreError> {
            Ok(self.all)
        }
        fn after(&mut self, place: Option<Place>) -> Result<Vec<PlacedBundle>, StoreError> {
            let from = place.map_or(0, |(clock, _)| clock.0) + 1;
            let some: Vec<_> = (from..=self.all).take(AHEAD).map(bundle).collect();
            self.given += u64::try_from(some.len()).unwrap();
            Ok(some)
        }
        fn again(&mut self, place: Place) -> Result<PlacedBundle, StoreError> {
            Ok(bundle(place.0.0))
        }
        fn spanning(&mut self, clock: Clock, each: Each<'_>) -> Result<(), StoreError> {
            self.given += 1;
            each(bundle(clock.0))
        }
        fn late(&mut self, _: u64, _: Place, _: Clock, _: Each<'_>) -> Result<(), StoreError> {
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

    /// Bundles of 60 kB that all overlap: message `m` of bundle `n` stands at `m * 1_000 + n`.
    struct Wide {
        all: u64,
        again: u64,
    }

    const MESSAGES: u64 = 20;

    fn wide(n: u64) -> PlacedBundle {
        let origin = Origin { node: NodeId([1; 32]), incarnation: Incarnation(n) };
        let mut builder = BundleBuilder::new(origin, Seq::FIRST, Digest::ZERO);
        for m in 0..MESSAGES {
            builder.push(Clock(m * 1_000 + n), MessageKind::CHAT, "", &[7; 3_000]).unwrap();
        }
        PlacedBundle { place: (Clock(n), n), bytes: builder.seal(Signature([0; 64])).into(), received_us: 0 }
    }

    impl Source for Wide {
        fn newest(&mut self) -> Result<u64, StoreError> {
            Ok(self.all)
        }
        fn after(&mut self, place: Option<Place>) -> Result<Vec<PlacedBundle>, StoreError> {
            let from = place.map_or(0, |(_, row)| row).saturating_add(1);
            Ok((from..=self.all).take(AHEAD).map(wide).collect())
        }
        fn again(&mut self, place: Place) -> Result<PlacedBundle, StoreError> {
            self.again += 1;
            Ok(wide(place.1))
        }
        fn spanning(&mut self, _: Clock, each: Each<'_>) -> Result<(), StoreError> {
            (1..=self.all).try_for_each(|n| each(wide(n)))
        }
        fn late(&mut self, _: u64, _: Place, _: Clock, _: Each<'_>) -> Result<(), StoreError> {
            Ok(())
        }
    }

    #[test]
    fn bundles_that_all_overlap_cost_a_bounded_part_of_memory_and_none_is_left_out() {
        let mut source = Wide { all: 800, again: 0 };
        let mut merge = Merge::default();
        let (mut after, mut clocks, mut most) = (None, Vec::new(), 0);
        loop {
            let page = merge.page(&mut source, after, 100).unwrap();
            most = most.max(merge.held);
            let Some(last) = page.last() else { break };
            after = Some(last.key);
            clocks.extend(page.iter().map(|entry| entry.key.clock.0));
            // Now and then somebody begins in the middle.
            if clocks.len() % 4_000 == 0 {
                merge = Merge::default();
            }
        }
        let expected: Vec<_> = (0..MESSAGES).flat_map(|m| (1..=800).map(move |n| m * 1_000 + n)).collect();
        assert_eq!(clocks, expected);
        assert!(most <= MOST + PART && most > MOST / 2, "{most} of 48 MB");
        assert!(source.again > 0, "what there was no room for was read again");
        assert_eq!(merge.held, 0);
    }
}
