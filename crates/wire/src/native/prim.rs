//! The smallest values (docs/protocol.md, head): integers, varint, text8, identifiers. All others are made of these.

use nom::{
    Parser,
    bytes::complete::take,
    number::complete::{be_u64, u8 as byte},
};

use super::error::{EncodeError, WireError, WireFault};
use super::{LENGTH_LEN, MAX_FRAME_LEN};
use crate::parse::{self, Fault};
pub(super) use crate::parse::{before, ensure, fault, utf8};
use crate::{Incarnation, NodeId, Origin};

pub(super) type Parse<'a, T> = parse::Parse<'a, T, WireFault>;

/// Uses the whole input (P-F3) and turns a fault's place into an offset.
pub(super) fn run<'a, T>(
    input: &'a [u8],
    parser: impl Parser<&'a [u8], Output = T, Error = Fault<'a, WireFault>>,
) -> Result<T, WireError> {
    parse::run(input, WireFault::Trailing, parser).map_err(|(offset, reason)| WireError { offset, reason })
}

pub(super) fn array<const N: usize>(input: &[u8]) -> Parse<'_, [u8; N]> {
    match input.split_first_chunk::<N>() {
        Some((chunk, rest)) => Ok((rest, *chunk)),
        None => fault(input, WireFault::Truncated),
    }
}

/// LEB128 of a u64 in its shortest form.
pub(super) fn varint(input: &[u8]) -> Parse<'_, u64> {
    let (mut rest, mut value, mut shift) = (input, 0, 0u32);
    loop {
        let (after, b) = byte(rest)?;
        // The tenth byte has room for one bit, so there is no eleventh.
        ensure(shift < 63 || b <= 1, input, WireFault::VarintRange)?;
        value |= u64::from(b & 0x7f) << shift;
        if b < 0x80 {
            ensure(b != 0 || shift == 0, input, WireFault::VarintForm)?;
            return Ok((after, value));
        }
        (rest, shift) = (after, shift.saturating_add(7));
    }
}

/// A length byte from `min` to `max` and that much UTF-8.
pub(super) fn text8<'a>(min: usize, max: usize, reason: WireFault) -> impl Fn(&'a [u8]) -> Parse<'a, &'a str> {
    move |input| {
        let (rest, len) = byte(input)?;
        ensure((min..=max).contains(&usize::from(len)), input, reason)?;
        let (after, bytes) = take(len)(rest)?;
        Ok((after, utf8(bytes, rest, WireFault::Utf8)?))
    }
}

pub(super) fn origin(input: &[u8]) -> Parse<'_, Origin> {
    (array.map(NodeId), be_u64.map(Incarnation)).map(|(node, incarnation)| Origin { node, incarnation }).parse(input)
}

pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low7(value) | 0x80);
        value >>= 7;
    }
    out.push(low7(value));
}

fn low7(value: u64) -> u8 {
    value.to_le_bytes().first().copied().unwrap_or_default() & 0x7f
}

/// Bytes that [`put_varint`] writes.
pub(super) fn varint_len(value: u64) -> usize {
    let bits = 64u32.saturating_sub(value.leading_zeros()).max(1);
    usize::try_from(bits.div_ceil(7)).unwrap_or(10)
}

pub(super) fn put_text8(
    out: &mut Vec<u8>,
    text: &str,
    min: usize,
    max: usize,
    reason: WireFault,
) -> Result<(), EncodeError> {
    match u8::try_from(text.len()) {
        Ok(len) if (min..=max).contains(&text.len()) => {
            out.push(len);
            out.extend_from_slice(text.as_bytes());
            Ok(())
        }
        _ => Err(EncodeError(reason)),
    }
}

pub(super) fn put_origin(out: &mut Vec<u8>, origin: &Origin) {
    out.extend_from_slice(origin.node.as_bytes());
    out.extend_from_slice(&origin.incarnation.0.to_be_bytes());
}

/// The length that stands before `len` bytes of kind and payload (P-F2).
pub(super) fn length(len: usize) -> Result<[u8; LENGTH_LEN], EncodeError> {
    match u32::try_from(len) {
        Ok(n) if (1..=MAX_FRAME_LEN).contains(&len) => Ok(n.to_be_bytes()),
        _ => Err(EncodeError(WireFault::FrameLength)),
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<u64, WireError> {
        run(bytes, varint)
    }

    #[test]
    fn a_varint_has_the_length_it_announces_and_comes_back() {
        let edges = (0..64).flat_map(|bit| [(1u64 << bit).wrapping_sub(1), 1 << bit]);
        for value in edges.chain([u64::MAX]) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out.len(), varint_len(value), "{value}");
            assert_eq!(read(&out), Ok(value));
        }
        assert_eq!((varint_len(0), varint_len(u64::MAX)), (1, 10));
    }

    #[test]
    fn a_varint_has_one_form_and_64_bits() {
        let at_0 = |reason| Err(WireError { offset: 0, reason });
        assert_eq!(read(&[0x80, 0x00]), at_0(WireFault::VarintForm));
        assert_eq!(read(&[0xff, 0x80, 0x00]), at_0(WireFault::VarintForm));
        assert_eq!(read(&[0x80; 9]), Err(WireError { offset: 9, reason: WireFault::Truncated }));
        assert_eq!(read(&[[0x80; 9].as_slice(), &[0x00]].concat()), at_0(WireFault::VarintForm));
        assert_eq!(read(&[[0xff; 9].as_slice(), &[0x02]].concat()), at_0(WireFault::VarintRange));
        assert_eq!(read(&[0xff; 11]), at_0(WireFault::VarintRange));
        assert_eq!(read(&[[0x80; 10].as_slice(), &[0x01]].concat()), at_0(WireFault::VarintRange));
    }
}
