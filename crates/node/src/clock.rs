//! Monotone time for the engine, and how far the wall clock is from it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rumormill_gossip::Timestamp;

/// The engine is told of a wall clock that has moved by more than this, in microseconds.
pub const WALL_STEP_US: u64 = 10_000;

/// The node's time: zero when the node starts.
#[derive(Debug, Clone, Copy)]
pub struct NodeClock {
    start: Instant,
}

impl NodeClock {
    /// A clock that begins now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Microseconds since the start; never goes back.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp(micros(self.start.elapsed()))
    }

    /// What has to be added to [`NodeClock::now`] to get the wall clock.
    #[must_use]
    pub fn wall_offset(&self) -> i64 {
        let wall = i64::try_from(wall_us()).unwrap_or(i64::MAX);
        wall.saturating_sub(i64::try_from(self.now().0).unwrap_or(i64::MAX))
    }

    /// The instant of a timestamp, to sleep until.
    #[must_use]
    pub fn instant(&self, at: Timestamp) -> Instant {
        self.start
            .checked_add(Duration::from_micros(at.0))
            .unwrap_or_else(|| Instant::now() + Duration::from_secs(3_600))
    }
}

/// A duration in microseconds; saturates.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The wall clock in microseconds since the Unix epoch; 0 before it.
#[must_use]
pub fn wall_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, micros)
}

/// The wall clock in seconds since the Unix epoch; 0 before it.
#[must_use]
pub fn wall_s() -> u64 {
    wall_us() / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offset_and_time_add_up_to_the_wall_clock() {
        let clock = NodeClock::start();
        let wall = clock.now().0.saturating_add_signed(clock.wall_offset());
        assert!(wall.abs_diff(wall_us()) < 1_000_000);
    }

    #[test]
    fn time_does_not_go_back_and_instants_follow_it() {
        let clock = NodeClock::start();
        let (a, b) = (clock.now(), clock.now());
        assert!(a <= b);
        assert!(clock.instant(b) >= clock.instant(a));
        assert!(
            clock.instant(Timestamp(u64::MAX)) > Instant::now(),
            "what is beyond all time is far away, not a panic"
        );
    }
}
