//! Keys, certificates and lists on disk, with errors that name the file.

use std::fs::File;
use std::io;
use std::path::Path;

use rumormill_limits::file;

pub use rumormill_limits::file::FileError;
pub(crate) use rumormill_limits::file::{check_dir_of, sync_dir, write_private, write_private_all};

/// Makes a directory that only its owner enters, and those above it; one that is there has to be ours alone to write.
pub(crate) fn private_dir(path: &Path) -> Result<(), FileError> {
    file::make_dir(path).map_err(FileError::at("use the directory", path))
}

/// Sees that a directory that is there is ours alone to write.
pub(crate) fn check_dir(path: &Path) -> Result<(), FileError> {
    file::check_dir(path).map_err(FileError::at("use the directory", path))
}

/// Reads a key file: ours, and nobody else's to write.
pub(crate) fn read_key(path: &Path) -> Result<Vec<u8>, FileError> {
    file::read_key(path).map_err(FileError::at("use the key", path))
}

/// Reads a file that says whom we trust: nobody else's to write.
pub(crate) fn read_trusted(path: &Path) -> Result<Vec<u8>, FileError> {
    file::read_trusted(path).map_err(FileError::at("use", path))
}

/// The same as text.
pub(crate) fn read_trusted_text(path: &Path) -> Result<String, FileError> {
    let not_text = |_| FileError::at("read", path)(io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"));
    String::from_utf8(read_trusted(path)?).map_err(not_text)
}

/// Reads a regular file of at most 1 MiB.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    read_at_most(path, 1 << 20)
}

/// Reads a regular file of at most so many bytes.
pub(crate) fn read_at_most(path: &Path, most: usize) -> Result<Vec<u8>, FileError> {
    file::read_regular(path, u64::try_from(most).unwrap_or(u64::MAX)).map_err(FileError::at("read", path))
}

/// Sees that a path in a directory that somebody named is free or holds what we may replace.
pub(crate) fn check_own(path: &Path, ours: impl FnOnce(&[u8]) -> bool) -> Result<(), FileError> {
    file::read_own(path, 1 << 20, ours).map(drop).map_err(FileError::at("replace", path))
}

/// Takes a lock that ends with the returned file.
pub(crate) fn lock(path: &Path) -> Result<File, FileError> {
    let file = file::open_lock(path).map_err(FileError::at("open", path))?;
    file.lock().map_err(FileError::at("lock", path))?;
    Ok(file)
}
