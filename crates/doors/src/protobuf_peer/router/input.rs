//! What the router is told, and what it says.

use std::net::IpAddr;

use super::super::framed::Framed;
use super::super::link::{LinkId, Why};
use super::super::message::ProtocolMessage;
use crate::port::Author;

/// What happened. `T` is by whom the sender of a message hears what became of it: it is dropped with the last frame.
#[derive(Debug)]
pub(crate) enum Input<'a, T> {
    /// A connection was made: by us if `called`. The driver names it, and no other ever so.
    Opened {
        link: LinkId,
        /// Where the other end is.
        address: IpAddr,
        /// Whether we dialled: then it is for us to say first who we are.
        called: bool,
    },
    /// A frame came in by a link.
    Frame { link: LinkId, said: ProtocolMessage },
    /// What came in by a link is no frame of this protocol.
    Unreadable {
        link: LinkId,
        /// What is wrong with it, for the log.
        why: String,
    },
    /// A frame of so many bytes was written.
    Written { link: LinkId, bytes: usize },
    /// A connection has ended, by the other side or by an error.
    Closed { link: LinkId },
    /// A text of ours to one id.
    Send { to: i64, text: String },
    /// A text of ours to every id that is known.
    Broadcast {
        /// Whose share of the queues it takes.
        author: Author,
        text: &'a str,
        ticket: Option<T>,
    },
    /// The time of [`super::Router::next_timeout`] has come.
    Timeout,
    /// The door closes: all that waits is written now.
    Finish,
}

/// What is to be done, or has been.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output<T> {
    /// Write a frame, in one go.
    Send {
        link: LinkId,
        /// Length and body, to be written as they are.
        frame: Framed,
        /// Whether it is a message of ours.
        ours: bool,
        ticket: Option<T>,
    },
    /// A link wrote in the name of a peer that has a link of its own. Said of each link once.
    Forged {
        link: LinkId,
        /// The id that it wrote in the name of.
        from: i64,
    },
    /// Close a link. The router has forgotten it.
    Close {
        link: LinkId,
        /// After what was sent before.
        flush: bool,
        /// Why it is closed, for the log.
        why: Why,
    },
    /// A host has taken us in.
    Joined(i64),
    /// A message for us.
    Deliver {
        /// Who claims to have written it.
        from: i64,
        text: String,
    },
    /// What became of an [`Input::Send`].
    Sent(SendOutcome),
    /// An [`Input::Broadcast`] goes to so many ids.
    Receivers(usize),
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendOutcome {
    /// It goes out by a link now.
    Out,
    /// It waits until its receiver is there.
    Stored,
    /// It was dropped, or one of ours before it: too long, or its link is full.
    Dropped,
}

/// Why an input was not taken. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Reject {
    /// The link was closed, or never was.
    #[error("link {0} is unknown or was closed")]
    UnknownLink(LinkId),
    /// The driver gave one name twice.
    #[error("link {0} is there already")]
    KnownLink(LinkId),
    /// A message of ours is for our own id, or for none.
    #[error("{0} is our own id, or none")]
    Nowhere(i64),
}
