//! How much one sender may say: a bucket that fills with time.

use std::num::NonZeroU32;
use std::time::Duration;

use rumormill_limits::Timestamp;

/// So many a second, and a second's worth at once.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bucket {
    /// The time up to which all was used.
    used: Timestamp,
}

impl Bucket {
    /// Takes one; false if there is none.
    pub(super) fn take(&mut self, now: Timestamp, per_s: NonZeroU32) -> bool {
        let used = self.used.max(now);
        let free = used.elapsed(now) < Duration::from_secs(1);
        if free {
            self.used = used.plus(1_000_000_u64.checked_div(per_s.get().into()).unwrap_or_default());
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
        assert_eq!((0..200).filter(|_| bucket.take(Timestamp(9_000_000), per_s)).count(), 50);
        let later = Timestamp(9_100_000);
        assert_eq!((0..200).filter(|_| bucket.take(later, per_s)).count(), 5);
    }
}
