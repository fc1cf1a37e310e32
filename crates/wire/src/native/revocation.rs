//! The revocation list (docs/protocol.md, R): who is out, and what of theirs still counts. It comes in 256 parts, by the
//! first byte of the node id, each signed by itself.

use core::fmt;

use nom::{
    Parser,
    number::complete::{be_u16, be_u64, u8 as byte},
};

use super::error::{EncodeError, WireError, WireFault};
use super::prim::{Parse, array, before, ensure, fault, put_varint, run, varint};
use super::{MAX_CUT_INCARNATIONS, MAX_REVOCATION_LEN};
use crate::{Incarnation, NodeId, Seq, Signature};

/// One part of the revocation list that keeps the rules of form. Its signature is unchecked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevocationPart<'a> {
    place: u8,
    number: u64,
    issued: u64,
    count: u16,
    signed_part: &'a [u8],
    entries: &'a [u8],
    signature: Signature,
}

/// One node of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevocationEntry<'a> {
    /// The node that is revoked. Its first byte is the part's place (P-R2).
    pub node: NodeId,
    /// When its certificate ends, in seconds since the Unix epoch; `u64::MAX` where nobody knows (P-R5).
    pub not_after: u64,
    /// What of its messages still counts.
    pub cut: Cut<'a>,
}

/// What of a revoked node's messages still counts (P-R3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut<'a> {
    /// All: only its links end.
    Links,
    /// Of each listed incarnation those up to a number; of any other none.
    Last(Lasts<'a>),
}

/// Incarnations and the last number of each that counts: checked bytes, or a slice to be encoded.
#[derive(Clone, Copy)]
pub struct Lasts<'a>(Repr<'a>);

#[derive(Clone, Copy)]
enum Repr<'a> {
    Wire { bytes: &'a [u8], count: usize },
    Slice(&'a [(Incarnation, Seq)]),
}

impl<'a> Lasts<'a> {
    /// How many incarnations are listed.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.0 {
            Repr::Wire { count, .. } => count,
            Repr::Slice(lasts) => lasts.len(),
        }
    }

    /// Whether none is: then no message counts.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Incarnation and last number, in rising order.
    pub fn iter(&self) -> impl Iterator<Item = (Incarnation, Seq)> + Clone + use<'a> {
        let (mut bytes, slice) = match self.0 {
            Repr::Wire { bytes, .. } => (bytes, &[][..]),
            Repr::Slice(lasts) => (&[][..], lasts),
        };
        let wire = core::iter::from_fn(move || {
            let (rest, last) = last(bytes).ok()?;
            bytes = rest;
            Some(last)
        });
        wire.chain(slice.iter().copied())
    }
}

impl<'a> From<&'a [(Incarnation, Seq)]> for Lasts<'a> {
    fn from(lasts: &'a [(Incarnation, Seq)]) -> Self {
        Self(Repr::Slice(lasts))
    }
}

impl PartialEq for Lasts<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Lasts<'_> {}

impl fmt::Debug for Lasts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> RevocationPart<'a> {
    /// Reads a whole part.
    ///
    /// # Errors
    /// The first rule of form that is broken.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        run(bytes, part)
    }

    /// The part that the CA signs the digest of (P-R1): all but the signature. Add that with [`RevocationPart::seal`].
    ///
    /// # Errors
    /// The entries break a rule of form.
    pub fn encode(
        place: u8,
        number: u64,
        issued: u64,
        entries: &[RevocationEntry<'_>],
    ) -> Result<Vec<u8>, EncodeError> {
        if number == 0 {
            return Err(EncodeError(WireFault::RevocationNumber));
        }
        let count = checked_count(entries.len(), usize::from(u16::MAX), WireFault::RevocationLength)?;
        let mut out = vec![place];
        out.extend_from_slice(&number.to_be_bytes());
        out.extend_from_slice(&issued.to_be_bytes());
        out.extend_from_slice(&count);
        let mut highest = None;
        for entry in entries {
            if highest >= Some(entry.node) {
                return Err(EncodeError(WireFault::NodeOrder));
            }
            highest = Some(entry.node);
            if place_of(&entry.node) != place {
                return Err(EncodeError(WireFault::NodePlace));
            }
            put_entry(&mut out, entry)?;
            if out.len().saturating_add(Signature::LEN) > MAX_REVOCATION_LEN {
                return Err(EncodeError(WireFault::RevocationLength));
            }
        }
        Ok(out)
    }

    /// The whole part, from what [`RevocationPart::encode`] gave and the CA's signature.
    #[must_use]
    pub fn seal(mut signed_part: Vec<u8>, signature: &Signature) -> Vec<u8> {
        signed_part.extend_from_slice(signature.as_bytes());
        signed_part
    }

    /// The first byte of all its node ids (P-R2).
    #[must_use]
    pub const fn place(&self) -> u8 {
        self.place
    }
    /// A higher one replaces a lower of the same place (P-R2).
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }
    /// When it was made, in seconds since the Unix epoch.
    #[must_use]
    pub const fn issued(&self) -> u64 {
        self.issued
    }
    /// How many nodes it names.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }
    /// Whether it names none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
    /// All before the signature (P-R1).
    #[must_use]
    pub const fn signed_part(&self) -> &'a [u8] {
        self.signed_part
    }
    /// The CA's signature, unchecked.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }
    /// Its nodes in rising order.
    pub fn entries(&self) -> impl Iterator<Item = RevocationEntry<'a>> + Clone + use<'a> {
        let mut bytes = self.entries;
        core::iter::from_fn(move || {
            let (rest, entry) = entry(bytes).ok()?;
            bytes = rest;
            Some(entry)
        })
    }
}

/// In which part a node stands: the first byte of its id (P-R2).
#[must_use]
pub fn place_of(node: &NodeId) -> u8 {
    node.0.first().copied().unwrap_or_default()
}

fn checked_count(len: usize, max: usize, reason: WireFault) -> Result<[u8; 2], EncodeError> {
    match u16::try_from(len) {
        Ok(count) if len <= max => Ok(count.to_be_bytes()),
        _ => Err(EncodeError(reason)),
    }
}

fn put_entry(out: &mut Vec<u8>, entry: &RevocationEntry<'_>) -> Result<(), EncodeError> {
    out.extend_from_slice(entry.node.as_bytes());
    out.extend_from_slice(&entry.not_after.to_be_bytes());
    let Cut::Last(lasts) = entry.cut else {
        out.push(0);
        return Ok(());
    };
    out.push(1);
    out.extend_from_slice(&checked_count(lasts.len(), MAX_CUT_INCARNATIONS, WireFault::CutCount)?);
    let mut highest = None;
    for (incarnation, last) in lasts.iter() {
        if highest >= Some(incarnation) {
            return Err(EncodeError(WireFault::IncarnationOrder));
        }
        highest = Some(incarnation);
        out.extend_from_slice(&incarnation.0.to_be_bytes());
        put_varint(out, last.0);
    }
    Ok(())
}

fn last(input: &[u8]) -> Parse<'_, (Incarnation, Seq)> {
    (be_u64.map(Incarnation), varint.map(Seq)).parse(input)
}

fn lasts(input: &[u8]) -> Parse<'_, Lasts<'_>> {
    let (start, count) = be_u16.map(usize::from).parse(input)?;
    ensure(count <= MAX_CUT_INCARNATIONS, input, WireFault::CutCount)?;
    let (mut rest, mut highest) = (start, None);
    for _ in 0..count {
        let (after, (incarnation, _)) = last(rest)?;
        ensure(highest < Some(incarnation), rest, WireFault::IncarnationOrder)?;
        (rest, highest) = (after, Some(incarnation));
    }
    Ok((rest, Lasts(Repr::Wire { bytes: before(start, rest), count })))
}

fn entry(input: &[u8]) -> Parse<'_, RevocationEntry<'_>> {
    let (at_cut, (node, not_after)) = (array.map(NodeId), be_u64).parse(input)?;
    let (rest, cut) = byte(at_cut)?;
    match cut {
        0 => Ok((rest, RevocationEntry { node, not_after, cut: Cut::Links })),
        1 => lasts.map(|lasts| RevocationEntry { node, not_after, cut: Cut::Last(lasts) }).parse(rest),
        _ => fault(at_cut, WireFault::Cut),
    }
}

fn part(input: &[u8]) -> Parse<'_, RevocationPart<'_>> {
    ensure(input.len() <= MAX_REVOCATION_LEN, input, WireFault::RevocationLength)?;
    let (at_number, place) = byte(input)?;
    let (rest, number) = be_u64(at_number)?;
    ensure(number != 0, at_number, WireFault::RevocationNumber)?;
    let (start, (issued, count)) = (be_u64, be_u16).parse(rest)?;
    let (mut rest, mut highest) = (start, None);
    for _ in 0..count {
        let (after, entry) = entry(rest)?;
        ensure(highest < Some(entry.node), rest, WireFault::NodeOrder)?;
        ensure(place_of(&entry.node) == place, rest, WireFault::NodePlace)?;
        (rest, highest) = (after, Some(entry.node));
    }
    let (signed_part, entries) = (before(input, rest), before(start, rest));
    let (rest, signature) = array.map(Signature).parse(rest)?;
    Ok((rest, RevocationPart { place, number, issued, count, signed_part, entries, signature }))
}
