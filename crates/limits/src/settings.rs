//! Times and sizes as people write them in settings: read, and what is allowed, in words. One place gives both, so an error names
//! as an example only what it would take.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use core::time::Duration;

/// Units of a time, in milliseconds.
const TIMES: [(&str, u64); 3] = [("ms", 1), ("s", 1_000), ("m", 60_000)];
/// Units of a size, in bytes. `B` stands last: the others end in it too.
const SIZES: [(&str, u64); 5] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("B", 1)];

/// Examples that an error gives, where they are in the range.
const TIME_EXAMPLES: [&str; 5] = ["20ms", "500ms", "3s", "10s", "2m"];
const SIZE_EXAMPLES: [&str; 5] = ["4096", "16KiB", "512KiB", "64MiB", "2GiB"];
/// An error gives so many of them: more is longer to read and tells nothing new.
const MAX_EXAMPLES: usize = 3;

/// A time in a range: `500ms`, `10s`, `2m`.
///
/// # Errors
/// It is none, or out of range; what is allowed, with examples that are.
pub fn time(text: &str, range: &RangeInclusive<Duration>) -> Result<Duration, String> {
    let read = |text: &str| {
        let ms = scaled(text, &TIMES, None).map(Duration::from_millis);
        ms.filter(|value| range.contains(value))
    };
    read(text).ok_or_else(|| allowed(&written(*range.start()), &written(*range.end()), "", &TIME_EXAMPLES, read))
}

/// Bytes in a range: `4096`, `64KiB`, `10 MiB`, `2GiB`.
///
/// # Errors
/// As [`time`].
pub fn bytes(text: &str, range: &RangeInclusive<u64>) -> Result<u64, String> {
    let read = |text: &str| scaled(text, &SIZES, Some(1)).filter(|value| range.contains(value));
    let ends = [range.start(), range.end()].map(|end| format!("{end}"));
    read(text).ok_or_else(|| allowed(&ends[0], &ends[1], " bytes", &SIZE_EXAMPLES, read))
}

/// Digits and their unit; without one what `bare` says, if that is allowed.
fn scaled(text: &str, units: &[(&str, u64)], bare: Option<u64>) -> Option<u64> {
    let found = units.iter().find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, *scale)));
    let (digits, scale) = found.or(bare.map(|scale| (text, scale)))?;
    digits.trim().parse::<u64>().ok()?.checked_mul(scale)
}

/// As [`time`] reads it.
fn written(time: Duration) -> String {
    let ms = time.as_millis();
    if ms.is_multiple_of(1_000) { format!("{}s", time.as_secs()) } else { format!("{ms}ms") }
}

fn allowed<T>(from: &str, to: &str, of: &str, examples: &[&str], read: impl Fn(&str) -> Option<T>) -> String {
    let examples: Vec<_> = examples.iter().copied().filter(|text| read(text).is_some()).take(MAX_EXAMPLES).collect();
    match examples.as_slice() {
        [] => format!("{from} to {to}{of}"),
        [one] => format!("{from} to {to}{of}, like {one}"),
        [first @ .., last] => format!("{from} to {to}{of}, like {} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::*;

    #[test]
    fn times_and_sizes_have_units_and_ranges() {
        assert_eq!(bytes("64KiB", &(0..=1 << 20)), Ok(65_536));
        assert_eq!(bytes("10 MiB", &(0..=1 << 30)), Ok(10 << 20));
        assert_eq!(bytes("17", &(0..=17)), Ok(17));
        for bad in ["18", "-1", "1XB", "", "99999999999999999999TiB", "99999999TiB"] {
            assert_eq!(bytes(bad, &(0..=17)), Err("0 to 17 bytes".into()), "{bad}");
        }
        let range = Duration::from_millis(100)..=Duration::from_secs(60);
        assert_eq!(time("500ms", &range), Ok(Duration::from_millis(500)));
        assert_eq!(time("1m", &range), Ok(Duration::from_secs(60)));
        for bad in ["5", "50ms", "61s", "s", "1h", "18446744073709551615m"] {
            assert_eq!(time(bad, &range), Err("100ms to 60s, like 500ms, 3s or 10s".into()), "{bad}");
        }
    }

    /// The words between "like" and the end, and both ends.
    fn named(allowed: &str, of: &str) -> Vec<String> {
        let (ends, examples) = allowed.split_once(", like ").unwrap_or((allowed, ""));
        let ends = ends.trim_end_matches(of).split(" to ");
        let examples = examples.split(", ").flat_map(|part| part.split(" or ")).filter(|word| !word.is_empty());
        ends.chain(examples).map(String::from).collect()
    }

    proptest! {
        #[test]
        fn whatever_the_range_all_that_an_error_names_is_taken(a in 0_u64..1 << 50, b in 0_u64..1 << 50, shift in 0_u32..50) {
            let (a, b) = (a >> shift, b >> (shift / 2));
            let (low, high) = (a.min(b), a.max(b));
            for text in named(&bytes("?", &(low..=high)).unwrap_err(), " bytes") {
                prop_assert!(bytes(&text, &(low..=high)).is_ok(), "{text}");
            }
            let range = Duration::from_millis(low)..=Duration::from_millis(high);
            for text in named(&time("?", &range).unwrap_err(), "") {
                prop_assert!(time(&text, &range).is_ok(), "{text}");
            }
        }
    }
}
