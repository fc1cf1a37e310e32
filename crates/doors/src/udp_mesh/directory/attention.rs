//! How long the directory has listened: silence counts only while it kept up with what comes.
//!
//! The driver says of each datagram that it came and, whenever the socket was seen empty, that it was. Where so much came between
//! two such moments that the queue of the system may have been full, heartbeats may have been lost, and that time counts for nobody's
//! silence. A time in which the process did not run counts as one step.

use std::time::Duration;

use rumormill_limits::Timestamp;

/// What a datagram takes of the queue of the system beside twice its bytes, at most: Linux counts the memory that holds it.
const OVERHEAD: usize = 1_536;

/// How many times longer a member may be silent while the directory does not keep up.
pub(super) const PATIENCE: u32 = 20;

/// When somebody was heard, on three clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastHeard {
    at: Timestamp,
    /// On that of [`Attention::listened`].
    listened: Timestamp,
    /// On that of [`Attention::awake`].
    awake: Timestamp,
}

/// The three clocks that silence is measured by, and what has come since the socket was last seen empty.
#[derive(Debug)]
pub(super) struct Attention {
    /// No step counts for more.
    step: Duration,
    /// The socket was seen empty then.
    empty: Timestamp,
    /// Half of the queue of the system, in bytes: where less was read at once, it was never full.
    most: usize,
    /// What was read since has taken so much of it.
    came: usize,
    /// Time in which nothing was lost.
    listened: Timestamp,
    /// Time in which the process ran, up to `seen`.
    awake: Timestamp,
    seen: Timestamp,
    /// Up to then something may have been lost.
    doubt: Option<Timestamp>,
}

impl Attention {
    /// `look` is the time between two looks for the silent, `queue` the bytes that wait in the system at most.
    pub(super) const fn new(look: Duration, queue: usize) -> Self {
        let (step, zero) = (look.saturating_mul(2), Timestamp::ZERO);
        Self { step, empty: zero, most: queue / 2, came: 0, listened: zero, awake: zero, seen: zero, doubt: None }
    }

    /// A datagram of so many bytes came.
    pub(super) const fn came(&mut self, len: usize) {
        self.came = self.came.saturating_add(len.saturating_mul(2)).saturating_add(OVERHEAD);
    }

    /// All that had come is read.
    pub(super) fn empty(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.came) > self.most {
            self.doubt = Some(now);
        } else {
            self.listened = self.listened.after(now.elapsed(self.empty).min(self.step));
        }
        self.empty = now;
        self.run(now);
    }

    #[cfg(test)]
    pub(super) const fn seen_empty(&self) -> Timestamp {
        self.empty
    }

    /// It is time to look for the silent.
    pub(super) fn look(&mut self, now: Timestamp) {
        self.run(now);
        if self.came > 0 {
            self.doubt = Some(now);
        }
    }

    fn run(&mut self, now: Timestamp) {
        self.awake = self.awake.after(now.elapsed(self.seen).min(self.step));
        self.seen = self.seen.max(now);
    }

    /// Somebody is heard now. What is read now was sent before the next moment with an empty socket.
    pub(super) fn heard(&self, now: Timestamp) -> LastHeard {
        LastHeard {
            at: now,
            listened: self.listened.after(now.elapsed(self.empty).min(self.step)),
            awake: self.awake.after(now.elapsed(self.seen).min(self.step)),
        }
    }

    /// Whether whoever was heard then has been silent for longer than it may.
    pub(super) fn is_silent(&self, heard: LastHeard, may: Duration) -> bool {
        self.listened.elapsed(heard.listened) > may || self.awake.elapsed(heard.awake) > may.saturating_mul(PATIENCE)
    }

    /// Whether something of it may have been lost since.
    pub(super) fn is_in_doubt(&self, heard: LastHeard) -> bool {
        self.doubt.is_some_and(|doubt| doubt > heard.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// Looks every 500 ms with so many datagrams of a length before each, read to the end or not; the first look at which silence
    /// of 1.5 s is over, and whether that is in doubt.
    fn silent_at((came, len): (usize, usize), is_read: bool, pause: Option<u64>) -> Option<(u64, bool)> {
        let mut attention = Attention::new(ms(500), 400_000);
        let heard = attention.heard(Timestamp::ZERO);
        (1..200_u64).find_map(|n| {
            let at = n * 500 + pause.unwrap_or(0);
            let now = Timestamp::at(ms(at));
            (0..came).for_each(|_| attention.came(len));
            if is_read {
                attention.empty(now);
            }
            attention.look(now);
            attention.is_silent(heard, ms(1_500)).then(|| (at, attention.is_in_doubt(heard)))
        })
    }

    #[test]
    fn time_in_which_something_may_have_been_lost_is_no_silence_but_does_not_last_for_ever() {
        let (quiet, doubtful) = (Some((2_000, false)), Some((30_500, true)));
        assert_eq!(silent_at((0, 0), true, None), quiet);
        assert_eq!((silent_at((129, 4), true, None), silent_at((3, 30_000), true, None)), (quiet, quiet));
        // The queue may have been full, of many or of long ones, or it was never seen empty.
        assert_eq!((silent_at((130, 4), true, None), silent_at((4, 30_000), true, None)), (doubtful, doubtful));
        assert_eq!(silent_at((1, 4), false, None), doubtful);
        // Ten minutes in which the process was stopped are one step, whether or not it kept up.
        assert_eq!(silent_at((0, 0), true, Some(600_000)), Some((601_500, false)));
        assert_eq!(silent_at((1, 4), false, Some(600_000)), Some((630_000, true)));
    }

    #[test]
    fn who_is_heard_after_a_pause_is_heard_now() {
        let mut attention = Attention::new(ms(500), 400_000);
        let late = Timestamp::at(ms(9_000));
        let heard = attention.heard(late);
        attention.empty(late);
        attention.look(late);
        assert!(!attention.is_silent(heard, ms(1)));
    }
}
