//! What can be set.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use rumormill_wire::udp_mesh::{NameChar, extended};

use crate::spec::{Spec, SpecError};

/// How the door is named in settings, and in the log.
pub const KIND: &str = "udp-mesh";
/// Where legacy peers look for the directory: it stands in their source.
pub(super) const DIRECTORY_PORT: u16 = 3_000;
/// Members at most, in all: a directory of as many of the longest names is 2 MB, and an address has four times as many ports.
pub(super) const MAX_MEMBERS: usize = 16_384;
/// Members at most from one address, unless set: ten times as many as legacy peers have characters.
const BY_ADDRESS: u64 = 1_024;
/// As in the legacy programs, whose silence counts in heartbeats.
pub(super) const DEFAULT_HEARTBEAT: Duration = Duration::from_millis(500);
/// Every 10 ms are a hundred datagrams a second, which a directory takes of each member. More than a minute, and whoever comes back
/// or is gone is seen only after that.
const HEARTBEATS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);
/// Three heartbeats, as in the legacy server: one that is lost drops nobody.
pub(super) const DEFAULT_REAP: Duration = Duration::from_millis(1_500);
/// From the shortest heartbeat to ten of the longest. It should be some heartbeats of those who are members: one that is shorter
/// drops them all.
const REAPS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(600);
/// Each broadcast is a message to everyone, of which legacy peers take eighty a second; one an hour is hardly one.
const BROADCASTS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3_600);

/// Settings of which each is in its range.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the directory listens, or the peer.
    pub listen: SocketAddr,
    /// What it is in the mesh: its directory, or a peer of another's.
    pub role: Role,
    /// Between two heartbeats, and between two looks for silent members: 10 ms to 60 s, 500 ms as in the legacy programs.
    pub heartbeat: Duration,
    /// How long a member may be silent: 10 ms to 600 s, 1.5 s (three heartbeats) as in the legacy server.
    pub reap: Duration,
    /// Between two broadcasts, 100 ms to 1 h; none unless given, since each is a message to everyone.
    pub broadcast: Option<Duration>,
    /// Where a directory keeps its members across a restart.
    pub state: Option<PathBuf>,
    /// Members at most, 1 to 16,384.
    pub members: usize,
    /// Members at most from one address, 1 to 16,384.
    pub by_address: usize,
}

/// What the door is in the mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// A directory that takes part.
    Directory {
        /// The character under which it takes part; a free one if none.
        character: Option<NameChar>,
        /// Where it takes texts; port 0 for a free one.
        peer: SocketAddr,
    },
    /// A peer of somebody else's directory.
    Peer {
        /// Where that directory listens; not port 0.
        join: SocketAddr,
        /// One character, or up to 64 bytes: then it speaks the extended form.
        name: String,
    },
}

impl Config {
    /// Checks what was asked for, in the form of a directory or, with `join`, of a peer.
    ///
    /// # Errors
    /// Names the key and what is allowed.
    pub fn from_spec(spec: &Spec) -> Result<Self, SpecError> {
        let join = spec.host("join")?;
        let listen = match join {
            Some(_) => {
                spec.only(&["listen", "join", "name", "heartbeat", "broadcast"], &[])?;
                spec.listen(None)?
            }
            None => {
                let keys =
                    ["listen", "name", "peer", "heartbeat", "reap", "broadcast", "state", "members", "per_address"];
                spec.only(&keys, &[])?;
                spec.listen(Some(([127, 0, 0, 1], DIRECTORY_PORT).into()))?
            }
        };
        let role = match join {
            Some(join) => Role::Peer { join, name: name(spec)? },
            None => Role::Directory { character: character(spec)?, peer: peer(spec, listen)? },
        };
        let count = |key, default| {
            let most = u64::try_from(MAX_MEMBERS).unwrap_or(u64::MAX);
            Ok(usize::try_from(spec.number(key, default, 1..=most)?).unwrap_or(MAX_MEMBERS))
        };
        Ok(Self {
            listen,
            role,
            heartbeat: spec.time("heartbeat", DEFAULT_HEARTBEAT, HEARTBEATS)?,
            reap: spec.time("reap", DEFAULT_REAP, REAPS)?,
            broadcast: broadcast(spec)?,
            state: state(spec)?,
            members: count("members", u64::try_from(MAX_MEMBERS).unwrap_or(u64::MAX))?,
            by_address: count("per_address", BY_ADDRESS)?,
        })
    }
}

fn state(spec: &Spec) -> Result<Option<PathBuf>, SpecError> {
    match spec.text("state") {
        Some("") => Err(spec.bad("state", "", "a file")),
        named => Ok(named.map(PathBuf::from)),
    }
}

fn broadcast(spec: &Spec) -> Result<Option<Duration>, SpecError> {
    match spec.text("broadcast") {
        None | Some("off") => Ok(None),
        Some(_) => spec.time("broadcast", Duration::ZERO, BROADCASTS).map(Some),
    }
}

fn name(spec: &Spec) -> Result<String, SpecError> {
    let name =
        spec.text("name").ok_or_else(|| spec.error("name is needed with join: one character, or up to 64 bytes"))?;
    let fits =
        extended::is_name(name) && (name.chars().count() > 1 || name.chars().all(|c| NameChar::new(c).is_some()));
    if fits {
        Ok(name.to_owned())
    } else {
        Err(bad(spec, "name", name, "one printable ASCII character, or 2 to 64 bytes"))
    }
}

fn character(spec: &Spec) -> Result<Option<NameChar>, SpecError> {
    let Some(name) = spec.text("name") else { return Ok(None) };
    let mut chars = name.chars();
    match (chars.next().and_then(NameChar::new), chars.next()) {
        (Some(character), None) => Ok(Some(character)),
        _ => Err(bad(spec, "name", name, "one printable ASCII character")),
    }
}

fn peer(spec: &Spec, listen: SocketAddr) -> Result<SocketAddr, SpecError> {
    let peer = spec.addr("peer")?.unwrap_or(SocketAddr::new(listen.ip(), 0));
    if peer.ip() == listen.ip() {
        Ok(peer)
    } else {
        Err(bad(spec, "peer", &peer.to_string(), &format!("an address on {}, like listen", listen.ip())))
    }
}

fn bad(spec: &Spec, key: &str, value: &str, allowed: &str) -> SpecError {
    spec.error(format!("{key}: `{value}` is not allowed; give {allowed}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<Config, String> {
        Config::from_spec(&text.parse().map_err(|e: SpecError| e.to_string())?).map_err(|e| e.to_string())
    }

    #[test]
    fn a_directory_and_a_peer_are_asked_for() {
        let directory = config("udp-mesh").unwrap();
        assert_eq!(directory.listen, "127.0.0.1:3000".parse().unwrap());
        assert_eq!((directory.heartbeat.as_millis(), directory.reap.as_millis()), (500, 1_500));
        assert_eq!(directory.role, Role::Directory { character: None, peer: "127.0.0.1:0".parse().unwrap() });
        assert_eq!(config("udp-mesh,broadcast=4s").unwrap().broadcast, Some(Duration::from_secs(4)));
        let peer = config("udp-mesh,listen=127.0.0.1:3005,join=127.0.0.1:3000,name=Z,broadcast=4s").unwrap();
        assert_eq!(peer.role, Role::Peer { join: "127.0.0.1:3000".parse().unwrap(), name: "Z".into() });
        assert_eq!(peer.broadcast, Some(Duration::from_secs(4)));
        assert_eq!(
            config("udp-mesh,listen=127.0.0.1:1,join=127.0.0.1:2,name=long,broadcast=off").unwrap().broadcast,
            None
        );
    }

    #[test]
    fn what_cannot_be_is_said() {
        for (text, words) in [
            ("udp-mesh,name=AB", "one printable ASCII character"),
            ("udp-mesh,name=é", "one printable ASCII character"),
            ("udp-mesh,listen=127.0.0.1:1,join=127.0.0.1:2", "name is needed"),
            ("udp-mesh,listen=127.0.0.1:1,join=127.0.0.1:2,name=é", "one printable"),
            ("udp-mesh,join=127.0.0.1:2,name=A", "listen is needed"),
            ("udp-mesh,broadcast=4", "100ms to"),
            ("udp-mesh,peer=127.0.0.2:1", "like listen"),
            ("udp-mesh,listen=0.0.0.0:3000", "--insecure-bind"),
            ("udp-mesh,members=0", "1 to 16384"),
        ] {
            let found = config(text).unwrap_err();
            assert!(found.contains(words), "{text}: {found}");
        }
    }
}
