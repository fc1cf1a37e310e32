//! A search for the place of a fork.

use rumormill_wire::Seq;
use rumormill_wire::native::SignedHeader;

use crate::io::{LinkId, Timestamp};
use crate::proof::VerifiedProof;

/// A search for the place where two branches part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suspect {
    pub(super) at: Seq,
    pub(super) ours: Option<SignedHeader>,
    pub(super) theirs: Option<SignedHeader>,
    pub(super) link: LinkId,
    pub(super) since: Timestamp,
    /// The lowest proof so far, unless it was the first: steps on the way are nobody else's business.
    pub(super) found: Option<VerifiedProof>,
}
