//! The bodies of kinds 5 and 6: a letter that only its receiver opens (P-L3), and the key it is sealed to (P-L2).
//!
//! Whether a body has this form decides whether it is of use to anybody, not whether the message is valid.

use nom::{
    Parser,
    bytes::complete::take,
    combinator::rest,
    number::complete::{be_u16, u8 as byte},
};

use super::error::{EncodeError, WireError, WireFault};
use super::prim::{Parse, array, ensure, run};

/// The form that this crate knows (P-L1).
pub const LETTER_VERSION: u8 = 1;
/// A public key in KEY, in bytes.
pub const MAX_LETTER_KEY_LEN: usize = 256;
/// By how many bytes a letter names the key it is sealed to.
pub const KEY_ID_LEN: usize = 8;

/// The body of kind 6 (P-L2): letters to its author are sealed to this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LetterKey<'a> {
    /// Which algorithms seal a letter to it: 1 is the suite of P-L4, others are carried.
    pub suite: u16,
    /// The public key, 1 to 256 bytes in the form of its suite.
    pub key: &'a [u8],
}

/// The body of kind 5 (P-L3). Who it is for, only the one with the key can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedLetter<'a> {
    /// The first bytes of the digest of the receiver's public key (P-L4).
    pub key_id: [u8; KEY_ID_LEN],
    /// The encapsulated key, 0 to 255 bytes: from it and the private key the receiver has the secret.
    pub enc: &'a [u8],
    /// The sealed letter, to the end of the body; P-L5 says what is inside.
    pub ciphertext: &'a [u8],
}

impl<'a> LetterKey<'a> {
    /// Reads a whole body.
    ///
    /// # Errors
    /// [`WireError`] with the place and the rule.
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        run(body, |input| {
            let (at_key, (_, suite)) = (version, be_u16).parse(input)?;
            ensure((1..=MAX_LETTER_KEY_LEN).contains(&at_key.len()), at_key, WireFault::LetterKeyLength)?;
            let (rest, key) = rest(at_key)?;
            Ok((rest, LetterKey { suite, key }))
        })
    }

    /// Appends the body, the version first.
    ///
    /// # Errors
    /// The key is empty or too long; nothing was appended then.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if !(1..=MAX_LETTER_KEY_LEN).contains(&self.key.len()) {
            return Err(EncodeError(WireFault::LetterKeyLength));
        }
        out.push(LETTER_VERSION);
        out.extend_from_slice(&self.suite.to_be_bytes());
        out.extend_from_slice(self.key);
        Ok(())
    }
}

impl<'a> SealedLetter<'a> {
    /// Reads a whole body.
    ///
    /// # Errors
    /// [`WireError`] with the place and the rule.
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        run(body, |input| {
            let (after, (_, key_id, enc_len)) = (version, array, byte).parse(input)?;
            let (rest, (enc, ciphertext)) = (take(enc_len), rest).parse(after)?;
            Ok((rest, SealedLetter { key_id, enc, ciphertext }))
        })
    }

    /// Appends the body, the version first.
    ///
    /// # Errors
    /// `enc` is longer than 255 bytes; nothing was appended then.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let enc_len = u8::try_from(self.enc.len()).map_err(|_| EncodeError(WireFault::LetterEncLength))?;
        out.push(LETTER_VERSION);
        out.extend_from_slice(&self.key_id);
        out.push(enc_len);
        out.extend_from_slice(self.enc);
        out.extend_from_slice(self.ciphertext);
        Ok(())
    }
}

fn version(input: &[u8]) -> Parse<'_, u8> {
    let (rest, version) = byte(input)?;
    ensure(version == LETTER_VERSION, input, WireFault::LetterVersion)?;
    Ok((rest, version))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bodies_of_another_form_are_refused_at_their_place() {
        let at = |offset, reason| WireError { offset, reason };
        let long = [&[1, 0, 1][..], &[7; MAX_LETTER_KEY_LEN + 1]].concat();
        for (body, fault) in [
            (&[][..], at(0, WireFault::Truncated)),
            (&[2, 0, 1, 7], at(0, WireFault::LetterVersion)),
            (&[1, 0], at(1, WireFault::Truncated)),
            (&[1, 0, 1], at(3, WireFault::LetterKeyLength)),
            (&long, at(3, WireFault::LetterKeyLength)),
        ] {
            assert_eq!(LetterKey::parse(body), Err(fault), "{body:?}");
        }
        for (body, fault) in [
            (&[0][..], at(0, WireFault::LetterVersion)),
            (&[1, 2, 3], at(1, WireFault::Truncated)),
            (&[1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 9], at(10, WireFault::Truncated)),
        ] {
            assert_eq!(SealedLetter::parse(body), Err(fault), "{body:?}");
        }
    }

    #[test]
    fn what_has_no_form_is_not_written() {
        let mut out = Vec::new();
        let refused = |fault| Err(EncodeError(fault));
        let long = [0; MAX_LETTER_KEY_LEN + 1];
        assert_eq!(LetterKey { suite: 1, key: &[] }.encode(&mut out), refused(WireFault::LetterKeyLength));
        assert_eq!(LetterKey { suite: 1, key: &long }.encode(&mut out), refused(WireFault::LetterKeyLength));
        let letter = SealedLetter { key_id: [0; KEY_ID_LEN], enc: &[0; 256], ciphertext: &[] };
        assert_eq!(letter.encode(&mut out), refused(WireFault::LetterEncLength));
        assert!(out.is_empty());
    }

    proptest! {
        #[test]
        fn bodies_are_read_as_they_were_written(
            suite: u16,
            key in prop::collection::vec(any::<u8>(), 1..=MAX_LETTER_KEY_LEN),
            key_id: [u8; KEY_ID_LEN],
            enc in prop::collection::vec(any::<u8>(), 0..=255),
            ciphertext in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            let (key, mut out) = (LetterKey { suite, key: &key }, Vec::new());
            key.encode(&mut out).unwrap();
            prop_assert_eq!(LetterKey::parse(&out), Ok(key));
            let (letter, mut out) = (SealedLetter { key_id, enc: &enc, ciphertext: &ciphertext }, Vec::new());
            letter.encode(&mut out).unwrap();
            prop_assert_eq!(SealedLetter::parse(&out), Ok(letter));
        }

        #[test]
        fn there_is_one_encoding(mut body in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Some(first) = body.first_mut() {
                *first = LETTER_VERSION;
            }
            let mut out = Vec::new();
            if let Ok(key) = LetterKey::parse(&body) {
                key.encode(&mut out).unwrap();
                prop_assert_eq!(&out, &body);
            }
            out.clear();
            if let Ok(letter) = SealedLetter::parse(&body) {
                letter.encode(&mut out).unwrap();
                prop_assert_eq!(&out, &body);
            }
        }
    }
}
