//! Why the local socket cannot be had.

use std::io;
use std::path::PathBuf;

use crate::socket_limits::MAX_PATH;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The path does not fit in a socket's address.
    #[error("socket: {} has {len} bytes; {} is the most a socket's path can have; name a shorter one with --socket",
        path.display(), MAX_PATH - 1)]
    TooLong {
        /// The path that was asked for.
        path: PathBuf,
        /// Bytes of that path.
        len: usize,
    },
    /// Another node answers at that path.
    #[error("socket: another node answers at {}", .0.display())]
    InUse(PathBuf),
    /// Something that is no socket has that path.
    #[error("socket: {} is there and is no socket", .0.display())]
    NoSocket(PathBuf),
    /// The file system does not let us make it.
    #[error("socket: cannot {action} {}: {source}", path.display())]
    Io {
        /// What could not be done, as a verb: it stands behind "cannot".
        action: &'static str,
        /// The path that was asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
