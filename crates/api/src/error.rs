//! Why a node could not be asked.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a node could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers at that socket.
    #[error("no node answers at {}: {source}; is it running, and is this its --state or --socket?", path.display())]
    Connect {
        /// The socket that was asked.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system does not let this user open it.
    #[error("the socket at {} may not be opened by this user ({source})", path.display())]
    Denied {
        /// The socket that was asked.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another user listens there.
    #[error(
        "another user listens at {} (uid {listener}; this runs as {me}); nothing was sent",
        path.display()
    )]
    Stranger {
        /// The socket that was asked.
        path: PathBuf,
        /// The user id of whoever listens.
        listener: u32,
        /// Whose user this runs as.
        me: u32,
    },
    /// It takes a connection, and then nothing comes of it.
    #[error("the node at {} hangs: it did not answer within {} s", path.display(), waited.as_secs_f32())]
    Hangs {
        /// The socket that was asked.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The node did not answer in time, and what was asked for may have been done.
    #[error(
        "the node at {} did not say within {} s that the message is durable; it may be written yet: look at the log before you \
         send it again",
        path.display(),
        waited.as_secs_f32()
    )]
    Unanswered {
        /// The socket that was asked.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// It ended our connection, without a last word, and goes on: as it does with whoever takes nothing.
    #[error(
        "the node at {} runs, and let this reader go: it took nothing for 30 s, or too slowly; messages are missing from here on",
        path.display()
    )]
    LetGo {
        /// The socket that was asked.
        path: PathBuf,
    },
    /// The connection broke, or ended before the answer did.
    #[error("the node went away: {0}")]
    Io(#[from] io::Error),
    /// The node says no.
    #[error("{0}")]
    Refused(String),
    /// It was asked for wrongly.
    #[error("{0}")]
    Wrong(String),
    /// The node speaks another version.
    #[error("the node's answer makes no sense here; are both of one version?")]
    Answer,
}
