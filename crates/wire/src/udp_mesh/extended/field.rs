//! Kinds and fields of the extended form.

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use nom::bytes::complete::take;
use nom::number::complete::u8 as byte;

use crate::parse::{ensure, fault, utf8};
use crate::udp_mesh::field::{Parse, check, port, put};
use crate::udp_mesh::{UdpMeshEncodeError, UdpMeshFault};

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
/// Bytes of a key.
pub const KEY_LEN: usize = 32;
/// Bytes of a signature, the last of a datagram that has one.
pub const SIGNATURE_LEN: usize = 64;

/// Whether a text may be a name: 1 to 64 bytes, no control characters.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_LEN).contains(&text.len()) && !text.chars().any(char::is_control)
}

pub(super) fn array<const N: usize>(input: &[u8]) -> Parse<'_, [u8; N]> {
    let (rest, bytes) = take(N)(input)?;
    match bytes.try_into() {
        Ok(array) => Ok((rest, array)),
        Err(_) => fault(input, UdpMeshFault::Truncated),
    }
}

pub(super) fn name(input: &[u8]) -> Parse<'_, &str> {
    let (start, len) = byte(input)?;
    let (rest, bytes) = take(len)(start)?;
    let name = utf8(bytes, start, UdpMeshFault::Utf8)?;
    ensure(is_name(name), input, UdpMeshFault::Name)?;
    Ok((rest, name))
}

pub(super) fn name_len(name: &str) -> Result<u8, UdpMeshEncodeError> {
    check(is_name(name), UdpMeshFault::Name)?;
    u8::try_from(name.len()).map_err(|_| UdpMeshEncodeError(UdpMeshFault::Name))
}

/// 4 or 6, the address, the port. An IPv4 address in IPv6 clothes would be a second form.
pub(super) fn addr(input: &[u8]) -> Parse<'_, SocketAddr> {
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

pub(super) fn check_addr(addr: SocketAddr) -> Result<(), UdpMeshEncodeError> {
    check(addr.port() != 0, UdpMeshFault::Port)?;
    let plain = match addr {
        SocketAddr::V4(_) => true,
        SocketAddr::V6(v6) => v6.ip().to_ipv4_mapped().is_none() && v6.flowinfo() == 0 && v6.scope_id() == 0,
    };
    check(plain, UdpMeshFault::Address)
}

pub(super) fn put_addr(out: &mut Vec<u8>, addr: SocketAddr) {
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
