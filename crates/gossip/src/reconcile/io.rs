//! What the machine that compares is told, what it wants done, and what it compares.

use crate::io::LinkId;

/// A whole map in a few bytes: two that look alike are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole {
    /// A hash of the set of all entries (docs/protocol.md, P-S3).
    pub fingerprint: [u8; 16],
    /// How many entries there are.
    pub entries: u32,
}

/// The fingerprints of the 256 parts of a map, in order.
pub type Parts = [[u8; 16]; 256];

/// An ordered map that shows fingerprints of itself: chains by origin today, whatever else two neighbours should have alike later.
pub trait Summary {
    /// What its entries stand in order of.
    type Key: Copy + Ord;

    /// Fingerprint and count of all entries.
    fn whole(&self) -> Whole;

    /// Of each part: a long map is compared by them first.
    fn parts(&self) -> Parts;

    /// The lowest and the highest key of a part. The parts follow each other and leave no key out.
    fn part(part: u8) -> (Self::Key, Self::Key);

    /// The lowest and the highest key of all.
    fn all() -> (Self::Key, Self::Key);
}

/// What the machine is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<K> {
    /// The node begins: from now on comparisons begin by timer.
    Start,
    /// A neighbour is there. A comparison with it begins.
    LinkUp(LinkId),
    /// A neighbour takes nothing more: no comparison with it begins. What is known of it stays until it is gone.
    Closing(LinkId),
    /// A neighbour is gone.
    LinkDown(LinkId),
    /// A question went to a neighbour: an answer is owed. Each that comes settles all.
    Asked(LinkId),
    /// A neighbour's summary came.
    Summary {
        /// The neighbour that says so.
        link: LinkId,
        /// Its whole map as it is there.
        theirs: Whole,
        /// It asks for an answer.
        ask: bool,
        /// Nothing can change by lists now: one of the two keeps nothing more.
        stands: bool,
        /// It has had its share of lists.
        over: bool,
    },
    /// The fingerprints of a neighbour's parts came.
    Parts {
        /// The neighbour that says so.
        link: LinkId,
        /// In order of the parts; zero for one without entries.
        theirs: Box<Parts>,
        /// Nothing that is missing here comes by itself, for it is not wanted now: what the neighbour has is asked for.
        asks: bool,
        /// It has had its share of lists.
        over: bool,
    },
    /// A neighbour listed what it has.
    List {
        /// The neighbour that says so.
        link: LinkId,
        /// All that it has from one key to another, both included; `None` if it lists some entries and leaves out others.
        range: Option<(K, K)>,
        /// It has had its share of lists.
        over: bool,
    },
    /// A list did not go to a neighbour, or what it was told counts no more for another reason.
    Unsent(LinkId),
    /// Something was taken out of our map: it may be as it was before, and neighbours heard meanwhile that it is not.
    FellBack,
    /// More differs from a neighbour than is remembered, or it was not told all: now there is room to go on.
    Again {
        /// The neighbour to go on with.
        link: LinkId,
        /// It lacks more than is remembered, and takes it.
        lacks_more: bool,
    },
    /// There is a verdict on something that a neighbour sent.
    Judged(LinkId),
    /// Of what the first comparison with a neighbour found ([`super::Reconcile::first_list`]), nothing is missing any more.
    Settled(LinkId),
    /// Time has come to what was said for a time-out, or simply passed.
    Timeout,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output<K> {
    /// A round of comparisons begins by timer: what waited for one goes on.
    Round,
    /// It is this neighbour's turn in the round: send it a summary that asks, unless what it is known to lack is on its way first.
    Turn(LinkId),
    /// Send the whole map's fingerprint.
    Summary {
        /// The neighbour that it is for.
        link: LinkId,
        /// Ask for an answer. Whether it went is told by [`Input::Asked`].
        ask: bool,
    },
    /// Send the fingerprints of the parts.
    Parts(LinkId),
    /// Send all entries from one key to another, both included, even if there are none.
    List {
        /// The neighbour that it is for.
        link: LinkId,
        /// The first key to be listed, if it has an entry.
        low: K,
        /// The last one; not below `low`.
        high: K,
        /// Ask for what the neighbour has there. Whether it went is told by [`Input::Asked`].
        ask: bool,
    },
    /// Compare what this neighbour listed just now, entry by entry.
    Entries {
        /// The neighbour whose list came.
        link: LinkId,
        /// It listed all that it has: nothing else differs.
        all: bool,
    },
    /// The two have the same: whatever was remembered as different is not.
    InSync(LinkId),
    /// The answer waits for the neighbour's share: tell [`Input::Again`] when there is some.
    Later(LinkId),
}
