//! What follows from the word of neighbours.

use std::sync::Arc;

use rumormill_wire::NodeId;
use rumormill_wire::native::{ListPart, StatusEntry};

use crate::fork::Difference;
use crate::ingress::queue::Sender;
use crate::io as driver;

/// What is to be done.
pub(crate) enum NeighbourOutput {
    /// For the driver.
    Drive(driver::Output),
    /// There is a verdict on a frame of a link that is up: its reader may go on.
    Credit(Sender),
    /// A neighbour says what it knows of our node's chains.
    Known {
        /// Our own line of the chain that we write, if it has messages.
        ours: Option<StatusEntry>,
        /// Its line of one of our node's.
        theirs: StatusEntry,
    },
    /// A neighbour that people named has said all that it knows of our node's chains.
    Answered(NodeId),
    /// Two branches of a chain differ: where do they part?
    Search(Box<Difference>),
    /// A part of the revocation list is durable: it comes into force. [`super::Neighbours::in_force`] follows.
    InForce(Arc<ListPart>),
    /// A round of comparisons begins by timer.
    Round,
}
