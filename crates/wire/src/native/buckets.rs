//! BUCKETS: the fingerprints of 256 parts of the frontier, by the first byte of the node id.

use super::error::WireFault;
use super::prim::{Parse, fault};

/// How many parts the frontier has: one for each first byte of a node id.
pub const BUCKET_COUNT: usize = 256;
const WIRE_LEN: usize = BUCKET_COUNT * 16;

/// The fingerprints of a BUCKETS frame: its bytes, or an array to be encoded.
#[derive(Clone, Copy, Debug)]
pub struct Buckets<'a>(Repr<'a>);

#[derive(Clone, Copy, Debug)]
enum Repr<'a> {
    Wire(&'a [u8; WIRE_LEN]),
    Array(&'a [[u8; 16]; BUCKET_COUNT]),
}

impl<'a> Buckets<'a> {
    /// All 256 in order.
    pub fn iter(&self) -> impl Iterator<Item = [u8; 16]> + Clone + use<'a> {
        let (wire, array) = match self.0 {
            Repr::Wire(bytes) => (&bytes[..], &[][..]),
            Repr::Array(sums) => (&[][..], &sums[..]),
        };
        let (chunks, _) = wire.as_chunks::<16>();
        chunks.iter().chain(array).copied()
    }
}

impl<'a> From<&'a [[u8; 16]; BUCKET_COUNT]> for Buckets<'a> {
    fn from(sums: &'a [[u8; 16]; BUCKET_COUNT]) -> Self {
        Self(Repr::Array(sums))
    }
}

impl PartialEq for Buckets<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Buckets<'_> {}

pub(super) fn decode(input: &[u8]) -> Parse<'_, Buckets<'_>> {
    match input.split_first_chunk::<WIRE_LEN>() {
        Some((bytes, rest)) => Ok((rest, Buckets(Repr::Wire(bytes)))),
        None => fault(input, WireFault::Truncated),
    }
}

pub(super) fn encode(buckets: &Buckets<'_>, out: &mut Vec<u8>) {
    buckets.iter().for_each(|sum| out.extend_from_slice(&sum));
}
