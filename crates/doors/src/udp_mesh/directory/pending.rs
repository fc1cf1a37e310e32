//! What waits for its signature to be checked.

use std::net::SocketAddr;

use super::input::Claim;

/// What waits for its signature to be checked.
#[derive(Debug)]
pub(super) enum Pending {
    /// A BIRTH of the extended form (P-U2).
    Claim { from: SocketAddr, claim: Claim<String> },
    /// A LEAVE (P-U6).
    Leave { from: SocketAddr, time: u64 },
}
