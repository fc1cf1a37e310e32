//! The text of an address, and the small parsers of all forms.

use core::fmt::{self, Write as _};
use core::net::SocketAddr;

use nom::{
    Parser,
    bytes::complete::{tag, take_while_m_n},
};

use super::fault::{PeerLineEncodeError, PeerLineFault};
use crate::parse::{Fault, ensure, fault};

pub(super) type Parse<'a, T> = crate::parse::Parse<'a, T, PeerLineFault>;

/// The longest text of an address: `[8 groups with a dotted end%scope]:port`.
const MAX_ADDRESS_LEN: usize = 72;

/// An address in the one form that it is written in.
pub(super) fn address(input: &[u8]) -> Parse<'_, SocketAddr> {
    let (rest, bytes) = take_while_m_n(0, MAX_ADDRESS_LEN, |b: u8| !matches!(b, b' ' | b'>' | b'\n')).parse(input)?;
    let text = core::str::from_utf8(bytes).unwrap_or_default();
    let Some(addr) = text.parse::<SocketAddr>().ok() else { return fault(input, PeerLineFault::Address) };
    let mut again = AddressText::new();
    let same = again.set(addr).is_ok() && again.as_str() == text;
    ensure(same && addr.port() > 0, input, PeerLineFault::Address)?;
    Ok((rest, addr))
}

/// What follows `word`, if it stands here.
pub(super) fn after<'a>(word: &'static str, input: &'a [u8]) -> Option<&'a [u8]> {
    tag::<_, _, Fault<'_, PeerLineFault>>(word).parse(input).ok().map(|(rest, _)| rest)
}

pub(super) fn check(holds: bool, reason: PeerLineFault) -> Result<(), PeerLineEncodeError> {
    if holds { Ok(()) } else { Err(PeerLineEncodeError(reason)) }
}

/// The text of an address, without a heap.
pub(super) struct AddressText {
    bytes: [u8; MAX_ADDRESS_LEN],
    pub(super) len: usize,
}

impl AddressText {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; MAX_ADDRESS_LEN], len: 0 }
    }

    pub(super) fn set(&mut self, addr: SocketAddr) -> fmt::Result {
        self.len = 0;
        write!(self, "{addr}")
    }

    pub(super) fn as_str(&self) -> &str {
        self.bytes.get(..self.len).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl fmt::Write for AddressText {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let end = self.len.saturating_add(part.len());
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(part.as_bytes());
        self.len = end;
        Ok(())
    }
}
