//! What a neighbour was given and has not said that it has, and what is new and it was not given (docs/protocol.md, P-S2).

use core::ops::RangeInclusive;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rumormill_wire::{Origin, Seq};

use crate::io::Timestamp;

/// Runs of frames remembered by their time; what is more joins the last one.
pub const MAX_RUNS: usize = 64;
/// Origins remembered of which a neighbour was not given what is new.
pub const MAX_NEWS: usize = 1_024;
/// Frames given within this time are one run.
const RUN_US: u64 = 100_000;

/// Frames given in a short time.
#[derive(Debug, Clone, Copy)]
struct Run {
    last: u64,
    messages: u64,
    at: Timestamp,
}

/// The last bundle of an origin that was given.
#[derive(Debug, Clone, Copy)]
struct Last {
    /// The number after it.
    next: Seq,
    /// Its number among the frames given.
    ordinal: u64,
}

/// New messages of an origin: from one number to another, and since when.
#[derive(Debug, Clone, Copy)]
struct News {
    from: Seq,
    to: Seq,
    since: Timestamp,
}

/// What one link was given and has not said to have heard, and what was kept from it.
#[derive(Debug, Default)]
pub struct Unacked {
    /// RUMOR frames given since the link is up.
    frames: u64,
    /// What of them may still be on its way.
    last: BTreeMap<Origin, Last>,
    /// The same in the order in which it was given.
    order: BTreeSet<(u64, Origin)>,
    runs: VecDeque<Run>,
    news: BTreeMap<Origin, News>,
}

impl Unacked {
    /// A frame with so many messages is given.
    pub fn given(&mut self, messages: u32, now: Timestamp) {
        self.frames = self.frames.saturating_add(1);
        let ordinal = self.frames;
        let full = self.runs.len() >= MAX_RUNS;
        match self.runs.back_mut().filter(|run| full || now.since(run.at) < RUN_US) {
            Some(run) => {
                run.last = ordinal;
                run.messages = run.messages.saturating_add(u64::from(messages));
            }
            None => self.runs.push_back(Run { last: ordinal, messages: u64::from(messages), at: now }),
        }
    }

    /// RUMOR frames given since the link is up.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// The last frame given was of this origin, up to `next`.
    pub fn sent(&mut self, origin: Origin, next: Seq) {
        if let Some(before) = self.last.insert(origin, Last { next, ordinal: self.frames }) {
            self.order.remove(&(before.ordinal, origin));
        }
        self.order.insert((self.frames, origin));
        self.reaches(&origin, next);
    }

    /// Up to which number an origin was given, if some of that may still be on its way.
    #[must_use]
    pub fn on_its_way(&self, origin: &Origin) -> Option<Seq> {
        self.last.get(origin).map(|last| last.next)
    }

    /// Whether something of these origins may still be on its way.
    #[must_use]
    pub fn is_on_its_way(&self, origins: RangeInclusive<Origin>) -> bool {
        self.last.range(origins).next().is_some()
    }

    /// The neighbour judged so many frames: what is older needs no memory.
    pub fn acked(&mut self, count: u64) {
        while let Some((_, origin)) = self.order.first().copied().filter(|(ordinal, _)| *ordinal <= count) {
            self.order.pop_first();
            self.last.remove(&origin);
        }
        while self.runs.front().is_some_and(|run| run.last <= count) {
            self.runs.pop_front();
        }
    }

    /// New messages are not given to the neighbour now. Says whether there was room to remember it.
    pub fn left_out(&mut self, origin: Origin, from: Seq, to: Seq, now: Timestamp) -> bool {
        if let Some(news) = self.news.get_mut(&origin) {
            news.to = news.to.max(to);
            return true;
        }
        let room = self.news.len() < MAX_NEWS;
        if room {
            self.news.insert(origin, News { from, to, since: now });
        }
        room
    }

    /// The neighbour has this origin up to `next`, or it was given to it.
    pub fn reaches(&mut self, origin: &Origin, next: Seq) {
        if let Some(news) = self.news.get_mut(origin) {
            news.from = news.from.max(next);
            if news.from >= news.to {
                self.news.remove(origin);
            }
        }
    }

    /// Which of these origins the neighbour was not given, and from which number on.
    pub fn left_out_of(&self, origins: RangeInclusive<Origin>) -> impl Iterator<Item = (Origin, Seq)> {
        self.news.range(origins).map(|(origin, news)| (*origin, news.from))
    }

    /// Whether it is known that the neighbour was not given this number.
    #[must_use]
    pub fn lacks(&self, origin: &Origin, at: Seq) -> bool {
        self.news.get(origin).is_some_and(|news| news.from <= at)
    }

    /// It has all that we have.
    pub fn clear(&mut self) {
        self.runs.clear();
        self.news.clear();
    }

    /// How many messages there are, and since when the oldest of them waits; `but` are counted elsewhere.
    pub fn count(&self, but: impl Fn(&Origin) -> bool) -> (u64, Option<Timestamp>) {
        let runs = self.runs.iter().map(|run| (run.messages, run.at));
        let news = self.news.iter().filter(|(origin, _)| !but(origin));
        let news = news.map(|(_, news)| (news.to.0.saturating_sub(news.from.0), news.since));
        runs.chain(news).fold((0, None), |(sum, oldest), (messages, at)| {
            (messages.saturating_add(sum), Some(oldest.map_or(at, |old: Timestamp| old.min(at))))
        })
    }

    /// How many runs and origins with news are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.runs.len().saturating_add(self.news.len())
    }

    /// How many origins are remembered of which something may be on its way.
    #[cfg(feature = "fuzz")]
    #[must_use]
    pub fn origins(&self) -> usize {
        self.last.len()
    }

    /// Whether something given up to this time is unacked.
    #[must_use]
    pub fn since(&self, at: Timestamp) -> bool {
        self.runs.front().is_some_and(|run| run.at <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_counts_until_it_is_heard_and_the_oldest_is_known() {
        let mut unacked = Unacked::default();
        unacked.given(5, Timestamp(0));
        unacked.given(1, Timestamp(RUN_US - 1));
        unacked.given(2, Timestamp(RUN_US));
        assert_eq!(unacked.count(|_| false), (8, Some(Timestamp(0))));
        unacked.acked(1);
        assert_eq!(unacked.count(|_| false), (8, Some(Timestamp(0))), "a run is heard when its last frame is");
        unacked.acked(2);
        assert_eq!(unacked.count(|_| false), (2, Some(Timestamp(RUN_US))));
        unacked.acked(3);
        assert_eq!(unacked.count(|_| false), (0, None));
    }

    #[test]
    fn an_origin_is_on_its_way_until_the_last_of_it_is_heard() {
        let mut unacked = Unacked::default();
        let origin = |n| Origin { incarnation: rumormill_wire::Incarnation(n), ..Origin::MIN };
        for (n, next) in [(1, 4), (2, 9), (1, 6)] {
            unacked.given(1, Timestamp(0));
            unacked.sent(origin(n), Seq(next));
        }
        assert_eq!((unacked.frames(), unacked.on_its_way(&origin(1))), (3, Some(Seq(6))));
        unacked.acked(2);
        assert_eq!((unacked.on_its_way(&origin(1)), unacked.on_its_way(&origin(2))), (Some(Seq(6)), None));
        assert!(unacked.is_on_its_way(origin(1)..=origin(1)) && !unacked.is_on_its_way(origin(2)..=origin(9)));
        unacked.acked(3);
        assert!(!unacked.is_on_its_way(Origin::MIN..=Origin::MAX) && unacked.order.is_empty());
    }

    #[test]
    fn runs_and_news_are_bounded_and_nothing_is_left_out_of_the_runs() {
        let mut unacked = Unacked::default();
        for n in 0..1_000 {
            unacked.given(1, Timestamp(n * RUN_US));
        }
        assert_eq!((unacked.remembered(), unacked.count(|_| false).0), (MAX_RUNS, 1_000));
        unacked.acked(999);
        assert_eq!(unacked.runs.len(), 1);
        unacked.clear();
        let origin = |n| Origin { incarnation: rumormill_wire::Incarnation(n), ..Origin::MIN };
        let taken = (0..2_000).filter(|n| unacked.left_out(origin(*n), Seq(1), Seq(2), Timestamp(*n))).count();
        assert_eq!((taken, unacked.remembered()), (MAX_NEWS, MAX_NEWS));
    }

    #[test]
    fn news_count_until_they_are_given_or_shown() {
        let mut unacked = Unacked::default();
        assert!(unacked.left_out(Origin::MIN, Seq(3), Seq(5), Timestamp(7)));
        assert!(unacked.left_out(Origin::MIN, Seq(5), Seq(6), Timestamp(9)));
        assert_eq!(unacked.count(|_| false), (3, Some(Timestamp(7))));
        assert_eq!(unacked.count(|_| true), (0, None));
        unacked.reaches(&Origin::MIN, Seq(5));
        assert_eq!(unacked.count(|_| false), (1, Some(Timestamp(7))));
        unacked.reaches(&Origin::MIN, Seq(6));
        assert_eq!(unacked.remembered(), 0);
    }
}
