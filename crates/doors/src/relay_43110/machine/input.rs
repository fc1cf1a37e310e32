//! What the machine is told, and what it says.

use std::net::IpAddr;

use super::super::links::RelayLinkId;
use crate::port::Author;
use crate::unsent::Unsent;

/// What happened. `T` is by whom the sender of a message hears what became of it.
#[derive(Debug)]
pub(in super::super) enum Input<'a, T> {
    /// The door opens: everybody named in the settings is dialled, once.
    Start,
    /// Somebody has connected. The driver names the link, and no other ever so.
    Accepted { link: RelayLinkId, ip: IpAddr },
    /// An [`Output::Dial`] came through, as this link.
    Dialled { link: RelayLinkId, ip: IpAddr },
    /// An [`Output::Dial`] came to nothing.
    DialFailed {
        ip: IpAddr,
        /// The system there refused: no program has the port.
        nobody_listens: bool,
        /// What our system said.
        why: &'a str,
    },
    /// By this link came something of this protocol.
    Useful { link: RelayLinkId },
    /// The [`Output::Write`] by this link is done.
    Written { link: RelayLinkId },
    /// A link is no more.
    Ended {
        link: RelayLinkId,
        /// Whether the other side closed it.
        by_them: bool,
    },
    /// A frame for everyone who is there or should be.
    Broadcast { author: Author, frame: &'a [u8] },
    /// Frames of one message for one address, which is dialled if need be.
    Send { author: Author, ip: IpAddr, frames: Vec<Vec<u8>>, ticket: Option<T> },
    /// Whether an address can be written to: somebody is linked or named in the settings, or takes a dial now.
    Probe { ip: IpAddr, ticket: T },
    /// The time of [`super::Machine::next_timeout`] has come.
    Timeout,
    /// The door closes: nothing more will be sent, and all who wait hear so.
    Stop,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Output<T> {
    /// Connect; then [`Input::Dialled`] or [`Input::DialFailed`].
    Dial { ip: IpAddr, port: u16 },
    /// Write all of it at once; then [`Input::Written`] or [`Input::Ended`].
    Write { link: RelayLinkId, bytes: Vec<u8> },
    /// Close it: its place is needed. Nothing more is told of it.
    Close { link: RelayLinkId },
    /// What became of a message or a probe.
    Settled { ticket: T, result: Result<(), Unsent> },
    /// So many frames will not be sent.
    Dropped(usize),
    /// A whole message was written.
    Sent,
}

/// Why an input was not taken. Always the driver's fault; nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in super::super) enum Reject {
    /// The link was closed, or never was.
    #[error("link {0} is unknown or was closed")]
    UnknownLink(RelayLinkId),
    /// The driver gave one number to two links.
    #[error("link {0} is there already")]
    KnownLink(RelayLinkId),
    /// No dial to this address was under way.
    #[error("{0} was not being dialled")]
    NotDialled(IpAddr),
}
