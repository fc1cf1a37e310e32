use core::net::SocketAddr;

use super::UdpMeshFault as F;
use super::extended::{
    Change, Entry, Extended, Identity, KEY_LEN, Refusal, SIGNATURE_LEN, encode_changes, encode_part, signed_part,
};
use super::*;

fn character(c: char) -> NameChar {
    NameChar::new(c).unwrap()
}

fn refused<T>(offset: usize, reason: F) -> Result<T, UdpMeshError> {
    Err(UdpMeshError { offset, reason })
}

fn bytes(datagram: Datagram<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    datagram.encode(&mut out).unwrap();
    assert_eq!(Datagram::parse(&out), Ok(datagram));
    out
}

#[test]
fn the_datagrams_of_the_old_programs() {
    assert_eq!(bytes(Datagram::Birth { name: character('Z'), port: 3_005 }), b"\xc0\0Z\0\xbd\x0b");
    assert_eq!(bytes(Datagram::KeepAlive(character('Z'))), b"\xc3\0Z\0");
    assert_eq!(bytes(Datagram::Vanilla("peerA_broadcast_0")), b"\xc2\0\x11\0peerA_broadcast_0\0");
    let directory = [0xc1, 0, 2, 0, 0x42, 0, 0xba, 0x0b, 0x41, 0, 0xb9, 0x0b];
    let Ok(Datagram::Directory(entries)) = Datagram::parse(&directory) else { panic!("no directory") };
    let listed: Vec<_> = entries.iter().collect();
    assert_eq!(listed, [(character('B'), 3_002), (character('A'), 3_001)]);
    let mut out = vec![7];
    encode_directory(listed, &mut out).unwrap();
    assert_eq!(out, [&[7][..], &directory].concat());
    assert_eq!(bytes(Datagram::Directory(Entries(&[]))), [0xc1, 0, 0, 0]);
}

#[test]
fn what_is_no_datagram() {
    let long = vec![0; MAX_DATAGRAM_LEN + 1];
    let cases: &[(&[u8], usize, F)] = &[
        (b"", 0, F::Truncated),
        (b"\xc0", 0, F::Truncated),
        (b"\xc4\0A\0", 0, F::Kind),
        (b"\xc0\x01A\0\x01\0", 0, F::Kind),
        (b"\0\xc0\0A", 0, F::Kind),
        (b"\xc0\0A\0\xb9", 4, F::Truncated),
        (b"\xc0\0A\0\xb9\x0b\0", 6, F::Trailing),
        (b"\xc0\0A\0\0\0", 4, F::Port),
        (b"\xc0\0A\x01\xb9\x0b", 2, F::Name),
        (b"\xc0\0\x1f\0\xb9\x0b", 2, F::Name),
        (b"\xc0\0\x7f\0\xb9\x0b", 2, F::Name),
        (b"\xc3\0\0\0", 2, F::Name),
        (b"\xc3\0A\0\0\0", 4, F::Trailing),
        (b"\xc1\0", 2, F::Truncated),
        (b"\xc1\0\x02\0A\0\x01\0B\0\x02", 4, F::Truncated),
        (b"\xc1\0\x01\0A\0\x01\0B\0\x02\0", 8, F::Trailing),
        (b"\xc1\0\x02\0A\0\x01\0A\0\x02\0", 8, F::Twice),
        (b"\xc1\0\x01\0A\0\0\0", 6, F::Port),
        (b"\xc1\0\x60\0", 2, F::Twice),
        (b"\xc1\0\xff\xff", 2, F::Twice),
        (b"\xc2\0\x02\0a", 4, F::Truncated),
        (b"\xc2\0\x02\0ab", 6, F::Truncated),
        (b"\xc2\0\x02\0abc", 6, F::NoNul),
        (b"\xc2\0\x02\0ab\0\0", 7, F::Trailing),
        (b"\xc2\0\x03\0a\0b\0", 5, F::Nul),
        (b"\xc2\0\x02\0a\xff\0", 5, F::Utf8),
        (&long, MAX_DATAGRAM_LEN, F::TooLong),
    ];
    for (input, offset, reason) in cases {
        assert_eq!(Datagram::parse(input), refused(*offset, *reason), "{:02x?}", &input[..input.len().min(16)]);
    }
    assert_eq!(bytes(Datagram::Vanilla("")), b"\xc2\0\0\0\0");
    assert_eq!(UdpMeshError { offset: 4, reason: F::Port }.to_string(), "at byte 4: port 0");
}

#[test]
fn what_the_old_programs_do_not_survive_is_not_made() {
    let mut out = vec![7];
    let text = "x".repeat(MAX_TEXT_LEN + 1);
    for (datagram, reason) in [
        (Datagram::Birth { name: character('A'), port: 0 }, F::Port),
        (Datagram::Vanilla("a\0b"), F::Nul),
        (Datagram::Vanilla(&text), F::TooLong),
    ] {
        assert_eq!(datagram.encode(&mut out), Err(UdpMeshEncodeError(reason)));
    }
    let a = character('A');
    assert_eq!(encode_directory([(a, 1), (a, 2)], &mut out), Err(UdpMeshEncodeError(F::Twice)));
    assert_eq!(encode_directory([(a, 0)], &mut out), Err(UdpMeshEncodeError(F::Port)));
    assert_eq!(out, [7]);
    assert_eq!(bytes(Datagram::Vanilla(&text[1..])).len(), MAX_DATAGRAM_LEN);
    assert_eq!(NameChar::all().count(), MAX_NAME_CHARS);
    assert!(NameChar::new('é').is_none() && NameChar::new('\n').is_none() && character(' ').to_string() == " ");
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

const KEY: [u8; KEY_LEN] = [3; KEY_LEN];
const SIGNATURE: [u8; SIGNATURE_LEN] = [9; SIGNATURE_LEN];

fn birth(addr: SocketAddr, name: &str) -> Datagram<'_> {
    Datagram::Extended(Extended::Birth { time: 5, key: KEY, addr, name, signature: SIGNATURE })
}

#[test]
fn extended_datagrams_come_back() {
    // P-U1: kinds begin at 0x52e0, which no old program knows.
    assert!(bytes(birth(addr("127.0.0.1:3001"), "anna")).starts_with(b"\xe0\x52"));
    bytes(birth(addr("[2001:db8::1]:1"), &"é".repeat(32)));
    let text = "x".repeat(extended::MAX_TEXT_LEN);
    let text = Datagram::Extended(Extended::Text { time: 1, text: &text, signature: SIGNATURE });
    assert_eq!(bytes(text).len(), MAX_DATAGRAM_LEN);
    bytes(Datagram::Extended(Extended::KeepAlive { version: u64::MAX }));
    bytes(Datagram::Extended(Extended::Leave { time: 1, signature: SIGNATURE }));
    for refusal in [Refusal::Name, Refusal::Port, Refusal::Full, Refusal::Signature, Refusal::Unknown, Refusal::Address]
    {
        bytes(Datagram::Extended(Extended::Refused(refusal)));
    }
    let old = Entry { character: Some(character('A')), addr: addr("127.0.0.1:3001"), identity: None };
    let ours = Entry { character: None, addr: addr("[::1]:9"), identity: Some(Identity { key: KEY, name: "anna" }) };
    let mut out = Vec::new();
    encode_part(7, 5, 3, [old, ours], &mut out).unwrap();
    let Ok(Datagram::Extended(Extended::Part(part))) = Datagram::parse(&out) else { panic!("no part") };
    assert_eq!((part.version, part.total, part.offset), (7, 5, 3));
    assert!(part.iter().eq([old, ours]));
    out.clear();
    let steps = [Change::Came(ours), Change::Went(old.addr)];
    encode_changes(7, steps, &mut out).unwrap();
    let Ok(Datagram::Extended(Extended::Changes(changes))) = Datagram::parse(&out) else { panic!("no changes") };
    assert!(changes.base == 7 && changes.iter().eq(steps));
    assert_eq!(signed_part(&[1; 70]), [1; 6]);
}

#[test]
fn extended_datagrams_that_are_none() {
    let fine = bytes(birth(addr("127.0.0.1:3001"), "anna"));
    let with = |at: usize, byte: u8| {
        let mut changed = fine.clone();
        changed[at] = byte;
        Datagram::parse(&changed).map(drop)
    };
    assert_eq!(with(42, 5), refused(42, F::Address));
    assert_eq!(with(49, 0), refused(49, F::Name));
    assert_eq!(with(49, 65), refused(49, F::Name));
    assert_eq!(with(50, 7), refused(49, F::Name));
    assert_eq!(with(51, 0xff), refused(51, F::Utf8));
    assert_eq!(Datagram::parse(&fine[..fine.len() - 1]).map(drop), refused(fine.len() - 64, F::Truncated));
    let mapped = [&fine[..42], &[6], &[0; 10], &[0xff, 0xff, 127, 0, 0, 1], &fine[47..]].concat();
    assert_eq!(Datagram::parse(&mapped).map(drop), refused(43, F::Address));
    assert_eq!(Datagram::parse(b"\xe5\x52\x07").map(drop), refused(2, F::Form));
    assert_eq!(Datagram::parse(b"\xe7\x52").map(drop), refused(0, F::Kind));
    let part = |entry: &[u8]| [&b"\xe1\x52"[..], &[0; 8], &[2, 0, 0, 0], &[1, 0, 0, 0], &[1, 0], entry].concat();
    let read = |entry: &[u8]| Datagram::parse(&part(entry)).map(drop);
    assert_eq!(read(b"A\x04\x7f\0\0\x01\x01\0\0"), Ok(()));
    assert_eq!(read(b"\x01\x04\x7f\0\0\x01\x01\0\0"), refused(20, F::Name));
    assert_eq!(read(b"\0\x04\x7f\0\0\x01\x01\0\0"), refused(20, F::Name));
    assert_eq!(read(b"A\x04\x7f\0\0\x01\x01\0\x02"), refused(28, F::Form));
    let mut over = part(b"A\x04\x7f\0\0\x01\x01\0\0");
    over[14] = 2;
    assert_eq!(Datagram::parse(&over).map(drop), refused(14, F::Count));
    assert_eq!(Datagram::parse(&[b"\xe6\x52", &[0; 10][..]].concat()).map(drop), refused(10, F::Count));
    assert_eq!(Datagram::parse(&[b"\xe6\x52", &[0; 8][..], b"\x01\0\x02"].concat()).map(drop), refused(12, F::Form));
}

#[test]
fn extended_values_without_a_form() {
    let mut out = vec![7];
    let local = addr("127.0.0.1:1");
    let long = "x".repeat(extended::MAX_TEXT_LEN + 1);
    let text = |text| Datagram::Extended(Extended::Text { time: 1, text, signature: SIGNATURE });
    for (datagram, reason) in [
        (birth(addr("127.0.0.1:0"), "a"), F::Port),
        (birth(addr("[::ffff:127.0.0.1]:1"), "a"), F::Address),
        (birth(local, ""), F::Name),
        (birth(local, "a\nb"), F::Name),
        (birth(local, &long[..65]), F::Name),
        (text(&long), F::TooLong),
        (text("\0"), F::Nul),
    ] {
        assert_eq!(datagram.encode(&mut out), Err(UdpMeshEncodeError(reason)));
    }
    let nobody = Entry { character: None, addr: local, identity: None };
    let a = Entry { character: Some(character('A')), ..nobody };
    assert_eq!(encode_part(1, 1, 0, [nobody], &mut out), Err(UdpMeshEncodeError(F::Name)));
    assert_eq!(encode_part(1, 1, 1, [a], &mut out), Err(UdpMeshEncodeError(F::Count)));
    assert_eq!(encode_part(1, 9_999, 0, std::iter::repeat_n(a, 9_999), &mut out), Err(UdpMeshEncodeError(F::TooLong)));
    assert_eq!(encode_changes(1, [], &mut out), Err(UdpMeshEncodeError(F::Count)));
    assert_eq!(encode_changes(u64::MAX, [Change::Went(local)], &mut out), Err(UdpMeshEncodeError(F::Count)));
    assert_eq!(encode_changes(1, vec![Change::Went(local); 65_536], &mut out), Err(UdpMeshEncodeError(F::Count)));
    assert_eq!(out, [7]);
}
