//! Files that are locked and say little or nothing: opened so that nothing another program put in their place is waited for or changed.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// What to do about something else in the place of a lock.
const NEXT: &str = "it stays as it is; move it away, or name another place";

/// Opens the file that a lock stands for, to read and to write, made if it is not there, and ours alone then. Content that is there stays.
///
/// # Errors
/// It is a symbolic link or no regular file: neither is followed, waited for or changed. Or what the system says.
pub fn open_lock(path: &Path) -> io::Result<File> {
    let wrong = |what: &str| io::Error::new(ErrorKind::InvalidInput, format!("{what}; {NEXT}"));
    // Opening a FIFO would wait for another program.
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default();
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
    let file = options.open(path).map_err(|why| match Errno::from_io_error(&why) {
        Some(Errno::LOOP) => wrong("it is a symbolic link"),
        Some(Errno::NXIO) => wrong("it is no regular file"),
        _ => why,
    })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(wrong("it is no regular file")) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn a_lock_is_a_file_of_its_own_and_nothing_in_its_place_is_followed_waited_for_or_changed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        drop(open_lock(&at("new")).unwrap());
        assert_eq!(fs::metadata(at("new")).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(at("mark"), "closed").unwrap();
        drop(open_lock(&at("mark")).unwrap());
        assert_eq!(fs::read_to_string(at("mark")).unwrap(), "closed");

        symlink(at("theirs"), at("dangling")).unwrap();
        symlink(at("mark"), at("link")).unwrap();
        mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        for (name, word) in
            [("dangling", "symbolic link"), ("link", "symbolic link"), ("fifo", "regular"), ("socket", "regular")]
        {
            let why = open_lock(&at(name)).unwrap_err().to_string();
            assert!(why.contains(word) && why.contains("move it away"), "{name}: {why}");
        }
        drop(socket);
        assert!(!at("theirs").exists());
        assert!(open_lock(dir.path()).is_err());
    }
}
