//! The node's settings: flags over a TOML file over defaults, checked once, here.

mod build;
mod error;
mod fields;
mod kinds;
mod options;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use rumormill_doors::{Spec, classroom};
use rumormill_gossip::Dissemination;
use rumormill_wire::native::MAX_BODY_LEN;

use build::{doors, identity, limits, neighbours, places, size};

use crate::clock::Wall;

pub use rumormill_transport::default_home;

pub use error::ConfigError;
pub use kinds::{IdentitySource, Limits, LogFormat, StoreKind};
pub use options::{MAX_DOORS, MAX_FILE_BYTES, MAX_NEIGHBOURS, NodeOptions};
pub use rumormill_peering::Neighbour;
pub use rumormill_store::Durability;

/// Everything a node is told. Made by [`NodeConfig::build`], or from [`NodeConfig::new`] by hand in code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// Name in the network.
    pub name: String,
    /// Address for neighbours; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Classroom control port, on this machine.
    pub control: Option<classroom::Config>,
    /// Neighbours to keep links with.
    pub neighbours: Vec<Neighbour>,
    /// Doors for programs that speak older protocols.
    pub doors: Vec<Spec>,
    /// Directory of the store, the socket and small files; none: nothing is kept.
    pub state: Option<PathBuf>,
    /// Path of the local socket.
    pub socket: Option<PathBuf>,
    /// The state was put back from a copy, or the store removed, on purpose: it is taken as it is, and the node writes under
    /// a new incarnation.
    pub restored: bool,
    /// Where the log lives.
    pub store: StoreKind,
    /// What a commit survives.
    pub durability: Durability,
    /// How new messages spread.
    pub dissemination: Dissemination,
    /// Who we are and whom we trust.
    pub identity: IdentitySource,
    /// Longest message taken from people, in bytes, 1 to 32,768: the protocol has no longer ones (P-B1).
    pub max_message: usize,
    /// Most bytes in the store, 1 MiB to 1 PiB.
    pub store_max: u64,
    /// Mean time between comparisons with a neighbour, 100 ms to 1 h: what was lost waits for one.
    pub anti_entropy: Duration,
    /// A neighbour not heard for so long is pinged, 100 ms to 5 min; after four times as long without a word its link ends.
    pub ping: Duration,
    /// Links without a post-quantum key exchange are refused.
    pub post_quantum: bool,
    /// Bounds on what others cost us.
    pub limits: Limits,
    /// In which form the log goes to standard error.
    pub log_format: LogFormat,
    /// What to log: a level, or directives as `tracing` has them; `None` leaves it to `RUST_LOG`, else `info`.
    pub log_level: Option<String>,
    /// The wall clock; another than the system's is for tests.
    pub wall: Wall,
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
            restored: false,
            store: StoreKind::Memory,
            durability: Durability::Full,
            dissemination: Dissemination::Eager,
            identity: IdentitySource::LocalCa { home: None },
            max_message: MAX_BODY_LEN,
            // 256 days of one author at its full rate (P-G1).
            store_max: 16 << 30,
            // As in `EngineConfig::new` of the engine, which says why.
            anti_entropy: Duration::from_secs(10),
            // A neighbour that hangs or lost its wire is noticed within 20 s.
            ping: Duration::from_secs(5),
            post_quantum: false,
            limits: Limits::default(),
            log_format: LogFormat::Human,
            log_level: None,
            wall: Wall::default(),
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
        config.control = options.control.as_deref().map(|at| fields::control("control", at)).transpose()?;
        config.neighbours = neighbours(&options.neighbour)?;
        config.doors = doors(options)?;
        config.state = options.state.as_deref().map(fields::state).transpose()?;
        config.socket = options.socket.as_deref().map(|at| fields::path("socket", at)).transpose()?;
        let words = [("true", true), ("false", false)];
        config.restored = fields::choice("restored", &text(&options.restored, "false"), &words)?;
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
        config.check_places()?;
        let ways = [("prefer", false), ("require", true)];
        config.post_quantum = fields::choice("post-quantum", &text(&options.post_quantum, "prefer"), &ways)?;
        let formats = [("human", LogFormat::Human), ("json", LogFormat::Json)];
        config.log_format = fields::choice("log-format", &text(&options.log_format, "human"), &formats)?;
        let levels = ["error", "warn", "info", "debug", "trace"].map(|level| (level, level));
        let level =
            options.log_level.as_deref().map(|level| fields::choice("log-level", level, &levels)).transpose()?;
        config.log_level = level.map(str::to_owned);
        Ok(config)
    }

    /// Whether each neighbour can have its place among the links.
    ///
    /// # Errors
    /// `max-links` is lower than the number of neighbours.
    pub fn check_places(&self) -> Result<(), ConfigError> {
        let needed = places(&self.neighbours);
        if self.limits.links < needed {
            let allowed = format!("{needed} or more: each of the neighbours that are named has a place of its own");
            return Err(ConfigError::value("max-links", &self.limits.links.to_string(), &allowed));
        }
        Ok(())
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
        self.socket.clone().or_else(|| self.state.as_deref().map(rumormill_api::default_path))
    }
}

#[cfg(test)]
mod tests;
