//! Slots at the local socket: some for those that follow, some for those that ask.

use std::sync::Arc;

use rumormill_api::Reply;
use rustix::net::SendFlags;
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::socket_limits::{MAX_ASKING, MAX_FOLLOWERS};

pub(super) const TOO_MANY_ASKING: &str =
    "too many clients at the local socket: 32 ask already; try again when one has ended";
pub(super) const TOO_MANY_FOLLOWING: &str =
    "too many followers at the local socket: 32 follow already; end one, or ask without --follow";
pub(super) const NO_DESCRIPTOR: &str = "too many descriptors are in use: the node keeps the last ones for its files";

/// Whether a user is answered: the one that the node runs as, and root, who reads all. The mode of the file says the same, but
/// somebody may have changed it.
pub(super) const fn is_answered(user: u32, me: u32) -> bool {
    user == me || user == 0
}

/// Why another user is not.
pub(super) fn not_yours(user: u32, me: u32) -> String {
    format!("this node answers its own user (uid {me}) and root, and you are uid {user}: run this as that user")
}

/// A slot, which is free again when this is dropped.
pub(super) type Slot = OwnedSemaphorePermit;

/// How many slots there are, and how many are free.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    asking: Arc<Semaphore>,
    following: Arc<Semaphore>,
}

impl Default for Slots {
    fn default() -> Self {
        Self { asking: Arc::new(Semaphore::new(MAX_ASKING)), following: Arc::new(Semaphore::new(MAX_FOLLOWERS)) }
    }
}

impl Slots {
    /// A slot for a new client, if one is free.
    pub(super) fn ask(&self) -> Option<Slot> {
        Arc::clone(&self.asking).try_acquire_owned().ok()
    }

    /// A slot for one that follows from now on, if one is free.
    pub(super) fn follow(&self) -> Option<Slot> {
        Arc::clone(&self.following).try_acquire_owned().ok()
    }
}

/// Says why, without waiting: a fresh connection has room for a line.
pub(super) fn turn_away(stream: &UnixStream, why: &str) {
    if let Ok(mut line) = serde_json::to_vec(&Reply::Error(why.to_owned())) {
        line.push(b'\n');
        // Not by the runtime, which may not know yet that the connection can be written to.
        let _ = rustix::net::send(stream, &line, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_user_and_root_are_answered_and_nobody_else() {
        for (user, me, right) in
            [(1_000, 1_000, true), (0, 1_000, true), (0, 0, true), (1_001, 1_000, false), (1_000, 0, false)]
        {
            assert_eq!(is_answered(user, me), right, "uid {user} asks uid {me}");
        }
    }

    #[test]
    fn the_words_name_the_bounds() {
        assert!(TOO_MANY_ASKING.contains(&format!(" {MAX_ASKING} ask")));
        assert!(TOO_MANY_FOLLOWING.contains(&format!(" {MAX_FOLLOWERS} follow")));
    }
}
