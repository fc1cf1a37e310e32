//! Destinations of letters: a node id, a node's name, `address:port` of a neighbour that we dial, or a bare address.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use rumormill_wire::NodeId;

use crate::handle::NodeHandle;
use crate::link::Direction;

/// Where a letter goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// To one of these: more than one if they have one name.
    Nodes(Vec<NodeId>),
    /// To an older node.
    Relay(IpAddr),
}

/// Finds out where to.
pub(crate) fn resolve(node: &NodeHandle, has_relay: bool, to: &str) -> Result<Destination, String> {
    let found = if let Ok(id) = to.parse::<NodeId>() {
        // An id goes before a name, so that nobody can be named like another's id.
        vec![id]
    } else if let Ok(addr) = to.parse::<SocketAddr>() {
        vec![neighbour(node, to, |at, direction| direction == Direction::Outbound && at == addr)?]
    } else if let Ok(ip) = to.parse::<IpAddr>() {
        if has_relay {
            return Ok(Destination::Relay(ip));
        }
        vec![neighbour(node, to, |at, _| at.ip() == ip)?]
    } else {
        node.0.driver.checker.names.with_name(to)
    };
    let revoked = node.0.driver.checker.revoked.get();
    let nodes: Vec<_> = found.into_iter().filter(|id| !revoked.revokes(id)).collect();
    if nodes.is_empty() {
        Err(format!("{to} is no node that this node knows of"))
    } else {
        Ok(Destination::Nodes(nodes))
    }
}

/// The only linked neighbour that fits.
fn neighbour(node: &NodeHandle, to: &str, fits: impl Fn(SocketAddr, Direction) -> bool) -> Result<NodeId, String> {
    let links = node.0.driver.links();
    let fit = links.iter().filter(|link| fits(link.facts.addr, link.facts.direction));
    let peers: BTreeSet<NodeId> = fit.map(|link| link.facts.peer).collect();
    match peers.first() {
        Some(peer) if peers.len() == 1 => Ok(*peer),
        Some(_) => Err(format!("{} neighbours have the address {to}: name one of them", peers.len())),
        None => Err(format!("no neighbour that is linked has the address {to}")),
    }
}
