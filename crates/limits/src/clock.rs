//! A clock for rooms that have IO.

use std::time::Instant;

use crate::Timestamp;

/// Time since it was started, as a [`Timestamp`].
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    /// One that begins now.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the clock was made.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::at(self.0.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_goes_back() {
        let clock = Clock::start();
        let before = clock.now();
        assert!(clock.now() >= before);
    }
}
