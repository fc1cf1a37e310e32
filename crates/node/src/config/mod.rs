//! The node's settings: flags over a TOML file over defaults, checked once, here.

mod fields;
mod options;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use rumormill_doors::{Spec, SpecError};
use rumormill_gossip::Dissemination;
use rumormill_wire::native::MAX_BODY_LEN;

pub use options::{MAX_DOORS, MAX_FILE_BYTES, MAX_NEIGHBOURS, NodeOptions};

/// Why a node cannot be configured so. Always the user's to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A value is not allowed.
    #[error("{field}: `{value}` is not allowed; give {allowed}")]
    Value {
        /// Which setting.
        field: String,
        /// What was given.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// A setting is needed.
    #[error("{field} is needed{why}")]
    Missing {
        /// Which setting.
        field: &'static str,
        /// When.
        why: &'static str,
    },
    /// A door.
    #[error("{0}")]
    Door(#[from] SpecError),
    /// A key of the file means nothing.
    #[error("unknown key `{key}`{}", suggestion.map(|s| format!("; did you mean `{s}`?")).unwrap_or_default())]
    UnknownKey {
        /// The key.
        key: String,
        /// What was probably meant.
        suggestion: Option<&'static str>,
    },
    /// The file cannot be used.
    #[error("configuration file {}: {reason}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The text is no TOML.
    #[error("not TOML: {reason}")]
    Toml {
        /// Why.
        reason: String,
    },
}

impl ConfigError {
    fn value(field: &str, value: &str, allowed: &str) -> Self {
        // A pasted novel helps nobody.
        let value = value.chars().take(80).collect();
        Self::Value { field: field.to_owned(), value, allowed: allowed.to_owned() }
    }
}

/// A neighbour to keep a link with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Who must be there; anybody of the network if `None`.
    pub name: Option<String>,
    /// Where.
    pub addr: SocketAddr,
}

/// Where the log lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// In a file of the state directory.
    Sqlite,
    /// In memory, gone with the process.
    Memory,
}

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A loss of power.
    Full,
    /// The end of the process.
    Normal,
}

/// How the node proves who it is and whom it trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentitySource {
    /// From the local CA, made if there is none.
    LocalCa {
        /// Its directory; the user's default if `None`.
        home: Option<PathBuf>,
    },
    /// Files that a network certificate came in.
    Files {
        /// Certificate in PEM.
        cert: PathBuf,
        /// Key in PEM.
        key: PathBuf,
        /// CA certificate in PEM.
        ca: PathBuf,
    },
    /// A pin file, and an own certificate in files.
    Pinned {
        /// The pin file.
        pins: PathBuf,
        /// Certificate in PEM.
        cert: PathBuf,
        /// Key in PEM.
        key: PathBuf,
    },
}

/// What is logged how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Bounds on what others cost us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that one node id may add in a day; 0 is without limit.
    pub greedy_bytes_per_day: u64,
    /// Incarnations that one node id may add in a day; 0 is without limit.
    pub greedy_incarnations_per_day: u64,
    /// Frames a second taken from one node id.
    pub frames_per_s: u32,
    /// Bytes a second taken from one node id.
    pub bytes_per_s: u32,
    /// Links at once.
    pub links: usize,
    /// Handshakes in flight.
    pub handshakes: usize,
    /// Handshakes in flight from one address prefix.
    pub handshakes_per_prefix: usize,
    /// Time for one handshake.
    pub handshake_deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            greedy_bytes_per_day: 64 << 20,
            greedy_incarnations_per_day: 32,
            frames_per_s: 20_000,
            bytes_per_s: 256 << 20,
            links: 64,
            handshakes: 512,
            handshakes_per_prefix: 64,
            handshake_deadline: Duration::from_secs(5),
        }
    }
}

/// Everything a node is told. Made by [`NodeConfig::build`], or from [`NodeConfig::new`] by hand in code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// Name in the network.
    pub name: String,
    /// Address for neighbours; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Classroom control port.
    pub control: Option<SocketAddr>,
    /// Neighbours to keep links with.
    pub neighbours: Vec<Neighbour>,
    /// Doors for programs that speak older protocols.
    pub doors: Vec<Spec>,
    /// Directory of the store, the socket and small files; none: nothing is kept.
    pub state: Option<PathBuf>,
    /// Path of the local socket.
    pub socket: Option<PathBuf>,
    /// Where the log lives.
    pub store: StoreKind,
    /// What a commit survives.
    pub durability: Durability,
    /// How new messages spread.
    pub dissemination: Dissemination,
    /// Who we are and whom we trust.
    pub identity: IdentitySource,
    /// Longest message taken from people, in bytes.
    pub max_message: usize,
    /// Most bytes in the store.
    pub store_max: u64,
    /// Mean time between comparisons with a neighbour.
    pub anti_entropy: Duration,
    /// A neighbour not heard for so long is pinged.
    pub ping: Duration,
    /// Bounds on what others cost us.
    pub limits: Limits,
    /// How to log.
    pub log_format: LogFormat,
    /// What to log: a level, or directives as `tracing` has them.
    pub log_level: String,
}

impl NodeConfig {
    /// The defaults: a node in memory that listens where the system says, with an identity of the local CA.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            control: None,
            neighbours: Vec::new(),
            doors: Vec::new(),
            state: None,
            socket: None,
            store: StoreKind::Memory,
            durability: Durability::Full,
            dissemination: Dissemination::Eager,
            identity: IdentitySource::LocalCa { home: None },
            max_message: MAX_BODY_LEN,
            store_max: 16 << 30,
            anti_entropy: Duration::from_secs(10),
            ping: Duration::from_secs(5),
            limits: Limits::default(),
            log_format: LogFormat::Human,
            log_level: "info".to_owned(),
        }
    }

    /// Checks what was asked for.
    ///
    /// # Errors
    /// The first setting that is not allowed, with its value and the allowed range.
    pub fn build(options: &NodeOptions) -> Result<Self, ConfigError> {
        let text = |value: &Option<String>, default: &str| value.clone().unwrap_or_else(|| default.to_owned());
        let wanted = ConfigError::Missing { field: "name", why: "" };
        let name = fields::name("name", options.name.as_ref().ok_or(wanted)?)?;
        let mut config = Self::new(&name);
        config.listen = fields::address("listen", &text(&options.listen, "127.0.0.1:20000"))?;
        config.control = options.control.as_deref().map(|at| fields::loopback("control", at)).transpose()?;
        config.neighbours = neighbours(&options.neighbour)?;
        config.doors = doors(options)?;
        config.state = options.state.as_ref().map(PathBuf::from);
        config.socket = options.socket.as_ref().map(PathBuf::from);
        let stores = [("sqlite", StoreKind::Sqlite), ("memory", StoreKind::Memory)];
        config.store = fields::choice("store", &text(&options.store, "sqlite"), &stores)?;
        let kinds = [("full", Durability::Full), ("normal", Durability::Normal)];
        config.durability = fields::choice("durability", &text(&options.durability, "full"), &kinds)?;
        let ways = [("tree", Dissemination::Eager), ("mongering", Dissemination::Mongering)];
        config.dissemination = fields::choice("dissemination", &text(&options.dissemination, "tree"), &ways)?;
        if config.store == StoreKind::Sqlite && config.state.is_none() {
            return Err(ConfigError::Missing { field: "state", why: " for the sqlite store: a directory" });
        }
        config.identity = identity(options)?;
        config.times_and_sizes(options)?;
        config.limits = limits(options)?;
        let formats = [("human", LogFormat::Human), ("json", LogFormat::Json)];
        config.log_format = fields::choice("log-format", &text(&options.log_format, "human"), &formats)?;
        let levels = ["error", "warn", "info", "debug", "trace"].map(|level| (level, level));
        config.log_level = fields::choice("log-level", &text(&options.log_level, "info"), &levels)?.to_owned();
        Ok(config)
    }

    fn times_and_sizes(&mut self, options: &NodeOptions) -> Result<(), ConfigError> {
        let (ms, s) = (Duration::from_millis, Duration::from_secs);
        if let Some(value) = &options.max_message {
            let most = u64::try_from(MAX_BODY_LEN).unwrap_or(u64::MAX);
            self.max_message = size(fields::bytes("max-message", value, 1..=most)?);
        }
        if let Some(value) = &options.store_max {
            self.store_max = fields::bytes("store-max", value, 1 << 20..=1 << 50)?;
        }
        if let Some(value) = &options.anti_entropy {
            self.anti_entropy = fields::time("anti-entropy", value, ms(100)..=s(3_600))?;
        }
        if let Some(value) = &options.ping {
            self.ping = fields::time("ping", value, ms(100)..=s(300))?;
        }
        Ok(())
    }

    /// Where the local socket is, if there is one.
    #[must_use]
    pub fn socket_path(&self) -> Option<PathBuf> {
        self.socket.clone().or_else(|| self.state.as_ref().map(|state| state.join("node.sock")))
    }
}

fn neighbours(all: &[String]) -> Result<Vec<Neighbour>, ConfigError> {
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

fn doors(options: &NodeOptions) -> Result<Vec<Spec>, ConfigError> {
    let words = [("true", true), ("false", false)];
    let insecure = options.insecure_bind.as_deref().unwrap_or("false");
    let insecure = fields::choice("insecure-bind", insecure, &words)?;
    if options.door.len() > MAX_DOORS {
        let allowed = format!("at most {MAX_DOORS} doors");
        return Err(ConfigError::value("door", &format!("{} of them", options.door.len()), &allowed));
    }
    let specs = options.door.iter().map(|text| Ok(text.parse::<Spec>()?.insecure_bind(insecure)));
    let specs = specs.collect::<Result<Vec<_>, SpecError>>()?;
    crate::doors::check(&specs)?;
    Ok(specs)
}

fn identity(options: &NodeOptions) -> Result<IdentitySource, ConfigError> {
    let path = |value: &String| PathBuf::from(value);
    let (cert, key) = (options.cert.as_ref().map(path), options.key.as_ref().map(path));
    let (ca, pins) = (options.ca.as_ref().map(path), options.pins.as_ref().map(path));
    let missing = |field, why| ConfigError::Missing { field, why };
    match (cert, key, ca, pins) {
        (None, None, None, None) => Ok(IdentitySource::LocalCa { home: options.home.as_ref().map(path) }),
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

fn limits(options: &NodeOptions) -> Result<Limits, ConfigError> {
    let mut limits = Limits::default();
    if let Some(value) = &options.greedy_bytes {
        limits.greedy_bytes_per_day = fields::bytes("greedy-bytes-per-day", value, 0..=1 << 50)?;
    }
    if let Some(value) = &options.greedy_incarnations {
        limits.greedy_incarnations_per_day = fields::number("greedy-incarnations-per-day", value, 0..=1_000_000)?;
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

fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> NodeOptions {
        NodeOptions { name: Some("alice".into()), state: Some("/tmp/x".into()), ..NodeOptions::default() }
    }

    #[test]
    fn the_documented_example_is_taken() {
        let config = NodeConfig::build(&NodeOptions {
            listen: Some("127.0.0.1:20000".into()),
            control: Some("127.0.0.1:10000".into()),
            neighbour: vec!["bob@127.0.0.1:20001".into(), "bob@127.0.0.1:20001".into()],
            dissemination: Some("mongering".into()),
            ..options()
        })
        .unwrap();
        assert_eq!((config.store, config.durability), (StoreKind::Sqlite, Durability::Full));
        assert_eq!(config.dissemination, Dissemination::Mongering);
        assert_eq!(config.neighbours.len(), 1, "a neighbour named twice is one");
        assert_eq!(config.socket_path(), Some("/tmp/x/node.sock".into()));
    }

    #[test]
    fn errors_name_the_field_the_value_and_what_is_allowed() {
        type Change = fn(&mut NodeOptions, String);
        let cases: [(&str, &str, Change, &str); 10] = [
            ("name", "A!", |o, v| o.name = Some(v), "a-z"),
            ("listen", "x", |o, v| o.listen = Some(v), "address:port"),
            ("control", "0.0.0.0:1", |o, v| o.control = Some(v), "127.0.0.0/8"),
            ("store", "disk", |o, v| o.store = Some(v), "sqlite, memory"),
            ("durability", "some", |o, v| o.durability = Some(v), "full, normal"),
            ("dissemination", "flood", |o, v| o.dissemination = Some(v), "tree, mongering"),
            ("max-message", "40000", |o, v| o.max_message = Some(v), "1 to 32768"),
            ("anti-entropy", "1ms", |o, v| o.anti_entropy = Some(v), "100ms to 3600s"),
            ("max-links", "0", |o, v| o.links = Some(v), "1 to 4096"),
            ("log-level", "loud", |o, v| o.log_level = Some(v), "error, warn"),
        ];
        for (field, value, change, allowed) in cases {
            let mut options = options();
            change(&mut options, value.to_owned());
            let error = NodeConfig::build(&options).unwrap_err().to_string();
            assert!(error.contains(field) && error.contains(value) && error.contains(allowed), "{error}");
        }
    }

    #[test]
    fn identity_files_come_together() {
        let with = |cert: bool, key: bool, ca: bool, pins: bool| {
            let some = |yes: bool| yes.then(|| "f".to_owned());
            NodeConfig::build(&NodeOptions {
                cert: some(cert),
                key: some(key),
                ca: some(ca),
                pins: some(pins),
                ..options()
            })
        };
        assert!(matches!(with(true, true, true, false).unwrap().identity, IdentitySource::Files { .. }));
        assert!(matches!(with(true, true, false, true).unwrap().identity, IdentitySource::Pinned { .. }));
        for (cert, key, ca, pins) in [
            (true, false, true, false),
            (false, true, true, false),
            (true, true, false, false),
            (true, true, true, true),
        ] {
            assert!(with(cert, key, ca, pins).is_err());
        }
    }

    #[test]
    fn a_store_on_disk_needs_a_directory() {
        let error = NodeConfig::build(&NodeOptions { state: None, ..options() }).unwrap_err().to_string();
        assert!(error.contains("state"), "{error}");
        let memory = NodeOptions { state: None, store: Some("memory".into()), ..options() };
        assert_eq!(NodeConfig::build(&memory).unwrap().socket_path(), None);
    }
}
