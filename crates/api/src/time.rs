//! Times as people read them.

/// Microseconds since the Unix epoch as `2026-11-21T05:22:09.000001Z`. Days by Howard Hinnant's civil-from-days.
///
/// Any number has a text, since a message says what clock it likes: `time` ends with the year 9999, or changes its types for the whole program
/// (`large-dates`).
#[must_use]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a day has fewer digits than a microsecond: nothing here comes near the end of a u64"
)]
pub fn utc(us: u64) -> String {
    let (seconds, micros) = (us / 1_000_000, us % 1_000_000);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days.saturating_add(719_468);
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest % 3_600 / 60, rest % 60);
    format!("{year:04}-{month:02}-{day_of_month:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// A second in UTC, as people read it.
#[must_use]
pub fn date(seconds: u64) -> String {
    let text = utc(seconds.saturating_mul(1_000_000));
    format!("{}Z", text.split('.').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_read_them() {
        assert_eq!(utc(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(utc(951_782_400_000_001), "2000-02-29T00:00:00.000001Z");
        assert_eq!(utc(1_795_238_529_123_456), "2026-11-21T05:22:09.123456Z");
        assert!(utc(u64::MAX).ends_with('Z'));
    }
}
