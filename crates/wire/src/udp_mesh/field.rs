//! Fields of a datagram, in the old form and in the extended one.

use core::fmt;

use nom::bytes::complete::take;
use nom::number::complete::le_u16;

use super::fault::{UdpMeshEncodeError, UdpMeshFault};
use crate::parse::{ensure, fault, utf8};

pub(super) type Parse<'a, T> = crate::parse::Parse<'a, T, UdpMeshFault>;

/// The most that a UDP datagram holds, in bytes.
pub const MAX_DATAGRAM_LEN: usize = 65_507;

/// A name: one printable ASCII character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameChar(pub(super) u8);

impl NameChar {
    /// The name of this character, if it may be one.
    #[must_use]
    pub fn new(c: char) -> Option<Self> {
        u8::try_from(c).ok().filter(|byte| matches!(byte, b' '..=b'~')).map(Self)
    }

    /// All 95 names that there are, in the order of their codes.
    pub fn all() -> impl Iterator<Item = Self> {
        (b' '..=b'~').map(Self)
    }

    /// The character itself, from blank to `~`.
    #[must_use]
    pub const fn get(self) -> char {
        self.0 as char
    }

    /// The one that cannot be seen.
    pub const BLANK: Self = Self(b' ');

    pub(super) const fn bit(self) -> u128 {
        1 << self.0
    }
}

impl fmt::Display for NameChar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.get())
    }
}

pub(super) fn put(out: &mut Vec<u8>, words: &[u16]) {
    words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
}

pub(super) fn check(holds: bool, reason: UdpMeshFault) -> Result<(), UdpMeshEncodeError> {
    if holds { Ok(()) } else { Err(UdpMeshEncodeError(reason)) }
}

pub(super) fn character(input: &[u8]) -> Parse<'_, NameChar> {
    let (rest, word) = le_u16(input)?;
    match char::from_u32(u32::from(word)).and_then(NameChar::new) {
        Some(character) => Ok((rest, character)),
        None => fault(input, UdpMeshFault::Name),
    }
}

/// A port other than 0.
pub(super) fn port(input: &[u8]) -> Parse<'_, u16> {
    let (rest, port) = le_u16(input)?;
    ensure(port != 0, input, UdpMeshFault::Port)?;
    Ok((rest, port))
}

/// Length and that many bytes of text without a NUL.
pub(super) fn text(input: &[u8]) -> Parse<'_, &str> {
    let (start, len) = le_u16(input)?;
    let (rest, bytes) = take(len)(start)?;
    if let Some(nul) = bytes.iter().position(|byte| *byte == 0) {
        return fault(start.get(nul..).unwrap_or_default(), UdpMeshFault::Nul);
    }
    Ok((rest, utf8(bytes, start, UdpMeshFault::Utf8)?))
}
