//! Whose socket a client speaks to: the node's owner is the client's user, or root.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::geteuid;
use tokio::net::UnixStream;

use crate::error::ClientError;

/// Whether what a user asks may go to a socket at which this user listens: to its own, and to root's, who reads all.
const fn trusted(listener: u32, me: u32) -> bool {
    listener == me || listener == 0
}

/// Whose node may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Whose {
    /// One's own, or root's.
    #[default]
    Own,
    /// That of whoever owns the directory of the socket, where nobody else can make files: for root, who names a node that runs as another
    /// user and takes its word.
    Owner,
}

/// The one user that can put a socket there, beside root.
fn owner(path: &Path) -> Option<u32> {
    let dir = path.parent().filter(|dir| *dir != Path::new("")).unwrap_or(Path::new("."));
    let dir = std::fs::metadata(dir).ok()?;
    (dir.mode() & 0o022 == 0).then(|| dir.uid())
}

/// Before anything is written: where others can make files, another user may have put a listener in the node's place,
/// who would read what is sent and make up what is answered.
pub(crate) fn look(stream: &UnixStream, path: &Path, whose: Whose) -> Result<(), ClientError> {
    // The user that listened, as the system noted it then.
    let (listener, me) = (stream.peer_cred()?.uid(), geteuid().as_raw());
    if trusted(listener, me) || whose == Whose::Owner && owner(path) == Some(listener) {
        return Ok(());
    }
    Err(ClientError::Stranger { path: path.to_owned(), listener, me })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ones_own_and_roots_sockets_are_trusted_and_nobody_elses() {
        for (listener, me, right) in [
            (1000, 1000, true),
            (0, 1000, true),
            (0, 0, true),
            (1001, 1000, false),
            (1000, 0, false),
            (65_534, 0, false),
        ] {
            assert_eq!(trusted(listener, me), right, "uid {me} asks uid {listener}");
        }
    }

    #[test]
    fn where_others_can_make_files_a_directory_is_nobodys() {
        use std::fs::{Permissions, create_dir, remove_dir, set_permissions};
        use std::os::unix::fs::PermissionsExt;
        let dir = std::env::temp_dir().join(format!("rumormill-whose-{}", std::process::id()));
        create_dir(&dir).unwrap();
        let me = geteuid().as_raw();
        for (mode, expected) in [(0o700, Some(me)), (0o755, Some(me)), (0o775, None), (0o1777, None)] {
            set_permissions(&dir, Permissions::from_mode(mode)).unwrap();
            assert_eq!(owner(&dir.join("node.sock")), expected, "{mode:o}");
        }
        remove_dir(&dir).unwrap();
        assert_eq!(owner(&dir.join("node.sock")), None);
    }
}
