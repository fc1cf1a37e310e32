//! The answer to the question who is online: addresses, one a line.

use core::net::SocketAddr;

use super::address::{AddressText, Parse, address, after, check};
use super::{PeerLineEncodeError, PeerLineError, PeerLineFault};
use crate::parse::{fault, run};

/// The longest answer, in bytes: one datagram that no network cuts.
pub const MAX_ANSWER_LEN: usize = 1_200;

/// An answer that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Online<'a>(&'a [u8]);

impl<'a> Online<'a> {
    /// Reads a whole answer: addresses with a newline between them; nothing is nobody.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(answer: &'a [u8]) -> Result<Self, PeerLineError> {
        if answer.len() > MAX_ANSWER_LEN {
            return Err(PeerLineError { offset: MAX_ANSWER_LEN, reason: PeerLineFault::Length });
        }
        run(answer, PeerLineFault::Trailing, all).map_err(|(offset, reason)| PeerLineError { offset, reason })
    }

    /// Those who are online.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> + use<'a> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let (after, addr) = next(rest).ok()?;
            rest = after;
            Some(addr)
        })
    }

    /// Appends as many of the addresses, from the first on, as fit into `most` bytes; says how many.
    ///
    /// # Errors
    /// One has port 0; `out` is as before.
    pub fn encode(
        addresses: impl Iterator<Item = SocketAddr>,
        most: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, PeerLineEncodeError> {
        let (start, mut count) = (out.len(), 0usize);
        let most = most.min(MAX_ANSWER_LEN);
        for addr in addresses {
            let mut text = AddressText::new();
            if let Err(why) = check(addr.port() > 0 && text.set(addr).is_ok(), PeerLineFault::Address) {
                out.truncate(start);
                return Err(why);
            }
            let between = if count == 0 { "" } else { "\n" };
            let len = out.len().saturating_sub(start).saturating_add(between.len()).saturating_add(text.len);
            if len > most {
                break;
            }
            out.extend_from_slice(between.as_bytes());
            out.extend_from_slice(text.as_str().as_bytes());
            count = count.saturating_add(1);
        }
        Ok(count)
    }
}

fn all(input: &[u8]) -> Parse<'_, Online<'_>> {
    let mut rest = input;
    while !rest.is_empty() {
        rest = next(rest)?.0;
    }
    Ok((rest, Online(input)))
}

/// One address and the newline that parts it from the next.
fn next(input: &[u8]) -> Parse<'_, SocketAddr> {
    let (rest, addr) = address(input)?;
    match after("\n", rest) {
        None if rest.is_empty() => Ok((rest, addr)),
        Some(rest) if !rest.is_empty() => Ok((rest, addr)),
        _ => fault(rest, PeerLineFault::Trailing),
    }
}
