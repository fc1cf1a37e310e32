//! The timers of what neighbours wait for, in one table.

use rumormill_wire::NodeId;

use crate::io::LinkId;

/// What time comes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// What waits for the pace of this author may be asked for.
    Pace(NodeId),
    /// The machine that tells neighbours what became of what they sent.
    Acks,
    /// This link may be given what waited for an author's pace or for its node's share.
    Feed(LinkId),
    /// The machine that spreads what is new.
    Spread,
    /// The machine that compares what neighbours have.
    Reconcile,
}
