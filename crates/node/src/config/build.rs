//! From options to values that are checked.

use std::collections::BTreeSet;
use std::time::Duration;

use rumormill_doors::{Spec, SpecError};

use super::Neighbour;
use super::error::ConfigError;
use super::fields;
use super::kinds::{IdentitySource, Limits};
use super::options::{MAX_DOORS, MAX_NEIGHBOURS, NodeOptions};

pub(super) fn neighbours(all: &[String]) -> Result<Vec<Neighbour>, ConfigError> {
    if all.len() > MAX_NEIGHBOURS {
        let allowed = format!("at most {MAX_NEIGHBOURS} neighbours");
        return Err(ConfigError::value("neighbour", &format!("{} of them", all.len()), &allowed));
    }
    let mut found: Vec<Neighbour> = Vec::new();
    for text in all {
        let neighbour = fields::neighbour("neighbour", text)?;
        if !found.contains(&neighbour) {
            found.push(neighbour);
        }
    }
    Ok(found)
}

/// Links that the neighbours may need: one for each name, and one for each address without a name.
pub(super) fn places(all: &[Neighbour]) -> usize {
    let named: BTreeSet<_> = all.iter().filter_map(|neighbour| neighbour.name.as_deref()).collect();
    let others = all.iter().filter(|neighbour| neighbour.name.is_none()).count();
    named.len().saturating_add(others)
}

pub(super) fn doors(options: &NodeOptions) -> Result<Vec<Spec>, ConfigError> {
    let words = [("true", true), ("false", false)];
    let insecure = options.insecure_bind.as_deref().unwrap_or("false");
    let insecure = fields::choice("insecure-bind", insecure, &words)?;
    if options.door.len() > MAX_DOORS {
        let allowed = format!("at most {MAX_DOORS} doors");
        return Err(ConfigError::value("door", &format!("{} of them", options.door.len()), &allowed));
    }
    let specs = options.door.iter().map(|text| Ok(text.parse::<Spec>()?.insecure_bind(insecure)));
    Ok(specs.collect::<Result<Vec<_>, SpecError>>()?)
}

pub(super) fn identity(options: &NodeOptions) -> Result<IdentitySource, ConfigError> {
    let path = |field, value: &Option<String>| value.as_deref().map(|value| fields::path(field, value)).transpose();
    let (cert, key) = (path("cert", &options.cert)?, path("key", &options.key)?);
    let (ca, pins) = (path("ca", &options.ca)?, path("pins", &options.pins)?);
    let home = path("home", &options.home)?;
    let missing = |field, why| ConfigError::Missing { field, why };
    match (cert, key, ca, pins) {
        (None, None, None, None) => Ok(IdentitySource::LocalCa { home }),
        (Some(cert), Some(key), Some(ca), None) => Ok(IdentitySource::Files { cert, key, ca }),
        (Some(cert), Some(key), None, Some(pins)) => Ok(IdentitySource::Pinned { pins, cert, key }),
        (_, _, Some(_), Some(pins)) => {
            Err(ConfigError::value("pins", &pins.display().to_string(), "either ca or pins, not both"))
        }
        (None, ..) => Err(missing("cert", " with key, ca or pins")),
        (_, None, ..) => Err(missing("key", " with cert")),
        (_, _, None, None) => Err(missing("ca", " or pins, with cert and key")),
    }
}

pub(super) fn limits(options: &NodeOptions) -> Result<Limits, ConfigError> {
    let mut limits = Limits::default();
    if let Some(value) = &options.greedy_bytes {
        limits.greedy_bytes_per_day = fields::bytes("greedy-bytes-per-day", value, 0..=1 << 50)?;
    }
    if let Some(value) = &options.greedy_incarnations {
        limits.greedy_incarnations_per_day = fields::number("greedy-incarnations-per-day", value, 0..=1_000_000)?;
    }
    if let Some(value) = &options.pace {
        limits.pace_bytes_per_s = fields::bytes("author-bytes-per-second", value, 0..=1 << 40)?;
    }
    if let Some(value) = &options.frames_per_s {
        limits.frames_per_s = narrow(fields::number("frames-per-second", value, 100..=10_000_000)?);
    }
    if let Some(value) = &options.bytes_per_s {
        limits.bytes_per_s = narrow(fields::bytes("bytes-per-second", value, 128 << 10..=4_000_000_000)?);
    }
    if let Some(value) = &options.links {
        limits.links = size(fields::number("max-links", value, 1..=4_096)?);
    }
    if let Some(value) = &options.handshakes {
        limits.handshakes = size(fields::number("max-handshakes", value, 8..=65_536)?);
    }
    if let Some(value) = &options.handshakes_per_prefix {
        limits.handshakes_per_prefix = size(fields::number("max-handshakes-per-prefix", value, 4..=65_536)?);
    }
    if let Some(value) = &options.handshake_deadline {
        let range = Duration::from_millis(100)..=Duration::from_secs(60);
        limits.handshake_deadline = fields::time("handshake-deadline", value, range)?;
    }
    Ok(limits)
}

pub(super) fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

pub(super) fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
