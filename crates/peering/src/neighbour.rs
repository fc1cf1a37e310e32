//! A neighbour of the configuration.

use core::net::SocketAddr;

/// A neighbour to keep a link with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Who must be there; anybody of the network if `None`.
    pub name: Option<String>,
    /// Where it is dialled: the address of one host, and a port that is not 0.
    pub addr: SocketAddr,
}

/// Names one of them, by its place in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NeighbourId(pub usize);
