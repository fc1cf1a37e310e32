//! What a node may have beyond the first time, as a bucket that fills again (docs/protocol.md, P-G5).

use crate::io::Timestamp;

/// Who waits is served again when so much is there, so that the timer does not run for single bytes.
const SLICE: u64 = 16 * 1024;

/// One in millionths, so that no refill is rounded away.
const ONE: i64 = 1_000_000;

/// A bucket that may be overdrawn by what was begun.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    burst: u64,
    per_s: u64,
    level: i64,
    at: Timestamp,
}

fn millionths(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX).saturating_mul(ONE)
}

impl Bucket {
    /// So much at once, and so much a second after. It begins full.
    pub(super) fn new(burst: u64, per_s: u64) -> Self {
        Self { burst, per_s, level: millionths(burst), at: Timestamp(0) }
    }

    fn level(&self, now: Timestamp) -> i64 {
        let gained = i64::try_from(now.since(self.at).saturating_mul(self.per_s)).unwrap_or(i64::MAX);
        self.level.saturating_add(gained).min(millionths(self.burst))
    }

    /// Takes so much, whether it is there or not. What is lacking is never more than fills again once.
    pub(super) fn take(&mut self, amount: u64, now: Timestamp) {
        let least = millionths(self.burst).saturating_neg();
        self.level = self.level(now).saturating_sub(millionths(amount)).max(least);
        self.at = now;
    }

    /// From now on so much at once, and so much a second. What was taken stays taken.
    pub(super) fn resize(&mut self, burst: u64, per_s: u64, now: Timestamp) {
        let taken = millionths(self.burst).saturating_sub(self.level(now));
        *self = Self { burst, per_s, level: millionths(burst).saturating_sub(taken), at: now };
    }

    /// What is left, in whole units.
    pub(super) fn left(&self, now: Timestamp) -> u64 {
        u64::try_from(self.level(now) / ONE).unwrap_or(0)
    }

    /// Whether it is overdrawn by half of itself or more.
    pub(super) fn is_deep(&self, now: Timestamp) -> bool {
        self.level(now) <= (millionths(self.burst) / 2).saturating_neg()
    }

    /// How long it takes until there is something again; `None` if there is.
    pub(super) fn wait_us(&self, now: Timestamp) -> Option<u64> {
        let level = self.level(now);
        let lacks = millionths(SLICE.min(self.burst)).saturating_sub(level);
        (level <= 0).then(|| lacks.unsigned_abs().div_ceil(self.per_s.max(1)))
    }
}

/// What a node may have over all its links.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answers {
    /// What it is given beyond the first time.
    pub(super) bytes: Bucket,
    /// What each new link is given once, of what was there before it. Its size goes with the log.
    pub(super) fresh: Bucket,
}

impl Answers {
    pub(super) fn new(burst: u64, per_s: u64) -> Self {
        Self { bytes: Bucket::new(burst, per_s), fresh: Bucket::new(0, 0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_share_fills_again_and_is_overdrawn_by_no_more_than_itself() {
        let mut share = Bucket::new(64 * 1024, 1_024);
        let now = Timestamp(5 * SECOND);
        assert_eq!(share.wait_us(now), None);
        share.take(64 * 1024, now);
        assert_eq!(share.wait_us(now), Some(16 * SECOND), "until a slice of 16 KiB is there");
        assert_eq!(share.wait_us(now.plus(1)), None, "who asks by itself is given what there is");
        share.take(u64::MAX, now);
        assert_eq!(share.wait_us(now), Some((64 + 16) * SECOND));
        assert_eq!(share.wait_us(now.plus(64 * SECOND)), Some(16 * SECOND));
        assert_eq!(share.wait_us(Timestamp(u64::MAX)), None);
    }

    #[test]
    fn a_share_that_grows_keeps_what_was_taken() {
        let mut share = Answers::new(1, 1).fresh;
        share.resize(1_000, 10, Timestamp(SECOND));
        share.take(900, Timestamp(SECOND));
        assert_eq!(share.left(Timestamp(11 * SECOND)), 200);
        share.resize(2_000, 10, Timestamp(11 * SECOND));
        assert_eq!(share.left(Timestamp(11 * SECOND)), 1_200);
        share.resize(500, 10, Timestamp(11 * SECOND));
        assert_eq!(share.left(Timestamp(11 * SECOND)), 0, "a log that shrank");
        assert_eq!(share.left(Timestamp(u64::MAX)), 500);
    }
}
