//! Time as the machines know it.

use core::time::Duration;

/// Monotone time in microseconds. Its zero is the driver's choice; it never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The driver's zero.
    pub const ZERO: Self = Self(0);

    /// So long after the driver's zero; saturates after half a million years.
    #[must_use]
    pub const fn at(since_zero: Duration) -> Self {
        Self::ZERO.after(since_zero)
    }

    /// This time plus some microseconds; saturates.
    #[must_use]
    pub const fn plus(self, micros: u64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// Microseconds since `earlier`; 0 if that is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This time plus a duration, which counts in whole microseconds; saturates.
    #[must_use]
    pub const fn after(self, wait: Duration) -> Self {
        self.plus(wait.as_secs().saturating_mul(1_000_000)).plus(wait.subsec_micros() as u64)
    }

    /// This time less a duration, which counts in whole microseconds; saturates at the driver's zero.
    #[must_use]
    pub const fn before(self, ago: Duration) -> Self {
        Self(self.0.saturating_sub(Self::ZERO.after(ago).0))
    }

    /// The time since `earlier`; zero if that is later.
    #[must_use]
    pub const fn elapsed(self, earlier: Self) -> Duration {
        Duration::from_micros(self.since(earlier))
    }

    /// How long after the driver's zero this is.
    #[must_use]
    pub const fn since_zero(self) -> Duration {
        Duration::from_micros(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_saturates_at_both_ends_and_loses_nothing_between() {
        let one = Timestamp::at(Duration::from_micros(1_000_001));
        assert_eq!((one, one.since_zero()), (Timestamp(1_000_001), Duration::from_micros(1_000_001)));
        assert_eq!(one.after(Duration::from_millis(2)).elapsed(one), Duration::from_millis(2));
        assert_eq!((one.since(Timestamp(7)), Timestamp(7).since(one)), (999_994, 0));
        assert_eq!(one.after(Duration::MAX), Timestamp(u64::MAX));
        assert_eq!((one.before(Duration::from_secs(1)), one.before(Duration::MAX)), (Timestamp(1), Timestamp::ZERO));
        assert_eq!(Timestamp(u64::MAX).plus(1), Timestamp(u64::MAX));
        assert_eq!(Timestamp(3).elapsed(one), Duration::ZERO);
    }
}
