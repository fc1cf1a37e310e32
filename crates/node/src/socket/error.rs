//! Why the socket cannot be had.

use std::io;
use std::path::PathBuf;

use super::limits::MAX_PATH;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The path does not fit in a socket's address.
    #[error("socket: {} has {len} bytes; {} is the most a socket's path can have; name a shorter one with --socket",
        path.display(), MAX_PATH - 1)]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its bytes.
        len: usize,
    },
    /// Another node answers there.
    #[error("socket: another node answers at {}", .0.display())]
    InUse(PathBuf),
    /// Something else lies there.
    #[error("socket: {} is there and is no socket", .0.display())]
    NoSocket(PathBuf),
    /// The file system.
    #[error("socket: cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
