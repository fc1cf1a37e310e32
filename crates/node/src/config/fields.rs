//! One setting at a time, from text; every error names the field, the value and what is allowed.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use rumormill_doors::classroom;
use rumormill_limits::settings;

use super::{ConfigError, Neighbour};

/// A name in the network, as certificates carry it.
pub(super) fn name(field: &str, text: &str) -> Result<String, ConfigError> {
    if rumormill_transport::certificate::is_name(text) {
        Ok(text.to_owned())
    } else {
        Err(ConfigError::value(field, text, "1 to 63 of a-z, 0-9 and -, with a letter or digit at both ends"))
    }
}

pub(super) fn address(field: &str, text: &str) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| ConfigError::value(field, text, "address:port, like 127.0.0.1:20000"))
}

/// A control port: the door of that kind says where it may be.
pub(super) fn control(field: &str, text: &str) -> Result<classroom::Config, ConfigError> {
    let found = classroom::Config::at(address(field, text)?);
    found.ok_or_else(|| ConfigError::value(field, text, classroom::HERE_ONLY))
}

pub(super) fn neighbour(field: &str, text: &str) -> Result<Neighbour, ConfigError> {
    let found = match text.split_once('@') {
        Some((who, at)) => {
            let parsed =
                name(field, who).and_then(|name| Ok(Neighbour { name: Some(name), addr: address(field, at)? }));
            parsed.map_err(|_| ConfigError::value(field, text, "name@address:port, like bob@127.0.0.1:20001"))?
        }
        None => Neighbour { name: None, addr: address(field, text)? },
    };
    // What can only be listened on, or is nobody's, would be tried for ever.
    let ip = found.addr.ip().to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    if found.addr.port() == 0 {
        return Err(ConfigError::value(field, text, "the port that the neighbour listens on, 1 to 65535"));
    }
    if ip.is_unspecified() || ip.is_multicast() || broadcast {
        return Err(ConfigError::value(field, text, "the address of one host, like 127.0.0.1 or 192.0.2.7"));
    }
    Ok(found)
}

/// A path. An empty one would be the working directory by accident.
pub(super) fn path(field: &str, text: &str) -> Result<PathBuf, ConfigError> {
    if text.is_empty() || text.contains('\0') {
        return Err(ConfigError::value(field, text, "a path; `.` is the working directory"));
    }
    Ok(PathBuf::from(text))
}

/// The state directory. `file:` begins what SQLite takes for a URI, with a meaning of its own.
pub(super) fn state(text: &str) -> Result<PathBuf, ConfigError> {
    if text.starts_with("file:") {
        return Err(ConfigError::value(
            "state",
            text,
            "the path of a directory, not a URI; `./file:...` if it is named so",
        ));
    }
    path("state", text)
}

/// One of a few words.
pub(super) fn choice<T: Copy>(field: &str, text: &str, words: &[(&str, T)]) -> Result<T, ConfigError> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let all: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        ConfigError::value(field, text, &all.join(", "))
    })
}

pub(super) fn number(field: &str, text: &str, range: RangeInclusive<u64>) -> Result<u64, ConfigError> {
    let found = text.replace('_', "").parse::<u64>().ok().filter(|n| range.contains(n));
    found.ok_or_else(|| ConfigError::value(field, text, &format!("{} to {}", range.start(), range.end())))
}

/// Bytes: `4096`, `64KiB`, `10 MiB`, `2GiB`.
pub(super) fn bytes(field: &str, text: &str, range: RangeInclusive<u64>) -> Result<u64, ConfigError> {
    settings::bytes(text, &range).map_err(|allowed| ConfigError::value(field, text, &allowed))
}

/// Time: `10s`, `500ms`, `2m`.
pub(super) fn time(field: &str, text: &str, range: RangeInclusive<Duration>) -> Result<Duration, ConfigError> {
    settings::time(text, &range).map_err(|allowed| ConfigError::value(field, text, &allowed))
}

#[cfg(test)]
mod tests {
    use rumormill_doors::Spec;

    use super::*;

    #[test]
    fn names_and_neighbours() {
        assert_eq!(name("name", "p-0a").unwrap(), "p-0a");
        for bad in ["", "Alice", "a b", "a_b", "é", &"a".repeat(64)] {
            assert!(name("name", bad).is_err(), "{bad}");
        }
        let bob = neighbour("neighbour", "bob@127.0.0.1:20001").unwrap();
        assert_eq!((bob.name.as_deref(), bob.addr.port()), (Some("bob"), 20_001));
        assert_eq!(neighbour("neighbour", "127.0.0.1:1").unwrap().name, None);
        for bad in [
            "bob",
            "bob@",
            "@127.0.0.1:1",
            "bob@localhost:1",
            "127.0.0.1",
            "127.0.0.1:0",
            "bob@127.0.0.1:0",
            "0.0.0.0:1",
            "bob@[::]:1",
            "[::ffff:0.0.0.0]:1",
            "224.0.0.1:1",
            "[ff02::1]:1",
            "255.255.255.255:1",
        ] {
            let error = neighbour("neighbour", bad).unwrap_err().to_string();
            assert!(error.contains("neighbour") && error.contains(bad), "{error}");
        }
    }

    #[test]
    fn a_path_is_one_and_the_state_no_uri() {
        for (good, is) in [("x", "x"), ("/a/b", "/a/b"), ("./file:x", "./file:x"), (".", ".")] {
            assert_eq!(state(good).unwrap(), PathBuf::from(is));
        }
        for (bad, word) in [("", "a path"), ("a\0b", "a path"), ("file:x", "not a URI"), ("file:///x", "not a URI")] {
            let error = state(bad).unwrap_err().to_string();
            assert!(error.contains("state") && error.contains(word), "{error}");
        }
        assert!(path("home", "").unwrap_err().to_string().contains("home"));
    }

    #[test]
    fn the_control_port_stays_on_this_machine() {
        for here in ["127.0.0.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(control("control", here).is_ok(), "{here}");
        }
        for beyond in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1"] {
            let refused = control("control", beyond).unwrap_err().to_string();
            let door: Spec = format!("classroom,listen={beyond}").parse().unwrap();
            let same = classroom::Config::from_spec(&door.insecure_bind(true)).unwrap_err();
            assert_eq!(refused.strip_prefix("control: "), same.reason.strip_prefix("listen: "));
            assert!(refused.contains(beyond) && refused.contains("speaks as the node itself"), "{refused}");
        }
    }
}
