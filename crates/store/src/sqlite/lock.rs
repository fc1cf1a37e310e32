//! The file beside the store that one node at a time holds locked, and in which an orderly close leaves its mark.
//!
//! The mark names the length and the time of change of the file that was closed. A store that was not closed, was put
//! back from a copy, or was changed by anyone since does not fit its mark and is checked from end to end.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::names::beside;
use crate::error::StoreError;

/// A mark is no longer than this.
const MAX_MARK: u64 = 128;
/// The mark of a store that is open, or was not closed.
const OPEN: &str = "open";
/// The mark of a store that is being made: nothing was written to it yet.
const MADE: &str = "made";

/// How the store was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// It is as a close left it.
    Closed,
    /// It was not closed, or is not what was closed.
    Open,
    /// There has not been one.
    Never,
}

/// The lock; given back when dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock of a store.
    ///
    /// # Errors
    /// Another node has it, or the file cannot be made.
    pub(super) fn take(store: &Path) -> Result<Self, StoreError> {
        let path = beside(store, "-lock");
        let io = |source| StoreError::Io { action: "make", path: path.clone(), source };
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file, path }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse(store.to_owned())),
            Err(TryLockError::Error(source)) => Err(StoreError::Io { action: "lock", path, source }),
        }
    }

    /// How the store was left.
    pub(super) fn left(&mut self, store: &Path) -> Result<Left, StoreError> {
        let mut mark = Vec::new();
        let read = self.file.rewind().and_then(|()| (&self.file).take(MAX_MARK).read_to_end(&mut mark));
        read.map_err(|source| self.io("read", source))?;
        Ok(match closed_mark(store) {
            Some(closed) if closed.as_bytes() == mark => Left::Closed,
            _ if mark.is_empty() && !store.exists() => Left::Never,
            // There was no room for it, or a crash came first.
            _ if mark == MADE.as_bytes() && is_empty(store) => Left::Never,
            _ => Left::Open,
        })
    }

    /// Says that a store is about to be made. Until [`Lock::opened`] an empty file is what is left of that, and no damage.
    pub(super) fn made(&mut self) -> Result<(), StoreError> {
        self.write(MADE)
    }

    /// Takes the mark away, before anything is changed.
    pub(super) fn opened(&mut self) -> Result<(), StoreError> {
        self.write(OPEN)
    }

    /// Leaves the mark, after the last connection is closed.
    pub(super) fn closed(&mut self, store: &Path) -> Result<(), StoreError> {
        match closed_mark(store) {
            Some(mark) => self.write(&mark),
            None => Ok(()),
        }
    }

    fn write(&mut self, mark: &str) -> Result<(), StoreError> {
        let written = self.file.rewind().and_then(|()| self.file.set_len(0));
        let written = written.and_then(|()| self.file.write_all(mark.as_bytes())).and_then(|()| self.file.sync_all());
        written.map_err(|source| self.io("write", source))
    }

    fn io(&self, action: &'static str, source: std::io::Error) -> StoreError {
        StoreError::Io { action, path: self.path.clone(), source }
    }
}

/// Whether there is nothing in a store's file, nor in its log.
fn is_empty(store: &Path) -> bool {
    [store.to_owned(), beside(store, "-wal")]
        .iter()
        .all(|file| std::fs::metadata(file).map_or(0, |file| file.len()) == 0)
}

/// What the mark of this file would be, if all of it is in its place.
fn closed_mark(store: &Path) -> Option<String> {
    let log = std::fs::metadata(beside(store, "-wal")).map_or(0, |log| log.len());
    let file = std::fs::metadata(store).ok()?;
    let changed = (file.mtime(), file.mtime_nsec());
    (log == 0 && file.len() > 0).then(|| format!("closed {} {}.{:09}\n", file.len(), changed.0, changed.1))
}
