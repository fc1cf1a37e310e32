//! Names of links.

/// Names a link, from its handshake on, for as long as a node runs; the driver chooses it, once. A later link has a greater number. All
/// machines that know of a link know it by this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);
