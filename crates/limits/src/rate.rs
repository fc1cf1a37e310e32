//! One rate: so many at once, and so many in a period after (docs/decisions/0003-one-rate.md).

use core::time::Duration;

use crate::{DAY_S, Timestamp};

/// A token bucket, kept as what is owed (the leaky bucket as a meter of ITU-T I.371, Annex A). It begins full.
///
/// It counts in shares of a token so small that a microsecond brings back a whole number of them, so nothing is rounded away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    burst: u64,
    refill: u64,
    period_us: u64,
    /// What was taken and has not come back, in tokens times `period_us`.
    owed: u128,
    at: Timestamp,
}

impl Rate {
    /// So many at once, and so many a second after.
    #[must_use]
    pub const fn new(burst: u64, per_s: u64) -> Self {
        Self { burst, refill: per_s, period_us: 1_000_000, owed: 0, at: Timestamp::ZERO }
    }

    /// So many a day, and a day's worth at once.
    #[must_use]
    pub const fn per_day(amount: u64) -> Self {
        Self::daily(amount, amount)
    }

    /// So many at once, and so many a day after.
    #[must_use]
    pub const fn daily(burst: u64, per_day: u64) -> Self {
        Self { burst, refill: per_day, period_us: DAY_S.saturating_mul(1_000_000), owed: 0, at: Timestamp::ZERO }
    }

    /// So many at once, and one after each such time, in microseconds.
    #[must_use]
    pub const fn every(burst: u64, period_us: u64) -> Self {
        Self { burst, refill: 1, period_us, owed: 0, at: Timestamp::ZERO }
    }

    /// Takes one, if there is one.
    pub fn take(&mut self, now: Timestamp) -> bool {
        self.take_n(1, now).is_ok()
    }

    /// Takes so many, or none. More than may be had at once counts as so many as may be had at once.
    ///
    /// # Errors
    /// How long until they are there, if nobody takes any before; [`Duration::MAX`] if they never are.
    pub fn take_n(&mut self, amount: u64, now: Timestamp) -> Result<(), Duration> {
        self.settle(now);
        let missing = self.missing(amount.min(self.burst.max(1)));
        if missing == 0 {
            self.owed = self.owed.saturating_add(self.shares(amount.min(self.burst)));
            return Ok(());
        }
        Err(if self.burst == 0 { Duration::MAX } else { self.wait(missing) })
    }

    /// Takes so many, or what is left.
    pub fn take_up_to(&mut self, amount: u64, now: Timestamp) {
        self.settle(now);
        self.owed = self.owed.saturating_add(self.shares(amount)).min(self.shares(self.burst));
    }

    /// Gives so many back.
    pub fn give(&mut self, amount: u64) {
        self.owed = self.owed.saturating_sub(self.shares(amount));
    }

    /// Takes so many whether they are there or not; how long to wait until they would have been.
    pub fn spend(&mut self, amount: u64, now: Timestamp) -> Duration {
        self.settle(now);
        self.owed = self.owed.saturating_add(self.shares(amount));
        self.wait(self.missing(0))
    }

    /// Whether so many are there; takes none. More than may be had at once counts as so many as may be had at once.
    #[must_use]
    pub fn holds(mut self, amount: u64, now: Timestamp) -> bool {
        self.take_n(amount, now).is_ok()
    }

    fn settle(&mut self, now: Timestamp) {
        let back = u128::from(now.since(self.at)).saturating_mul(self.refill.into());
        self.owed = self.owed.saturating_sub(back);
        self.at = self.at.max(now);
    }

    fn shares(&self, tokens: u64) -> u128 {
        u128::from(tokens).saturating_mul(self.period_us.into())
    }

    /// Shares that are not there for so many tokens.
    fn missing(&self, tokens: u64) -> u128 {
        self.owed.saturating_add(self.shares(tokens)).saturating_sub(self.shares(self.burst))
    }

    fn wait(&self, missing: u128) -> Duration {
        let never = if missing == 0 { 0 } else { u128::MAX };
        let micros = missing.saturating_add(u128::from(self.refill).saturating_sub(1));
        let micros = micros.checked_div(self.refill.into()).unwrap_or(never);
        u64::try_from(micros).map_or(Duration::MAX, Duration::from_micros)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

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
        assert_eq!(taken(&mut rate, 0), 0, "time that goes back brings nothing");
    }

    #[test]
    fn what_is_not_there_is_there_after_the_wait_and_not_before() {
        let mut rate = Rate::new(10, 3);
        assert_eq!(rate.take_n(10, Timestamp(5)), Ok(()));
        let wait = rate.take_n(4, Timestamp(5)).unwrap_err();
        assert_eq!(wait, Duration::from_micros(1_333_334));
        let then = Timestamp(5).after(wait);
        assert!(!rate.holds(4, Timestamp(then.0 - 1)) && rate.holds(4, then));
        assert_eq!(rate.take_n(4, then), Ok(()));
        // More than a burst is a burst, so that whoever waits does not wait for ever.
        let wait = rate.take_n(u64::MAX, then).unwrap_err();
        assert_eq!(rate.take_n(u64::MAX, then.after(wait)), Ok(()));
    }

    #[test]
    fn a_debt_is_waited_for() {
        let mut rate = Rate::new(1_500, 500);
        let start = Timestamp(7_000_000);
        assert!((0..1_500).all(|_| rate.spend(1, start).is_zero()));
        let mut now = start;
        for _ in 0..500 {
            now = now.after(rate.spend(1, now));
        }
        assert_eq!(now.elapsed(start), Duration::from_secs(1));
        assert!(rate.spend(1, now.after(Duration::from_secs(60))).is_zero());
    }

    #[test]
    fn what_is_left_is_taken_and_no_debt_made() {
        let mut rate = Rate::new(10, 1);
        rate.take_up_to(7, Timestamp(0));
        assert!(rate.holds(3, Timestamp(0)) && !rate.holds(4, Timestamp(0)));
        rate.take_up_to(u64::MAX, Timestamp(0));
        assert!(!rate.holds(1, Timestamp(999_999)) && rate.holds(1, Timestamp(1_000_000)));
        rate.give(2);
        assert!(rate.holds(2, Timestamp(0)) && !rate.holds(3, Timestamp(0)));
        rate.give(u64::MAX);
        assert!(rate.holds(10, Timestamp(0)) && rate.take_n(10, Timestamp(0)).is_ok() && !rate.take(Timestamp(0)));
    }

    #[test]
    fn a_day_and_nothing_at_all() {
        let mut day = Rate::per_day(24);
        let hour = 3_600_000_000;
        assert_eq!((0..100).filter(|_| day.take(Timestamp(0))).count(), 24);
        assert!(!day.take(Timestamp(hour - 1)) && day.take(Timestamp(hour)) && !day.take(Timestamp(hour)));
        let mut none = Rate::new(0, 0);
        assert_eq!(none.take_n(1, Timestamp(9)), Err(Duration::MAX));
        assert_eq!(none.take_n(0, Timestamp(9)), Ok(()), "nothing is always there");
        let mut once = Rate::new(1, 0);
        assert!(once.take(Timestamp(0)) && once.take_n(1, Timestamp(u64::MAX)) == Err(Duration::MAX));
    }

    proptest! {
        /// In any stretch of time no more than a burst and what came back; and what is waited for is there.
        #[test]
        fn no_more_than_its_share_and_no_wait_in_vain(
            burst in 1_u64..1_000, per_s in 1_u64..10_000, steps in vec((0_u64..100_000, 0_u64..2_000, any::<bool>()), 1..200)
        ) {
            let (mut rate, mut now, mut taken) = (Rate::new(burst, per_s), 0_u64, 0_u128);
            for (gap, amount, waits) in steps {
                now += gap;
                match rate.take_n(amount, Timestamp(now)) {
                    Ok(()) => taken += u128::from(amount.min(burst)),
                    Err(wait) if waits => {
                        prop_assert!(!wait.is_zero());
                        now += u64::try_from(wait.as_micros()).unwrap();
                        prop_assert_eq!(rate.take_n(amount, Timestamp(now)), Ok(()));
                        taken += u128::from(amount.min(burst));
                    }
                    Err(_) => {}
                }
                let most = u128::from(burst) * 1_000_000 + u128::from(now) * u128::from(per_s);
                prop_assert!(taken * 1_000_000 <= most, "{} of {}", taken, most);
            }
        }

        #[test]
        fn no_number_is_too_large(numbers in any::<[u64; 4]>(), at in any::<u64>()) {
            let [burst, per_s, amount, later] = numbers;
            for mut rate in [Rate::new(burst, per_s), Rate::per_day(burst)] {
                let _ = rate.spend(amount, Timestamp(at));
                let _ = rate.take_n(amount, Timestamp(at.saturating_add(later)));
                let _ = rate.holds(amount, Timestamp(later));
            }
        }
    }
}
