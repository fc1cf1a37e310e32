//! Places at the local socket: some for those that follow, some for those that ask.

use std::sync::Arc;

use rumormill_api::Reply;
use rustix::net::SendFlags;
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limits::{MAX_ASKING, MAX_FOLLOWERS};

pub(super) const TOO_MANY_ASKING: &str =
    "too many clients at the local socket: 32 ask already; try again when one has ended";
pub(super) const TOO_MANY_FOLLOWING: &str =
    "too many followers at the local socket: 32 follow already; end one, or ask without --follow";
pub(super) const NO_DESCRIPTOR: &str = "too many descriptors are in use: the node keeps the last ones for its files";

/// A place, which ends with this.
pub(super) type Place = OwnedSemaphorePermit;

/// How many places there are.
#[derive(Debug, Clone)]
pub(super) struct Places {
    asking: Arc<Semaphore>,
    following: Arc<Semaphore>,
}

impl Default for Places {
    fn default() -> Self {
        Self { asking: Arc::new(Semaphore::new(MAX_ASKING)), following: Arc::new(Semaphore::new(MAX_FOLLOWERS)) }
    }
}

impl Places {
    /// For a new client.
    pub(super) fn ask(&self) -> Option<Place> {
        Arc::clone(&self.asking).try_acquire_owned().ok()
    }

    /// For one that follows from now on.
    pub(super) fn follow(&self) -> Option<Place> {
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
    fn the_words_name_the_bounds() {
        assert!(TOO_MANY_ASKING.contains(&format!(" {MAX_ASKING} ask")));
        assert!(TOO_MANY_FOLLOWING.contains(&format!(" {MAX_FOLLOWERS} follow")));
    }
}
