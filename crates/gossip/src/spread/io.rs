//! What the machines that spread are told, and what they want done.

use rumormill_wire::{NodeId, Origin, Seq};

use crate::io::LinkId;

/// What the machine is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// An origin has something new.
    Fresh {
        /// Whose.
        origin: Origin,
        /// From which number on.
        first: Seq,
        /// The links that it came from; none for our own.
        from: Vec<LinkId>,
    },
    /// A link brought what was here already. Neither of the two ways here acts on it; one that prunes links does.
    Duplicate {
        /// Which link.
        link: LinkId,
        /// Whose messages.
        origin: Origin,
    },
    /// A STATUS came.
    Status {
        /// From where.
        link: LinkId,
        /// Nothing of what it names is missing there.
        in_sync: bool,
    },
    /// A neighbour is there.
    LinkUp {
        /// By which link.
        link: LinkId,
        /// Who it is: one may have several links.
        node: NodeId,
    },
    /// A neighbour is gone.
    LinkDown(LinkId),
    /// Time passed.
    Timeout,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Give this neighbour what is new, unless it has it.
    Give {
        /// Whom.
        link: LinkId,
        /// Whose.
        origin: Origin,
        /// From which number on.
        first: Seq,
    },
    /// Bring this neighbour up to date on an origin, and ask for a STATUS at the end.
    Monger {
        /// Whom.
        link: LinkId,
        /// On what.
        origin: Origin,
    },
}
