//! The kinds of value that a configuration has.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

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
    /// Bytes that one node id may add in a second, beyond a burst; 0 is without limit.
    pub pace_bytes_per_s: u64,
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
            pace_bytes_per_s: 2 << 20,
            frames_per_s: 20_000,
            bytes_per_s: 256 << 20,
            links: 64,
            handshakes: 512,
            handshakes_per_prefix: 64,
            handshake_deadline: Duration::from_secs(5),
        }
    }
}
