//! Where a certificate stands in time, and what is said of it.

use crate::time::date;

/// So long before its end a certificate is warned of.
pub const WARNED_BEFORE_S: u64 = 7 * DAY_S;
/// How many seconds a day has.
const DAY_S: u64 = 86_400;

/// Where a certificate stands by our clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its time has not come: it, or our clock, is wrong.
    NotYet,
    /// It holds, for long.
    Holds,
    /// It ends within days: how many whole ones are left.
    Ends(u64),
    /// It has ended: no node takes it any more.
    Expired,
}

impl Standing {
    /// Where a certificate of these dates stands, all in seconds since the Unix epoch.
    #[must_use]
    pub const fn of(not_before: u64, not_after: u64, now: u64) -> Self {
        if now < not_before {
            return Self::NotYet;
        }
        match not_after.checked_sub(now) {
            None => Self::Expired,
            Some(left) if left <= WARNED_BEFORE_S => Self::Ends(left / DAY_S),
            Some(_) => Self::Holds,
        }
    }

    /// What there is to say of it; nothing of one that holds.
    #[must_use]
    pub fn warning(self, not_before: u64, not_after: u64) -> Option<String> {
        match self {
            Self::Holds => None,
            Self::NotYet => Some(format!("is not valid yet: it begins {}; it or the clock is wrong", date(not_before))),
            Self::Ends(1) => Some(format!("ends in 1 day, {}; renew it", date(not_after))),
            Self::Ends(days) => Some(format!("ends in {days} days, {}; renew it", date(not_after))),
            Self::Expired => Some(format!("has expired: it ended {}; renew it", date(not_after))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_before_its_time_is_told_from_one_after_it() {
        let standing = |now| Standing::of(1_000_000, 9_000_000, now);
        assert_eq!(standing(999_999), Standing::NotYet);
        assert_eq!(
            (standing(1_000_000), standing(9_000_000 - WARNED_BEFORE_S - 1)),
            (Standing::Holds, Standing::Holds)
        );
        assert_eq!(standing(9_000_000 - WARNED_BEFORE_S), Standing::Ends(7));
        assert_eq!((standing(9_000_000), standing(9_000_001)), (Standing::Ends(0), Standing::Expired));
        let text = |now| standing(now).warning(1_000_000, 9_000_000).unwrap_or_default();
        assert!(text(1).contains("not valid yet: it begins 1970-01-12T13:46:40Z"), "{}", text(1));
        assert!(text(9_000_001).contains("has expired: it ended 1970-04-15T04:00:00Z"), "{}", text(9_000_001));
        assert_eq!(text(2_000_000), "");
    }
}
