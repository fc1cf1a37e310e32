//! Whose socket a client speaks to: the node's owner is the client's user, or root.

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
    /// That of this user too, by its number: for root, who names a node that runs as another user and takes its word.
    User(u32),
}

/// Before anything is written: where others can make files, another user may have put a listener in the node's place,
/// who would read what is sent and make up what is answered.
pub(crate) fn look(stream: &UnixStream, path: &Path, whose: Whose) -> Result<(), ClientError> {
    // The user that listened, as the system noted it then.
    let (listener, me) = (stream.peer_cred()?.uid(), geteuid().as_raw());
    if trusted(listener, me) || whose == Whose::User(listener) {
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
}
