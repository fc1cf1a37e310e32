//! What happens here, told to whoever tells neighbours of it.

use std::sync::Arc;

use rumormill_wire::native::BundleHeader;
use rumormill_wire::{NodeId, Origin, Seq};

use crate::bundle::VerifiedBundle;
use crate::fork::Difference;
use crate::ingress::Dropped;
use crate::ingress::queue::Sender;
use crate::io::{self as driver, LinkId};
use crate::proof::VerifiedProof;

/// What is to be done, and what neighbours are to be given or told.
pub(crate) enum ReplicaOutput {
    /// For the driver.
    Drive(driver::Output),
    /// A frame waits for a verdict: what is behind it is not acknowledged before.
    InFlight(Sender),
    /// There is a verdict on a frame, whatever it is.
    Judged(Sender, Origin),
    /// A link brought what was here already.
    Duplicate(Sender, BundleHeader),
    /// A bundle was not taken, and nothing of it was checked.
    Dropped(Sender, BundleHeader, Dropped),
    /// A bundle that holds was not taken: whoever sent it hears where we stand.
    Refused(Sender, Origin),
    /// A full store does not keep what a neighbour gave, or has passed on before.
    NotKept(Sender, BundleHeader),
    /// A bundle joined its chain.
    Accepted(Arc<VerifiedBundle>, Vec<Sender>),
    /// A bundle of our own is durable.
    Own(Arc<VerifiedBundle>),
    /// A full store lets a bundle pass.
    Passes(Arc<VerifiedBundle>, Vec<Sender>),
    /// A store that takes no more: of this origin what was taken from `from` up to `to` is lost again.
    Lost {
        /// The chain that went back.
        origin: Origin,
        /// What is durable of it ends here.
        from: Seq,
        /// What was taken of it ended here.
        to: Seq,
    },
    /// The store takes no more: neighbours hear of it.
    Full,
    /// Something was taken out of the chains: they may be as they were before.
    FellBack,
    /// A chain ends by a proof, which whoever may give it does not know yet.
    Proven(Box<VerifiedProof>, Option<LinkId>),
    /// A neighbour that gave something is to hear where we stand on an origin.
    Say(LinkId, Origin),
    /// A neighbour says that a chain ends at this place, and it may not fall there now. Unchecked.
    Lower(LinkId, Origin, Seq),
    /// A neighbour has another branch of a chain.
    Differs(Box<Difference>),
    /// The store is read for the search that is led with a neighbour.
    Searched(LinkId),
    /// Ask a neighbour for its bundle that holds a number.
    Ask(LinkId, Origin, Seq),
    /// Searches with a neighbour have ended that others waited for.
    SearchRoom(LinkId),
    /// A certificate counts from now on; `from` gave it to us.
    Introduce {
        /// Whose it is.
        node: NodeId,
        /// The link that it came over.
        from: Option<LinkId>,
    },
    /// A node is a member from now on.
    Admitted(NodeId),
    /// A neighbour sends what no honest one does.
    Misbehaved(LinkId, &'static str),
}
