//! Where a node has its socket, and how long a line on it is.

use std::path::{Path, PathBuf};

/// Longest request, and longest line of a log: a message of 32 KiB, each byte of it written as `\u00xx`, and some room.
pub const MAX_LINE: usize = 256 * 1024;

/// Where a node with this state directory has its socket.
#[must_use]
pub fn default_path(state: &Path) -> PathBuf {
    state.join("node.sock")
}
