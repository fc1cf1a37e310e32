//! Directories that only their owner enters, and files that only their owner reads.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Makes a directory for a socket and those above it; what is there already stays as it is, and may be one like `/tmp`.
pub(crate) fn socket_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a directory and those above it; one that is there has to be ours alone to write.
pub(crate) fn private_dir(path: &Path) -> io::Result<()> {
    rumormill_transport::private::make_dir(path)
}

/// The same for a state directory, of which all entries are files, sockets and directories: a FIFO in a file's place would hold
/// up whoever opens it for ever.
pub(crate) fn state_dir(path: &Path) -> io::Result<()> {
    private_dir(path)?;
    for entry in fs::read_dir(path)? {
        let entry = entry?.path();
        // A link that leads nowhere is found by whoever opens it.
        let Ok(kind) = fs::metadata(&entry).map(|facts| facts.file_type()) else { continue };
        if kind.is_fifo() || kind.is_char_device() || kind.is_block_device() {
            let why = format!("{} is no regular file; take it away", entry.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
    }
    Ok(())
}

/// Puts a whole file in place of what was there: after a crash it is the one or the other. Waits for the disk.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    // A fresh file: one left from a crash, or put there by others, may be a link or readable by them.
    match fs::remove_file(&beside) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}
