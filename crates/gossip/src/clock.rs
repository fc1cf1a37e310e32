//! The hybrid logical clock (Kulkarni et al. 2014, with both parts in one u64 of microseconds).
//!
//! Our clock is above what we have seen, so a message sorts behind all that its author had read. Readings from more than
//! [`MAX_FOLLOW_US`] ahead of the wall do not pull it along (P-B10): one member with a clock just inside [`MAX_AHEAD_US`] would push
//! everybody's there, and a reader whose clock is some seconds behind would hide what honest authors say, and call theirs off.

use rumormill_wire::Clock;

/// How far ahead of our wall clock a message may be and still be shown, in microseconds.
pub const MAX_AHEAD_US: u64 = 60_000_000;

/// How far ahead of our wall clock a message may be and still pull ours along, in microseconds. Hosts that keep their time
/// by NTP differ by less than a second, so what they say to each other is followed even where two are 5 s off in opposite
/// directions. What we say is then never further ahead of a reader than this and the difference of the two clocks.
pub const MAX_FOLLOW_US: u64 = 10_000_000;

/// Our hybrid logical clock (P-B10): it follows what is seen, within [`MAX_FOLLOW_US`].
#[derive(Debug, Clone, Copy, Default)]
pub struct HybridClock {
    last: u64,
    /// The highest reading of our wall clock.
    wall: u64,
}

impl HybridClock {
    /// The next reading, above all before it. `None` at the end of time.
    #[must_use]
    pub fn tick(&mut self, wall_us: u64) -> Option<Clock> {
        let next = wall_us.max(self.last.checked_add(1)?);
        (self.last, self.wall) = (next, self.wall.max(wall_us));
        Some(Clock(next))
    }

    /// The wall clock read `before` and reads `wall_us` now. If it was put back by more than [`MAX_AHEAD_US`], in one step or
    /// in several, this begins anew: what it had from a wrong clock nobody else would see in time. Says whether it did.
    #[must_use]
    pub fn put_back(&mut self, before: u64, wall_us: u64) -> bool {
        let highest = self.wall.max(before);
        let back = highest.saturating_sub(wall_us) > MAX_AHEAD_US;
        *self = if back { Self { last: 0, wall: wall_us } } else { Self { wall: highest.max(wall_us), ..*self } };
        back
    }

    /// Takes a reading of another node into account, unless it is from too far ahead. Says whether it did.
    pub fn observe(&mut self, seen: Clock, wall_us: u64) -> bool {
        let near = seen.0 <= wall_us.saturating_add(MAX_FOLLOW_US);
        if near {
            self.last = self.last.max(seen.0);
        }
        near
    }

    /// Our own chain ends here: what we write next comes after it, unless that is from too far ahead to be seen in time.
    pub fn resume(&mut self, own: Clock, wall_us: u64) {
        if own.0 <= wall_us.saturating_add(MAX_AHEAD_US) {
            self.last = self.last.max(own.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_rise_even_when_the_wall_stands_or_goes_back() {
        let mut clock = HybridClock::default();
        let readings: Vec<_> = [50, 50, 40, 60].iter().filter_map(|w| clock.tick(*w)).collect();
        assert_eq!(readings, [Clock(50), Clock(51), Clock(52), Clock(60)]);
    }

    #[test]
    fn a_wall_clock_put_back_by_more_than_the_limit_begins_anew_and_by_less_does_not() {
        let mut clock = HybridClock::default();
        assert_eq!(clock.tick(200_000_000), Some(Clock(200_000_000)));
        assert!(!clock.put_back(200_000_000, 200_000_000 - MAX_AHEAD_US));
        assert_eq!(clock.tick(140_000_000), Some(Clock(200_000_001)), "readings rise");
        assert!(clock.put_back(140_000_000, 139_999_999), "in two steps");
        assert_eq!(clock.tick(139_999_999), Some(Clock(139_999_999)));
        assert!(!clock.put_back(139_999_999, 500_000_000), "forward");
        assert!(!clock.put_back(500_000_000, 490_000_000) && clock.put_back(500_000_000, 400_000_000));
    }

    #[test]
    fn a_reading_from_2200_does_not_pull_the_clock() {
        let mut clock = HybridClock::default();
        assert!(!clock.observe(Clock(7_258_118_400_000_000), 1_000_000));
        assert_eq!(clock.tick(1_000_000), Some(Clock(1_000_000)));
        assert!(!clock.observe(Clock(1_000_001 + MAX_FOLLOW_US), 1_000_000));
        assert_eq!(clock.tick(1_000_001), Some(Clock(1_000_001)));
        assert!(clock.observe(Clock(1_000_001 + MAX_FOLLOW_US), 1_000_001));
        assert_eq!(clock.tick(1_000_002), Some(Clock(1_000_002 + MAX_FOLLOW_US)));
    }

    #[test]
    fn our_own_chain_goes_on_also_where_others_would_not_be_followed() {
        let mut clock = HybridClock::default();
        clock.resume(Clock(1_000_000 + MAX_AHEAD_US), 1_000_000);
        assert_eq!(clock.tick(1_000_001), Some(Clock(1_000_001 + MAX_AHEAD_US)));
        clock = HybridClock::default();
        clock.resume(Clock(1_000_001 + MAX_AHEAD_US), 1_000_000);
        assert_eq!(clock.tick(1_000_001), Some(Clock(1_000_001)));
    }
}
