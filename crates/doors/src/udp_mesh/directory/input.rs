//! What the directory is told, and what it says.

use std::net::SocketAddr;
use std::sync::Arc;

use rumormill_wire::udp_mesh::NameChar;
use rumormill_wire::udp_mesh::extended::{KEY_LEN, Refusal};

/// A BIRTH of the extended form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<N> {
    /// When it was signed, in microseconds since the Unix epoch.
    pub time: u64,
    /// The Ed25519 key that it is signed by.
    pub key: [u8; KEY_LEN],
    /// Where the peer takes datagrams.
    pub addr: SocketAddr,
    pub name: N,
}

impl Claim<&str> {
    pub(super) fn owned(self) -> Claim<String> {
        Claim { time: self.time, key: self.key, addr: self.addr, name: self.name.to_owned() }
    }
}

impl Claim<String> {
    pub(super) fn borrowed(&self) -> Claim<&str> {
        Claim { time: self.time, key: self.key, addr: self.addr, name: &self.name }
    }
}

/// What happened, as the driver tells it. `from` is where a datagram came from; whoever sends one can forge that.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Input<'a> {
    /// A datagram came, whatever it is.
    Traffic {
        /// Bytes of its payload.
        len: usize,
    },
    /// The socket was seen empty: all that had come is read.
    Empty,
    /// A legacy BIRTH: its sender wants to be listed.
    Birth {
        from: SocketAddr,
        /// The character that it wants to be known by.
        character: NameChar,
        /// The port at which it takes datagrams.
        port: u16,
    },
    /// A BIRTH of the extended form (P-U2).
    Claim { from: SocketAddr, claim: Claim<&'a str> },
    /// A legacy KEEPALIVE: its sender lives.
    KeepAlive {
        from: SocketAddr,
        /// The character of whom it is said to come from.
        character: NameChar,
    },
    /// A KEEPALIVE of the extended form (P-U3).
    KeepAliveExtended {
        from: SocketAddr,
        /// The version of the directory that its sender has; 0 for none.
        version: u64,
    },
    /// A LEAVE (P-U6): its sender goes.
    Leave {
        from: SocketAddr,
        /// When it was signed, in microseconds since the Unix epoch.
        time: u64,
    },
    /// The answer to [`Output::Verify`], which comes before any other input; without it the datagram is forgotten.
    Verified {
        /// Whether the signature holds.
        holds: bool,
    },
    /// The socket takes one datagram more.
    Writable,
    /// The time of [`super::Directory::next_timeout`] has come: the silent are looked for.
    Timeout,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// Whether the datagram that was just told of is signed by this key; then [`Input::Verified`].
    Verify {
        from: SocketAddr,
        /// By whom it should be signed.
        key: [u8; KEY_LEN],
    },
    /// There is a new member.
    Joined {
        /// Where it takes datagrams.
        addr: SocketAddr,
    },
    /// A member has left, or was dropped for its silence.
    Gone {
        /// Where it took datagrams.
        addr: SocketAddr,
    },
    /// Send this datagram; the next comes after [`Input::Writable`].
    Datagram { to: SocketAddr, bytes: Arc<[u8]> },
}

/// Why a datagram counts for nothing: whose fault it is stands in `why`. No member came, went or was heard by it; a legacy BIRTH
/// that is refused makes the directory tell everybody again, as the legacy server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub(crate) struct Reject {
    pub why: Refusal,
    /// Whether whoever sent it is one of ours, so that it can be told.
    pub tell: bool,
}

impl Reject {
    pub(super) const fn told(why: Refusal) -> Self {
        Self { why, tell: true }
    }

    pub(super) const fn silent(why: Refusal) -> Self {
        Self { why, tell: false }
    }
}
