//! That a node has only one menu at an address: a locked file beside its socket. The system lets go of it when a menu is
//! killed.

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Others that may come and go just while we try.
const TRIES: usize = 16;

/// The right to an address, among the menus of one node.
#[derive(Debug)]
pub struct Held {
    file: File,
    path: PathBuf,
}

impl Held {
    /// Takes it; `None` if another menu has it.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn take(socket: &Path, own: SocketAddr) -> io::Result<Option<Self>> {
        let path = socket.with_file_name(format!("menu-{own}.lock"));
        for _ in 0..TRIES {
            let file = File::options().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
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
        let (socket, own) = (dir.path().join("node.sock"), "[::1]:8080".parse().unwrap());
        let first = Held::take(&socket, own).unwrap().unwrap();
        assert!(Held::take(&socket, own).unwrap().is_none());
        let other = Held::take(&socket, "[::1]:8081".parse().unwrap()).unwrap();
        assert!(other.is_some());
        drop(first);
        let again = Held::take(&socket, own).unwrap();
        assert!(again.is_some());
        drop((again, other));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        // What says something is no lock of ours.
        let theirs = socket.with_file_name(format!("menu-{own}.lock"));
        fs::write(&theirs, "notes").unwrap();
        drop(Held::take(&socket, own).unwrap());
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "notes");
        let gone = dir.path().join("nowhere/node.sock");
        assert!(Held::take(&gone, own).is_err());
    }
}
