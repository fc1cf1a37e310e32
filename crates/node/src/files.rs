//! Directories that only their owner enters, and files that only their owner reads.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rumormill_limits::file::{self, FileError};

/// The store's file in the state directory.
pub(crate) const STORE_FILE: &str = "log.db";
/// The file of the mark beside the store, which says how far the store had come.
pub(crate) const MARK_FILE: &str = "log.mark";
/// What opens the letters to this node.
pub(crate) const LETTERS_KEY_FILE: &str = "letters.key";
/// The letters that wait here, and the keys of members; a record a line.
pub(crate) const LETTERS_FILE: &str = "letters.jsonl";
/// All files in the state directory that the node and its store write, but for the socket and what is in directories.
pub(crate) const NODE_FILES: [&str; 8] = [
    STORE_FILE,
    "log.db-wal",
    "log.db-shm",
    "log.db-journal",
    "log.db-lock",
    MARK_FILE,
    LETTERS_KEY_FILE,
    LETTERS_FILE,
];

/// Makes a directory and those above it; one that is there has to be ours alone to write.
pub(crate) fn private_dir(path: &Path) -> io::Result<()> {
    file::make_dir(path)
}

/// The same for a state directory, of which all entries are files, sockets and directories: a FIFO in a file's place would hold
/// up whoever opens it for ever.
pub(crate) fn state_dir(path: &Path) -> io::Result<()> {
    private_dir(path)?;
    for entry in fs::read_dir(path)? {
        let entry = entry?.path();
        // A link that leads nowhere is found by whoever opens it.
        let Ok(kind) = fs::metadata(&entry).map(|facts| facts.file_type()) else { continue };
        if kind.is_fifo() || kind.is_char_device() || kind.is_block_device() {
            let why = format!("{} is no regular file; take it away", entry.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
    }
    Ok(())
}

/// Puts a whole file in place of what was there: after a crash it is the one or the other. Waits for the disk.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    file::write_private(path, bytes).map_err(FileError::into_source)
}
