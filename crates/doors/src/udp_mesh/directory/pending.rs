//! What waits for its signature to be checked.

use std::net::SocketAddr;

use super::input::Claim;

/// What waits for its signature to be checked.
#[derive(Debug)]
pub(super) enum Pending {
    Claim { from: SocketAddr, claim: Claim<String> },
    Leave { from: SocketAddr, time: u64 },
}
