//! An even pace for each author: so many bytes at once, and so many a second after (docs/protocol.md, P-G6). One that writes
//! much becomes lag, and does not hold up what others write.
//!
//! What an author may have is kept as one time: when all that was let through will have been paid for (a generic cell rate
//! algorithm). Who owes nothing is not remembered.

use std::collections::BTreeMap;

use rumormill_wire::NodeId;

use crate::io::Timestamp;

/// So many authors are remembered before those who owe nothing any more are looked for.
const SWEEP: usize = 64;

/// How fast each author's bytes come, or go to one neighbour.
#[derive(Debug)]
pub struct Pacer {
    per_s: u64,
    burst: u64,
    paid: BTreeMap<NodeId, Timestamp>,
    sweep_at: usize,
}

impl Pacer {
    /// So many bytes a second, 0 for no bound, and so many at once.
    #[must_use]
    pub const fn new(per_s: u64, burst: u64) -> Self {
        Self { per_s, burst, paid: BTreeMap::new(), sweep_at: SWEEP }
    }

    /// How long so many bytes take at the pace, in microseconds, rounded up.
    fn cost(&self, bytes: u64) -> u64 {
        let micros = u128::from(bytes).saturating_mul(1_000_000).div_ceil(u128::from(self.per_s.max(1)));
        u64::try_from(micros).unwrap_or(u64::MAX)
    }

    /// When so many bytes more may go, at the earliest. What is more than a burst goes when a whole burst may.
    #[must_use]
    pub fn at(&self, node: &NodeId, bytes: u64, now: Timestamp) -> Timestamp {
        let Some(paid) = self.paid.get(node).filter(|_| self.per_s > 0) else { return now };
        let room = self.cost(self.burst).saturating_sub(self.cost(bytes.min(self.burst)));
        Timestamp(paid.0.saturating_sub(room)).max(now)
    }

    /// Whether so many bytes of this author may go now. Charges nothing.
    #[must_use]
    pub fn allows(&self, node: &NodeId, bytes: u64, now: Timestamp) -> bool {
        self.at(node, bytes, now) <= now
    }

    /// How many bytes of this author may go now.
    #[must_use]
    pub fn room(&self, node: &NodeId, now: Timestamp) -> u64 {
        if self.per_s == 0 {
            return u64::MAX;
        }
        let owed = self.paid.get(node).map_or(0, |paid| paid.since(now));
        let free = u128::from(self.cost(self.burst).saturating_sub(owed));
        u64::try_from(free.saturating_mul(u128::from(self.per_s)) / 1_000_000).unwrap_or(u64::MAX)
    }

    /// Charges what went, allowed or not; nothing where authors have no pace.
    pub fn charge(&mut self, node: &NodeId, bytes: u64, now: Timestamp) {
        if self.per_s == 0 {
            return;
        }
        if self.paid.len() >= self.sweep_at {
            self.paid.retain(|_, paid| *paid > now);
            self.sweep_at = self.paid.len().saturating_mul(2).max(SWEEP);
        }
        let cost = self.cost(bytes);
        let paid = self.paid.entry(*node).or_insert(now);
        *paid = (*paid).max(now).plus(cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_burst_then_an_even_pace_for_each_author_by_itself() {
        let (a, b) = (NodeId([1; 32]), NodeId([2; 32]));
        let mut pacer = Pacer::new(1_000, 4_000);
        let start = Timestamp(7);
        assert_eq!(pacer.room(&a, start), 4_000);
        pacer.charge(&a, 4_000, start);
        assert!(!pacer.allows(&a, 1, start));
        assert_eq!(pacer.at(&a, 1_000, start), start.plus(SECOND));
        assert!(!pacer.allows(&a, 1_000, start.plus(SECOND - 1)));
        assert!(pacer.allows(&a, 1_000, start.plus(SECOND)));
        assert_eq!(pacer.room(&a, start.plus(SECOND)), 1_000);
        assert!(pacer.allows(&b, 4_000, start), "another author has its own");
        let later = start.plus(3_600 * SECOND);
        assert_eq!(pacer.room(&a, later), 4_000, "no more than a burst is saved");
    }

    #[test]
    fn what_is_more_than_a_burst_is_paid_for_after_it_went() {
        let node = NodeId([1; 32]);
        let mut pacer = Pacer::new(1_000, 500);
        assert!(pacer.allows(&node, 3_000, Timestamp(0)));
        pacer.charge(&node, 3_000, Timestamp(0));
        assert_eq!(pacer.at(&node, 3_000, Timestamp(0)), Timestamp(3 * SECOND));
    }

    #[test]
    fn no_pace_is_without_bound_and_who_owes_nothing_is_forgotten() {
        let mut off = Pacer::new(0, 0);
        let mut pacer = Pacer::new(1_000_000, 1_000_000);
        for n in 0..10_000_u64 {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&n.to_be_bytes());
            off.charge(&NodeId(id), u64::MAX, Timestamp(n));
            assert!(off.allows(&NodeId(id), u64::MAX, Timestamp(n)));
            pacer.charge(&NodeId(id), 1, Timestamp(n));
            assert!(pacer.paid.len() <= SWEEP, "{}", pacer.paid.len());
        }
        assert!(off.paid.is_empty());
    }
}
