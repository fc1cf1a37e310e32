//! Messages for ids that cannot be reached now. Bounded in number, in bytes, by id and by age; when there is no place, it
//! is the oldest of whoever has the most here that goes, so that one who floods pushes out his own.

use std::collections::BTreeMap;
use std::time::Duration;

use rumormill_limits::Timestamp;

/// Messages that are kept at most, for all ids.
pub(super) const MAX_STORED: usize = 1_024;
/// Bytes of the texts of all of them.
pub(super) const MAX_STORED_BYTES: usize = 2 * 1_024 * 1_024;
/// Messages kept for one id.
pub(super) const MAX_STORED_FOR_ID: usize = 64;
/// What a place costs beside its text, in bytes.
const PLACE: usize = 64;
/// A message waits for so long: a receiver that is restarted gets it, and nobody gets yesterday's.
pub(super) const STORED_FOR: Duration = Duration::from_secs(60 * 60);

/// A message that waits for its receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    /// The id that claims to have written it.
    pub from: i64,
    /// The id that it is for.
    pub to: i64,
    /// What it says, as it came.
    pub text: String,
    /// The peer that handed it to us.
    pub source: i64,
    /// When it was handed over; it waits [`STORED_FOR`] from then on.
    pub since: Timestamp,
}

/// All messages that wait, the oldest first.
#[derive(Debug, Default)]
pub(super) struct StoreAndForward {
    all: BTreeMap<u64, Waiting>,
    next: u64,
    bytes: usize,
}

impl StoreAndForward {
    /// Keeps a message; how many others had to go for it.
    pub(super) fn put(&mut self, message: Waiting) -> usize {
        let before = self.all.len();
        while self.of(message.to).count() >= MAX_STORED_FOR_ID {
            let Some(victim) = victim(self.of(message.to)) else { break };
            self.remove(victim);
        }
        while self.all.len() >= MAX_STORED || self.bytes.saturating_add(message.text.len()) > MAX_STORED_BYTES {
            let Some(victim) = victim(self.all.iter()) else { break };
            self.remove(victim);
        }
        let gone = before.saturating_sub(self.all.len());
        self.bytes = self.bytes.saturating_add(message.text.len());
        self.all.insert(self.next, message);
        self.next = self.next.saturating_add(1);
        gone
    }

    /// The oldest message for an id, and its number.
    #[must_use]
    pub(super) fn first(&self, to: i64) -> Option<(u64, &Waiting)> {
        self.of(to).next().map(|(number, waiting)| (*number, waiting))
    }

    /// Keeps a message no longer.
    pub(super) fn remove(&mut self, number: u64) {
        if let Some(waiting) = self.all.remove(&number) {
            self.bytes = self.bytes.saturating_sub(waiting.text.len());
        }
    }

    /// Drops what has been kept for too long; how many those were.
    pub(super) fn expire(&mut self, now: Timestamp) -> usize {
        let before = self.all.len();
        while self.all.first_key_value().is_some_and(|(_, oldest)| now.elapsed(oldest.since) >= STORED_FOR) {
            let Some(oldest) = self.all.keys().next().copied() else { break };
            self.remove(oldest);
        }
        before.saturating_sub(self.all.len())
    }

    /// When the oldest has waited for too long.
    #[must_use]
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.all.first_key_value().map(|(_, oldest)| oldest.since.after(STORED_FOR))
    }

    /// All of them, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.all.values()
    }

    /// Bytes of all texts.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn of(&self, to: i64) -> impl Iterator<Item = (&u64, &Waiting)> {
        self.all.iter().filter(move |(_, waiting)| waiting.to == to)
    }
}

/// The oldest message of the source with the most bytes among these. An empty text takes a place too.
fn victim<'a>(messages: impl Iterator<Item = (&'a u64, &'a Waiting)>) -> Option<u64> {
    let mut sources = BTreeMap::<i64, (usize, u64)>::new();
    for (number, waiting) in messages {
        let (bytes, _) = sources.entry(waiting.source).or_insert((0, *number));
        *bytes = bytes.saturating_add(waiting.text.len()).saturating_add(PLACE);
    }
    sources.into_values().max_by_key(|(bytes, _)| *bytes).map(|(_, oldest)| oldest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(source: i64, to: i64, text: &str) -> Waiting {
        Waiting {
            from: source,
            to,
            text: text.into(),
            source,
            since: Timestamp::at(Duration::from_secs(to.unsigned_abs())),
        }
    }

    #[test]
    fn one_who_floods_pushes_out_his_own() {
        let mut kept = StoreAndForward::default();
        kept.put(message(1, 7, "from 1"));
        for n in 0..3 * i64::try_from(MAX_STORED).unwrap() {
            kept.put(message(2, 100 + n, "flood"));
        }
        assert_eq!((kept.iter().count(), kept.first(7).unwrap().1.source), (MAX_STORED, 1));
        for _ in 0..3 * MAX_STORED_FOR_ID {
            kept.put(message(2, 7, "flood"));
        }
        assert_eq!((kept.of(7).count(), kept.first(7).unwrap().1.source), (MAX_STORED_FOR_ID, 1));
    }

    #[test]
    fn bytes_are_bounded_and_counted() {
        let mut kept = StoreAndForward::default();
        let long = "x".repeat(100_000);
        let gone: usize = (1..=60).map(|to| kept.put(message(1, to, &long))).sum();
        assert_eq!((kept.bytes(), kept.iter().count()), (2_000_000, 20));
        assert_eq!(gone, 40);
        assert_eq!(kept.expire(Timestamp::at(STORED_FOR + Duration::from_secs(50))), 10);
        assert_eq!(kept.bytes(), 1_000_000);
    }

    #[test]
    fn messages_for_one_come_oldest_first() {
        let mut kept = StoreAndForward::default();
        for text in ["a", "b"] {
            kept.put(message(1, 7, text));
            kept.put(message(1, 8, text));
        }
        let (number, first) = kept.first(7).unwrap();
        assert_eq!(first.text, "a");
        kept.remove(number);
        assert_eq!(kept.first(7).unwrap().1.text, "b");
        assert_eq!((kept.bytes(), kept.first(9)), (3, None));
    }
}
