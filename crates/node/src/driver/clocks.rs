//! Whose clock is off, as far as their messages show it.
//!
//! A message from more than a minute ahead shows it whoever brings it. One from more than a minute behind may only have been
//! under way for so long, so it counts when it is new and comes while its author is a neighbour with whom we are in sync, and when others
//! at other times were behind too: as NTP does (RFC 5905, 10), the one that took least time is believed. If
//! most neighbours are off in one direction, it is our own clock that is suspected.

use std::collections::BTreeMap;

use rumormill_gossip::Timestamp;
use rumormill_wire::NodeId;

use crate::view::MAX_AHEAD_US;

/// Authors that are kept. Of more, nobody is told, and they are counted all the same.
const MAX_AUTHORS: usize = 1_024;
/// Of one author people are told again after so long at the earliest, in microseconds.
pub(super) const TELL_AGAIN_US: u64 = 600_000_000;

/// So many messages behind, each so long after the one before, in microseconds, and none in time between them show that it is the clock.
const LATE_MESSAGES: u32 = 4;
const LATE_GAP_US: u64 = 10_000_000;

/// How a clock is beside ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Class {
    #[default]
    InTime,
    Ahead,
    Behind,
}

impl Class {
    pub(super) fn of(off_us: i64) -> Self {
        let limit = i64::try_from(MAX_AHEAD_US).unwrap_or(i64::MAX);
        if off_us > limit {
            Self::Ahead
        } else if off_us < limit.saturating_neg() {
            Self::Behind
        } else {
            Self::InTime
        }
    }
}

/// Messages of one author that came late, one after the other.
#[derive(Debug, Clone, Copy)]
struct Late {
    count: u32,
    last: Timestamp,
    /// By how much the one that took least time.
    least_us: i64,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    off_us: i64,
    late: Option<Late>,
    told: Class,
    told_at: Timestamp,
}

impl Known {
    /// One more came late. Gives by how much the clock is behind, once that is known.
    fn late(&mut self, off_us: i64, now: Timestamp) -> Option<i64> {
        let late = self.late.get_or_insert(Late { count: 1, last: now, least_us: off_us });
        late.least_us = late.least_us.max(off_us);
        if now.since(late.last) >= LATE_GAP_US {
            (late.count, late.last) = (late.count.saturating_add(1), now);
        }
        (late.count >= LATE_MESSAGES).then_some(late.least_us)
    }
}

/// What is known of authors that are or were off.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    authors: BTreeMap<NodeId, Known>,
    /// What people were told of our own, and when.
    pub(super) ours: Class,
    pub(super) ours_at: Option<Timestamp>,
}

impl Clocks {
    /// Whether anything is to be learned from a message: few are from a clock that is off.
    pub(super) fn wants(&self, author: &NodeId, off_us: i64) -> bool {
        Class::of(off_us) != Class::InTime || (!self.authors.is_empty() && self.authors.contains_key(author))
    }

    /// A message shows how an author's clock is. Gives what people are to be told.
    pub(super) fn note(&mut self, author: NodeId, off_us: i64, now: Timestamp) -> Option<Class> {
        let class = Class::of(off_us);
        if !self.authors.contains_key(&author) && self.authors.len() >= MAX_AUTHORS {
            self.authors.retain(|_, known| Class::of(known.off_us) != Class::InTime);
            if self.authors.len() >= MAX_AUTHORS {
                return None;
            }
        }
        let fresh = Known { off_us: 0, late: None, told: Class::InTime, told_at: Timestamp(0) };
        let known = self.authors.entry(author).or_insert(fresh);
        known.off_us = match class {
            Class::Behind => known.late(off_us, now)?,
            Class::InTime | Class::Ahead => off_us,
        };
        if class != Class::Behind {
            known.late = None;
        }
        let again = known.told_at == Timestamp(0) || now.since(known.told_at) >= TELL_AGAIN_US;
        if class == known.told || !again {
            return None;
        }
        (known.told, known.told_at) = (class, now);
        Some(class)
    }

    /// By how much an author's clock is off; 0 if it is not known to be.
    pub(super) fn off_us(&self, author: &NodeId) -> i64 {
        self.authors.get(author).map_or(0, |known| known.off_us)
    }

    /// Our own clock was set: what was known was beside another.
    pub(super) fn forget(&mut self) {
        self.authors.clear();
        (self.ours, self.ours_at) = (Class::InTime, None);
    }
}

/// So far off, in microseconds; 0 within the limit.
pub(super) fn beyond(off_us: i64) -> i64 {
    if Class::of(off_us) == Class::InTime { 0 } else { off_us }
}

pub(super) const fn seconds(us: i64) -> i64 {
    us / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;
    const A: NodeId = NodeId([1; 32]);

    #[test]
    fn an_author_is_told_of_once_and_again_when_its_class_changes() {
        let mut clocks = Clocks::default();
        assert!(!clocks.wants(&A, MINUTE) && clocks.wants(&A, MINUTE + 1) && clocks.wants(&A, -MINUTE - 1));
        assert_eq!(clocks.note(A, 2 * MINUTE, Timestamp(5)), Some(Class::Ahead));
        assert_eq!(clocks.note(A, 60 * MINUTE, Timestamp(6)), None, "still ahead");
        assert!(clocks.wants(&A, 0), "it may be right again");
        assert_eq!(clocks.note(A, 0, Timestamp(7)), None, "one that changes all the time is not told of all the time");
        assert_eq!(clocks.off_us(&A), 0, "and is known all the same");
        assert_eq!(clocks.note(A, 1, Timestamp(6 + TELL_AGAIN_US)), Some(Class::InTime));
    }

    /// One that was held back for a while looks as if its author's clock were behind.
    #[test]
    fn a_clock_is_behind_when_nothing_of_its_author_comes_in_time() {
        let at = |n: u64| Timestamp(1 + n * LATE_GAP_US);
        let mut clocks = Clocks::default();
        for n in 0..100 {
            assert_eq!(clocks.note(A, -3 * MINUTE, at(0)), None, "{n} at once show no more than one");
        }
        assert_eq!(clocks.note(A, -2 * MINUTE, at(1)), None);
        assert_eq!(clocks.note(A, -4 * MINUTE, at(2)), None);
        assert_eq!((clocks.note(A, 0, at(3)), clocks.off_us(&A)), (None, 0), "one in time says that they were late");
        for n in 3..6 {
            assert_eq!(clocks.note(A, -2 * MINUTE, at(n)), None);
        }
        assert_eq!(clocks.note(A, -3 * MINUTE, at(6)), Some(Class::Behind));
        assert_eq!(clocks.off_us(&A), -2 * MINUTE, "as much as the fastest shows");
        assert_eq!(clocks.note(A, 0, at(70)), Some(Class::InTime));
    }

    #[test]
    fn many_authors_cost_a_bounded_part() {
        let mut clocks = Clocks::default();
        for n in 0..u32::try_from(2 * MAX_AUTHORS).unwrap() {
            let mut node = [0; 32];
            node[..4].copy_from_slice(&n.to_be_bytes());
            let told = clocks.note(NodeId(node), 2 * MINUTE, Timestamp(1));
            assert_eq!(told.is_some(), usize::try_from(n).unwrap() < MAX_AUTHORS);
        }
        assert_eq!(clocks.authors.len(), MAX_AUTHORS);
        for known in clocks.authors.values_mut() {
            known.off_us = 0;
        }
        assert!(clocks.note(A, 2 * MINUTE, Timestamp(2)).is_some(), "those that are right again make room");
    }

    #[test]
    fn within_the_limit_no_clock_differs() {
        assert_eq!([MINUTE, -MINUTE, 0].map(beyond), [0, 0, 0]);
        assert_eq!([MINUTE + 1, -MINUTE - 1].map(beyond), [MINUTE + 1, -MINUTE - 1]);
    }
}
