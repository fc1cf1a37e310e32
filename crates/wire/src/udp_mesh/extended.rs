//! The extended form that our own peers speak with a directory of ours (docs/protocol.md, U).
//!
//! An old program never gets one of these unless somebody gave it a long name to register: kinds begin at `0x52e0`. Names have
//! up to 64 bytes, addresses are whole, what a peer says is signed by its key, and whoever is turned away is told.

mod list;

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use nom::bytes::complete::take;
use nom::number::complete::{le_u16, le_u32, le_u64, u8 as byte};

pub use list::{Change, Changes, Entry, Identity, Part, encode_changes, encode_part};

use super::{Parse, UdpMeshEncodeError, UdpMeshFault, check, port, put, text};
use crate::parse::{ensure, fault, utf8};

/// Kind of a BIRTH.
pub const BIRTH: u16 = 0x52e0;
/// Kind of a part of the whole directory.
pub const PART: u16 = 0x52e1;
/// Kind of a text.
pub const TEXT: u16 = 0x52e2;
/// Kind of a KEEPALIVE.
pub const KEEPALIVE: u16 = 0x52e3;
/// Kind of a LEAVE.
pub const LEAVE: u16 = 0x52e4;
/// Kind of a refusal.
pub const REFUSED: u16 = 0x52e5;
/// Kind of changes of the directory.
pub const CHANGES: u16 = 0x52e6;

/// A name, in bytes.
pub const MAX_NAME_LEN: usize = 64;
/// A text, in bytes: with its signature it fits a datagram.
pub const MAX_TEXT_LEN: usize = super::MAX_DATAGRAM_LEN - SIGNATURE_LEN - 12;
/// Bytes of a key.
pub const KEY_LEN: usize = 32;
/// Bytes of a signature, the last of a datagram that has one.
pub const SIGNATURE_LEN: usize = 64;
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
        /// Its name.
        name: &'a str,
        /// Ed25519.
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
        /// Ed25519.
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
        /// Ed25519.
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

/// Whether a text may be a name: 1 to 64 bytes, no control characters.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_LEN).contains(&text.len()) && !text.chars().any(char::is_control)
}

impl Extended<'_> {
    /// Appends the datagram.
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

fn array<const N: usize>(input: &[u8]) -> Parse<'_, [u8; N]> {
    let (rest, bytes) = take(N)(input)?;
    match bytes.try_into() {
        Ok(array) => Ok((rest, array)),
        Err(_) => fault(input, UdpMeshFault::Truncated),
    }
}

fn name(input: &[u8]) -> Parse<'_, &str> {
    let (start, len) = byte(input)?;
    let (rest, bytes) = take(len)(start)?;
    let name = utf8(bytes, start, UdpMeshFault::Utf8)?;
    ensure(is_name(name), input, UdpMeshFault::Name)?;
    Ok((rest, name))
}

fn name_len(name: &str) -> Result<u8, UdpMeshEncodeError> {
    check(is_name(name), UdpMeshFault::Name)?;
    u8::try_from(name.len()).map_err(|_| UdpMeshEncodeError(UdpMeshFault::Name))
}

/// 4 or 6, the address, the port. An IPv4 address in IPv6 clothes would be a second form.
fn addr(input: &[u8]) -> Parse<'_, SocketAddr> {
    let (rest, family) = byte(input)?;
    match family {
        4 => {
            let (rest, ip) = array::<4>(rest)?;
            let (rest, port) = port(rest)?;
            Ok((rest, SocketAddrV4::new(Ipv4Addr::from(ip), port).into()))
        }
        6 => {
            let (after, ip) = array::<16>(rest)?;
            let ip = Ipv6Addr::from(ip);
            ensure(ip.to_ipv4_mapped().is_none(), rest, UdpMeshFault::Address)?;
            let (rest, port) = port(after)?;
            Ok((rest, SocketAddrV6::new(ip, port, 0, 0).into()))
        }
        _ => fault(input, UdpMeshFault::Address),
    }
}

fn check_addr(addr: SocketAddr) -> Result<(), UdpMeshEncodeError> {
    check(addr.port() != 0, UdpMeshFault::Port)?;
    let plain = match addr {
        SocketAddr::V4(_) => true,
        SocketAddr::V6(v6) => v6.ip().to_ipv4_mapped().is_none() && v6.flowinfo() == 0 && v6.scope_id() == 0,
    };
    check(plain, UdpMeshFault::Address)
}

fn put_addr(out: &mut Vec<u8>, addr: SocketAddr) {
    match addr {
        SocketAddr::V4(v4) => {
            out.push(4);
            out.extend_from_slice(&v4.ip().octets());
        }
        SocketAddr::V6(v6) => {
            out.push(6);
            out.extend_from_slice(&v6.ip().octets());
        }
    }
    put(out, &[addr.port()]);
}
