//! One rate: so many at once, and so many a second.

use crate::io::Timestamp;

/// One in millionths, so that no refill is rounded away.
const ONE: u64 = 1_000_000;

/// A token bucket. It begins full.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    burst: u64,
    per_s: u64,
    level: u64,
    at: Timestamp,
}

impl Rate {
    /// So many at once, and so many a second after.
    pub(crate) const fn new(burst: u64, per_s: u64) -> Self {
        Self { burst, per_s, level: burst.saturating_mul(ONE), at: Timestamp(0) }
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&mut self, now: Timestamp) -> bool {
        let gained = now.since(self.at).saturating_mul(self.per_s);
        self.level = self.level.saturating_add(gained).min(self.burst.saturating_mul(ONE));
        self.at = now;
        let left = self.level.checked_sub(ONE);
        self.level = left.unwrap_or(self.level);
        left.is_some()
    }

    /// Gives so many back.
    pub(crate) fn give(&mut self, amount: u64) {
        self.level = self.level.saturating_add(amount.saturating_mul(ONE)).min(self.burst.saturating_mul(ONE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_so_many_a_second_and_no_more_than_a_burst_is_saved() {
        let mut rate = Rate::new(3, 2);
        let taken = |rate: &mut Rate, at: u64| (0..10).filter(|_| rate.take(Timestamp(at))).count();
        assert_eq!(taken(&mut rate, 0), 3);
        assert_eq!(taken(&mut rate, 499_999), 0);
        assert_eq!(taken(&mut rate, 500_000), 1, "small steps are not lost");
        assert_eq!(taken(&mut rate, 1_500_000), 2);
        assert_eq!(taken(&mut rate, u64::MAX), 3);
    }
}
