//! Bundles on their way in: what their numbers decide, the queue of those that are being checked, and what an author may add.

pub mod queue;
pub mod quota;
