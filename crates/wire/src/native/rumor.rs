//! RUMOR (docs/protocol.md, P-F7): a bundle on its way. Only the bundle's head is looked at here.

use nom::number::complete::u8 as byte;

use super::bundle::{HEAD_LEN, peek};
use super::error::{EncodeError, WireFault};
use super::prim::{Parse, ensure, length};
use super::types::{BundleHeader, Rumor};
use super::{MAX_BUNDLE_LEN, kind};

const WANT_STATUS: u8 = 1;
const ANSWERS_RANGE: u8 = 2;

/// Bytes before the bundle in a RUMOR, its length included (P-F7).
pub const RUMOR_PREFIX: usize = 6;

/// Length, kind and flags of a RUMOR, so that the bundle goes out from where it is (P-F7).
///
/// # Errors
/// No bundle has that length (P-B1).
pub fn rumor_prefix(
    want_status: bool,
    answers_range: bool,
    bundle_len: usize,
) -> Result<[u8; RUMOR_PREFIX], EncodeError> {
    if !(HEAD_LEN..=MAX_BUNDLE_LEN).contains(&bundle_len) {
        return Err(EncodeError(WireFault::BundleLength));
    }
    let [a, b, c, d] = length(bundle_len.saturating_add(2))?;
    Ok([a, b, c, d, kind::RUMOR, rumor_flags(want_status, answers_range)])
}

const fn rumor_flags(want_status: bool, answers_range: bool) -> u8 {
    (if want_status { WANT_STATUS } else { 0 }) | (if answers_range { ANSWERS_RANGE } else { 0 })
}

pub(super) fn decode(input: &[u8]) -> Parse<'_, Rumor<'_>> {
    let (bundle, flags) = byte(input)?;
    ensure(flags & !(WANT_STATUS | ANSWERS_RANGE) == 0, input, WireFault::FlagBits)?;
    let (_, (header, _)) = peek(bundle)?;
    let (want_status, answers_range) = (flags & WANT_STATUS != 0, flags & ANSWERS_RANGE != 0);
    Ok((&[], Rumor { want_status, answers_range, header, bundle }))
}

pub(super) fn encode(rumor: &Rumor<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    if !matches!(BundleHeader::peek(rumor.bundle), Ok((header, _)) if header == rumor.header) {
        return Err(EncodeError(WireFault::HeadMismatch));
    }
    out.extend_from_slice(&[kind::RUMOR, rumor_flags(rumor.want_status, rumor.answers_range)]);
    out.extend_from_slice(rumor.bundle);
    Ok(())
}
