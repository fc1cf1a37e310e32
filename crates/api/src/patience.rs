//! How long a client waits for its node.

use std::time::Duration;

/// Times after which a node that does not answer is said to hang.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a connection, for an answer that the node has at hand, and between the parts of one.
    pub answer: Duration,
    /// For an answer that waits for a disk: a message made durable, a part of a long log.
    pub slow: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { answer: Duration::from_secs(10), slow: Duration::from_secs(60) }
    }
}
