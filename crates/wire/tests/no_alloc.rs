//! Parsing allocates nothing, whatever the input: over every seed and corpus file, and over the largest of each format.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{fs, path::Path};

use rumormill_wire::classroom;
use rumormill_wire::native::{
    BundleBuilder, BundleView, Coverage, EntryState, Frame, LENGTH_LEN, MAX_STATUS_ENTRIES, MessageKind, PushError,
    RevocationPart, Status, StatusEntry, frame_len, kind,
};
use rumormill_wire::peer_line;
use rumormill_wire::protobuf_peer as peer;
use rumormill_wire::push_pull::{Item, Reply, Request, relay, request_len};
use rumormill_wire::udp_mesh::{Datagram, encode_directory, extended};
use rumormill_wire::{Clock, Digest, HeadHash, Incarnation, NodeId, Origin, Seq, Signature};

/// Every parser over one input, whatever it is meant for.
fn parse_all(input: &[u8]) -> usize {
    let mut parsed = 0;
    let mut count = |ok: bool| parsed += usize::from(ok);
    count(frame_len(input).is_ok());
    if let Ok(frame) = Frame::decode(input) {
        count(true);
        if let Frame::Status(status) = &frame {
            status.entries.iter().for_each(|_| count(true));
        }
        if let Frame::Buckets(sums) = &frame {
            sums.iter().for_each(|_| count(true));
        }
        if let Frame::Revisions(parts) = &frame {
            parts.iter().for_each(|_| count(true));
        }
    }
    if let Ok(view) = BundleView::parse(input) {
        view.messages().for_each(|_| count(true));
    }
    if let Ok(list) = RevocationPart::parse(input) {
        list.entries().for_each(|_| count(true));
    }
    count(request_len(input, true).is_ok());
    count(Request::parse(input).is_ok());
    count(Reply::parse(input).is_ok());
    count(Item::parse(input).is_ok());
    count(relay::frame_len(input).is_ok());
    count(relay::RelayFrame::decode(input).is_ok());
    count(relay::bare_len(input) > 0);
    count(peer_line::message_len(input, true).is_ok());
    for message in [input, peer_line::trim(input)] {
        count(peer_line::Line::parse(message).is_ok_and(|line| !line.is_exit()));
        count(peer_line::bare_port(message).is_some());
        count(peer_line::mesh::MeshLine::parse(message).is_ok_and(|line| !line.is_farewell()));
        count(peer_line::is_question(message));
        if let Ok(online) = peer_line::Online::parse(message) {
            online.addresses().for_each(|_| count(true));
        }
    }
    count(peer::frame_len(input).is_ok());
    count(peer::body(input).is_ok());
    count(peer::check_body(input).is_ok());
    count(matches!(relay::piece(input, false), Ok(Some(_))));
    count(classroom::line_len(input).is_ok());
    for line in [input, input.strip_suffix(b"\n").unwrap_or(input)] {
        count(classroom::ProxyLine::parse(line).is_ok());
        count(classroom::ProcessLine::parse(line).is_ok());
        count(classroom::ReplyLine::parse(line).is_ok());
    }
    match Datagram::parse(input) {
        Ok(Datagram::Directory(entries)) => entries.iter().for_each(|_| count(true)),
        Ok(Datagram::Extended(extended::Extended::Part(part))) => part.iter().for_each(|_| count(true)),
        Ok(Datagram::Extended(extended::Extended::Changes(changes))) => changes.iter().for_each(|_| count(true)),
        other => count(other.is_ok()),
    }
    parsed
}

fn assert_no_allocation(name: &str, input: &[u8]) -> usize {
    let mut parsed = 0;
    let info = allocation_counter::measure(|| parsed = parse_all(input));
    assert_eq!(info.count_total, 0, "{name}: {info:?}");
    parsed
}

#[test]
fn the_count_sees_an_allocation() {
    assert_eq!(allocation_counter::measure(|| drop(std::hint::black_box(vec![1u8]))).count_total, 1);
}

#[test]
fn no_file_of_the_corpora_makes_a_parser_allocate() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let (mut files, mut parsed) = (0, 0);
    for kind in ["seeds", "corpus"] {
        for target in fs::read_dir(fuzz.join(kind)).unwrap() {
            for file in fs::read_dir(target.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                let bytes = fs::read(&path).unwrap();
                let name = path.display().to_string();
                parsed += assert_no_allocation(&name, &bytes);
                // The status target leaves the kind out; streams begin after two bytes and a length.
                parsed += assert_no_allocation(&name, &[&[kind::STATUS], &bytes[..]].concat());
                parsed += assert_no_allocation(&name, bytes.get(2..).unwrap_or_default());
                files += 1;
            }
        }
    }
    assert!(files > 50 && parsed > 500, "{files} files, {parsed} parsed");
}

#[test]
fn the_largest_of_each_format_makes_no_parser_allocate() {
    let mut builder = BundleBuilder::new(Origin::MIN, Seq(1), Digest::ZERO);
    let mut clock = 0;
    while builder.push(Clock(clock), MessageKind::CHAT, "room", &[b'x'; 110]) != Err(PushError::Full) {
        clock += 1_000;
    }
    assert!(assert_no_allocation("bundle", &builder.seal(Signature::ZERO)) >= 500);

    let entries: Vec<_> = (0..MAX_STATUS_ENTRIES)
        .map(|i| StatusEntry {
            origin: Origin { node: NodeId::ZERO, incarnation: Incarnation(i as u64) },
            next: Seq(u64::MAX),
            head: HeadHash::ZERO,
            kept: Seq(u64::MAX),
            state: EntryState::Hold,
        })
        .collect();
    let coverage = Coverage::Range { low: Origin::MIN, high: Origin::MAX };
    let entries = entries.as_slice().into();
    let status =
        Status { want_status: true, hold: true, heard: u64::MAX, fingerprint: [0; 16], origins: 0, coverage, entries };
    let mut out = Vec::new();
    Frame::Status(status).encode(&mut out).unwrap();
    assert!(assert_no_allocation("status", &out[LENGTH_LEN..]) >= MAX_STATUS_ENTRIES);

    let contents = "y".repeat(32_000);
    out.clear();
    Request::Push { destination: "127.0.0.1", contents: &contents }.encode(&mut out).unwrap();
    assert!(assert_no_allocation("push", &out) >= 2);
    out.clear();
    relay::RelayFrame::Message(&contents).encode(&mut out).unwrap();
    assert!(assert_no_allocation("relay", &out) >= 2);

    let sender = peer_line::Sender::Plain(([127, 0, 0, 1], 8_080).into());
    out.clear();
    peer_line::Line { sender, team: Some("team"), text: &contents }.encode(&mut out).unwrap();
    assert!(assert_no_allocation("line", &out) >= 2);
    out.clear();
    let all = (1..u16::MAX).map(|port| ([10, 0, 0, 1], port).into());
    let fitted = peer_line::Online::encode(all, usize::MAX, &mut out).unwrap();
    assert!(assert_no_allocation("answer", &out) >= fitted);
    let peer = [b"\x12\xf0\xff\x07\x08\x0c\x10\x0b\x1a\xe8\xff\x07", "x".repeat(131_048).as_bytes()].concat();
    assert_eq!(peer::check_body(&peer), Ok(()));
    assert!(assert_no_allocation("protobuf", &peer) >= 2);
    let letters = rumormill_wire::udp_mesh::NameChar::all().zip(1..);
    out.clear();
    encode_directory(letters, &mut out).unwrap();
    assert!(assert_no_allocation("directory", &out) >= 95);
    let addr = ([127, 0, 0, 1], 1).into();
    let identity = Some(extended::Identity { key: [1; 32], name: "anna" });
    let entry = extended::Entry { character: None, addr, identity };
    out.clear();
    extended::encode_part(1, 1_000, 0, std::iter::repeat_n(entry, 1_000), &mut out).unwrap();
    assert!(assert_no_allocation("part", &out) >= 1_000);
}
