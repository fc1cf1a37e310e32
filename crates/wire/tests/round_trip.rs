//! What is encoded decodes to the same, what decodes encodes to the same bytes, and nothing else decodes.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use proptest::{collection::btree_map, collection::vec, option, prelude::*};

use rumormill_wire::fuzz::classroom::ProxyLines;
use rumormill_wire::fuzz::menu_mesh::MeshLines;
use rumormill_wire::fuzz::native::{Bundles, Frames, Revocations, bundle_with, frame_with, revocation_with};
use rumormill_wire::fuzz::peer_line::{Answers, LineStream, Lines};
use rumormill_wire::fuzz::protobuf_peer::{Bodies, frames};
use rumormill_wire::fuzz::push_pull::{Items, RelayFrames, Replies, RequestLines, Requests, request_with};
use rumormill_wire::fuzz::udp_mesh::{Datagrams, datagram_with};
use rumormill_wire::fuzz::{Codec, any_split_is_whole, canonical, seeds, split_is_whole};
use rumormill_wire::native::*;
use rumormill_wire::peer_line::mesh::{MAX_TEXT_LEN, MeshLine, To, is_menu};
use rumormill_wire::peer_line::{Line, Online, Sender};
use rumormill_wire::protobuf_peer::put_frame;
use rumormill_wire::push_pull::{Item, MESSAGE, Reply, Request, relay, relay::RelayFrame};
use rumormill_wire::udp_mesh::extended::{Change, Entry, Extended, Identity, encode_changes, encode_part};
use rumormill_wire::udp_mesh::{Datagram, NameChar, encode_directory};
use rumormill_wire::{Clock, Digest, HeadHash, Incarnation, NetworkId, NodeId, Origin, Seq, Signature};

fn config() -> ProptestConfig {
    ProptestConfig::with_cases(64)
}

/// Numbers at the edges of a varint's lengths as often as between them.
fn number() -> impl Strategy<Value = u64> {
    let edge = (0u32..64, -1i64..=1).prop_map(|(bit, off)| (1u64 << bit).saturating_add_signed(off));
    prop_oneof![any::<u64>(), edge, 0u64..300]
}

fn seq() -> impl Strategy<Value = Seq> {
    number().prop_map(|n| Seq(n.max(1)))
}

/// Few nodes, so that origins meet.
fn origin() -> impl Strategy<Value = Origin> {
    let node = prop_oneof![any::<[u8; 32]>(), (0u8..4).prop_map(|b| [b; 32])];
    (node, number()).prop_map(|(node, i)| Origin { node: NodeId(node), incarnation: Incarnation(i) })
}

fn text(max: usize) -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..=max).prop_map(move |chars| {
        chars.into_iter().fold(String::new(), |mut text, c| {
            if text.len() + c.len_utf8() <= max {
                text.push(c);
            }
            text
        })
    })
}

fn header() -> impl Strategy<Value = BundleHeader> {
    (origin(), number(), 1u16..=512, any::<[u8; 32]>()).prop_map(|(origin, first, count, digest)| {
        let first = first.clamp(1, u64::MAX - u64::from(count));
        let previous = if first == 1 { Digest::ZERO } else { Digest(digest) };
        BundleHeader { origin, first: Seq(first), count, previous }
    })
}

fn signed_header() -> impl Strategy<Value = SignedHeader> {
    (header(), any::<[u8; 32]>(), any::<u8>()).prop_map(|(header, body, s)| SignedHeader {
        header,
        body: Digest(body),
        signature: Signature([s; 64]),
    })
}

fn status_entries() -> impl Strategy<Value = Vec<StatusEntry>> {
    let state = prop_oneof![Just(EntryState::Normal), Just(EntryState::Forked), Just(EntryState::Hold)];
    btree_map(origin(), (seq(), any::<[u8; 16]>(), seq(), state), 0..20).prop_map(|entries| {
        let entry =
            |(origin, (next, head, kept, state))| StatusEntry { origin, next, head: HeadHash(head), kept, state };
        entries.into_iter().map(entry).collect()
    })
}

/// Clock step, kind, room, body.
type Pushed = (u64, u8, String, Vec<u8>);

fn messages() -> impl Strategy<Value = Vec<Pushed>> {
    let text_body = (1u64.., prop_oneof![Just(1u8), Just(3), Just(4)], text(64), text(300))
        .prop_map(|(step, kind, room, body)| (step, kind, room, body.into_bytes()));
    let any_body = (1u64..1 << 40, prop_oneof![Just(2u8), 5u8..], text(8), vec(any::<u8>(), 0..300));
    vec(prop_oneof![text_body.prop_map(|(step, k, r, b)| (step >> 12, k, r, b)), any_body], 1..20)
}

fn build(header: &BundleHeader, messages: &[Pushed]) -> (Vec<u8>, Vec<(Clock, Pushed)>) {
    let first = Seq(header.first.0.min(u64::MAX - 32));
    let previous = if first.0 == 1 { Digest::ZERO } else { header.previous };
    let mut builder = BundleBuilder::new(header.origin, first, previous);
    let (mut clock, mut taken) = (0, Vec::new());
    for message in messages {
        clock += message.0.max(1);
        builder.push(Clock(clock), MessageKind(message.1), &message.2, &message.3).unwrap();
        taken.push((Clock(clock), message.clone()));
    }
    (builder.seal(Signature([6; 64])), taken)
}

fn encode(frame: &Frame<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    frame.encode(&mut out).unwrap();
    out
}

/// The frame comes back, whole and in pieces, with no byte more and none less.
fn round(frame: &Frame<'_>) {
    let bytes = encode(frame);
    assert_eq!(frame_len(&bytes), Ok(Some(bytes.len())));
    assert_eq!(frame_len(&bytes[..3]), Ok(None));
    assert_eq!(Frame::decode(&bytes[LENGTH_LEN..]).as_ref(), Ok(frame));
    frame_with(&Frames, &bytes[LENGTH_LEN..]).unwrap();
    let stream = [&bytes[..], &bytes[..]].concat();
    split_is_whole(&Frames, 7, &stream).unwrap();
}

/// Every strict beginning and every longer form is refused. Only for formats that say where they end.
fn ends_where_it_says<C: Codec>(codec: &C, bytes: &[u8]) {
    for len in 0..bytes.len() {
        assert!(codec.parse(&bytes[..len]).is_err(), "{len} of {} bytes are taken", bytes.len());
    }
    let longer = [bytes, &[0]].concat();
    assert_eq!(codec.parse(&longer).unwrap_err(), bytes.len(), "the byte left over is not where it is");
}

#[test]
fn a_stream_cut_at_any_place_gives_what_the_whole_gives() {
    for (name, stream) in seeds::streams() {
        any_split_is_whole(&Frames, &stream[2..]).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    for (name, stream) in seeds::relay() {
        any_split_is_whole(&RelayFrames, &stream[2..]).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    for (name, stream) in seeds::protobuf_peer() {
        any_split_is_whole(&Bodies, stream.strip_prefix(b"ab").unwrap_or(&stream))
            .unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    for (name, lines) in seeds::proxy_lines() {
        any_split_is_whole(&ProxyLines, &lines).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    for (name, lines) in seeds::push_pull() {
        any_split_is_whole(&RequestLines, &lines).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn hello(min in 1u16.., more: u16, network: [u8; 32], features: u32, name in text(64), agent in text(64)) {
        let name = if name.is_empty() { "n".to_owned() } else { name };
        let hello = Hello {
            min, max: min.saturating_add(more), network: NetworkId(network), features, name: name.as_str().into(), agent: agent.as_str().into(),
        };
        round(&Frame::Hello(hello));
        ends_where_it_says(&Frames, &encode(&Frame::Hello(hello))[LENGTH_LEN..]);
    }

    #[test]
    fn small_frames(nonce: u64, code: u16, retry_after_s: u16, reason in text(128), origin in origin(), from in seq(), more in seq()) {
        let until = Seq(from.0.saturating_add(more.0));
        let from = Seq(from.0.min(until.0 - 1));
        for frame in [
            Frame::Ping(nonce),
            Frame::Pong(nonce),
            Frame::Bye(Bye { code: ByeCode(code), retry_after_s, reason: reason.as_str().into() }),
            Frame::Range(RangeRequest { origin, from, until }),
        ] {
            round(&frame);
            ends_where_it_says(&Frames, &encode(&frame)[LENGTH_LEN..]);
        }
    }

    #[test]
    fn evidence(node: [u8; 32], evidence in vec(any::<u8>(), 1..600), a in signed_header(), b in signed_header()) {
        round(&Frame::Member(Member { node: NodeId(node), evidence: &evidence }));
        round(&Frame::Revoked(&evidence));
        let proof = Frame::Proof(Proof { a, b });
        round(&proof);
        ends_where_it_says(&Frames, &encode(&proof)[LENGTH_LEN..]);
        prop_assert_eq!(SignedHeader::parse(&a.to_bytes()), Ok(a));
        prop_assert!(SignedHeader::parse(&[&a.to_bytes()[..], &[0]].concat()).is_err());
    }

    #[test]
    fn revisions(parts in btree_map(any::<u8>(), 1u64.., 0..256)) {
        let parts: Vec<_> = parts.into_iter().collect();
        let frame = Frame::Revisions(parts.as_slice().into());
        round(&frame);
        prop_assert_eq!(encode(&frame).len(), LENGTH_LEN + 1 + 9 * parts.len());
    }

    #[test]
    fn buckets(start: u64) {
        let sums = core::array::from_fn(|i| u128::from(start).wrapping_mul(i as u128 + 1).to_be_bytes());
        let frame = Frame::Buckets((&sums).into());
        round(&frame);
        ends_where_it_says(&Frames, &encode(&frame)[LENGTH_LEN..]);
    }

    #[test]
    fn status(flag: bool, hold: bool, heard in number(), fingerprint: [u8; 16], origins: u32, entries in status_entries(), all: bool) {
        let ends = entries.first().zip(entries.last()).filter(|_| all);
        let coverage = ends.map_or(Coverage::Listed, |(low, high)| Coverage::Range { low: low.origin, high: high.origin });
        let listed = entries.as_slice().into();
        let status = Status { want_status: flag, hold, heard, fingerprint, origins, coverage, entries: listed };
        let bytes = encode(&Frame::Status(status.clone()));
        let Ok(Frame::Status(read)) = Frame::decode(&bytes[LENGTH_LEN..]) else { panic!("no STATUS") };
        prop_assert!(read.entries.iter().eq(entries.iter().copied()));
        ends_where_it_says(&Frames, &bytes[LENGTH_LEN..]);
        round(&Frame::Status(status));
    }

    #[test]
    fn bundles(header in header(), messages in messages(), flags: (bool, bool)) {
        let (bytes, taken) = build(&header, &messages);
        let view = BundleView::parse(&bytes).unwrap();
        prop_assert_eq!(view.messages().len(), taken.len());
        for (i, (read, (clock, (_, kind, room, body)))) in view.messages().zip(&taken).enumerate() {
            prop_assert_eq!(read.seq.0, view.header().first.0 + i as u64);
            prop_assert_eq!(read, MessageView { seq: read.seq, clock: *clock, kind: MessageKind(*kind), room, body });
        }
        ends_where_it_says(&Bundles, &bytes);
        bundle_with(&Bundles, &bytes).unwrap();
        let (want_status, answers_range) = flags;
        let rumor = Frame::Rumor(Rumor { want_status, answers_range, header: *view.header(), bundle: &bytes });
        let prefix = rumor_prefix(want_status, answers_range, bytes.len()).unwrap();
        prop_assert_eq!(encode(&rumor), [&prefix[..], &bytes].concat());
        round(&rumor);
    }

    #[test]
    fn parts_of_revocation_lists(place: u8, number in seq(), issued: u64, not_after: u64, cuts in btree_map(any::<[u8; 31]>(), option::of(btree_map(number(), number(), 0..5)), 0..10)) {
        let cuts: Vec<_> = cuts.into_iter().map(|(node, cut)| {
            let node: [u8; 32] = [&[place], &node[..]].concat().try_into().unwrap();
            (node, cut.map(|cut| cut.into_iter().map(|(i, n)| (Incarnation(i), Seq(n))).collect::<Vec<_>>()))
        }).collect();
        let entries: Vec<_> = cuts.iter().map(|(node, cut)| RevocationEntry {
            node: NodeId(*node),
            not_after,
            cut: cut.as_deref().map_or(Cut::Links, |lasts| Cut::Last(lasts.into())),
        }).collect();
        let signed = RevocationPart::encode(place, number.0, issued, &entries).unwrap();
        let bytes = RevocationPart::seal(signed.clone(), &Signature([1; 64]));
        let list = RevocationPart::parse(&bytes).unwrap();
        prop_assert_eq!((list.place(), list.number(), list.issued(), list.len()), (place, number.0, issued, entries.len()));
        prop_assert_eq!(list.entries().collect::<Vec<_>>(), entries);
        prop_assert_eq!(list.signed_part(), signed);
        prop_assert_eq!(list.signature(), &Signature([1; 64]));
        ends_where_it_says(&Revocations, &bytes);
        revocation_with(&Revocations, &bytes).unwrap();
    }

    #[test]
    fn a_changed_byte_gives_another_value_or_none(header in header(), messages in messages(), at: prop::sample::Index, to: u8) {
        let (bytes, _) = build(&header, &messages);
        let mut changed = bytes.clone();
        let at = at.index(bytes.len());
        changed[at] = to;
        bundle_with(&Bundles, &changed).unwrap();
        prop_assert!(changed == bytes || BundleView::parse(&changed) != BundleView::parse(&bytes));
    }

    #[test]
    fn noise(bytes in vec(any::<u8>(), 0..400), kind in 0u8..0x10) {
        frame_with(&Frames, &bytes).unwrap();
        frame_with(&Frames, &[&[kind], &bytes[..]].concat()).unwrap();
        bundle_with(&Bundles, &bytes).unwrap();
        revocation_with(&Revocations, &bytes).unwrap();
        split_is_whole(&Frames, 3, &[&[0, 0, 0, kind], &bytes[..]].concat()).unwrap();
    }

    #[test]
    fn requests(destination in "[^\\p{C}]{1,60}", contents in text(300), end in prop_oneof![Just("\n"), Just("\r\n")], seed: u16) {
        prop_assume!(!destination.contains(MESSAGE));
        let contents = contents.replace(['\n', '\r'], "");
        let request = Request::Push { destination: &destination, contents: &contents };
        let mut bytes = Vec::new();
        request.encode(&mut bytes).unwrap();
        prop_assert_eq!(Request::parse(&bytes), Ok(request));
        request_with(&Requests, &bytes).unwrap();
        let lines = [&bytes[..], end.as_bytes(), b"PULL", end.as_bytes(), &bytes].concat();
        split_is_whole(&RequestLines, seed, &lines).unwrap();
    }

    #[test]
    fn replies_and_items(count: u32, source in "[^\\p{C}]{1,60}", contents in text(300)) {
        prop_assume!(!source.contains(MESSAGE));
        for reply in [Reply::Success, Reply::Fail, Reply::Count(count)] {
            let mut bytes = Vec::new();
            reply.encode(&mut bytes);
            prop_assert_eq!(Reply::parse(&bytes), Ok(reply));
            canonical(&Replies, &bytes).unwrap();
        }
        let item = Item { source: &source, contents: &contents };
        let mut bytes = Vec::new();
        item.encode(&mut bytes).unwrap();
        prop_assert_eq!(Item::parse(&bytes), Ok(item));
        canonical(&Items, &bytes).unwrap();
    }

    #[test]
    fn relay_frames(text in text(300), code in "[3-9A-F][0-9A-F]{3}", payload in vec(any::<u8>(), 0..300), bare in "[^0-9]{0,20}", seed: u16) {
        let frames = [RelayFrame::Greeting("127.0.0.5"), RelayFrame::Message(&text), RelayFrame::Other { code: &code, payload: &payload }];
        let mut glued = Vec::new();
        for frame in &frames {
            let mut bytes = Vec::new();
            frame.encode(&mut bytes).unwrap();
            prop_assert_eq!(RelayFrame::decode(&bytes), Ok(*frame));
            ends_where_it_says(&RelayFrames, &bytes);
            glued.extend_from_slice(&bytes);
        }
        split_is_whole(&RelayFrames, seed, &glued).unwrap();
        prop_assert_eq!(relay::bare_len(&[bare.as_bytes(), &glued].concat()), bare.len());
    }

    #[test]
    fn peer_lines(ip: std::net::IpAddr, port in 1u16.., bracketed: bool, team in option::of("[^ \n]{0,20}"), text in text(300), end in "[\r\t\0 ]{0,3}\n", seed: u16) {
        let addr = std::net::SocketAddr::new(ip, port);
        let text = text.replace('\n', "");
        let text = if team.is_some() { text } else { text.replace(' ', "") };
        let sender = if bracketed { Sender::Bracketed(addr) } else { Sender::Plain(addr) };
        let line = Line { sender, team: team.as_deref(), text: &text };
        let mut bytes = Vec::new();
        line.encode(&mut bytes).unwrap();
        prop_assert_eq!(Line::parse(&bytes), Ok(line));
        canonical(&Lines, &bytes).unwrap();
        split_is_whole(&LineStream, seed, &[&bytes[..], end.as_bytes(), b"8080\n", &bytes].concat()).unwrap();
    }

    #[test]
    fn mesh_lines(to in option::of(any::<(std::net::IpAddr, u16)>()), from: (std::net::IpAddr, u16), team in "[^ \\pC]{1,8}", text in "\\PC{1,300}") {
        let (to, from) = (to.map(std::net::SocketAddr::from), std::net::SocketAddr::from(from));
        let line = MeshLine { to: to.map_or(To::All, To::One), from, team: &team, text: &text };
        let good = is_menu(from) && to.is_none_or(is_menu) && text.len() <= MAX_TEXT_LEN;
        let mut bytes = Vec::new();
        prop_assert_eq!(line.encode(&mut bytes).is_ok(), good);
        if good {
            prop_assert_eq!(MeshLine::parse(&bytes), Ok(line));
            canonical(&MeshLines, &bytes).unwrap();
        } else {
            prop_assert!(bytes.is_empty());
        }
    }

    #[test]
    fn answers(all in vec((any::<std::net::IpAddr>(), 1u16..), 0..60), most in 0usize..1_300) {
        let mut bytes = Vec::new();
        let fitted = Online::encode(all.iter().map(|addr| (*addr).into()), most, &mut bytes).unwrap();
        prop_assert!(bytes.len() <= most);
        let read: Vec<_> = Online::parse(&bytes).unwrap().addresses().collect();
        prop_assert!(read.iter().copied().eq(all.iter().take(fitted).map(|addr| std::net::SocketAddr::from(*addr))));
        canonical(&Answers, &bytes).unwrap();
    }

    #[test]
    fn protobuf_frames(bodies in vec(vec(any::<u8>(), 1..60), 1..6), seed: u16) {
        let mut stream = Vec::new();
        for body in &bodies {
            frames(body).unwrap();
            put_frame(body, &mut stream).unwrap();
        }
        split_is_whole(&Bodies, seed, &stream).unwrap();
    }

    #[test]
    fn udp_datagrams(name in " |[!-~]", port in 1u16.., text in text(300), listed in btree_map(0u8..95, 1u16.., 0..95)) {
        let letter = NameChar::new(name.chars().next().unwrap()).unwrap();
        let text = text.replace('\0', "");
        for datagram in [Datagram::Birth { name: letter, port }, Datagram::KeepAlive(letter), Datagram::Vanilla(&text)] {
            let mut bytes = Vec::new();
            datagram.encode(&mut bytes).unwrap();
            prop_assert_eq!(Datagram::parse(&bytes), Ok(datagram));
            ends_where_it_says(&Datagrams, &bytes);
        }
        let letters: Vec<_> = NameChar::all().collect();
        let entries: Vec<_> = listed.into_iter().map(|(at, port)| (letters[usize::from(at)], port)).collect();
        let mut bytes = Vec::new();
        encode_directory(entries.clone(), &mut bytes).unwrap();
        let Ok(Datagram::Directory(read)) = Datagram::parse(&bytes) else { panic!("no directory") };
        prop_assert!(read.iter().eq(entries));
        ends_where_it_says(&Datagrams, &bytes);
    }

    #[test]
    fn extended_udp_datagrams(time: u64, key: [u8; 32], v6: bool, ip: u32, port in 1u16.., name in "[^\\p{C}]{1,16}", text in text(300), version in 0..u64::MAX) {
        let v4 = std::net::SocketAddr::from((std::net::Ipv4Addr::from(ip), port));
        let addr = if v6 { (std::net::Ipv6Addr::from(u128::from(ip) << 96), port).into() } else { v4 };
        let (text, signature) = (text.replace('\0', ""), [5; 64]);
        for extended in [
            Extended::Birth { time, key, addr, name: &name, signature },
            Extended::Text { time, text: &text, signature },
            Extended::KeepAlive { version },
            Extended::Leave { time, signature },
        ] {
            let mut bytes = Vec::new();
            Datagram::Extended(extended).encode(&mut bytes).unwrap();
            prop_assert_eq!(Datagram::parse(&bytes), Ok(Datagram::Extended(extended)));
            ends_where_it_says(&Datagrams, &bytes);
        }
        let entry = Entry { character: NameChar::new('Q').filter(|_| v6), addr, identity: Some(Identity { key, name: &name }) };
        let (mut part, mut changes) = (Vec::new(), Vec::new());
        encode_part(version, 3, 1, [entry, entry], &mut part).unwrap();
        encode_changes(version, [Change::Came(entry)], &mut changes).unwrap();
        for bytes in [part, changes] {
            ends_where_it_says(&Datagrams, &bytes);
            datagram_with(&Datagrams, &bytes).unwrap();
        }
    }
}
