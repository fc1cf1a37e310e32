//! A format under test, and what holds for every one.

use core::fmt;

/// What a body found wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding(pub String);

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Finding {}

/// Says what is wrong unless `holds`.
///
/// # Errors
/// It does not hold.
pub fn claim(holds: bool, what: impl FnOnce() -> String) -> Result<(), Finding> {
    if holds { Ok(()) } else { Err(Finding(what())) }
}

/// A format under test.
pub trait Codec {
    /// What one whole input reads as; may borrow from it.
    type Value<'a>: PartialEq + fmt::Debug;

    /// Reads the whole input.
    ///
    /// # Errors
    /// The offset of the fault.
    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<Self::Value<'a>, usize>;

    /// Appends the encoding of a value that was read.
    ///
    /// # Errors
    /// Why it has none.
    fn encode(&self, value: &Self::Value<'_>, out: &mut Vec<u8>) -> Result<(), String>;
}

/// What parses encodes to the same bytes, and a fault lies inside the input. Holds for the input, for two of its
/// beginnings and for the input with one byte more. Says whether the input parsed.
///
/// # Errors
/// What does not hold.
pub fn canonical<C: Codec>(codec: &C, bytes: &[u8]) -> Result<bool, Finding> {
    for part in [bytes.len() / 2, bytes.len().saturating_sub(1)] {
        canonical_once(codec, bytes.get(..part).unwrap_or_default())?;
    }
    canonical_once(codec, &[bytes, &[0]].concat())?;
    canonical_once(codec, bytes)
}

fn canonical_once<C: Codec>(codec: &C, bytes: &[u8]) -> Result<bool, Finding> {
    // An encoder appends: what stands there stays.
    let mut out = vec![0xa5];
    let value = match codec.parse(bytes) {
        Ok(value) => value,
        Err(offset) => {
            claim(offset <= bytes.len(), || format!("fault at {offset} of {} bytes", bytes.len()))?;
            return Ok(false);
        }
    };
    codec.encode(&value, &mut out).map_err(|why| Finding(format!("{value:?} parsed but has no encoding: {why}")))?;
    let (before, encoded) = out.split_at_checked(1).unwrap_or_default();
    claim(before == [0xa5], || "the encoder touched what stood before".to_owned())?;
    claim(encoded == bytes, || format!("{bytes:02x?} parsed, and encodes to {encoded:02x?}"))?;
    let again = codec.parse(encoded).map_err(|at| Finding(format!("its own encoding is refused at byte {at}")))?;
    claim(again == value, || format!("{value:?} came back as {again:?}"))?;
    Ok(true)
}

/// The encoder refuses a value, and leaves the output as it was.
///
/// # Errors
/// It does not.
pub fn refused<C: Codec>(codec: &C, value: &C::Value<'_>) -> Result<(), Finding> {
    let mut out = vec![0xa5];
    let done = codec.encode(value, &mut out);
    claim(done.is_err() && out == [0xa5], || format!("{value:?} encodes to {out:02x?}"))
}
