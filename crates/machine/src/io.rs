//! What the machine is told, and what it wants done.

use rumormill_gossip::{self as gossip, Evidence};
use rumormill_limits::LinkId;
use rumormill_peering::{self as peering, NeighbourId, Peer};

/// What the driver has seen, told in the order in which it was seen ([`crate::Machine::handle`]).
#[derive(Debug)]
pub enum Input<'a> {
    /// For gossip: from the store, a check, people, a neighbour. That a link came or went is not among it: link policy says so.
    Gossip(gossip::Input),
    /// For link policy. That a connection opened is not among it: [`Input::Opened`] says so to both.
    Links(peering::Input<'a>),
    /// A handshake has ended: there is a connection with this peer, under a name that no link had before. We dialled it if it is that of a
    /// `neighbour`.
    Opened {
        /// Its name from now on, until its end is told.
        link: LinkId,
        /// Who is there by its certificate, which the handshake has checked.
        peer: Peer,
        /// The certificate that it showed: once the link is up, its node is one whose messages are taken.
        evidence: Evidence,
        /// Whose dial gave it; `None` if the peer has dialled.
        neighbour: Option<NeighbourId>,
    },
    /// It is [`crate::Machine::next_timeout`].
    Timeout,
}

/// What is to be done, in this order.
#[derive(Debug)]
pub enum Output {
    /// For gossip; [`gossip::Shell::perform`] does it.
    Gossip(gossip::Output),
    /// For link policy.
    Links(peering::Output),
}

/// Why an input was not taken; nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// By gossip.
    #[error(transparent)]
    Gossip(#[from] gossip::Reject),
    /// By link policy: the driver's fault.
    #[error(transparent)]
    Links(#[from] peering::Reject),
    /// Gossip hears of links from link policy, and link policy of connections with [`Input::Opened`]: the driver's fault.
    #[error("links come and go for all machines at once")]
    NotJoined,
}
