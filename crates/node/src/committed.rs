//! A bundle that the store has.

use std::sync::Arc;

use rumormill_gossip::VerifiedBundle;

/// A bundle that is durable here.
#[derive(Debug)]
pub struct Committed {
    /// The bundle as it was checked; what of it is withdrawn later stays in it.
    pub bundle: Arc<VerifiedBundle>,
    /// When it came or was written, by our wall clock in microseconds.
    pub received_us: u64,
    /// Messages of it with a later clock are told when their time has come.
    pub until_us: u64,
}
