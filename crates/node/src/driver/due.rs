//! Messages that are dated further ahead of our clock than others believe: they are kept and passed on like any other, and
//! told to those who follow when their time has come.
//!
//! Nothing is remembered of them here but when the next one may be due: what became due between two moments is a range of the
//! store in its one order. So a member that dates without end costs its place in the store and no memory, and a restart
//! loses nothing.

use rumormill_wire::Clock;

use crate::view::MAX_AHEAD_US;

/// Up to where messages were told.
#[derive(Debug)]
pub(super) struct Due {
    /// Messages with a clock up to this are told as they come. It falls when our clock is put back ([`Due::put_back`]).
    pub(super) until: u64,
    /// There may be messages behind it from this clock on; none if there are none.
    next: Option<u64>,
    /// Messages up to this clock are being told.
    pub(super) telling: Option<u64>,
    /// Some of those came only while they were being told.
    more: bool,
}

impl Due {
    pub(super) const fn new(wall_us: u64) -> Self {
        // What the store has of later times is found by looking once.
        Self { until: wall_us.saturating_add(MAX_AHEAD_US), next: Some(0), telling: None, more: false }
    }

    /// Our clock may have been put back. If so, what is ahead of it now is told when its time has come again; gives up to which
    /// clock it had been told.
    pub(super) fn put_back(&mut self, wall_us: u64) -> Option<u64> {
        let now = wall_us.saturating_add(MAX_AHEAD_US);
        if now >= self.until || self.telling.is_some() {
            return None;
        }
        let from = now.saturating_add(1);
        self.next = Some(self.next.map_or(from, |next| next.min(from)));
        Some(std::mem::replace(&mut self.until, now))
    }

    /// Bundles become durable now: messages of theirs up to which clock are told.
    pub(super) const fn until(&mut self, wall_us: u64) -> u64 {
        let now = wall_us.saturating_add(MAX_AHEAD_US);
        if self.next.is_none() && self.telling.is_none() && now > self.until {
            self.until = now;
        }
        self.until
    }

    /// A bundle became durable: what of it is ahead of our clock is due later.
    pub(super) fn note(&mut self, first: Clock, last: Clock) {
        if last.0 <= self.until {
            return;
        }
        let from = first.0.max(self.until.saturating_add(1));
        self.next = Some(self.next.map_or(from, |next| next.min(from)));
        self.more |= self.telling.is_some_and(|until| first.0 <= until);
    }

    /// Begins to tell what has become due; gives from where, without it, and up to where.
    pub(super) fn begin(&mut self, wall_us: u64, followed: bool) -> Option<(u64, u64)> {
        let now = wall_us.saturating_add(MAX_AHEAD_US);
        if !followed && now > self.until && self.telling.is_none() {
            // Nobody is there to be told. What is ahead is looked for when somebody is.
            self.until = now;
            self.next = self.next.map(|next| next.max(now.saturating_add(1)));
        }
        if now <= self.until || self.next.is_none_or(|next| next > now) {
            return None;
        }
        (self.telling, self.next) = (Some(now), None);
        Some((self.until, now))
    }

    /// All up to there was told, unless some came meanwhile: then it is to be read once more.
    pub(super) fn end(&mut self, next: Option<u64>, last_try: bool) -> bool {
        self.next = self.next.into_iter().chain(next).min();
        if std::mem::take(&mut self.more) && !last_try {
            return false;
        }
        self.until = self.telling.take().unwrap_or(self.until);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: u64 = 1_000_000_000;

    #[test]
    fn what_is_ahead_is_told_once_when_its_time_has_come() {
        let mut due = Due::new(T);
        assert_eq!(due.begin(T, true), None, "up to now all is told as it comes");
        assert_eq!(
            due.begin(T + 1, true),
            Some((T + MAX_AHEAD_US, T + 1 + MAX_AHEAD_US)),
            "what the store has is looked for once"
        );
        assert!(due.end(None, false));
        assert_eq!(due.begin(T + 2, true), None);
        assert_eq!(due.until(T + 5), T + 5 + MAX_AHEAD_US, "while nothing is ahead there is nothing to look for");
        let ahead = T + 5 + 3 * MAX_AHEAD_US;
        due.note(Clock(T), Clock(ahead));
        assert_eq!(due.until(T + 10), T + 5 + MAX_AHEAD_US, "now the bound moves only over what is told");
        assert!(due.begin(T + 10, true).is_some(), "what is between is looked for");
        assert!(due.end(Some(ahead), false));
        assert_eq!(due.begin(T + 20, true), None);
        assert_eq!(due.begin(ahead - MAX_AHEAD_US, true), Some((T + 10 + MAX_AHEAD_US, ahead)));
        due.note(Clock(T), Clock(T + 11));
        assert!(due.end(None, false), "what comes in time meanwhile is told at once");
    }

    #[test]
    fn what_becomes_due_while_it_is_told_is_told_in_another_pass() {
        let mut due = Due::new(T);
        assert!(due.begin(T + 1_000, true).is_some());
        due.note(Clock(T + 500 + MAX_AHEAD_US), Clock(T + 500 + MAX_AHEAD_US));
        assert!(!due.end(None, false));
        assert!(due.end(None, false));
        assert!(due.begin(T + 2_000, true).is_some());
        due.note(Clock(T + 1_500 + MAX_AHEAD_US), Clock(T + 1_500 + MAX_AHEAD_US));
        assert!(due.end(None, true), "not for ever");
    }

    #[test]
    fn nobody_who_follows_is_told_nothing_and_what_is_still_ahead_stays_known() {
        let mut due = Due::new(T);
        due.note(Clock(T), Clock(T + 2 * MAX_AHEAD_US));
        assert_eq!(due.begin(T + 5, false), None);
        assert_eq!(due.begin(T + 6, true), Some((T + 5 + MAX_AHEAD_US, T + 6 + MAX_AHEAD_US)), "looked for once");
    }

    #[test]
    fn what_a_clock_put_back_leaves_ahead_is_due_once_more() {
        let mut due = Due::new(T);
        assert_eq!(due.put_back(T), None);
        assert_eq!(due.put_back(T - 9), Some(T + MAX_AHEAD_US), "so far all had been told");
        assert_eq!(due.put_back(T - 9), None, "said once");
        assert_eq!(due.until(T - 9), T - 9 + MAX_AHEAD_US);
        assert_eq!(due.begin(T, true), Some((T - 9 + MAX_AHEAD_US, T + MAX_AHEAD_US)));
        assert_eq!(due.put_back(T - 20), None, "not before all of that is told");
        assert!(due.end(None, false));
        assert_eq!(due.put_back(T - 20), Some(T + MAX_AHEAD_US));
    }
}
