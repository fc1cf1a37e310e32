//! What the author is told, and what it wants done.

use std::sync::Arc;

use bytes::Bytes;
use rumormill_wire::native::{MessageKind, StatusEntry};
use rumormill_wire::{Clock, Digest, NodeId, Origin, Seq};

use crate::bundle::VerifiedBundle;
use crate::io::{Ask, Reject, Ticket};

/// Where our chain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainEnd {
    /// The number of our next message.
    pub next: Seq,
    /// The digest of our last bundle; zero in an empty chain.
    pub digest: Digest,
    /// The clock of our last message.
    pub last_clock: Clock,
}

impl ChainEnd {
    /// Of a chain without messages.
    pub const EMPTY: Self = Self { next: Seq::FIRST, digest: Digest::ZERO, last_clock: Clock(0) };
}

/// What the author is told.
#[derive(Debug)]
pub enum Input {
    /// The wall clock reads this much more than `now`, in microseconds. `seen` is the highest clock of all chains that is
    /// near enough to be followed ([`crate::clock::MAX_FOLLOW_US`]).
    WallOffset {
        /// Wall clock minus `now`.
        offset: i64,
        /// The highest clock seen.
        seen: Option<Clock>,
    },
    /// A message of somebody else's was taken; its clock.
    Seen(Clock),
    /// The node begins, and asks what others know of our origins.
    Start(Ask),
    /// A neighbour said what it knows of our origins. Its word is not signed: it makes us leave a chain, never write into
    /// one.
    Known {
        /// Our own line of the chain that we write, if it has messages.
        ours: Option<StatusEntry>,
        /// A line of the neighbour's about an origin of ours.
        theirs: StatusEntry,
    },
    /// A neighbour that people named has said all that it knows of our origins.
    Answered(NodeId),
    /// We have a chain of our own node under this incarnation, in seconds.
    Incarnation(u64),
    /// Our chain is in the store, and ends here.
    End(ChainEnd),
    /// A bundle of our chain came that we did not write: our store has lost it.
    NotOurs,
    /// Our chain has two branches.
    Forked,
    /// A revocation leaves out what we write from this number on; `None` if it does not.
    Cut(Option<Seq>),
    /// A message to write. Dated now.
    Submit {
        /// Named when it is durable.
        ticket: Ticket,
        /// Not 0 (P-B5).
        kind: MessageKind,
        /// The name of the room, 64 bytes at most; empty is the common one.
        room: String,
        /// At most 32,768 bytes (P-B1), UTF-8 where the kind is a text's.
        body: Bytes,
    },
    /// The bundle of [`Output::Append`] is durable.
    Committed,
    /// The store takes no more.
    Full,
    /// The node ends: whoever waits for a neighbour's proof of our chain waits in vain.
    Leaving,
    /// Time has come to what was said for a time-out, or simply passed.
    Timeout,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub enum Output {
    /// Write this bundle, and say [`Input::Committed`] once it is durable. One at a time.
    Append(Arc<VerifiedBundle>),
    /// This bundle of ours is durable, and may be sent.
    Durable {
        /// As it was given with [`Output::Append`].
        bundle: Arc<VerifiedBundle>,
        /// Tickets and clocks of its messages, in order.
        tickets: Vec<(Ticket, Clock)>,
    },
    /// A message that was taken will not be written.
    NotWritten {
        /// As it was given with [`Input::Submit`].
        ticket: Ticket,
        /// What stands in the way of it.
        reason: Reject,
    },
    /// We write under this origin from now on. Say [`Input::Cut`] for it before the next output is taken.
    NewIncarnation {
        /// Our node with an incarnation above all that are known of it.
        origin: Origin,
        /// What was seen of the one before, for people and logs.
        reason: &'static str,
    },
}
