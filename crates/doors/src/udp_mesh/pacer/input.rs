//! What the pacer is told, and what it says.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::port::Author;

/// Who gets a message, and in what form.
pub(crate) type Receivers = Vec<(SocketAddr, Arc<[u8]>)>;

/// A datagram on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Datagram {
    pub to: SocketAddr,
    pub bytes: Arc<[u8]>,
    /// The message that it is one datagram of; to be named in [`Input::Sent`].
    pub message: u64,
}

/// What happened. `D` is what the sender of a message is told by.
#[derive(Debug)]
pub(crate) enum Input<D> {
    /// A message, with what each of its receivers gets.
    Send {
        /// Whose share of the queues it takes.
        author: Author,
        receivers: Receivers,
        /// Comes back with [`Output::Settled`].
        done: D,
    },
    /// Something else went to a receiver: the next datagram waits for its gap.
    Other { to: SocketAddr },
    /// The socket takes one datagram more.
    Writable,
    /// An [`Output::Datagram`] has gone out, or never will.
    Sent {
        /// That of the datagram ([`Datagram::message`]).
        message: u64,
        /// Whether the system took it.
        sent: bool,
    },
    /// A receiver is gone: what waits for it is dropped.
    Gone { to: SocketAddr },
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output<D> {
    /// Send this datagram; then [`Input::Sent`].
    Datagram(Datagram),
    /// A message is through: each of its datagrams has gone out, or never will.
    Settled {
        /// As it was given with [`Input::Send`].
        done: D,
        /// How many receivers it went to.
        sent: usize,
    },
    /// So many datagrams will not go out.
    Dropped(usize),
}

/// Why an input was not taken. Always the driver's fault; nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Reject {
    /// The message is through already, or never was.
    #[error("message {0} is unknown or through")]
    UnknownMessage(u64),
}
