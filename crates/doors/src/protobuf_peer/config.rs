//! Settings.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::time::Duration;

use crate::spec::{Spec, SpecError};

/// How the door is named in settings, and in the log.
pub const KIND: &str = "protobuf-peer";
/// The highest id: the field is a signed one of 64 bits, and ids are positive.
pub const MAX_ID: u64 = i64::MAX.unsigned_abs();

/// Settings of which each was checked by itself and with the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where to listen; port 0 is the system's choice.
    pub listen: SocketAddr,
    /// Our id, 1 to [`MAX_ID`].
    pub id: i64,
    /// The host to join; with none we wait for others.
    pub join: Option<SocketAddr>,
    /// When to try again, 1 s to 1 h, if at all: a legacy host takes ten connections in its whole life.
    pub retry: Option<Duration>,
}

impl Config {
    /// Keys: `listen`, `id` (random if not given), `join`, `retry`.
    ///
    /// # Errors
    /// Names the key and what is allowed.
    pub fn from_spec(spec: &Spec) -> Result<Self, SpecError> {
        spec.only(&["listen", "id", "join", "retry"], &[])?;
        let id = match spec.text("id") {
            Some(_) => i64::try_from(spec.number("id", 1, 1..=MAX_ID)?).unwrap_or(i64::MAX),
            None => random_id(),
        };
        let retry = spec.time("retry", Duration::ZERO, Duration::from_secs(1)..=Duration::from_secs(3_600))?;
        let retry = Some(retry).filter(|retry| !retry.is_zero());
        if retry.is_some() && spec.text("join").is_none() {
            return Err(spec.error("retry: there is no `join` to try again"));
        }
        Ok(Self { listen: spec.listen(None)?, id, join: spec.host("join")?, retry })
    }
}

/// 63 bits that the system drew, and not 0. An id proves nothing; it only has to be another than everybody else's.
#[must_use]
pub fn random_id() -> i64 {
    let draw = || i64::try_from(RandomState::new().hash_one(0) >> 1).unwrap_or_default();
    std::iter::repeat_with(draw).find(|id| *id > 0).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<Config, String> {
        let spec: Spec = text.parse().map_err(|why: SpecError| why.to_string())?;
        Config::from_spec(&spec).map_err(|why| why.to_string())
    }

    #[test]
    fn settings() {
        let full = config("protobuf-peer,listen=127.0.0.1:5000,id=10,join=127.0.0.1:5001,retry=10s").unwrap();
        assert_eq!((full.id, full.join.unwrap().port(), full.retry), (10, 5_001, Some(Duration::from_secs(10))));
        let most = config("protobuf-peer,listen=127.0.0.1:5000,id=9223372036854775807").unwrap();
        assert_eq!((most.id, most.join, most.retry), (i64::MAX, None, None));
        for (keys, words) in [
            ("id=1", "listen is needed"),
            ("listen=127.0.0.1:1,id=0", "id: `0`"),
            ("listen=127.0.0.1:1,id=-1", "id: `-1`"),
            ("listen=127.0.0.1:1,id=9223372036854775808", "id: `9223372036854775808`"),
            ("listen=127.0.0.1:1,retry=5s", "no `join`"),
            ("listen=127.0.0.1:1,join=127.0.0.1:2,retry=5ms", "retry: `5ms`"),
            ("listen=0.0.0.0:1", "--insecure-bind"),
            ("listen=127.0.0.1:1,name=x", "unknown key `name`"),
        ] {
            let found = config(&format!("protobuf-peer,{keys}")).unwrap_err();
            assert!(found.contains(words), "{keys}: {found}");
        }
    }

    #[test]
    fn ids_that_are_not_given_differ_and_are_above_zero() {
        let ids: std::collections::BTreeSet<_> = (0..1_000).map(|_| random_id()).collect();
        assert_eq!(ids.len(), 1_000);
        assert!(ids.iter().all(|id| *id > 0) && ids.iter().any(|id| *id > i64::MAX / 2));
    }
}
