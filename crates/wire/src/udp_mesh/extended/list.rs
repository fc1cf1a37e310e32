//! The directory in the extended form: the whole in parts, or what changed.

use core::net::SocketAddr;

use nom::number::complete::{le_u16, le_u32, le_u64, u8 as byte};

use super::field::{CHANGES, KEY_LEN, PART, addr, array, check_addr, name, name_len, put_addr};
use crate::parse::{before, ensure, fault};
use crate::udp_mesh::field::{MAX_DATAGRAM_LEN, NameChar, Parse, check, put};
use crate::udp_mesh::{UdpMeshEncodeError, UdpMeshFault};

/// A peer of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The one character that old peers are shown. Those without are not shown to them.
    pub character: Option<NameChar>,
    /// Where it takes datagrams.
    pub addr: SocketAddr,
    /// Old peers have none.
    pub identity: Option<Identity<'a>>,
}

/// What a peer of ours has more than an old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The public key whose signatures are this peer's.
    pub key: [u8; KEY_LEN],
    /// What it is called: 1 to 64 bytes without control characters.
    pub name: &'a str,
}

/// One step from a version of the directory to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// A peer came.
    Came(Entry<'a>),
    /// The peer at this address went.
    Went(SocketAddr),
}

/// A part of the whole directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// The version of the directory that it is a part of.
    pub version: u64,
    /// Entries in all parts.
    pub total: u32,
    /// Entries in the parts before this one.
    pub offset: u32,
    entries: &'a [u8],
}

/// Steps from one version of the directory to a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changes<'a> {
    /// The version to which they apply. Each step adds one.
    pub base: u64,
    changes: &'a [u8],
}

impl<'a> Part<'a> {
    /// The entries of this part, checked when it was read, in the order of the directory.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        each(self.entries, entry)
    }
}

impl<'a> Changes<'a> {
    /// The steps, at least one.
    pub fn iter(&self) -> impl Iterator<Item = Change<'a>> + use<'a> {
        each(self.changes, change)
    }
}

/// Reads again what was checked when the datagram was read.
fn each<'a, T>(mut bytes: &'a [u8], parser: fn(&'a [u8]) -> Parse<'a, T>) -> impl Iterator<Item = T> + use<'a, T> {
    core::iter::from_fn(move || {
        let (rest, value) = parser(bytes).ok()?;
        bytes = rest;
        Some(value)
    })
}

/// Appends a part of the directory.
///
/// # Errors
/// An entry has no form, they do not fit `total`, or the datagram would be too long; `out` is then as before.
pub fn encode_part<'a>(
    version: u64,
    total: u32,
    offset: u32,
    entries: impl IntoIterator<Item = Entry<'a>>,
    out: &mut Vec<u8>,
) -> Result<(), UdpMeshEncodeError> {
    let head = [&PART.to_le_bytes()[..], &version.to_le_bytes(), &total.to_le_bytes(), &offset.to_le_bytes()];
    encode_list(&head.concat(), entries, out, put_entry, |count| {
        offset.checked_add(u32::from(count)).is_some_and(|end| end <= total)
    })
}

/// Appends changes of the directory.
///
/// # Errors
/// There are none, one has no form, they go beyond the last version, or the datagram would be too long; `out` is then as
/// before.
pub fn encode_changes<'a>(
    base: u64,
    changes: impl IntoIterator<Item = Change<'a>>,
    out: &mut Vec<u8>,
) -> Result<(), UdpMeshEncodeError> {
    let head = [&CHANGES.to_le_bytes()[..], &base.to_le_bytes()];
    encode_list(&head.concat(), changes, out, put_change, |count| steps_fit(base, count))
}

fn steps_fit(base: u64, count: u16) -> bool {
    count > 0 && base.checked_add(u64::from(count)).is_some()
}

fn encode_list<T>(
    head: &[u8],
    items: impl IntoIterator<Item = T>,
    out: &mut Vec<u8>,
    put_item: fn(&mut Vec<u8>, &T) -> Result<(), UdpMeshEncodeError>,
    fits: impl FnOnce(u16) -> bool,
) -> Result<(), UdpMeshEncodeError> {
    let (mut body, mut count) = (Vec::new(), 0u16);
    for item in items {
        put_item(&mut body, &item)?;
        count = count.checked_add(1).ok_or(UdpMeshEncodeError(UdpMeshFault::Count))?;
    }
    check(fits(count), UdpMeshFault::Count)?;
    let len = head.len().saturating_add(2).saturating_add(body.len());
    check(len <= MAX_DATAGRAM_LEN, UdpMeshFault::TooLong)?;
    out.extend_from_slice(head);
    put(out, &[count]);
    out.append(&mut body);
    Ok(())
}

fn put_entry(out: &mut Vec<u8>, entry: &Entry<'_>) -> Result<(), UdpMeshEncodeError> {
    check_addr(entry.addr)?;
    check(entry.character.is_some() || entry.identity.is_some(), UdpMeshFault::Name)?;
    out.push(entry.character.map_or(0, |character| character.0));
    put_addr(out, entry.addr);
    let Some(identity) = entry.identity else {
        out.push(0);
        return Ok(());
    };
    let len = name_len(identity.name)?;
    out.push(1);
    out.extend_from_slice(&identity.key);
    out.push(len);
    out.extend_from_slice(identity.name.as_bytes());
    Ok(())
}

fn put_change(out: &mut Vec<u8>, change: &Change<'_>) -> Result<(), UdpMeshEncodeError> {
    match change {
        Change::Came(entry) => {
            out.push(1);
            put_entry(out, entry)
        }
        Change::Went(addr) => {
            check_addr(*addr)?;
            out.push(0);
            put_addr(out, *addr);
            Ok(())
        }
    }
}

fn entry(input: &[u8]) -> Parse<'_, Entry<'_>> {
    let (rest, shown) = byte(input)?;
    let character = NameChar::new(char::from(shown));
    ensure(character.is_some() || shown == 0, input, UdpMeshFault::Name)?;
    let (at_form, addr) = addr(rest)?;
    let (rest, form) = byte(at_form)?;
    match form {
        0 => {
            ensure(character.is_some(), input, UdpMeshFault::Name)?;
            Ok((rest, Entry { character, addr, identity: None }))
        }
        1 => {
            let (rest, key) = array(rest)?;
            let (rest, name) = name(rest)?;
            Ok((rest, Entry { character, addr, identity: Some(Identity { key, name }) }))
        }
        _ => fault(at_form, UdpMeshFault::Form),
    }
}

fn change(input: &[u8]) -> Parse<'_, Change<'_>> {
    let (rest, tag) = byte(input)?;
    match tag {
        0 => addr(rest).map(|(rest, addr)| (rest, Change::Went(addr))),
        1 => entry(rest).map(|(rest, entry)| (rest, Change::Came(entry))),
        _ => fault(input, UdpMeshFault::Form),
    }
}

/// The bytes of `count` items.
fn items<'a, T>(start: &'a [u8], count: u16, parser: fn(&'a [u8]) -> Parse<'a, T>) -> Parse<'a, &'a [u8]> {
    let mut at = start;
    for _ in 0..count {
        at = parser(at)?.0;
    }
    Ok((at, before(start, at)))
}

pub(super) fn part(input: &[u8]) -> Parse<'_, Part<'_>> {
    let (rest, version) = le_u64(input)?;
    let (at_offset, total) = le_u32(rest)?;
    let (rest, offset) = le_u32(at_offset)?;
    let (start, count) = le_u16(rest)?;
    let fits = offset.checked_add(u32::from(count)).is_some_and(|end| end <= total);
    ensure(fits, at_offset, UdpMeshFault::Count)?;
    let (rest, entries) = items(start, count, entry)?;
    Ok((rest, Part { version, total, offset, entries }))
}

pub(super) fn changes(input: &[u8]) -> Parse<'_, Changes<'_>> {
    let (rest, base) = le_u64(input)?;
    let (start, count) = le_u16(rest)?;
    ensure(steps_fit(base, count), rest, UdpMeshFault::Count)?;
    let (rest, changes) = items(start, count, change)?;
    Ok((rest, Changes { base, changes }))
}
