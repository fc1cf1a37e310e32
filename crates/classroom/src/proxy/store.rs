//! The directory for the logs of one session. It goes with the proxy; what a proxy that was killed has left is removed by
//! the next one.
//!
//! A proxy holds a lock in its directory as long as it lives. A directory without the lock file is just being made.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tempfile::{Builder, TempDir};

const PREFIX: &str = "rumormill-session-";
const LOCK: &str = "lock";
/// Entries of the directory for temporary files that are looked at.
const MAX_ENTRIES: usize = 10_000;

pub(crate) struct SessionStore {
    dir: TempDir,
    _lock: File,
}

impl SessionStore {
    /// Makes one for us alone in `parent` and removes those that were left there.
    pub(crate) fn create_in(parent: &Path) -> io::Result<Self> {
        let dir = Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        // Named only once it is locked: see the sweep.
        let beside = dir.path().join(".lock");
        let lock = File::create(&beside)?;
        lock.lock()?;
        fs::rename(beside, dir.path().join(LOCK))?;
        sweep(parent, fs::symlink_metadata(dir.path())?.uid());
        Ok(Self { dir, _lock: lock })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().to_owned()
    }
}

/// Removes the directories of `owner` whose proxy lives no more. What cannot be removed is left for another time.
fn sweep(parent: &Path, owner: u32) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.take(MAX_ENTRIES).flatten() {
        if !entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        // Others may put anything in a directory that all share.
        let ours = entry.metadata().is_ok_and(|about| about.is_dir() && about.uid() == owner);
        let left = || File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if ours && left() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_proxy_left_goes_and_what_lives_stays() {
        let parent = tempfile::tempdir().unwrap();
        let alive = SessionStore::create_in(parent.path()).unwrap();
        fs::write(alive.path().join("log"), "kept").unwrap();
        let left = parent.path().join("rumormill-session-left");
        let young = parent.path().join("rumormill-session-young");
        let other = parent.path().join("something-else");
        for dir in [&left, &young, &other] {
            fs::create_dir(dir).unwrap();
        }
        for dir in [&left, &other] {
            fs::write(dir.join(LOCK), "").unwrap();
        }
        let link = parent.path().join("rumormill-session-link");
        std::os::unix::fs::symlink(&other, &link).unwrap();
        let next = SessionStore::create_in(parent.path()).unwrap();
        assert!(!left.exists(), "nobody holds its lock");
        assert!(alive.path().join("log").exists(), "its lock is held");
        assert!(young.exists() && other.join(LOCK).exists() && link.exists());
        let path = next.path();
        assert!(path.exists());
        drop(next);
        assert!(!path.exists());
    }
}
