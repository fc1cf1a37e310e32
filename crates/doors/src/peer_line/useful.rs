//! Connections that bring something keep their place.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// When a connection last said something useful.
#[derive(Debug)]
pub(super) struct Useful {
    born: Instant,
    /// Milliseconds after it began, plus one; 0 for never.
    at: AtomicU64,
}

impl Useful {
    pub(super) fn new() -> Self {
        Self { born: Instant::now(), at: AtomicU64::new(0) }
    }

    /// It says something useful now.
    pub(super) fn now(&self) {
        let ms = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.at.store(ms.saturating_add(1), Ordering::Relaxed);
    }

    /// Whether it ever did, and when it last did or began.
    pub(super) fn rank(&self) -> (bool, Instant) {
        match self.at.load(Ordering::Relaxed) {
            0 => (false, self.born),
            ms => (true, self.born.checked_add(Duration::from_millis(ms)).unwrap_or(self.born)),
        }
    }
}
