//! What the machine is told of bundles on their way in, and what it wants done.

use std::sync::Arc;

use rumormill_wire::native::{BundleHeader, SignedHeader};
use rumormill_wire::{NodeId, Origin, Seq};

use super::queue::Sender;
use crate::bundle::{Invalid, RawBundle, VerifiedBundle};
use crate::io::{Admission, CheckId};

/// What is known of a bundle's chain when it comes.
#[derive(Debug, Clone, Copy)]
pub struct ChainState<'a> {
    /// The number wanted next.
    pub next: Seq,
    /// Up to which all was kept or has passed; with a store that has room, the number wanted next.
    pub reached: Seq,
    /// The first number that does not count.
    pub limit: Option<Seq>,
    /// Our bundle that holds the first number, if it is in memory.
    pub ours: Option<&'a VerifiedBundle>,
    /// What its author signed as the next bundle with a clock that does not rise (P-B11).
    pub set_back: Option<&'a SignedHeader>,
    /// A search for a fork asked for just this bundle.
    pub searched: bool,
    /// It counts as one more incarnation of its author.
    pub fresh: bool,
    /// There is a place for the origin, or it has its own.
    pub has_place: bool,
    /// A bundle of our own of this origin is on its way to the disk.
    pub committing: bool,
    /// Whether its author belongs to the network.
    pub admission: Admission,
    /// The store takes no more.
    pub store_full: bool,
}

/// What the machine is told.
#[derive(Debug)]
pub enum Input<'a> {
    /// A bundle came.
    Bundle {
        /// As it came; only its head was looked at.
        raw: RawBundle,
        /// Who sent it.
        sender: Sender,
        /// What is known of its chain.
        standing: &'a ChainState<'a>,
    },
    /// The verdict on a copy that was given to the verifier.
    Verified {
        /// As in [`Output::Verify`].
        check: CheckId,
        /// The bundle, or why it does not hold.
        verdict: Result<Arc<VerifiedBundle>, Invalid>,
        /// The number wanted next of its chain.
        next: Seq,
    },
    /// An author's certificate holds: what waits for it is checked.
    Admitted(NodeId),
    /// Nobody vouches for an author: what waits for its certificate goes.
    Void(NodeId),
}

/// Why a bundle is not taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// Something before it is missing.
    Gap,
    /// It is of what was withdrawn.
    Withdrawn,
    /// It is what was found to be set back already.
    SetBack,
    /// Our own bundle of this chain is on its way to the disk.
    Committing,
    /// There is no place for its origin.
    NoPlace,
    /// Nobody vouches for its author.
    NotAdmitted,
    /// Its author is over the rate.
    OverRate,
    /// Its author is over the pace.
    OverPace,
    /// Too many are being checked.
    QueueFull,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub enum Output {
    /// Check this copy, and say [`Input::Verified`].
    Verify {
        /// Named in the verdict.
        check: CheckId,
        /// The bundle as it came.
        raw: RawBundle,
    },
    /// A frame has no verdict yet.
    Open(Sender),
    /// We have it already.
    Duplicate {
        /// Who sent it.
        sender: Sender,
        /// Its head.
        header: BundleHeader,
    },
    /// It is not taken now, and nothing of it was checked.
    Dropped {
        /// Who sent it.
        sender: Sender,
        /// Its head.
        header: BundleHeader,
        /// What stands in the way of it.
        why: Dropped,
    },
    /// A bundle that overlaps what we have holds: evidence of a fork.
    Evidence {
        /// The bundle.
        bundle: Arc<VerifiedBundle>,
        /// All who sent it.
        senders: Vec<Sender>,
    },
    /// A bundle does not hold.
    Invalid {
        /// The chain that it said to be of.
        origin: Origin,
        /// All who sent it.
        senders: Vec<Sender>,
    },
    /// Nobody vouches for the author of a copy that waited for that.
    Void {
        /// The chain that it said to be of.
        origin: Origin,
        /// All who sent it.
        senders: Vec<Sender>,
    },
    /// A copy of this chain has its verdict: what holds may join the chain ([`super::Ingress::turn`]).
    Settled(Origin),
}
