//! Who is at the other end of a link.

use std::net::SocketAddr;

use rumormill_gossip::Evidence;
use rumormill_peering::Direction;
use rumormill_wire::NodeId;

/// Who is at the other end.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) peer: NodeId,
    pub(crate) name: String,
    pub(crate) addr: SocketAddr,
    pub(crate) direction: Direction,
    pub(crate) tls_version: String,
    pub(crate) tls_group: String,
    /// The certificate that the peer showed.
    pub(crate) evidence: Evidence,
    /// Until when its certificate is valid, in seconds since the Unix epoch.
    pub(crate) until: u64,
    /// Until when ours is that the link was made with.
    pub(crate) ours_until: u64,
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    pub(crate) fn facts(peer: u8, direction: Direction) -> Facts {
        Facts {
            peer: NodeId([peer; 32]),
            name: format!("n{peer}"),
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
            direction,
            tls_version: String::new(),
            tls_group: String::new(),
            evidence: Evidence::default(),
            until: u64::MAX,
            ours_until: u64::MAX,
        }
    }
}
