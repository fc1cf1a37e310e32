//! Where the demo's nodes live: a directory of their own, in the one for temporary files.

use std::env;
use std::io::{Error, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rumormill_api::default_path;
use rumormill_node::socket::MAX_PATH;
use tempfile::TempDir;

use crate::output::Failure;

/// Makes the directory, in which nodes with these names find their sockets.
pub(super) fn make(names: &[&str]) -> Result<TempDir, Failure> {
    let above = env::temp_dir();
    let dir = tempfile::Builder::new().prefix("rumormill-demo-").tempdir_in(&above);
    let dir = dir.map_err(|why| refused(&above, &why))?;
    let sockets = names.iter().map(|name| default_path(&dir.path().join(name)).as_os_str().as_bytes().len());
    match sockets.max() {
        Some(len) if len >= MAX_PATH => Err(too_long(&above, len)),
        _ => Ok(dir),
    }
}

fn too_long(above: &Path, len: usize) -> Failure {
    let most = MAX_PATH.saturating_sub(1);
    Failure::usage(
        format_args!(
            "the sockets of the demo's nodes would have {len} bytes in {}, and {most} is the most",
            above.display()
        ),
        "name a shorter directory for temporary files, with TMPDIR",
    )
}

/// Why there can be no directory.
fn refused(above: &Path, why: &Error) -> Failure {
    let dir = above.display();
    match why.kind() {
        ErrorKind::NotFound => Failure::usage(
            format_args!("{dir}, the directory for temporary files, is not there"),
            "make it, or name another with TMPDIR",
        ),
        ErrorKind::NotADirectory => Failure::usage(
            format_args!("{dir}, named for temporary files, is no directory"),
            "name a directory with TMPDIR",
        ),
        ErrorKind::InvalidFilename => too_long(above, above.as_os_str().as_bytes().len()),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Failure::failed(
            format_args!("{dir}, the directory for temporary files, cannot be written: {}", why.kind()),
            "see whose it is, or name another with TMPDIR",
        ),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Failure::failed(
            format_args!("{dir}, the directory for temporary files, is full: {}", why.kind()),
            "free some room there, or name another with TMPDIR",
        ),
        _ => Failure::failed(
            format_args!("cannot make a directory for the demo: {why}"),
            "name another directory for temporary files, with TMPDIR",
        ),
    }
}
