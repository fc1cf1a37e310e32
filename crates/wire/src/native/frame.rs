//! Frames (docs/protocol.md, F): the length that cuts a stream, the kind that says what follows.

use nom::{
    Parser,
    number::complete::{be_u32, be_u64, u8 as byte},
};

use super::error::{EncodeError, WireError, WireFault};
use super::prim::{Parse, ensure, fault, length, origin, put_origin, put_varint, run, varint};
use super::types::{Frame, RangeRequest};
use super::{LENGTH_LEN, MAX_FRAME_LEN, buckets, evidence, hello, kind, revisions, rumor, status};
use crate::{Seq, parse::Fault};

/// Bytes of the frame that begins here, its length included, as soon as 4 bytes are there.
///
/// # Errors
/// The length is 0 or above [`MAX_FRAME_LEN`] (P-F2).
pub fn frame_len(prefix: &[u8]) -> Result<Option<usize>, WireError> {
    let Ok((_, len)) = be_u32::<_, Fault<'_, WireFault>>(prefix) else { return Ok(None) };
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
        if !(1..=MAX_FRAME_LEN).contains(&bytes.len()) {
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

fn frame(input: &[u8]) -> Parse<'_, Frame<'_>> {
    let (payload, kind) = byte(input)?;
    match kind {
        kind::HELLO => hello::decode_hello.map(Frame::Hello).parse(payload),
        kind::PING => be_u64.map(Frame::Ping).parse(payload),
        kind::PONG => be_u64.map(Frame::Pong).parse(payload),
        kind::BYE => hello::decode_bye.map(Frame::Bye).parse(payload),
        kind::MEMBER => evidence::member.map(Frame::Member).parse(payload),
        kind::RUMOR => rumor::decode.map(Frame::Rumor).parse(payload),
        kind::STATUS => status::decode.map(Frame::Status).parse(payload),
        kind::BUCKETS => buckets::decode.map(Frame::Buckets).parse(payload),
        kind::RANGE => range.map(Frame::Range).parse(payload),
        kind::PROOF => evidence::proof.map(Frame::Proof).parse(payload),
        kind::REVOKED => evidence::revoked.map(Frame::Revoked).parse(payload),
        kind::REVISIONS => revisions::decode.map(Frame::Revisions).parse(payload),
        kind::SKIPPED.. => Ok((&[], Frame::Unknown(kind))),
        _ => fault(input, WireFault::FrameKind),
    }
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
        Frame::Member(member) => evidence::put_member(out, member)?,
        Frame::Rumor(rumor) => rumor::encode(rumor, out)?,
        Frame::Status(status) => {
            out.push(kind::STATUS);
            status::encode(status, out)?;
        }
        Frame::Buckets(sums) => {
            out.push(kind::BUCKETS);
            buckets::encode(sums, out);
        }
        Frame::Range(range) => put_range(out, range)?,
        Frame::Proof(proof) => evidence::put_proof(out, proof)?,
        Frame::Revoked(list) => evidence::put_revoked(out, list)?,
        Frame::Revisions(revisions) => {
            out.push(kind::REVISIONS);
            revisions::encode(revisions, out)?;
        }
        Frame::Unknown(_) => return Err(EncodeError(WireFault::FrameKind)),
    }
    Ok(())
}

fn put_nonce(out: &mut Vec<u8>, kind: u8, nonce: u64) {
    out.push(kind);
    out.extend_from_slice(&nonce.to_be_bytes());
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
