//! The single-letter UDP mesh: what its directory server and its peers say in one datagram each. Little-endian.
//!
//! | datagram | bytes |
//! |---|---|
//! | BIRTH | `C0 00`, name, port |
//! | DIRECTORY | `C1 00`, n, then n times name and port |
//! | VANILLA | `C2 00`, len, `len` bytes of text, a NUL that `len` does not count |
//! | KEEPALIVE | `C3 00`, name |
//!
//! A name is one printable ASCII character in a u16. What the old programs do not survive is no datagram here: an empty one,
//! port 0, a DIRECTORY that names one name twice. Peers of ours may also speak the [`extended`] form.

pub mod extended;
mod fault;
mod field;

use nom::bytes::complete::take;
use nom::number::complete::le_u16;

pub use fault::{UdpMeshEncodeError, UdpMeshError, UdpMeshFault};
pub use field::{MAX_DATAGRAM_LEN, NameChar};

use crate::parse::{Fault, ensure, fault, run};
use extended::Extended;
use field::{Parse, character, check, port, put, text};

/// The longest text of a VANILLA, in bytes.
pub const MAX_TEXT_LEN: usize = MAX_DATAGRAM_LEN - 5;
/// Names that there are, and so the most entries of a DIRECTORY.
pub const MAX_NAME_CHARS: usize = 95;
/// Kind of a BIRTH.
pub const BIRTH: u16 = 0xc0;
/// Kind of a DIRECTORY.
pub const DIRECTORY: u16 = 0xc1;
/// Kind of a VANILLA.
pub const VANILLA: u16 = 0xc2;
/// Kind of a KEEPALIVE.
pub const KEEPALIVE: u16 = 0xc3;

/// Bytes of an entry of a DIRECTORY.
const ENTRY_LEN: usize = 4;

/// A datagram, in the old form or in the extended one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datagram<'a> {
    /// A peer asks to be taken.
    Birth {
        /// What it wants to be called; taken if nobody is called so.
        name: NameChar,
        /// Its own port, not 0.
        port: u16,
    },
    /// All peers there are.
    Directory(Entries<'a>),
    /// A text from a peer. Holds no NUL.
    Vanilla(&'a str),
    /// A peer lives.
    KeepAlive(NameChar),
    /// A datagram of the extended form, which old programs are not sent (P-U1).
    Extended(Extended<'a>),
}

/// The entries of a DIRECTORY: each name once, no port 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entries<'a>(&'a [u8]);

impl Entries<'_> {
    /// Names and ports, in the order of the datagram, which means nothing.
    pub fn iter(&self) -> impl Iterator<Item = (NameChar, u16)> {
        // Each was checked when the datagram was read.
        self.0.chunks_exact(ENTRY_LEN).filter_map(|bytes| entry(bytes).ok().map(|(_, entry)| entry))
    }
}

/// Appends a DIRECTORY.
///
/// # Errors
/// A name stands twice, or a port is 0; `out` is then as before.
pub fn encode_directory(
    entries: impl IntoIterator<Item = (NameChar, u16)>,
    out: &mut Vec<u8>,
) -> Result<(), UdpMeshEncodeError> {
    let (start, mut seen, mut count) = (out.len(), 0, 0u16);
    out.extend_from_slice(&[0; 4]);
    for (name, port) in entries {
        let fine = check(port != 0, UdpMeshFault::Port).and(check(seen & name.bit() == 0, UdpMeshFault::Twice));
        if let Err(why) = fine {
            out.truncate(start);
            return Err(why);
        }
        seen |= name.bit();
        count = count.saturating_add(1);
        put(out, &[u16::from(name.0), port]);
    }
    let head = [DIRECTORY.to_le_bytes(), count.to_le_bytes()].concat();
    if let Some(place) = out.get_mut(start..).and_then(|new| new.get_mut(..head.len())) {
        place.copy_from_slice(&head);
    }
    Ok(())
}

impl<'a> Datagram<'a> {
    /// Reads one whole datagram.
    ///
    /// # Errors
    /// It is none: to be counted and dropped.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, UdpMeshError> {
        let error = |(offset, reason)| UdpMeshError { offset, reason };
        if bytes.len() > MAX_DATAGRAM_LEN {
            return Err(error((MAX_DATAGRAM_LEN, UdpMeshFault::TooLong)));
        }
        run(bytes, UdpMeshFault::Trailing, datagram).map_err(error)
    }

    /// Appends the datagram, in the form that it has.
    ///
    /// # Errors
    /// It would not be read as the same; `out` is then as before.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), UdpMeshEncodeError> {
        match self {
            Self::Birth { name, port } => {
                check(*port != 0, UdpMeshFault::Port)?;
                put(out, &[BIRTH, u16::from(name.0), *port]);
            }
            Self::Directory(entries) => encode_directory(entries.iter(), out)?,
            Self::Vanilla(text) => {
                let len = u16::try_from(text.len()).ok().filter(|_| text.len() <= MAX_TEXT_LEN);
                let len = len.ok_or(UdpMeshEncodeError(UdpMeshFault::TooLong))?;
                check(!text.contains('\0'), UdpMeshFault::Nul)?;
                put(out, &[VANILLA, len]);
                out.extend_from_slice(text.as_bytes());
                out.push(0);
            }
            Self::KeepAlive(name) => put(out, &[KEEPALIVE, u16::from(name.0)]),
            Self::Extended(extended) => extended.encode(out)?,
        }
        Ok(())
    }
}

fn datagram(input: &[u8]) -> Parse<'_, Datagram<'_>> {
    let (rest, kind) = le_u16::<_, Fault<'_, UdpMeshFault>>(input)?;
    match kind {
        BIRTH => {
            let (rest, (name, port)) = entry(rest)?;
            Ok((rest, Datagram::Birth { name, port }))
        }
        DIRECTORY => entries(rest).map(|(rest, entries)| (rest, Datagram::Directory(entries))),
        VANILLA => vanilla(rest).map(|(rest, text)| (rest, Datagram::Vanilla(text))),
        KEEPALIVE => character(rest).map(|(rest, name)| (rest, Datagram::KeepAlive(name))),
        kind => {
            let Some(parser) = extended::parser(kind) else { return fault(input, UdpMeshFault::Kind) };
            parser(rest).map(|(rest, extended)| (rest, Datagram::Extended(extended)))
        }
    }
}

fn entry(input: &[u8]) -> Parse<'_, (NameChar, u16)> {
    let (rest, character) = character(input)?;
    let (rest, port) = port(rest)?;
    Ok((rest, (character, port)))
}

fn entries(input: &[u8]) -> Parse<'_, Entries<'_>> {
    let (start, count) = le_u16(input)?;
    // There are no more names than this, so one would stand twice. Found before any is read.
    ensure(usize::from(count) <= MAX_NAME_CHARS, input, UdpMeshFault::Twice)?;
    let (rest, bytes) = take(usize::from(count).saturating_mul(ENTRY_LEN))(start)?;
    let (mut seen, mut at) = (0, start);
    for _ in 0..count {
        let (after, (name, _)) = entry(at)?;
        ensure(seen & name.bit() == 0, at, UdpMeshFault::Twice)?;
        seen |= name.bit();
        at = after;
    }
    Ok((rest, Entries(bytes)))
}

fn vanilla(input: &[u8]) -> Parse<'_, &str> {
    let (end, text) = text(input)?;
    let (rest, nul) = take(1usize)(end)?;
    ensure(nul == [0], end, UdpMeshFault::NoNul)?;
    Ok((rest, text))
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests;
