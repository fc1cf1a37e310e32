//! Equivocation: two signed headers of one origin that no honest author signs both (docs/protocol.md, E).

use rumormill_wire::native::{Proof, SignedHeader};
use rumormill_wire::{Digest, NetworkId, Origin, Seq};

use crate::bundle::{Invalid, bundle_digest, verify_header};

/// Two signed headers, unchecked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawProof(pub Proof);

/// Two headers that were checked to contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedProof {
    proof: Proof,
    place: Seq,
}

impl VerifiedProof {
    /// The origin that signed both headers, and whose chain ends.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.proof.a.header.origin
    }
    /// From which number on the chain is withdrawn.
    #[must_use]
    pub const fn place(&self) -> Seq {
        self.place
    }
    /// The two headers as they came: others can check them as we did.
    #[must_use]
    pub const fn proof(&self) -> &Proof {
        &self.proof
    }

    /// A proof that a store of ours kept. Only checked ones are kept, so the signatures are not checked again, no more
    /// than those of the bundles beside them: who writes over the store is out of scope. `None` if the headers prove
    /// nothing.
    #[must_use]
    pub fn restored(proof: Proof) -> Option<Self> {
        contradiction(&proof.a, &proof.b).map(|place| Self { proof, place })
    }
}

/// Why two headers prove nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoProof {
    /// One of them is not valid.
    #[error("{0}")]
    Invalid(Invalid),
    /// They are of two origins.
    #[error("the headers are of two origins")]
    TwoOrigins,
    /// An honest author may have signed both.
    #[error("the headers do not contradict each other")]
    Compatible,
}

/// Where two headers of one origin contradict each other: overlapping ranges, or one that ends just before the other
/// without being its "previous". From the lower `first` on, one of the two is not on the other's branch.
#[must_use]
pub fn contradiction(a: &SignedHeader, b: &SignedHeader) -> Option<Seq> {
    let (low, high) = if a.header.first <= b.header.first { (a, b) } else { (b, a) };
    if low.header.origin != high.header.origin {
        return None;
    }
    // Digests, not signatures: two copies of one digest are one bundle (P-B8).
    let digest = bundle_digest(&low.header, &low.body);
    let overlap = low.header.next() > high.header.first;
    let differ = digest != bundle_digest(&high.header, &high.body);
    let broken = low.header.next() == high.header.first && high.header.previous != digest;
    ((overlap && differ) || broken).then_some(low.header.first)
}

/// Whether the place of a contradiction is certainly where the branches part: it is the first number, or the headers
/// start together and name one predecessor. Otherwise they may part earlier.
#[must_use]
pub fn is_lowest(a: &SignedHeader, b: &SignedHeader) -> bool {
    let place = a.header.first.min(b.header.first);
    place == Seq::FIRST || (a.header.first == b.header.first && a.header.previous == b.header.previous)
}

/// Checks that two headers contradict each other, then that both were signed by their author.
///
/// # Errors
/// [`NoProof`] names why it is none.
pub fn verify_proof(raw: &RawProof, network: &NetworkId) -> Result<VerifiedProof, NoProof> {
    let Proof { a, b } = raw.0;
    if a.header.origin != b.header.origin {
        return Err(NoProof::TwoOrigins);
    }
    let place = contradiction(&a, &b).ok_or(NoProof::Compatible)?;
    let _: Digest = verify_header(&a, network).map_err(NoProof::Invalid)?;
    let _: Digest = verify_header(&b, network).map_err(NoProof::Invalid)?;
    Ok(VerifiedProof { proof: raw.0, place })
}

/// A proof from two headers that this node has checked itself.
#[must_use]
pub(crate) fn from_checked(a: SignedHeader, b: SignedHeader) -> Option<VerifiedProof> {
    contradiction(&a, &b).map(|place| VerifiedProof { proof: Proof { a, b }, place })
}
