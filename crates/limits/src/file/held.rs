//! That one program at a time has something: a locked file that stands for it. The system lets go of it when the program is killed.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::open_lock;

/// Others that may come and go just while we try: each try ends at once, and sixteen in a row are no accident.
const TRIES: usize = 16;

/// An exclusive lock between programs, by a file of its own; given back when dropped.
///
/// The file is not the one that is kept: that one is replaced, and a lock would go with it.
#[derive(Debug)]
pub struct Held {
    file: File,
    path: PathBuf,
}

impl Held {
    /// Takes the lock that the file `path` is, made if it is not there; `None` if another program has it.
    ///
    /// # Errors
    /// The file cannot be made or locked, or something else lies there ([`open_lock`]).
    pub fn take(path: PathBuf) -> io::Result<Option<Self>> {
        for _ in 0..TRIES {
            let file = open_lock(&path)?;
            match file.try_lock() {
                // Whoever had it may have taken the file away between.
                Ok(()) if is_at(&file, &path)? => return Ok(Some(Self { file, path })),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(why)) => return Err(why),
            }
        }
        Ok(None)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Still locked: nobody else has it now. Ours is empty; a file that says something is somebody's own.
        if self.file.metadata().is_ok_and(|facts| facts.len() == 0) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(why) => Err(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let first = Held::take(at("one")).unwrap().unwrap();
        assert!(Held::take(at("one")).unwrap().is_none());
        let other = Held::take(at("two")).unwrap();
        assert!(other.is_some());
        drop(first);
        let again = Held::take(at("one")).unwrap();
        assert!(again.is_some());
        drop((again, other));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        // What says something is no lock of ours.
        fs::write(at("one"), "notes").unwrap();
        drop(Held::take(at("one")).unwrap());
        assert_eq!(fs::read_to_string(at("one")).unwrap(), "notes");
        assert!(Held::take(at("nowhere/one")).is_err());
    }
}
