//! Why a node did not do what a door asked of it.

use crate::unsent::Unsent;

/// Why the node did not do what a door asked for. Whoever asked can tell what is for good, what passes, and
/// what ends with the node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// It passes within a day: the door has brought its share of one.
    #[error("this door has brought its share of {per_day} bytes a day")]
    OverShare {
        /// Bytes that it may bring in a day, by what they cost to keep.
        per_day: u64,
    },
    /// For good: this is no message, or longer than this node or a letter takes.
    #[error("{0}")]
    Invalid(String),
    /// There is nobody, or nobody certain, who could be given the letter.
    #[error("{0}")]
    Receiver(#[from] ReceiverError),
    /// It passes once some of them have gone out or were pulled.
    #[error("as many letters as may wait, of this address or of all, wait already")]
    TooManyLetters,
    /// It passes: too many messages wait for the disk.
    #[error("{0}")]
    Busy(String),
    /// Until the node is started with a larger store.
    #[error("{0}")]
    StoreFull(String),
    /// For good: no other node takes anything of this one, whose certificate is revoked.
    #[error("{0}")]
    Revoked(String),
    /// The node's own failure, say of its disk.
    #[error("{0}")]
    Failed(String),
    /// The node ended before it had begun.
    #[error("the node did not start")]
    NotStarted,
    /// The node ends.
    #[error("the node is stopping")]
    Stopping,
    /// Nobody knows whether it is done: the door waits no longer.
    #[error("too slow")]
    TooSlow,
}

/// Why a letter has no receiver, by what was given for one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiverError {
    /// No node of this id or name was ever heard of.
    #[error("{0} is no node that this node knows of")]
    Unknown(String),
    /// For good: the network took that node's certificate back.
    #[error("the certificate of {0} is revoked")]
    Revoked(String),
    /// No neighbour is linked from this address, nor named with it in the configuration.
    #[error("no neighbour has the address {0}")]
    NoNeighbour(String),
    /// The configuration has the address, but who is there shows only with the first link.
    #[error("the neighbour at {0} has not been there since this node began: name it")]
    NotYetSeen(String),
    /// The address is that of several nodes.
    #[error("{nodes} nodes have the address {address}: name one of them")]
    AmbiguousAddress {
        /// How many.
        nodes: usize,
        /// The address, as it was given.
        address: String,
    },
    /// The name is that of several nodes.
    #[error("{nodes} nodes are named {name}: give a node id")]
    AmbiguousName {
        /// How many.
        nodes: usize,
        /// The name, as it was given.
        name: String,
    },
    /// It said nothing of a key for letters, or no longer counts.
    #[error("{0} has no open push-pull door that this node knows of")]
    TakesNoLetters(String),
    /// The door by which older nodes are reached does not run.
    #[error("the door to older nodes is closed")]
    DoorClosed,
    /// No older node can be reached at the address.
    #[error("{0}")]
    Unreachable(#[from] Unsent),
}
