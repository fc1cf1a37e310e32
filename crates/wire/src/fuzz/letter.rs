//! Bodies of letters and of keys under test (docs/protocol.md, L).

use super::{Codec, Finding, canonical, claim};
use crate::native::{LetterKey, MAX_LETTER_KEY_LEN, SealedLetter};

/// Bodies of kind 6.
#[derive(Debug)]
pub struct Keys;

impl Codec for Keys {
    type Value<'a> = LetterKey<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<LetterKey<'a>, usize> {
        LetterKey::parse(bytes).map_err(|e| e.offset)
    }

    fn encode(&self, key: &LetterKey<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        key.encode(out).map_err(|e| e.to_string())
    }
}

/// Bodies of kind 5.
#[derive(Debug)]
pub struct Sealed;

impl Codec for Sealed {
    type Value<'a> = SealedLetter<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<SealedLetter<'a>, usize> {
        SealedLetter::parse(bytes).map_err(|e| e.offset)
    }

    fn encode(&self, letter: &SealedLetter<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        letter.encode(out).map_err(|e| e.to_string())
    }
}

/// One form each; a key is within its bound.
///
/// # Errors
/// What does not hold.
pub fn letter(data: &[u8]) -> Result<(), Finding> {
    canonical(&Sealed, data)?;
    if canonical(&Keys, data)?
        && let Ok(LetterKey { key, .. }) = Keys.parse(data)
    {
        claim((1..=MAX_LETTER_KEY_LEN).contains(&key.len()), || format!("a key of {} bytes", key.len()))?;
    }
    Ok(())
}
