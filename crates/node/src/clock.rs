//! Monotone time for the engine, and how far the wall clock is from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rumormill_gossip::Timestamp;

/// The engine is told of a wall clock that has moved by more than this, in microseconds.
pub const WALL_STEP_US: u64 = 10_000;

/// Seconds since the Unix epoch; 0 before it.
pub(crate) fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A node's wall clock: the system's, or for tests one that differs from it by what can be set.
#[derive(Debug, Clone, Default)]
pub struct Wall(Option<Arc<AtomicI64>>);

impl PartialEq for Wall {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }
}
impl Eq for Wall {}

impl Wall {
    /// One that can be set.
    #[must_use]
    pub fn ahead_by(us: i64) -> Self {
        Self(Some(Arc::new(AtomicI64::new(us))))
    }

    /// Sets it, for all clones, to so many microseconds ahead of the system's. The system's own stays as it is.
    pub fn set(&self, ahead_us: i64) {
        if let Some(ahead) = &self.0 {
            ahead.store(ahead_us, Relaxed);
        }
    }

    /// In microseconds since the Unix epoch.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        wall_us().saturating_add_signed(self.0.as_ref().map_or(0, |ahead| ahead.load(Relaxed)))
    }

    /// In seconds since the Unix epoch.
    #[must_use]
    pub fn now_s(&self) -> u64 {
        self.now_us() / 1_000_000
    }
}

/// The node's time: zero when the node starts.
#[derive(Debug, Clone)]
pub struct NodeClock {
    start: Instant,
    /// The wall clock beside it.
    pub wall: Wall,
}

impl NodeClock {
    /// A clock that begins now.
    #[must_use]
    pub fn start(wall: Wall) -> Self {
        Self { start: Instant::now(), wall }
    }

    /// Microseconds since the start; never goes back.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp(micros(self.start.elapsed()))
    }

    /// What has to be added to [`NodeClock::now`] to get the wall clock.
    #[must_use]
    pub fn wall_offset(&self) -> i64 {
        let wall = i64::try_from(self.wall.now_us()).unwrap_or(i64::MAX);
        wall.saturating_sub(i64::try_from(self.now().0).unwrap_or(i64::MAX))
    }

    /// The instant of a timestamp, to sleep until.
    #[must_use]
    pub fn instant(&self, at: Timestamp) -> Instant {
        self.start
            .checked_add(Duration::from_micros(at.0))
            .unwrap_or_else(|| after(Duration::from_secs(3_600)).into_std())
    }
}

/// The instant so long after now; a time beyond what can be told is now.
pub(crate) fn after(time: Duration) -> tokio::time::Instant {
    let now = tokio::time::Instant::now();
    now.checked_add(time).unwrap_or(now)
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
        let clock = NodeClock::start(Wall::default());
        let wall = clock.now().0.saturating_add_signed(clock.wall_offset());
        assert!(wall.abs_diff(wall_us()) < 1_000_000);
    }

    #[test]
    fn time_does_not_go_back_and_instants_follow_it() {
        let clock = NodeClock::start(Wall::default());
        let (a, b) = (clock.now(), clock.now());
        assert!(a <= b);
        assert!(clock.instant(b) >= clock.instant(a));
        assert!(
            clock.instant(Timestamp(u64::MAX)) > Instant::now(),
            "what is beyond all time is far away, not a panic"
        );
    }
}
