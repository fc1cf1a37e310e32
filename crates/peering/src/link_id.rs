//! Names of links.

/// Names a link, from its handshake on, for as long as the node runs. A later one has a greater number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);
