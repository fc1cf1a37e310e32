//! The kinds of value that a configuration has.

use std::path::PathBuf;
use std::time::Duration;

/// Where the log is kept. The store's own [`Kind`](rumormill_store::Kind) has the path too, which follows from the state directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// In a file of the state directory.
    Sqlite,
    /// In memory, gone with the process.
    Memory,
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
        /// The pin file: the network, and who belongs to it.
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
    /// Lines for people, in colours on a terminal.
    Human,
    /// One JSON object a line.
    Json,
}

/// Bounds on what others cost us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that one node id may add in a day, up to 1 PiB; 0 is without limit.
    pub greedy_bytes_per_day: u64,
    /// Incarnations that one node id may add in a day, up to a million; 0 is without limit.
    pub greedy_incarnations_per_day: u64,
    /// Bytes that one node id may add in a second, beyond a burst, up to 1 TiB; 0 is without limit.
    pub pace_bytes_per_s: u64,
    /// Frames a second taken from one node id, 100 to ten million; one that brings no messages counts as four and more.
    pub frames_per_s: u32,
    /// Bytes a second taken from one node id, 128 KiB to 4 GB.
    pub bytes_per_s: u32,
    /// Links that are up at once; 1 to 4,096.
    pub links: usize,
    /// Handshakes in flight, of all; 8 to 65,536.
    pub handshakes: usize,
    /// Handshakes in flight from one address prefix (/24, /48), 4 to 65,536.
    pub handshakes_per_prefix: usize,
    /// Time for one handshake, 100 ms to 60 s.
    pub handshake_deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // docs/protocol.md, P-G1 and P-G6.
            greedy_bytes_per_day: 64 << 20,
            greedy_incarnations_per_day: 32,
            pace_bytes_per_s: 2 << 20,
            // 20,000 full bundles are ten million messages, and 256 MiB twice what a network of 1 Gbit/s brings: only a flood is
            // slowed.
            frames_per_s: 20_000,
            bytes_per_s: 256 << 20,
            // As many neighbours as may be configured. One that takes nothing costs an outbox of 4 MiB before it is given up.
            links: 64,
            // As in `AdmissionLimits::default()` of the transport, which says why.
            handshakes: 512,
            handshakes_per_prefix: 64,
            handshake_deadline: Duration::from_secs(5),
        }
    }
}
