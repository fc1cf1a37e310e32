//! How a door is asked for: `KIND,key=value,...`, or the same keys in a table.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use rumormill_limits::settings;

/// Keys of one door, with those that repeat: more than any has that a person writes.
pub const MAX_KEYS: usize = 64;

/// Why a door cannot be asked for so. Always the user's to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("door `{door}`: {reason}")]
pub struct SpecError {
    /// The kind, as given.
    pub door: String,
    /// What is wrong and what is allowed.
    pub reason: String,
}

/// What was asked for, not yet checked by the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Which door; there may be none of that kind.
    pub kind: String,
    keys: BTreeMap<String, Vec<String>>,
    insecure: bool,
}

impl FromStr for Spec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let mut parts = text.split(',');
        let mut spec = Self::new(parts.next().unwrap_or_default());
        for part in parts {
            let Some((key, value)) = part.split_once('=') else {
                return Err(spec.error(format!("`{}` is no key=value", shown(part))));
            };
            spec.set(key, value)?;
        }
        Ok(spec)
    }
}

/// The beginning of what was given: an error that quotes a page helps nobody.
fn shown(text: &str) -> String {
    rumormill_wire::Foreign::new(text).first(80).to_string()
}

impl Spec {
    /// A door without keys. Whether there is such a kind is known to the list of kinds ([`crate::find`]).
    #[must_use]
    pub fn new(kind: &str) -> Self {
        Self { kind: shown(kind), keys: BTreeMap::new(), insecure: false }
    }

    /// Adds a value; keys that may be given several times add up.
    ///
    /// # Errors
    /// There are 64 values in all.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), SpecError> {
        if self.keys.values().map(Vec::len).sum::<usize>() >= MAX_KEYS {
            return Err(self.error(format!("more than {MAX_KEYS} keys")));
        }
        self.keys.entry(key.trim().to_owned()).or_default().push(value.trim().to_owned());
        Ok(())
    }

    /// The same, free to bind beyond loopback.
    #[must_use]
    pub fn insecure_bind(mut self, allowed: bool) -> Self {
        self.insecure = allowed;
        self
    }

    /// An error about this door.
    #[must_use]
    pub fn error(&self, reason: impl Into<String>) -> SpecError {
        SpecError { door: self.kind.clone(), reason: reason.into() }
    }

    pub(crate) fn bad(&self, key: &str, value: &str, allowed: impl fmt::Display) -> SpecError {
        self.error(format!("{key}: `{}` is not allowed; give {allowed}", shown(value)))
    }

    /// Refuses keys that the door does not have, and those given twice that may stand once.
    ///
    /// # Errors
    /// Names the key, and says which there are.
    pub fn only(&self, known: &[&str], repeat: &[&str]) -> Result<(), SpecError> {
        for (key, values) in &self.keys {
            if !known.contains(&key.as_str()) && !repeat.contains(&key.as_str()) {
                let all: Vec<_> = known.iter().chain(repeat).copied().collect();
                return Err(self.error(format!("unknown key `{}`; it has {}", shown(key), all.join(", "))));
            }
            if values.len() > 1 && !repeat.contains(&key.as_str()) {
                return Err(self.error(format!("{key} is given {} times", values.len())));
            }
        }
        Ok(())
    }

    /// The text of a key.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.keys.get(key)?.first().map(String::as_str)
    }

    /// All texts of a key that repeats.
    #[must_use]
    pub fn texts(&self, key: &str) -> &[String] {
        self.keys.get(key).map_or(&[], Vec::as_slice)
    }

    /// Where to listen; `default` if the key is not given.
    ///
    /// # Errors
    /// It is no address, or one beyond loopback without leave to bind there.
    pub fn listen(&self, default: Option<SocketAddr>) -> Result<SocketAddr, SpecError> {
        let addr = match (self.text("listen"), default) {
            (None, Some(default)) => default,
            _ => self.needed("listen")?,
        };
        if !addr.ip().to_canonical().is_loopback() && !self.insecure {
            return Err(self.error(format!(
                "listen: {addr} can be reached from other machines, and this protocol is neither encrypted nor \
                 authenticated; listen on 127.0.0.1, or say --insecure-bind if that is what you want"
            )));
        }
        Ok(addr)
    }

    /// An address with its port, which has to be given.
    ///
    /// # Errors
    /// It is not there, or none.
    pub(crate) fn needed(&self, key: &str) -> Result<SocketAddr, SpecError> {
        self.addr(key)?.ok_or_else(|| self.error(format!("{key} is needed: address:port")))
    }

    /// An address with its port, if given.
    ///
    /// # Errors
    /// It is no address with a port.
    pub fn addr(&self, key: &str) -> Result<Option<SocketAddr>, SpecError> {
        let parse = |text: &str| text.parse().map_err(|_| self.bad(key, text, "address:port, like 127.0.0.1:3000"));
        self.text(key).map(parse).transpose()
    }

    /// An address to send to, if given.
    ///
    /// # Errors
    /// It is none, or nobody can be there: port 0, an unspecified address.
    pub fn host(&self, key: &str) -> Result<Option<SocketAddr>, SpecError> {
        self.text(key).map(|text| self.parse_host(key, text)).transpose()
    }

    /// All addresses to send to of a key that repeats.
    ///
    /// # Errors
    /// As [`Spec::host`].
    pub fn hosts(&self, key: &str) -> Result<Vec<SocketAddr>, SpecError> {
        self.texts(key).iter().map(|text| self.parse_host(key, text)).collect()
    }

    fn parse_host(&self, key: &str, text: &str) -> Result<SocketAddr, SpecError> {
        let there = |addr: &SocketAddr| addr.port() != 0 && !addr.ip().to_canonical().is_unspecified();
        let found = text.parse().ok().filter(there);
        found.ok_or_else(|| self.bad(key, text, "address:port of one program, like 127.0.0.1:3000"))
    }

    /// All addresses without port of a key that repeats.
    ///
    /// # Errors
    /// One of them is no address, or has a port.
    pub fn ips(&self, key: &str) -> Result<Vec<IpAddr>, SpecError> {
        let parse = |text: &String| text.parse().map_err(|_| self.bad(key, text, "an address, like 127.0.0.2"));
        self.texts(key).iter().map(parse).collect()
    }

    /// A whole number.
    ///
    /// # Errors
    /// It is none, or out of range.
    pub fn number(&self, key: &str, default: u64, range: RangeInclusive<u64>) -> Result<u64, SpecError> {
        let Some(text) = self.text(key) else { return Ok(default) };
        let found = text.parse().ok().filter(|n| range.contains(n));
        found.ok_or_else(|| self.bad(key, text, format!("{} to {}", range.start(), range.end())))
    }

    /// A time: `500ms`, `10s`, `2m`.
    ///
    /// # Errors
    /// It is none, or out of range.
    pub fn time(&self, key: &str, default: Duration, range: RangeInclusive<Duration>) -> Result<Duration, SpecError> {
        let Some(text) = self.text(key) else { return Ok(default) };
        settings::time(text, &range).map_err(|allowed| self.bad(key, text, allowed))
    }
}

#[cfg(test)]
mod tests;
