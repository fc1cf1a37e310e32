//! The clock by which a CA dates what it signs, and which it believes. A date is made from a clock here and nowhere else.

use std::time::{Duration, SystemTime};

use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;
use time::OffsetDateTime;

/// 2024-01-01, before the first version of this program. Machines that do not know the time begin in 1970, 1980 or 2000.
pub const EARLIEST_S: u64 = 1_704_067_200;
/// The last second of the year 9999: certificates have no later date (RFC 5280, 4.1.2.5).
pub const LATEST_S: u64 = 253_402_300_799;

/// Certificates hold from so many seconds before now, for clocks that are not quite right: five minutes, as Kerberos takes them
/// (RFC 4120, 8.2).
const SLACK_S: u64 = 300;
/// Seconds in a year of the calendar, on average (365.2425 days).
const YEAR_S: u64 = 31_556_952;

/// A clock by which nothing is signed: what bears its dates nobody could read, or would take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("by the clock of this machine it is the year {year}, and what is signed now would be {why}")]
pub struct BadClock {
    year: u64,
    why: &'static str,
}

/// The clock of this machine, or a time that is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clock(Option<SystemTime>);

impl Clock {
    /// One that stands still at a time.
    #[must_use]
    pub const fn at(time: SystemTime) -> Self {
        Self(Some(time))
    }

    pub(crate) fn now(self) -> SystemTime {
        self.0.unwrap_or_else(SystemTime::now)
    }

    /// From when and until when that is valid which is signed now.
    pub(crate) fn validity(self, lasts: Duration) -> Result<Validity, BadClock> {
        Validity::of(seconds(self.now()), lasts.as_secs())
    }
}

/// Dates that a certificate can have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Validity {
    pub(crate) from: OffsetDateTime,
    pub(crate) until: OffsetDateTime,
    /// The same in seconds since the Unix epoch.
    pub(crate) until_s: u64,
    /// What the clock says, in seconds since the Unix epoch.
    pub(crate) now_s: u64,
}

impl Validity {
    fn of(now_s: u64, lasts_s: u64) -> Result<Self, BadClock> {
        let year = (now_s / YEAR_S).saturating_add(1970);
        let until_s = now_s.saturating_add(lasts_s);
        if now_s < EARLIEST_S {
            return Err(BadClock { year, why: "dated before this program was made" });
        }
        let late = BadClock { year, why: "valid beyond the year 9999, which no certificate can say" };
        let date = |at_s: u64| {
            let at_s = i64::try_from(at_s).map_err(|_| late)?;
            OffsetDateTime::from_unix_timestamp(at_s).map_err(|_| late)
        };
        if until_s > LATEST_S {
            return Err(late);
        }
        Ok(Self { from: date(now_s.saturating_sub(SLACK_S))?, until: date(until_s)?, until_s, now_s })
    }
}

/// Seconds since the Unix epoch; 0 before it.
pub(crate) fn seconds(at: SystemTime) -> u64 {
    unix(at).as_secs()
}

/// A time as TLS counts it; the Unix epoch for what is before it.
pub(crate) fn unix(at: SystemTime) -> UnixTime {
    UnixTime::since_unix_epoch(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

/// The time of handshakes. That of the library panics before the Unix epoch.
#[derive(Debug)]
pub(crate) struct TlsTime;

impl TimeProvider for TlsTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix(SystemTime::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_any_clock_there_are_dates_or_an_error() {
        let at = |s: u64| Clock(SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(s)));
        let before = SystemTime::UNIX_EPOCH.checked_sub(Duration::from_secs(1_000_000_000)).unwrap();
        assert_eq!(seconds(before), 0);
        let day = Duration::from_secs(86_400);
        let refused = |clock: Clock, lasts| clock.validity(lasts).unwrap_err().to_string();
        for clock in [Clock::at(before), at(0), at(299), at(1_000_000_000), at(EARLIEST_S - 1)] {
            assert!(refused(clock, day).contains("dated before"), "{clock:?}");
        }
        assert!(refused(at(120), day).contains("the year 1970"));
        let most = (0..64).rev().map(|bit| 1_u64 << bit).filter(|s| at(*s).0.is_some()).max().unwrap();
        for clock in [at(LATEST_S - 86_399), at(LATEST_S + 1), at(1 << 40), at(most)] {
            assert!(refused(clock, day).contains("beyond the year 9999"), "{clock:?}");
        }
        assert!(refused(at(EARLIEST_S), Duration::MAX).contains("beyond the year 9999"));
        for s in [EARLIEST_S, 4_102_444_800, LATEST_S - 86_400] {
            let found = at(s).validity(day).unwrap();
            assert_eq!((found.now_s, found.until_s), (s, s + 86_400));
            assert_eq!(found.from.unix_timestamp().unsigned_abs(), s - 300);
            assert_eq!(found.until.unix_timestamp().unsigned_abs(), s + 86_400);
        }
        let [first, last] = [EARLIEST_S, LATEST_S].map(|s| OffsetDateTime::from_unix_timestamp(s as i64).unwrap());
        assert_eq!((first.year(), first.ordinal(), last.year(), last.ordinal()), (2024, 1, 9999, 365));
    }
}
