//! What the machines that spread are told, and what they want done.

use rumormill_wire::{NodeId, Origin, Seq};

use crate::io::LinkId;

/// What the machine is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// An origin has something new.
    Fresh {
        /// The chain that has grown.
        origin: Origin,
        /// From which number on.
        first: Seq,
        /// The links that it came from; none for our own.
        from: Vec<LinkId>,
    },
    /// A link brought what was here already. Neither of the two ways here acts on it; one that prunes links does.
    Duplicate {
        /// The link that brought it.
        link: LinkId,
        /// The chain that it belongs to.
        origin: Origin,
    },
    /// A STATUS came.
    Status {
        /// The link that it came over.
        link: LinkId,
        /// Nothing of what it names is missing there.
        in_sync: bool,
    },
    /// A neighbour is there.
    LinkUp {
        /// Its link, which nobody had before.
        link: LinkId,
        /// Who it is: one may have several links.
        node: NodeId,
    },
    /// A neighbour is gone.
    LinkDown(LinkId),
    /// Time has come to what was said for a time-out, or simply passed.
    Timeout,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Give this neighbour what is new, unless it has it.
    Give {
        /// The neighbour's link.
        link: LinkId,
        /// The chain to give of.
        origin: Origin,
        /// From which number on.
        first: Seq,
    },
    /// Bring this neighbour up to date on an origin, and ask for a STATUS at the end.
    Monger {
        /// The neighbour's link.
        link: LinkId,
        /// The chain to give of.
        origin: Origin,
    },
}
