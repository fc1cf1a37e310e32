//! REVISIONS: which parts of the revocation list somebody has, each with its number (P-R4).

use core::fmt;

use nom::number::complete::{be_u64, u8 as byte};

use super::error::{EncodeError, WireFault};
use super::prim::{Parse, before, ensure};

/// Parts that a revocation list has: one for each first byte of a node id (P-R2).
pub const MAX_PARTS: usize = 256;

/// The parts of a REVISIONS frame: checked bytes, or a slice to be encoded.
#[derive(Clone, Copy)]
pub struct Revisions<'a>(Repr<'a>);

#[derive(Clone, Copy)]
enum Repr<'a> {
    Wire(&'a [u8]),
    Slice(&'a [(u8, u64)]),
}

impl<'a> Revisions<'a> {
    /// Part and number, in rising order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, u64)> + Clone + use<'a> {
        let (mut bytes, slice) = match self.0 {
            Repr::Wire(bytes) => (bytes, &[][..]),
            Repr::Slice(parts) => (&[][..], parts),
        };
        let wire = core::iter::from_fn(move || {
            let (rest, part) = part(bytes).ok()?;
            bytes = rest;
            Some(part)
        });
        wire.chain(slice.iter().copied())
    }
}

impl<'a> From<&'a [(u8, u64)]> for Revisions<'a> {
    fn from(parts: &'a [(u8, u64)]) -> Self {
        Self(Repr::Slice(parts))
    }
}

impl PartialEq for Revisions<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Revisions<'_> {}

impl fmt::Debug for Revisions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

fn part(input: &[u8]) -> Parse<'_, (u8, u64)> {
    let (at_number, part) = byte(input)?;
    let (rest, number) = be_u64(at_number)?;
    ensure(number != 0, at_number, WireFault::RevocationNumber)?;
    Ok((rest, (part, number)))
}

/// Parts rise, so there are at most [`MAX_PARTS`].
pub(super) fn decode(input: &[u8]) -> Parse<'_, Revisions<'_>> {
    let (mut rest, mut highest) = (input, None);
    while !rest.is_empty() {
        let (after, (place, _)) = part(rest)?;
        ensure(highest < Some(place), rest, WireFault::PartOrder)?;
        (rest, highest) = (after, Some(place));
    }
    Ok((rest, Revisions(Repr::Wire(before(input, rest)))))
}

pub(super) fn encode(revisions: &Revisions<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let mut highest = None;
    for (place, number) in revisions.iter() {
        if number == 0 {
            return Err(EncodeError(WireFault::RevocationNumber));
        }
        if highest >= Some(place) {
            return Err(EncodeError(WireFault::PartOrder));
        }
        highest = Some(place);
        out.push(place);
        out.extend_from_slice(&number.to_be_bytes());
    }
    Ok(())
}
