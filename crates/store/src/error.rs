//! What can go wrong with a store, and whether anything was written.

use std::path::PathBuf;

use rumormill_wire::{Origin, Seq};

/// An error of the store. A failed commit has written nothing.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another node has it open.
    #[error("{} is in use by another node; give each node a state directory of its own", .0.display())]
    InUse(PathBuf),
    /// Made by a later version.
    #[error("{} was made by a newer version (format {found}, this one knows {known}); use that version", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest known here.
        known: i64,
    },
    /// It holds something else.
    #[error("{} is a database of another program; name another file", .0.display())]
    Foreign(PathBuf),
    /// The file system.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// SQLite: the disk is full, a page cannot be read, and the like.
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The store has reached its bound.
    #[error("the store is full: {used} of {most} bytes; raise store-max")]
    Full {
        /// Bytes of bundles kept.
        used: u64,
        /// The bound.
        most: u64,
    },
    /// The caller's fault: a bundle that does not follow its chain.
    #[error("bundle {first} of {origin} does not follow what is stored, which ends before {next}")]
    NotNext {
        /// Whose chain.
        origin: Origin,
        /// Where the bundle begins.
        first: Seq,
        /// What is next.
        next: Seq,
    },
    /// The caller's fault: a bundle that does not parse.
    #[error("not a bundle")]
    NotABundle,
    /// A stored bundle is no longer what was written.
    #[error("bundle {seq} of {origin} is damaged on disk; restart the node to repair the store from its neighbours")]
    Damaged {
        /// Whose chain.
        origin: Origin,
        /// Its first number.
        seq: Seq,
    },
    /// The writer thread has ended.
    #[error("the store is closed")]
    Closed,
}
