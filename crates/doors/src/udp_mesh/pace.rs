//! Old peers take at most ninety datagrams a second, and what is behind a burst is lost: each receiver has a queue, and one
//! datagram leaves it every 12.5 ms. No queue holds more than so many; what does not fit is dropped and counted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Between two datagrams to one receiver.
pub const GAP: Duration = Duration::from_micros(12_500);
/// Datagrams that wait for one receiver.
pub const MAX_QUEUE: usize = 256;
/// Messages that wait for somebody.
pub const MAX_MESSAGES: usize = 512;

/// A datagram on its way.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// To whom.
    pub to: SocketAddr,
    /// What.
    pub bytes: Arc<[u8]>,
    /// Of which message.
    pub message: u64,
}

#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<(u64, Arc<[u8]>)>,
    /// When the next may go.
    ready: Duration,
}

#[derive(Debug)]
struct Fate<D> {
    left: usize,
    sent: usize,
    done: D,
}

/// Queues by receiver. `D` is what the sender of a message is told by.
#[derive(Debug)]
pub struct Pacer<D> {
    lanes: BTreeMap<SocketAddr, Lane>,
    /// Lanes with something in them, or still within their gap, by when they may go on.
    agenda: BTreeSet<(Duration, SocketAddr)>,
    messages: BTreeMap<u64, Fate<D>>,
    next: u64,
    finished: Vec<(D, usize)>,
    dropped: usize,
}

impl<D> Default for Pacer<D> {
    fn default() -> Self {
        Self {
            lanes: BTreeMap::new(),
            agenda: BTreeSet::new(),
            messages: BTreeMap::new(),
            next: 0,
            finished: Vec::new(),
            dropped: 0,
        }
    }
}

impl<D> Pacer<D> {
    /// Queues a message for its receivers.
    pub fn push(&mut self, now: Duration, parcels: impl IntoIterator<Item = (SocketAddr, Arc<[u8]>)>, done: D) {
        let message = self.next;
        self.next += 1;
        let (mut left, full) = (0, self.messages.len() >= MAX_MESSAGES);
        for (to, bytes) in parcels {
            if full || self.lanes.get(&to).is_some_and(|lane| lane.queue.len() >= MAX_QUEUE) {
                self.dropped += 1;
                continue;
            }
            self.lane(now, to).queue.push_back((message, bytes));
            left += 1;
        }
        if left == 0 {
            self.finished.push((done, 0));
        } else {
            self.messages.insert(message, Fate { left, sent: 0, done });
        }
    }

    fn lane(&mut self, now: Duration, to: SocketAddr) -> &mut Lane {
        self.lanes.entry(to).or_insert_with(|| {
            self.agenda.insert((now, to));
            Lane { queue: VecDeque::new(), ready: now }
        })
    }

    /// Something else went to a receiver: the next datagram waits for its gap.
    pub fn note(&mut self, now: Duration, to: SocketAddr) {
        let lane = self.lane(now, to);
        let before = lane.ready;
        lane.ready = now.max(before) + GAP;
        let after = lane.ready;
        self.agenda.remove(&(before, to));
        self.agenda.insert((after, to));
    }

    /// The next datagram whose time has come. Its fate is to be told by [`Pacer::sent`].
    pub fn next(&mut self, now: Duration) -> Option<Parcel> {
        loop {
            let (at, to) = *self.agenda.first().filter(|(at, _)| *at <= now)?;
            self.agenda.remove(&(at, to));
            let Some(lane) = self.lanes.get_mut(&to) else { continue };
            let Some((message, bytes)) = lane.queue.pop_front() else {
                self.lanes.remove(&to);
                continue;
            };
            lane.ready = now + GAP;
            self.agenda.insert((lane.ready, to));
            return Some(Parcel { to, bytes, message });
        }
    }

    /// A datagram has gone out, or never will.
    pub fn sent(&mut self, message: u64, sent: bool) {
        let Some(fate) = self.messages.get_mut(&message) else { return };
        fate.left = fate.left.saturating_sub(1);
        fate.sent += usize::from(sent);
        if fate.left == 0
            && let Some(fate) = self.messages.remove(&message)
        {
            self.finished.push((fate.done, fate.sent));
        }
    }

    /// A receiver is gone: what waits for it is dropped.
    pub fn forget(&mut self, to: SocketAddr) {
        let Some(lane) = self.lanes.remove(&to) else { return };
        self.agenda.remove(&(lane.ready, to));
        self.dropped += lane.queue.len();
        for (message, _) in lane.queue {
            self.sent(message, false);
        }
    }

    /// When [`Pacer::next`] has something again.
    #[must_use]
    pub fn wake(&self) -> Option<Duration> {
        self.agenda.first().map(|(at, _)| *at)
    }

    /// Messages that are through, each with the number of receivers it went to.
    pub fn finished(&mut self) -> impl Iterator<Item = (D, usize)> + use<'_, D> {
        self.finished.drain(..)
    }

    /// How many datagrams were dropped since this was last asked.
    pub fn dropped(&mut self) -> usize {
        std::mem::take(&mut self.dropped)
    }

    /// Datagrams that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lanes.values().map(|lane| lane.queue.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn to(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn bytes() -> Arc<[u8]> {
        [1][..].into()
    }

    #[test]
    fn a_receiver_gets_eighty_a_second_and_no_burst() {
        let mut pacer = Pacer::default();
        for n in 0..MAX_QUEUE + 10 {
            pacer.push(Duration::ZERO, [(to(1), bytes())], n);
        }
        assert_eq!(pacer.dropped(), 10);
        let mut times = Vec::new();
        for ms in 0..1_000 {
            while let Some(parcel) = pacer.next(Duration::from_millis(ms)) {
                times.push(ms);
                pacer.sent(parcel.message, true);
            }
        }
        assert!((70..=80).contains(&times.len()), "{}", times.len());
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 12), "{times:?}");
        let done: Vec<_> = pacer.finished().collect();
        assert_eq!(done.iter().filter(|(_, sent)| *sent == 1).count(), times.len());
    }

    #[test]
    fn a_slow_receiver_delays_nobody_else_and_one_that_went_is_forgotten() {
        let mut pacer = Pacer::default();
        pacer.push(Duration::ZERO, [(to(1), bytes()), (to(2), bytes())], "both");
        pacer.push(Duration::ZERO, [(to(1), bytes())], "one");
        pacer.note(Duration::ZERO, to(2));
        let first = pacer.next(Duration::ZERO).unwrap();
        assert_eq!((first.to, pacer.next(Duration::ZERO).map(|p| p.to)), (to(1), None));
        pacer.sent(first.message, true);
        let second = pacer.next(GAP).unwrap();
        pacer.sent(second.message, true);
        pacer.forget(to(1));
        pacer.forget(to(2));
        let mut done: Vec<_> = pacer.finished().collect();
        done.sort_unstable();
        assert_eq!(done.len(), 2);
        assert_eq!((pacer.wake(), pacer.waiting()), (None, 0));
    }

    proptest! {
        #[test]
        fn every_message_is_accounted_for_and_lanes_keep_their_gap(
            ops in proptest::collection::vec((0u8..5, 0u16..4, 0u64..30), 1..200)
        ) {
            let (mut pacer, mut now, mut pushed, mut done) = (Pacer::default(), Duration::ZERO, 0usize, 0usize);
            let mut last: BTreeMap<SocketAddr, Duration> = BTreeMap::new();
            let mut forgotten = BTreeSet::new();
            for (op, port, ms) in ops {
                now += Duration::from_millis(ms);
                match op {
                    0 | 1 => { pacer.push(now, (0..=port).map(|p| (to(p), bytes())), ()); pushed += 1; }
                    2 => { pacer.forget(to(port)); forgotten.insert(to(port)); }
                    3 => pacer.note(now, to(port)),
                    _ => while let Some(parcel) = pacer.next(now) {
                        let before = last.insert(parcel.to, now);
                        let fresh = forgotten.remove(&parcel.to);
                        prop_assert!(fresh || before.is_none_or(|before| now - before >= GAP));
                        pacer.sent(parcel.message, true);
                    }
                }
                done += pacer.finished().count();
            }
            for port in 0..4 { pacer.forget(to(port)); }
            done += pacer.finished().count();
            prop_assert_eq!(pushed, done);
            prop_assert!(pacer.waiting() == 0 && pacer.messages.is_empty() && pacer.agenda.is_empty());
        }
    }
}
