//! Files that only their owner reads, written so that a crash leaves the old one or the new one. Not for rooms without IO.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

mod held;
mod lock;
mod own;
mod place;
mod private;
mod regular;

pub use held::Held;
pub use lock::open_lock;
pub use own::{is_ours, read_own};
pub use place::Place;
pub use private::{NotOurs, check_dir, is_no_directory, make_dir, owner_of_dir, read_key, read_trusted};
pub use regular::read_regular;

/// What a file is called while it is written. Nobody else names one so: where a directory is not ours alone, `.new` may be
/// another's file.
const BESIDE: &str = ".rumormill-new";

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
    pub fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }

    /// What the system said, for who names the file anyway.
    #[must_use]
    pub fn into_source(self) -> io::Error {
        self.source
    }

    /// Whether the file simply is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// Whether something else than a directory was named where one is needed.
    #[must_use]
    pub fn is_no_directory(&self) -> bool {
        is_no_directory(&self.source)
    }
}

/// Sees that nobody but our user and root can put another file in place of one that is there: in the directory by which it is
/// named, nor, where that or the file is a link, in the one where it lies.
///
/// # Errors
/// Names the directory that is not to be trusted ([`NotOurs`]), or the file that cannot be looked at.
pub fn check_dir_of(file: &Path) -> Result<(), FileError> {
    let named = std::path::absolute(file).map_err(FileError::at("use", file))?;
    let lies = fs::canonicalize(file).map_err(FileError::at("use", file))?;
    for dir in [named.parent(), lies.parent()].into_iter().flatten() {
        private::check_kept(dir).map_err(FileError::at("use what is in the directory", dir))?;
    }
    Ok(())
}

/// Puts a whole file, which only its owner reads, in place of what was there: after a crash it is the one or the other. Waits for
/// the disk.
///
/// # Errors
/// It cannot be written, or put in its place. What was there stays.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().map(Path::new).unwrap_or(path);
    write_private_all(dir, &[(name, bytes)])
}

/// Several files of one directory, each as by itself and in this order; the directory is synced once.
///
/// # Errors
/// One cannot be written, and then none is put in its place, or one cannot be put in its place.
pub fn write_private_all(dir: &Path, files: &[(&Path, &[u8])]) -> Result<(), FileError> {
    // One writer a directory, which a lock sees to: so one name serves, and what a crash leaves is used up by the next.
    let beside = |name: &Path| {
        let mut name = name.as_os_str().to_owned();
        name.push(BESIDE);
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

/// Makes the names in a directory durable.
///
/// # Errors
/// What the system says.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a"), dir.path().join("other"));
        fs::write(&other, "theirs").unwrap();
        // What a crash left, and what others planted: neither is written through.
        symlink(&other, dir.path().join("a.rumormill-new")).unwrap();
        // What anybody may call a file is not touched.
        fs::write(dir.path().join("a.new"), "mine").unwrap();
        for text in ["first", "2"] {
            write_private(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_to_string(&other).unwrap(), "theirs");
        assert_eq!(fs::read_to_string(dir.path().join("a.new")).unwrap(), "mine");
        assert_eq!(names(dir.path()), ["a", "a.new", "other"], "nothing is left beside it");
    }

    #[test]
    fn of_several_files_none_is_replaced_if_one_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "old").unwrap();
        fs::create_dir(dir.path().join("b.rumormill-new")).unwrap();
        let files = [(Path::new("a"), &b"new"[..]), (Path::new("b"), b"new")];
        let why = write_private_all(dir.path(), &files).unwrap_err();
        assert!(why.to_string().starts_with("cannot write ") && why.to_string().contains("/b: "), "{why}");
        assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "old");
        fs::remove_dir(dir.path().join("b.rumormill-new")).unwrap();
        write_private_all(dir.path(), &files).unwrap();
        assert_eq!(names(dir.path()), ["a", "b"]);
    }

    #[test]
    fn what_is_not_there_says_so() {
        let why = write_private(Path::new("/nowhere/at/all"), b"").unwrap_err();
        assert!(why.is_missing() && !why.is_no_directory());
        assert_eq!(why.into_source().kind(), io::ErrorKind::NotFound);
    }
}
