//! Waiting longer after each failure, with jitter so that nodes do not come back all at once.

use std::time::Duration;

use rand::{Rng, RngExt};

/// Delays that double from `least` to `most`, each spread over its upper half.
#[derive(Debug, Clone)]
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

    /// The delay before the next try.
    pub fn next(&mut self, rng: &mut impl Rng) -> Duration {
        let factor = 1_u32.checked_shl(self.failures.min(30)).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let full = self.least.saturating_mul(factor).min(self.most);
        full.mul_f64(rng.random_range(0.5..=1.0))
    }

    /// Another longest delay.
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
        backoff.reset();
        assert!(backoff.next(&mut rng) <= Duration::from_millis(20));
    }
}
