//! Files that only their owner reads, written so that a crash leaves the old one or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::private;
use crate::regular::read_regular;

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FileError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    /// Names what was being done where.
    pub(crate) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }

    /// Whether the file simply is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// Whether something else than a directory was named where one is needed.
    #[must_use]
    pub fn is_no_directory(&self) -> bool {
        private::is_no_directory(&self.source)
    }
}

/// Makes a directory that only its owner enters, and those above it; one that is there has to be ours alone to write.
pub(crate) fn private_dir(path: &Path) -> Result<(), FileError> {
    private::make_dir(path).map_err(FileError::at("use the directory", path))
}

/// Sees that a directory that is there is ours alone to write.
pub(crate) fn check_dir(path: &Path) -> Result<(), FileError> {
    private::check_dir(path).map_err(FileError::at("use the directory", path))
}

/// Reads a key file: ours, and nobody else's to write.
pub(crate) fn read_key(path: &Path) -> Result<Vec<u8>, FileError> {
    private::read_key(path).map_err(FileError::at("use the key", path))
}

/// The same as text.
pub(crate) fn read_key_text(path: &Path) -> Result<String, FileError> {
    text(path, read_key(path)?)
}

/// Reads a file that says whom we trust: nobody else's to write.
pub(crate) fn read_trusted(path: &Path) -> Result<Vec<u8>, FileError> {
    private::read_trusted(path).map_err(FileError::at("use", path))
}

/// The same as text.
pub(crate) fn read_trusted_text(path: &Path) -> Result<String, FileError> {
    text(path, read_trusted(path)?)
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<String, FileError> {
    let not_text = |_| FileError::at("read", path)(io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"));
    String::from_utf8(bytes).map_err(not_text)
}

/// Reads a regular file of at most 1 MiB.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    read_at_most(path, 1 << 20)
}

/// Reads a regular file of at most so many bytes.
pub(crate) fn read_at_most(path: &Path, most: usize) -> Result<Vec<u8>, FileError> {
    read_regular(path, u64::try_from(most).unwrap_or(u64::MAX)).map_err(FileError::at("read", path))
}

/// Writes beside, syncs and renames.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().map(Path::new).unwrap_or(path);
    write_private_all(dir, &[(name, bytes)])
}

/// Writes several files of one directory, each as by itself and in this order; the directory is synced once.
pub(crate) fn write_private_all(dir: &Path, files: &[(&Path, &[u8])]) -> Result<(), FileError> {
    let beside = |name: &Path| {
        let mut name = name.as_os_str().to_owned();
        name.push(format!(".new-{}", std::process::id()));
        dir.join(name)
    };
    for (name, bytes) in files {
        write_new(&beside(name), bytes).map_err(FileError::at("write", &dir.join(name)))?;
    }
    for (name, _) in files {
        fs::rename(beside(name), dir.join(name)).map_err(FileError::at("write", &dir.join(name)))?;
    }
    sync_dir(dir).map_err(FileError::at("sync", dir))
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A fresh file: one left from a crash, or put there by others, may be a link or readable by them.
    match fs::remove_file(path) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Takes a lock that ends with the returned file.
pub(crate) fn lock(path: &Path) -> Result<File, FileError> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(FileError::at("open", path))?;
    file.lock().map_err(FileError::at("lock", path))?;
    Ok(file)
}
