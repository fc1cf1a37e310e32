//! Files that somebody names: regular ones of a bounded length, or an error at once.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Reads a regular file of at most so many bytes. Of anything else nothing is read: a FIFO would wait for a writer for ever, a
/// device may have no end.
///
/// # Errors
/// What it is instead, how long it is, or what the system says.
pub fn read_regular(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let wrong = |why: String| io::Error::new(ErrorKind::InvalidInput, why);
    // Opening a FIFO would wait as well.
    let nonblock = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(nonblock).open(path)?;
    let facts = file.metadata()?;
    if !facts.is_file() {
        let what = if facts.is_dir() { "it is a directory" } else { "it is no regular file" };
        return Err(wrong(format!("{what}; give a file")));
    }
    if facts.len() > most {
        return Err(wrong(format!("it has {} bytes, {most} at most", facts.len())));
    }
    let mut bytes = Vec::new();
    // It may grow meanwhile.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(len) if len <= most => Ok(bytes),
        _ => Err(wrong(format!("it has more than {most} bytes"))),
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn only_regular_files_of_bounded_length_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let (file, fifo) = (dir.path().join("file"), dir.path().join("fifo"));
        std::fs::write(&file, b"12345678").unwrap();
        assert_eq!(read_regular(&file, 8).unwrap(), b"12345678");
        assert!(read_regular(&file, 7).unwrap_err().to_string().contains("8 bytes, 7 at most"));
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for (path, word) in [(fifo.as_path(), "no regular file"), (dir.path(), "a directory")] {
            let why = read_regular(path, 8).unwrap_err().to_string();
            assert!(why.contains(word), "{why}");
        }
        for endless in ["/dev/zero", "/proc/self/mem"] {
            assert!(read_regular(Path::new(endless), 8).is_err(), "{endless}");
        }
        assert_eq!(read_regular(&dir.path().join("none"), 8).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
