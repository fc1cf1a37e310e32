//! Who is at the other end of a link.

use rumormill_wire::NodeId;

use crate::direction::Direction;
use crate::places::Who;
use crate::rival::End;

/// Who is at the other end: what its certificate says, and who opened the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The node id: the key of its certificate.
    pub node: NodeId,
    /// The name that the CA, or our pins, give that key.
    pub name: String,
    /// Which side opened the connection.
    pub direction: Direction,
}

impl Peer {
    pub(crate) fn who(&self) -> Who<'_> {
        Who { name: &self.name, node: self.node }
    }

    pub(crate) const fn end(&self) -> End {
        End { node: self.node, direction: self.direction }
    }
}
