//! What the outbox is told, and what it says.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::super::table::{AddressForm, PeerTable};
use crate::port::Author;

/// What happened, as the driver tells it.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// A message to everybody in the table, or to those at one address.
    Send {
        /// Its name, by the driver; none is used twice.
        id: u64,
        /// Whose share of the queues it takes.
        author: Author,
        /// Only to those at this address.
        only: Option<IpAddr>,
        text: &'a str,
        /// Whom the message is for if it is for all, and in which form each takes it.
        table: &'a PeerTable,
    },
    /// Connections may be made.
    Ready {
        /// In which form whoever is dialled takes messages.
        table: &'a PeerTable,
    },
    /// A connection came to its end; `delivered` says whether the message was written.
    Dialled {
        addr: SocketAddr,
        /// Whether the message was written.
        delivered: bool,
    },
    /// The time of [`super::Outbox::next_timeout`] has come: a contact is to be tried again, or a place is wanted.
    Timeout {
        /// In which form whoever is dialled takes messages.
        table: &'a PeerTable,
    },
    /// Nothing that waits goes out any more, and no contact is tried again.
    Clear,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// Connect; then [`Input::Dialled`].
    Dial(Dial),
    /// End a connection that is being made: its place is wanted. What becomes of it is not told.
    Abort(SocketAddr),
    /// What became of a message: all who were there have got it, or will not get it.
    Settled {
        id: u64,
        /// Whether anybody got it.
        reached: bool,
    },
    /// So many messages to one peer each will not go out.
    Dropped(usize),
    /// For the table: a peer took a connection.
    Reached(SocketAddr),
    /// For the table: a peer did not.
    Failed(SocketAddr),
    /// A contact's last try has failed.
    GaveUp(SocketAddr),
}

/// A connection to be made, for one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dial {
    pub addr: SocketAddr,
    /// How it wants its messages.
    pub form: AddressForm,
    pub text: Arc<str>,
    /// Whether it is in our settings.
    pub contact: bool,
    /// Whether it is the message at launch: whoever takes it is in the table from then on.
    pub greeting: bool,
}

/// Why an input was not taken. Always the driver's fault; nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Reject {
    /// No connection to this address was being made.
    #[error("{0} was not being dialled")]
    NotDialled(SocketAddr),
    /// One name was given to two messages.
    #[error("message {0} is there already")]
    KnownMessage(u64),
}
