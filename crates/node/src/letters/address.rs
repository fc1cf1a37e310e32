//! Destinations of letters: a node id, a node's name, `address:port` of a neighbour of the configuration, or a bare address.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use rumormill_doors::ReceiverError;
use rumormill_wire::NodeId;

use crate::handle::NodeHandle;

/// Where a letter goes, by what PUSH was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// To one of these: more than one if they have one name.
    Nodes(Vec<NodeId>),
    /// By the door to an older node, at this address.
    Relay(IpAddr),
}

/// Finds out where a letter goes: a node id, a member's name or an address.
///
/// # Errors
/// There is nobody, or nobody certain, by that id, name or address.
pub(crate) fn resolve(node: &NodeHandle, has_relay: bool, to: &str) -> Result<Destination, ReceiverError> {
    let found = if let Ok(id) = to.parse::<NodeId>() {
        // An id goes before a name, so that nobody can be named like another's id.
        vec![id]
    } else if let Ok(addr) = to.parse::<SocketAddr>() {
        vec![only(configured(node, |at| at == addr), to)?]
    } else if let Ok(ip) = to.parse::<IpAddr>() {
        if has_relay {
            return Ok(Destination::Relay(ip));
        }
        let links = node.0.driver.links();
        let linked = links.iter().filter(|link| link.facts.addr.ip() == ip).map(|link| Some(link.facts.peer));
        vec![only(linked.chain(configured(node, |at| at.ip() == ip)), to)?]
    } else {
        node.0.driver.checker.names.with_name(to)
    };
    let revoked = node.0.driver.checker.revoked.get();
    let was_known = !found.is_empty();
    let nodes: Vec<_> = found.into_iter().filter(|id| !revoked.revokes(id)).collect();
    match nodes.is_empty() {
        false => Ok(Destination::Nodes(nodes)),
        true if was_known => Err(ReceiverError::Revoked(to.to_owned())),
        true => Err(ReceiverError::Unknown(to.to_owned())),
    }
}

/// Who the neighbours of the configuration at these addresses are, whichever end dialled and while they are away. `None` stands for
/// one that is not known yet.
fn configured(node: &NodeHandle, fits: impl Fn(SocketAddr) -> bool) -> Vec<Option<NodeId>> {
    let driver = &node.0.driver;
    let neighbours = driver.neighbours_at(fits);
    let links = driver.links();
    let who = neighbours.into_iter().flat_map(|(name, seen)| {
        let Some(name) = name else { return vec![seen] };
        // A node with a new key has its name again: the one that is linked is meant.
        let linked = links.iter().filter(|link| link.facts.name == name).map(|link| link.facts.peer);
        let linked: Vec<_> = linked.collect();
        let known = if linked.is_empty() { driver.checker.names.with_name(&name) } else { linked };
        let known: Vec<_> = known.into_iter().map(Some).collect();
        if known.is_empty() { vec![seen] } else { known }
    });
    who.collect()
}

/// The only one of these nodes.
fn only(found: impl IntoIterator<Item = Option<NodeId>>, to: &str) -> Result<NodeId, ReceiverError> {
    let found: BTreeSet<Option<NodeId>> = found.into_iter().collect();
    let known: Vec<NodeId> = found.iter().copied().flatten().collect();
    match known[..] {
        [one] => Ok(one),
        [] if found.is_empty() => Err(ReceiverError::NoNeighbour(to.to_owned())),
        [] => Err(ReceiverError::NotYetSeen(to.to_owned())),
        _ => Err(ReceiverError::AmbiguousAddress { nodes: known.len(), address: to.to_owned() }),
    }
}
