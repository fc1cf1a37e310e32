//! Frames (docs/protocol.md, F): the length that cuts a stream, the kind that says what follows.

use nom::{
    Parser,
    combinator::rest,
    number::complete::{be_u32, be_u64, u8 as byte},
};

use super::bundle::{HEAD_LEN, signed_header};
use super::error::{EncodeError, WireError, WireFault};
use super::prim::{Parse, array, ensure, fault, origin, put_origin, put_varint, run, varint};
use super::types::{BundleHeader, Frame, Member, Proof, RangeRequest, Rumor};
use super::{MAX_BUNDLE_LEN, MAX_EVIDENCE_LEN, MAX_FRAME_LEN, MAX_REVOCATION_LEN, buckets, hello, status};
use crate::{NodeId, Seq};

/// Bytes of the length that stands before each frame (P-F1).
pub const LENGTH_LEN: usize = 4;

const WANT_STATUS: u8 = 1;
const ANSWERS_RANGE: u8 = 2;

/// Kind bytes (docs/protocol.md, table of F).
pub mod kind {
    /// HELLO.
    pub const HELLO: u8 = 0x01;
    /// PING.
    pub const PING: u8 = 0x02;
    /// PONG.
    pub const PONG: u8 = 0x03;
    /// BYE.
    pub const BYE: u8 = 0x04;
    /// MEMBER.
    pub const MEMBER: u8 = 0x05;
    /// RUMOR.
    pub const RUMOR: u8 = 0x06;
    /// STATUS.
    pub const STATUS: u8 = 0x07;
    /// BUCKETS.
    pub const BUCKETS: u8 = 0x08;
    /// RANGE.
    pub const RANGE: u8 = 0x09;
    /// PROOF.
    pub const PROOF: u8 = 0x0a;
    /// REVOKED.
    pub const REVOKED: u8 = 0x0b;
    /// From here on what is not known is skipped (P-F4).
    pub const SKIPPED: u8 = 0x80;
}

/// Bytes of the frame that begins here, its length included, as soon as 4 bytes are there.
///
/// # Errors
/// The length is 0 or above [`MAX_FRAME_LEN`] (P-F2).
pub fn frame_len(prefix: &[u8]) -> Result<Option<usize>, WireError> {
    let Ok((_, len)) = be_u32::<_, super::error::Fault<'_>>(prefix) else { return Ok(None) };
    match usize::try_from(len) {
        Ok(len @ 1..=MAX_FRAME_LEN) => Ok(Some(len.saturating_add(LENGTH_LEN))),
        _ => Err(WireError { offset: 0, reason: WireFault::FrameLength }),
    }
}

impl<'a> Frame<'a> {
    /// Reads exactly one frame: kind and payload, without the length before it.
    ///
    /// # Errors
    /// The first rule that is broken; offsets count from the kind.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, WireError> {
        if bytes.len() > MAX_FRAME_LEN {
            return Err(WireError { offset: 0, reason: WireFault::FrameLength });
        }
        run(bytes, frame)
    }

    /// Appends length, kind and payload.
    ///
    /// # Errors
    /// What is in the frame breaks a rule; `out` is as before. [`Frame::Unknown`] has no form.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let start = out.len();
        out.extend_from_slice(&[0; LENGTH_LEN]);
        let done = encode_payload(self, out).and_then(|()| patch_length(out, start));
        if done.is_err() {
            out.truncate(start);
        }
        done
    }
}

fn patch_length(out: &mut [u8], start: usize) -> Result<(), EncodeError> {
    let frame = out.get_mut(start..).unwrap_or_default();
    let len = length(frame.len().saturating_sub(LENGTH_LEN))?;
    for (slot, byte) in frame.iter_mut().zip(len) {
        *slot = byte;
    }
    Ok(())
}

fn length(len: usize) -> Result<[u8; LENGTH_LEN], EncodeError> {
    match u32::try_from(len) {
        Ok(n) if (1..=MAX_FRAME_LEN).contains(&len) => Ok(n.to_be_bytes()),
        _ => Err(EncodeError(WireFault::FrameLength)),
    }
}

/// Length, kind and flags of a RUMOR, so that the bundle goes out from where it is (P-F7).
///
/// # Errors
/// No bundle has that length (P-B1).
pub fn rumor_prefix(want_status: bool, answers_range: bool, bundle_len: usize) -> Result<[u8; 6], EncodeError> {
    if !(HEAD_LEN..=MAX_BUNDLE_LEN).contains(&bundle_len) {
        return Err(EncodeError(WireFault::BundleLength));
    }
    let [a, b, c, d] = length(bundle_len.saturating_add(2))?;
    Ok([a, b, c, d, kind::RUMOR, rumor_flags(want_status, answers_range)])
}

const fn rumor_flags(want_status: bool, answers_range: bool) -> u8 {
    (if want_status { WANT_STATUS } else { 0 }) | (if answers_range { ANSWERS_RANGE } else { 0 })
}

fn frame(input: &[u8]) -> Parse<'_, Frame<'_>> {
    let (payload, kind) = byte(input)?;
    match kind {
        kind::HELLO => hello::decode_hello.map(Frame::Hello).parse(payload),
        kind::PING => be_u64.map(Frame::Ping).parse(payload),
        kind::PONG => be_u64.map(Frame::Pong).parse(payload),
        kind::BYE => hello::decode_bye.map(Frame::Bye).parse(payload),
        kind::MEMBER => member.map(Frame::Member).parse(payload),
        kind::RUMOR => rumor.map(Frame::Rumor).parse(payload),
        kind::STATUS => status::decode.map(Frame::Status).parse(payload),
        kind::BUCKETS => buckets::decode.map(Frame::Buckets).parse(payload),
        kind::RANGE => range.map(Frame::Range).parse(payload),
        kind::PROOF => (signed_header, signed_header).map(|(a, b)| Frame::Proof(Proof { a, b })).parse(payload),
        kind::REVOKED => revoked.map(Frame::Revoked).parse(payload),
        kind::SKIPPED.. => Ok((&[], Frame::Unknown(kind))),
        _ => fault(input, WireFault::FrameKind),
    }
}

fn member(input: &[u8]) -> Parse<'_, Member<'_>> {
    let (at_evidence, node) = array.map(NodeId).parse(input)?;
    ensure((1..=MAX_EVIDENCE_LEN).contains(&at_evidence.len()), at_evidence, WireFault::EvidenceLength)?;
    let (rest, evidence) = rest(at_evidence)?;
    Ok((rest, Member { node, evidence }))
}

fn rumor(input: &[u8]) -> Parse<'_, Rumor<'_>> {
    let (bundle, flags) = byte(input)?;
    ensure(flags & !(WANT_STATUS | ANSWERS_RANGE) == 0, input, WireFault::FlagBits)?;
    let (_, (header, _)) = super::bundle::peek(bundle)?;
    let (want_status, answers_range) = (flags & WANT_STATUS != 0, flags & ANSWERS_RANGE != 0);
    Ok((&[], Rumor { want_status, answers_range, header, bundle }))
}

fn range(input: &[u8]) -> Parse<'_, RangeRequest> {
    let (at_from, origin) = origin(input)?;
    let (rest, (from, until)) = (varint.map(Seq), varint.map(Seq)).parse(at_from)?;
    ensure(in_order(from, until), at_from, WireFault::RangeOrder)?;
    Ok((rest, RangeRequest { origin, from, until }))
}

fn in_order(from: Seq, until: Seq) -> bool {
    Seq::FIRST <= from && from < until
}

fn revoked(input: &[u8]) -> Parse<'_, &[u8]> {
    ensure(input.len() <= MAX_REVOCATION_LEN, input, WireFault::RevocationLength)?;
    rest(input)
}

fn encode_payload(frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match frame {
        Frame::Hello(hello) => {
            out.push(kind::HELLO);
            hello::encode_hello(hello, out)?;
        }
        Frame::Ping(nonce) => put_nonce(out, kind::PING, *nonce),
        Frame::Pong(nonce) => put_nonce(out, kind::PONG, *nonce),
        Frame::Bye(bye) => {
            out.push(kind::BYE);
            hello::encode_bye(bye, out)?;
        }
        Frame::Member(member) => put_member(out, member)?,
        Frame::Rumor(rumor) => put_rumor(out, rumor)?,
        Frame::Status(status) => {
            out.push(kind::STATUS);
            status::encode(status, out)?;
        }
        Frame::Buckets(sums) => {
            out.push(kind::BUCKETS);
            buckets::encode(sums, out);
        }
        Frame::Range(range) => put_range(out, range)?,
        Frame::Proof(proof) => put_proof(out, proof)?,
        Frame::Revoked(list) if list.len() <= MAX_REVOCATION_LEN => {
            out.push(kind::REVOKED);
            out.extend_from_slice(list);
        }
        Frame::Revoked(_) => return Err(EncodeError(WireFault::RevocationLength)),
        Frame::Unknown(_) => return Err(EncodeError(WireFault::FrameKind)),
    }
    Ok(())
}

fn put_nonce(out: &mut Vec<u8>, kind: u8, nonce: u64) {
    out.push(kind);
    out.extend_from_slice(&nonce.to_be_bytes());
}

fn put_member(out: &mut Vec<u8>, member: &Member<'_>) -> Result<(), EncodeError> {
    if !(1..=MAX_EVIDENCE_LEN).contains(&member.evidence.len()) {
        return Err(EncodeError(WireFault::EvidenceLength));
    }
    out.push(kind::MEMBER);
    out.extend_from_slice(member.node.as_bytes());
    out.extend_from_slice(member.evidence);
    Ok(())
}

fn put_rumor(out: &mut Vec<u8>, rumor: &Rumor<'_>) -> Result<(), EncodeError> {
    if !matches!(BundleHeader::peek(rumor.bundle), Ok((header, _)) if header == rumor.header) {
        return Err(EncodeError(WireFault::HeadMismatch));
    }
    out.extend_from_slice(&[kind::RUMOR, rumor_flags(rumor.want_status, rumor.answers_range)]);
    out.extend_from_slice(rumor.bundle);
    Ok(())
}

fn put_range(out: &mut Vec<u8>, range: &RangeRequest) -> Result<(), EncodeError> {
    if !in_order(range.from, range.until) {
        return Err(EncodeError(WireFault::RangeOrder));
    }
    out.push(kind::RANGE);
    put_origin(out, &range.origin);
    put_varint(out, range.from.0);
    put_varint(out, range.until.0);
    Ok(())
}

fn put_proof(out: &mut Vec<u8>, proof: &Proof) -> Result<(), EncodeError> {
    out.push(kind::PROOF);
    for signed in [&proof.a, &proof.b] {
        signed.header.check().map_err(EncodeError)?;
        out.extend_from_slice(&signed.to_bytes());
    }
    Ok(())
}
