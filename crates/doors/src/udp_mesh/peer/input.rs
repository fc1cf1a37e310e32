//! What the peer is told, and what it says.

use std::net::SocketAddr;
use std::time::Duration;

use rumormill_wire::udp_mesh::Entries;
use rumormill_wire::udp_mesh::extended::{Changes, Part, Refusal};

/// What happened, as the driver tells it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Input<'a> {
    /// It is to be listed: it asks, again and again.
    Connect,
    /// It is to fall silent, which is how legacy peers go.
    Disconnect,
    /// Broadcasts are turned on or off.
    Broadcast {
        /// The time between two of them; `None` turns them off.
        every: Option<Duration>,
    },
    /// A legacy DIRECTORY came, which lists everybody.
    Directory {
        from: SocketAddr,
        /// Names and ports, as they came; the form has no addresses.
        entries: Entries<'a>,
    },
    /// A part of an extended directory (P-U4) came.
    Part { from: SocketAddr, part: &'a Part<'a> },
    /// Changes of an extended directory (P-U5) came.
    Changes { from: SocketAddr, changes: &'a Changes<'a> },
    /// The directory says no (P-U8).
    Refused { from: SocketAddr, why: Refusal },
    /// The system says that nobody listens where the directory should be.
    Unreachable,
    /// Another process has the directory's port than before.
    Restarted,
    /// The time of [`super::MeshPeer::next_timeout`] has come.
    Timeout,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// Send BIRTH to the directory.
    Birth,
    /// Send KEEPALIVE to the directory; the extended form says which version of the directory is known.
    KeepAlive { version: u64 },
    /// Send LEAVE to the directory.
    Leave,
    /// Send this to all peers.
    Broadcast(String),
    /// Say what happened to whoever watches.
    Tell(Tell),
}

/// What a person, or the log, is told of a peer and its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tell {
    /// The directory lists us.
    Registered,
    /// It did not within [`super::PATIENCE`].
    LeftOut,
    /// It refused us, and said why (P-U8).
    Refused(Refusal),
    /// It listed us and does no more.
    Lost,
}

/// Why an input was not taken. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Reject {
    /// Only the directory is believed.
    #[error("{0} is not the directory")]
    Stranger(SocketAddr),
    /// A peer of one character speaks the legacy form, others the extended one.
    #[error("it is in the form that this peer does not speak")]
    Form,
}
