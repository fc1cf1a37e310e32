//! Files that people name for us to write: what we did not write there is theirs, and is never replaced.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::read_regular;

/// What to do about a file that is not ours.
const NEXT: &str = "it stays as it is; move it away, or name another";

/// Reads a file of at most so many bytes that we may replace; `None` if there is none. To be asked before anything is written,
/// and before each [`write_private`](super::write_private) over it: what lies there may have changed.
///
/// # Errors
/// It is no regular file (a link is none: what it leads to is not looked at), is too long, or `ours` says that its content is
/// another's. The error says so and what to do.
pub fn read_own(path: &Path, most: u64, ours: impl FnOnce(&[u8]) -> bool) -> io::Result<Option<Vec<u8>>> {
    let wrong = |why: &str| io::Error::new(ErrorKind::InvalidData, format!("{why}; {NEXT}"));
    match fs::symlink_metadata(path) {
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(why),
        Ok(facts) if facts.is_symlink() => return Err(wrong("it is a symbolic link")),
        Ok(facts) if !facts.is_file() => return Err(wrong("it is no regular file")),
        Ok(facts) if facts.len() > most => return Err(wrong("its content is not ours")),
        Ok(_) => {}
    }
    // It may be another by now: what is opened is looked at again.
    let bytes = read_regular(path, most)?;
    if ours(&bytes) { Ok(Some(bytes)) } else { Err(wrong("its content is not ours")) }
}

/// Whether a path still names the socket or file of this device and inode, so that it is ours to remove.
#[must_use]
pub fn is_ours(path: &Path, device: u64, inode: u64) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::symlink_metadata(path).is_ok_and(|facts| (facts.dev(), facts.ino()) == (device, inode))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn what_is_not_ours_is_told_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link, fifo) = (dir.path().join("file"), dir.path().join("link"), dir.path().join("fifo"));
        let read = |path: &Path, most| read_own(path, most, |bytes| bytes.starts_with(b"head"));
        assert_eq!(read(&file, 8).unwrap(), None);
        fs::write(&file, "head 1").unwrap();
        symlink(&file, &link).unwrap();
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert_eq!(read(&file, 8).unwrap().unwrap(), b"head 1");
        for (path, most, word) in [
            (link.as_path(), 8, "symbolic link"),
            (&fifo, 8, "no regular file"),
            (dir.path(), 8, "no regular file"),
            (&file, 5, "not ours"),
        ] {
            let why = read(path, most).unwrap_err().to_string();
            assert!(why.contains(word) && why.contains("move it away, or name another"), "{why}");
        }
        for other in ["", "hea", "a letter"] {
            fs::write(&file, other).unwrap();
            assert!(read(&file, 8).unwrap_err().to_string().contains("not ours"), "{other}");
            assert_eq!(fs::read_to_string(&file).unwrap(), other);
        }
    }
}
