//! Where damaged files go.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::names::beside;
use crate::error::StoreError;

/// How many damaged files are kept; the oldest is removed for a new one.
const MOST: usize = 3;
/// What stands between the store's name and the time.
const MARKER: &str = ".damaged-";
/// What SQLite keeps beside a file.
const EXTRAS: [&str; 2] = ["-wal", "-shm"];

/// A free name for a damaged file.
pub(super) fn name(path: &Path) -> PathBuf {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let mut tries = (now..).map(|stamp| beside(path, &format!("{MARKER}{stamp}")));
    tries.find(|name| !name.exists()).unwrap_or_else(|| beside(path, MARKER))
}

/// Moves a store out of the way, with what is beside it.
pub(super) fn put(path: &Path, quarantine: &Path) -> Result<(), StoreError> {
    let io = |source| StoreError::Io { action: "put aside", path: path.to_owned(), source };
    std::fs::rename(path, quarantine).map_err(io)?;
    put_extras(path, quarantine).map_err(io)?;
    forget_oldest(path).map_err(io)
}

/// Moves away what is beside a store: it must never meet another file under the same name.
fn put_extras(path: &Path, quarantine: &Path) -> std::io::Result<()> {
    for extra in EXTRAS {
        match std::fs::rename(beside(path, extra), beside(quarantine, extra)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Removes what is beside a file that is not there.
pub(super) fn put_stray_extras(path: &Path) -> Result<(), StoreError> {
    let io = |source| StoreError::Io { action: "put aside", path: path.to_owned(), source };
    put_extras(path, &name(path)).map_err(io)
}

/// Keeps a copy of a log that SQLite will cut at its first bad frame.
pub(super) fn copy_log(path: &Path, log: &Path) -> Result<PathBuf, StoreError> {
    let quarantine = name(path);
    let io = |source| StoreError::Io { action: "copy", path: log.to_owned(), source };
    std::fs::copy(log, &quarantine).map_err(io)?;
    forget_oldest(path).map_err(io)?;
    Ok(quarantine)
}

fn forget_oldest(path: &Path) -> std::io::Result<()> {
    let Some(name) = path.file_name() else { return Ok(()) };
    let marker = format!("{}{MARKER}", name.to_string_lossy());
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut stamps = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let stamp = name.to_str().and_then(|name| name.strip_prefix(&marker)?.parse::<u128>().ok());
        stamps.extend(stamp);
    }
    stamps.sort_unstable();
    for stamp in stamps.iter().take(stamps.len().saturating_sub(MOST)) {
        let old = beside(path, &format!("{MARKER}{stamp}"));
        std::fs::remove_file(&old)?;
        for extra in EXTRAS {
            // Most have none.
            let _ = std::fs::remove_file(beside(&old, extra));
        }
    }
    Ok(())
}

/// Makes sure that a renamed file has its new name after a power failure.
pub(super) fn sync_dir(path: &Path) -> std::io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(dir)?.sync_all()
}
