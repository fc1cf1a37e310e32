//! What convinces: MEMBER (a certificate), PROOF (two signed headers), REVOKED (the CA's list).

use nom::{Parser, combinator::rest};

use super::bundle::signed_header;
use super::error::{EncodeError, WireFault};
use super::prim::{Parse, array, ensure};
use super::types::{Member, Proof};
use super::{MAX_EVIDENCE_LEN, MAX_REVOCATION_LEN, kind};
use crate::NodeId;

pub(super) fn member(input: &[u8]) -> Parse<'_, Member<'_>> {
    let (at_evidence, node) = array.map(NodeId).parse(input)?;
    ensure((1..=MAX_EVIDENCE_LEN).contains(&at_evidence.len()), at_evidence, WireFault::EvidenceLength)?;
    let (rest, evidence) = rest(at_evidence)?;
    Ok((rest, Member { node, evidence }))
}

pub(super) fn put_member(out: &mut Vec<u8>, member: &Member<'_>) -> Result<(), EncodeError> {
    if !(1..=MAX_EVIDENCE_LEN).contains(&member.evidence.len()) {
        return Err(EncodeError(WireFault::EvidenceLength));
    }
    out.push(kind::MEMBER);
    out.extend_from_slice(member.node.as_bytes());
    out.extend_from_slice(member.evidence);
    Ok(())
}

pub(super) fn proof(input: &[u8]) -> Parse<'_, Proof> {
    (signed_header, signed_header).map(|(a, b)| Proof { a, b }).parse(input)
}

pub(super) fn put_proof(out: &mut Vec<u8>, proof: &Proof) -> Result<(), EncodeError> {
    out.push(kind::PROOF);
    for signed in [&proof.a, &proof.b] {
        signed.header.check().map_err(EncodeError)?;
        out.extend_from_slice(&signed.to_bytes());
    }
    Ok(())
}

pub(super) fn revoked(input: &[u8]) -> Parse<'_, &[u8]> {
    ensure(input.len() <= MAX_REVOCATION_LEN, input, WireFault::RevocationLength)?;
    rest(input)
}

pub(super) fn put_revoked(out: &mut Vec<u8>, list: &[u8]) -> Result<(), EncodeError> {
    if list.len() > MAX_REVOCATION_LEN {
        return Err(EncodeError(WireFault::RevocationLength));
    }
    out.push(kind::REVOKED);
    out.extend_from_slice(list);
    Ok(())
}
