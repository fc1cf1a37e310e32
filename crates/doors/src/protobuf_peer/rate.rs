//! How fast frames of one connection are read. Who sends faster waits: TCP tells him so, and the others go on.

use std::time::Duration;

use rumormill_limits::Timestamp;

/// Frames read a second.
pub(super) const FRAMES_PER_S: u32 = 500;
/// Frames read at once: a host hands over all it kept.
pub(super) const BURST: u32 = 1_500;

/// One connection's share.
#[derive(Debug)]
pub(super) struct Rate {
    /// The time at which all that was read would have come at the full rate; never long ago.
    due: Timestamp,
}

impl Rate {
    const EACH: Duration = Duration::from_micros(1_000_000 / FRAMES_PER_S as u64);

    /// A connection that begins now.
    #[must_use]
    pub(super) fn new(now: Timestamp) -> Self {
        Self { due: now }
    }

    /// Counts one frame; how long to wait before it, if at all.
    pub(super) fn frame(&mut self, now: Timestamp) -> Option<Duration> {
        self.due = self.due.max(now).after(Self::EACH);
        let free = now.after(Self::EACH.saturating_mul(BURST));
        Some(self.due.elapsed(free)).filter(|wait| !wait.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_the_rest_comes_at_the_rate() {
        let start = Timestamp::at(Duration::from_secs(7));
        let mut rate = Rate::new(start);
        let waits = (0..BURST).filter_map(|_| rate.frame(start)).count();
        assert_eq!(waits, 0);
        let mut now = start;
        for _ in 0..FRAMES_PER_S {
            now = now.after(rate.frame(now).unwrap());
        }
        assert_eq!(now.elapsed(start), Duration::from_secs(1));
        let later = now.after(Duration::from_secs(60));
        assert_eq!(rate.frame(later), None);
    }
}
