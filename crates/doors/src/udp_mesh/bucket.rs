//! How much one sender may say: a bucket that fills with time.

use std::num::NonZeroU32;
use std::time::Duration;

/// So many a second, and a second's worth at once.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bucket {
    /// The time up to which all was used.
    used: Duration,
}

impl Bucket {
    /// Takes one; false if there is none.
    pub(super) fn take(&mut self, now: Duration, per_s: NonZeroU32) -> bool {
        let used = self.used.max(now);
        let free = used.saturating_sub(now) < Duration::from_secs(1);
        if free {
            self.used = used + Duration::from_secs(1) / per_s.get();
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_at_once_and_then_by_the_second() {
        let (mut bucket, per_s) = (Bucket::default(), NonZeroU32::new(50).unwrap());
        assert_eq!((0..200).filter(|_| bucket.take(Duration::from_secs(9), per_s)).count(), 50);
        let later = Duration::from_millis(9_100);
        assert_eq!((0..200).filter(|_| bucket.take(later, per_s)).count(), 5);
    }
}
