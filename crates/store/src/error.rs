//! What can go wrong with a store, and whether anything was written.

use std::path::{Path, PathBuf};

use rumormill_wire::{Origin, Seq};
use rusqlite::{ErrorCode, ffi};

/// An error of the store. A failed commit has written nothing.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another node has it open.
    #[error("{} is in use by another node; give each node a state directory of its own", .0.display())]
    InUse(PathBuf),
    /// Made by a later version.
    #[error("{} was made by a newer version (format {found}, this one knows {known}); use that version", path.display())]
    Newer {
        /// The file of the store.
        path: PathBuf,
        /// The format that it says it has.
        found: i64,
        /// The newest known here.
        known: i64,
    },
    /// The file is a database, and not a store.
    #[error("{} is a database of another program; name another file", .0.display())]
    Foreign(PathBuf),
    /// The file system does not let us.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The verb of what was being done to it, for people.
        action: &'static str,
        /// The file, or the directory, that it was done to.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database refuses: the disk is full, a page cannot be read, and the like.
    #[error("database {}: {source}; {advice}", path.display())]
    Database {
        /// The file of the store.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
        /// What whoever runs the node can do about it.
        advice: &'static str,
    },
    /// What SQLite said, before the file is named.
    #[doc(hidden)]
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The store has reached its bound.
    #[error("the store is full: {used} of {most} bytes; raise store-max")]
    Full {
        /// Bytes that it takes.
        used: u64,
        /// The bound that it is held to; what is vital may go beyond ([`crate::RESERVE`]).
        most: u64,
    },
    /// The caller's fault: a bundle that does not follow its chain.
    #[error("bundle {first} of {origin} does not follow what is stored, where {next} is next")]
    NotNext {
        /// The chain that the bundle is of.
        origin: Origin,
        /// The number of the bundle's first message.
        first: Seq,
        /// The number that is wanted there.
        next: Seq,
    },
    /// The caller's fault: a bundle that does not parse.
    #[error("not a bundle")]
    NotABundle,
    /// A stored bundle is no longer what was written.
    #[error("bundle {seq} of {origin} is damaged on disk; restart the node to repair the store from its neighbours")]
    Damaged {
        /// The chain that the bundle is of.
        origin: Origin,
        /// The number of its first message.
        seq: Seq,
    },
    /// The writer thread has ended.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Names the file, and what can be done about it.
    pub(crate) fn at(self, path: &Path) -> Self {
        match self {
            Self::Sqlite(source) => {
                let advice = advice(&source, || is_full(path));
                Self::Database { path: path.to_owned(), source, advice }
            }
            other => other,
        }
    }
}

/// Whether the system would not let us open as many files as a store has: the library says of that only that it cannot open one.
fn descriptors_lack() -> bool {
    const FILES: usize = 8;
    // EMFILE and ENFILE, which the standard library has no names for.
    const TOO_MANY: [i32; 2] = [24, 23];
    let opened: Result<Vec<_>, _> = (0..FILES).map(|_| std::fs::File::open("/")).collect();
    opened.is_err_and(|why| why.raw_os_error().is_some_and(|code| TOO_MANY.contains(&code)))
}

/// With less room the library does not begin, nor go on: it adds to its files by no more than this.
const LEAST_ROOM: u64 = 256 * 1024;

/// Whether the disk of a store has no room: the library says of most of its files only that they do not grow.
fn is_full(store: &Path) -> bool {
    let dir = store.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    rustix::fs::statvfs(dir).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < LEAST_ROOM)
}

fn advice(source: &rusqlite::Error, is_full: impl Fn() -> bool) -> &'static str {
    const FULL: &str = "its disk is full: make room there, then start the node again";
    // The library has no code of its own for a file that may not grow.
    const GROWS: [i32; 3] = [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_TRUNCATE, ffi::SQLITE_IOERR_SHMSIZE];
    if source.sqlite_error().is_some_and(|error| GROWS.contains(&error.extended_code)) {
        if is_full() {
            return FULL;
        }
        return "raise the limit on the size of its files (`ulimit -f`, LimitFSIZE=) if there is one, or see what the \
                system's log says of its disk; then start the node again";
    }
    match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => FULL,
        Some(ErrorCode::CannotOpen) if descriptors_lack() => {
            "too few descriptors are left: raise their limit (`ulimit -Hn`, LimitNOFILE)"
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "see that it and its directory belong to the node and can be written"
        }
        Some(ErrorCode::SystemIoFailure) => "see what the system's log says of its disk",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program has it open",
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => "start the node again: it saves what can be read",
        _ => "start the node again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_does_not_grow_is_told_by_the_room_on_its_disk() {
        let said = |code, full: bool| {
            advice(&rusqlite::Error::SqliteFailure(ffi::Error::new(code), None), || full).contains("its disk is full")
        };
        for code in [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_TRUNCATE, ffi::SQLITE_IOERR_SHMSIZE] {
            assert!(said(code, true) && !said(code, false), "{code}");
        }
        assert!(said(ffi::SQLITE_FULL, false) && !said(ffi::SQLITE_IOERR_READ, true));
        assert!(!is_full(&std::env::temp_dir().join("log.db")), "this test has room");
    }
}
