//! One back-off: waiting longer after each failure, with jitter where many could come back all at once.

use core::time::Duration;

use rand::{Rng, RngExt};

/// Delays that double from `least` to `most`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    least: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    /// From `least` up to `most`.
    #[must_use]
    pub const fn new(least: Duration, most: Duration) -> Self {
        Self { least, most, failures: 0 }
    }

    /// The delay before the next try; says the same until [`Backoff::step`].
    #[must_use]
    pub fn delay(&self) -> Duration {
        let factor = 1_u32.checked_shl(self.failures.min(30)).unwrap_or(u32::MAX);
        self.least.saturating_mul(factor).min(self.most)
    }

    /// The delay before the next try, and a longer one after that.
    pub fn step(&mut self) -> Duration {
        let delay = self.delay();
        self.failures = self.failures.saturating_add(1);
        delay
    }

    /// The next delay, at random from its upper half, so that those who failed together do not come back together.
    pub fn next(&mut self, rng: &mut impl Rng) -> Duration {
        self.step().mul_f64(rng.random_range(0.5..=1.0))
    }

    /// Whether nothing has failed since it last worked.
    #[must_use]
    pub const fn is_fresh(&self) -> bool {
        self.failures == 0
    }

    /// From now on delays grow up to `most`; how far they have grown stays.
    pub const fn set_most(&mut self, most: Duration) {
        self.most = most;
    }

    /// It worked: begin again.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn delays_double_up_to_the_most_with_jitter_in_the_upper_half() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(500));
        for expected in [20, 40, 80, 160, 320, 500, 500] {
            let delay = backoff.next(&mut rng).as_millis();
            assert!((expected / 2..=expected).contains(&delay), "{delay} of {expected}");
        }
        assert!(!backoff.is_fresh());
        backoff.reset();
        assert!(backoff.is_fresh() && backoff.next(&mut rng) <= Duration::from_millis(20));
    }

    #[test]
    fn a_most_that_is_no_power_of_two_is_reached_and_no_count_is_too_large() {
        let mut backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(60));
        let waits: Vec<_> = (0..6).map(|_| backoff.step().as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
        (0..100).for_each(|_| assert_eq!(backoff.step().as_secs(), 60));
        let mut long = Backoff::new(Duration::MAX, Duration::MAX);
        assert_eq!((long.step(), long.delay()), (Duration::MAX, Duration::MAX));
    }
}
