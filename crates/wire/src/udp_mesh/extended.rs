//! The extended form that our own peers speak with a directory of ours (docs/protocol.md, U).
//!
//! An old program never gets one of these unless somebody gave it a long name to register: kinds begin at `0x52e0`. Names have
//! up to 64 bytes, addresses are whole, what a peer says is signed by its key, and whoever is turned away is told.

mod field;
mod list;

use core::net::SocketAddr;

use nom::number::complete::{le_u64, u8 as byte};

pub use field::{BIRTH, CHANGES, KEEPALIVE, KEY_LEN, LEAVE, MAX_NAME_LEN, PART, REFUSED, SIGNATURE_LEN, TEXT, is_name};
pub use list::{Change, Changes, Entry, Identity, Part, encode_changes, encode_part};

use super::field::{Parse, check, put, text};
use super::{UdpMeshEncodeError, UdpMeshFault};
use crate::parse::fault;
use field::{addr, array, check_addr, name, name_len, put_addr};

/// A text, in bytes: with its signature it fits a datagram.
pub const MAX_TEXT_LEN: usize = super::MAX_DATAGRAM_LEN - SIGNATURE_LEN - 12;
/// What is signed begins with this; then all bytes of the datagram before the signature.
pub const CONTEXT: &[u8] = b"rumormill/1 udp-mesh\0";

/// A datagram of the extended form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extended<'a> {
    /// A peer asks to be taken (P-U2).
    Birth {
        /// Microseconds since the Unix epoch; grows for each key.
        time: u64,
        /// The key that signs.
        key: [u8; KEY_LEN],
        /// Where the peer takes datagrams.
        addr: SocketAddr,
        /// What it wants to be called: 1 to 64 bytes without control characters.
        name: &'a str,
        /// Ed25519, by `key`, over [`CONTEXT`] and all bytes before it.
        signature: [u8; SIGNATURE_LEN],
    },
    /// A part of the whole directory (P-U4).
    Part(Part<'a>),
    /// What changed in the directory (P-U5).
    Changes(Changes<'a>),
    /// A text from a peer (P-U7).
    Text {
        /// As in a BIRTH.
        time: u64,
        /// Holds no NUL.
        text: &'a str,
        /// Ed25519, by the key of the BIRTH; else as there.
        signature: [u8; SIGNATURE_LEN],
    },
    /// A peer lives (P-U3).
    KeepAlive {
        /// The version of the directory that it has; 0 if none.
        version: u64,
    },
    /// A peer goes (P-U6).
    Leave {
        /// As in a BIRTH.
        time: u64,
        /// Ed25519, by the key of the BIRTH; else as there.
        signature: [u8; SIGNATURE_LEN],
    },
    /// A peer is not taken, or is none (P-U8).
    Refused(Refusal),
}

/// Why a peer was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// Its name is somebody else's.
    #[error("the name is taken")]
    Name,
    /// Its port is somebody else's.
    #[error("the port is taken")]
    Port,
    /// The directory takes no more, or no more from this address.
    #[error("the directory is full")]
    Full,
    /// The signature is not by the key, or the time is behind.
    #[error("the signature does not hold")]
    Signature,
    /// Whoever sent this is not registered.
    #[error("not registered")]
    Unknown,
    /// Its address is not the one it sent from.
    #[error("the address is not the sender's")]
    Address,
}

impl Refusal {
    const ALL: [Self; 6] = [Self::Name, Self::Port, Self::Full, Self::Signature, Self::Unknown, Self::Address];

    const fn code(self) -> u8 {
        match self {
            Self::Name => 1,
            Self::Port => 2,
            Self::Full => 3,
            Self::Signature => 4,
            Self::Unknown => 5,
            Self::Address => 6,
        }
    }
}

/// What of a signed datagram is signed, behind [`CONTEXT`].
#[must_use]
pub fn signed_part(datagram: &[u8]) -> &[u8] {
    datagram.get(..datagram.len().saturating_sub(SIGNATURE_LEN)).unwrap_or_default()
}

impl Extended<'_> {
    /// Appends the datagram, its kind first. It does not sign: what is given as a signature is put there.
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), UdpMeshEncodeError> {
        match self {
            Self::Birth { time, key, addr, name, signature } => {
                check_addr(*addr)?;
                let name_len = name_len(name)?;
                put(out, &[BIRTH]);
                out.extend_from_slice(&time.to_le_bytes());
                out.extend_from_slice(key);
                put_addr(out, *addr);
                out.push(name_len);
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(signature);
            }
            Self::Part(part) => encode_part(part.version, part.total, part.offset, part.iter(), out)?,
            Self::Changes(changes) => encode_changes(changes.base, changes.iter(), out)?,
            Self::Text { time, text, signature } => {
                check(text.len() <= MAX_TEXT_LEN, UdpMeshFault::TooLong)?;
                check(!text.contains('\0'), UdpMeshFault::Nul)?;
                put(out, &[TEXT]);
                out.extend_from_slice(&time.to_le_bytes());
                put(out, &[u16::try_from(text.len()).unwrap_or_default()]);
                out.extend_from_slice(text.as_bytes());
                out.extend_from_slice(signature);
            }
            Self::KeepAlive { version } => {
                put(out, &[KEEPALIVE]);
                out.extend_from_slice(&version.to_le_bytes());
            }
            Self::Leave { time, signature } => {
                put(out, &[LEAVE]);
                out.extend_from_slice(&time.to_le_bytes());
                out.extend_from_slice(signature);
            }
            Self::Refused(refusal) => {
                put(out, &[REFUSED]);
                out.push(refusal.code());
            }
        }
        Ok(())
    }
}

/// Reads what follows a kind.
type Reader = fn(&[u8]) -> Parse<'_, Extended<'_>>;

/// The parser of what follows a kind.
pub(super) fn parser(kind: u16) -> Option<Reader> {
    Some(match kind {
        BIRTH => birth,
        PART => |input| list::part(input).map(|(rest, part)| (rest, Extended::Part(part))),
        TEXT => signed_text,
        KEEPALIVE => |input| le_u64(input).map(|(rest, version)| (rest, Extended::KeepAlive { version })),
        LEAVE => leave,
        REFUSED => refused,
        CHANGES => |input| list::changes(input).map(|(rest, changes)| (rest, Extended::Changes(changes))),
        _ => return None,
    })
}

fn birth(input: &[u8]) -> Parse<'_, Extended<'_>> {
    let (rest, time) = le_u64(input)?;
    let (rest, key) = array(rest)?;
    let (rest, addr) = addr(rest)?;
    let (rest, name) = name(rest)?;
    let (rest, signature) = array(rest)?;
    Ok((rest, Extended::Birth { time, key, addr, name, signature }))
}

fn signed_text(input: &[u8]) -> Parse<'_, Extended<'_>> {
    let (rest, time) = le_u64(input)?;
    let (rest, text) = text(rest)?;
    let (rest, signature) = array(rest)?;
    Ok((rest, Extended::Text { time, text, signature }))
}

fn leave(input: &[u8]) -> Parse<'_, Extended<'_>> {
    let (rest, time) = le_u64(input)?;
    let (rest, signature) = array(rest)?;
    Ok((rest, Extended::Leave { time, signature }))
}

fn refused(input: &[u8]) -> Parse<'_, Extended<'_>> {
    let (rest, code) = byte(input)?;
    match Refusal::ALL.into_iter().find(|refusal| refusal.code() == code) {
        Some(refusal) => Ok((rest, Extended::Refused(refusal))),
        None => fault(input, UdpMeshFault::Form),
    }
}
