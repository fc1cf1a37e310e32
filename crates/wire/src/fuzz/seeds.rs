//! Seeds of the fuzz targets, made by the encoders. `fuzz/seeds` holds them as files; a test sees that they are up to
//! date.

use crate::classroom::{ProcessLine, ProxyLine, ReplyLine, StartPlace};
use crate::native::{
    BundleBuilder, BundleHeader, BundleView, Bye, ByeCode, Coverage, Cut, EntryState, Frame, Hello, LENGTH_LEN,
    LetterKey, MAX_LETTER_KEY_LEN, Member, MessageKind, Proof, RangeRequest, RevocationEntry, RevocationPart, Rumor,
    SealedLetter, SignedHeader, Status, StatusEntries, StatusEntry,
};
use crate::peer_line::mesh::{MAX_TEAM_LEN, MAX_TEXT_LEN, MeshLine, ONLINE, To};
use crate::peer_line::{EXIT, Line, Online, Sender};
use crate::protobuf_peer::put_frame;
use crate::push_pull::{Item, Reply, Request, relay::RelayFrame};
use crate::udp_mesh::extended::{Change, Entry, Extended, Identity, Refusal, encode_changes, encode_part};
use crate::udp_mesh::{Datagram, NameChar, encode_directory};
use crate::{Clock, Digest, HeadHash, Incarnation, NetworkId, NodeId, Origin, Seq, Signature};

type Seeds = Vec<(&'static str, Vec<u8>)>;

const fn origin(node: u8, incarnation: u64) -> Origin {
    Origin { node: NodeId([node; 32]), incarnation: Incarnation(incarnation) }
}

fn made(first: u64, messages: &[(u64, MessageKind, &str, &[u8])]) -> Vec<u8> {
    let previous = if first == 1 { Digest::ZERO } else { Digest([8; 32]) };
    let mut builder = BundleBuilder::new(origin(1, 1_700_000_000), Seq(first), previous);
    for (clock, kind, room, body) in messages {
        let pushed = builder.push(Clock(*clock), *kind, room, body);
        debug_assert!(pushed.is_ok(), "{pushed:?}");
    }
    builder.seal(Signature([4; 64]))
}

/// Bundles: one message, one of each kind, many, a long body, the last numbers there are.
#[must_use]
pub fn bundles() -> Seeds {
    let now = 1_763_700_000_000_000;
    let kinds: [(u64, MessageKind, &str, &[u8]); 5] = [
        (now, MessageKind::CHAT, "", "grüße".as_bytes()),
        (now + 1, MessageKind::FILE, "room", &[0, 0xff, 0x80]),
        (now + 200, MessageKind::NOTICE, "", b"joined"),
        (now + 70_000, MessageKind::BRIDGED, "", b"udp|someone|hi"),
        (now + 70_001, MessageKind(200), "later", b""),
    ];
    let many: Vec<_> =
        (now..).step_by(90).take(40).map(|clock| (clock, MessageKind::CHAT, "", &b"again"[..])).collect();
    let long = vec![b'x'; 700];
    vec![
        ("one", made(1, &[(now, MessageKind::CHAT, "", b"hello")])),
        ("kinds", made(40, &kinds)),
        ("many", made(2, &many)),
        ("long", made(1, &[(0, MessageKind::CHAT, "", &long)])),
        ("last", made(u64::MAX - 1, &[(u64::MAX, MessageKind::CHAT, "", b"")])),
    ]
}

/// Runs of pushes for the builder: bytes without a form of their own.
#[must_use]
pub fn pushes() -> Seeds {
    let run = |step: u8, len: u8| (0..len).map(|i| i.wrapping_mul(step)).collect::<Vec<u8>>();
    vec![("zeros", vec![0; 64]), ("steps", run(1, 255)), ("leaps", run(37, 255)), ("high", vec![0xff; 200])]
}

const ENTRIES: [StatusEntry; 3] = [
    StatusEntry {
        origin: origin(1, 5),
        next: Seq(1),
        head: HeadHash([0; 16]),
        kept: Seq(1),
        state: EntryState::Normal,
    },
    StatusEntry {
        origin: origin(1, 6),
        next: Seq(300),
        head: HeadHash([7; 16]),
        kept: Seq(128),
        state: EntryState::Forked,
    },
    StatusEntry {
        origin: origin(3, 0),
        next: Seq(u64::MAX),
        head: HeadHash([9; 16]),
        kept: Seq(2),
        state: EntryState::Hold,
    },
];

fn status(want_status: bool, coverage: Coverage, entries: StatusEntries<'_>) -> Status<'_> {
    Status { want_status, hold: false, heard: 130, fingerprint: [6; 16], origins: 3, coverage, entries }
}

/// Payloads of STATUS.
#[must_use]
pub fn statuses() -> Seeds {
    let all = Coverage::Range { low: Origin::MIN, high: Origin::MAX };
    let list = [
        ("listed", status(false, Coverage::Listed, ENTRIES.as_slice().into())),
        ("covered", status(true, all, ENTRIES.as_slice().into())),
        ("none", status(true, Coverage::Listed, StatusEntries::default())),
        ("held", Status { hold: true, ..status(false, Coverage::Listed, StatusEntries::default()) }),
    ];
    list.into_iter().map(|(name, status)| (name, encoded(&Frame::Status(status)).split_off(LENGTH_LEN + 1))).collect()
}

/// Parts of revocation lists.
#[must_use]
pub fn revocations() -> Seeds {
    let lasts = [(Incarnation(1), Seq(0)), (Incarnation(1_700_000_000), Seq(300))];
    let node = |last| {
        let mut node = [1; 32];
        node[31] = last;
        NodeId(node)
    };
    let entries = [
        RevocationEntry { node: node(1), not_after: 1_800_000_000, cut: Cut::Links },
        RevocationEntry { node: node(2), not_after: u64::MAX, cut: Cut::Last(lasts.as_slice().into()) },
        RevocationEntry { node: node(3), not_after: 0, cut: Cut::Last([].as_slice().into()) },
    ];
    let sealed = |entries: &[_]| {
        let part = RevocationPart::encode(1, 7, 1_763_700_000, entries);
        RevocationPart::seal(part.unwrap_or_default(), &Signature([5; 64]))
    };
    vec![("empty", sealed(&[])), ("three", sealed(&entries))]
}

fn encoded(frame: &Frame<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let done = frame.encode(&mut out);
    debug_assert!(done.is_ok(), "{done:?}");
    out
}

/// One of each kind of frame, length and all.
fn lengthy_frames() -> Seeds {
    let hello = Hello {
        min: 1,
        max: 2,
        network: NetworkId([2; 32]),
        features: 1,
        name: "anna".into(),
        agent: "rumormill/0.1.0".into(),
    };
    let bundles = bundles();
    let bundle = bundles.first().map(|(_, bundle)| bundle.as_slice()).unwrap_or_default();
    let header = BundleView::parse(bundle).map(|view| *view.header());
    let header =
        header.unwrap_or(BundleHeader { origin: origin(1, 1), first: Seq(1), count: 1, previous: Digest::ZERO });
    let signed = |byte| SignedHeader { header, body: Digest([byte; 32]), signature: Signature([byte; 64]) };
    let sums = core::array::from_fn(|i| (u128::try_from(i).unwrap_or_default() << 104).to_be_bytes());
    let range = RangeRequest { origin: origin(2, 3), from: Seq(1), until: Seq(129) };
    let revocations = revocations();
    let list = revocations.last().map(|(_, list)| list.as_slice()).unwrap_or_default();
    let status = status(true, Coverage::Range { low: origin(1, 0), high: origin(3, 9) }, ENTRIES.as_slice().into());
    let frames = [
        ("hello", Frame::Hello(hello)),
        ("ping", Frame::Ping(1)),
        ("pong", Frame::Pong(u64::MAX)),
        ("bye", Frame::Bye(Bye { code: ByeCode::OVERLOAD, retry_after_s: 30, reason: "full".into() })),
        ("member", Frame::Member(Member { node: NodeId([3; 32]), evidence: &[0x30, 0x82, 0x01] })),
        ("rumor", Frame::Rumor(Rumor { want_status: true, answers_range: true, header, bundle })),
        ("status", Frame::Status(status)),
        ("buckets", Frame::Buckets((&sums).into())),
        ("range", Frame::Range(range)),
        ("proof", Frame::Proof(Proof { a: signed(1), b: signed(2) })),
        ("revoked", Frame::Revoked(list)),
        ("revisions", Frame::Revisions([(1, 7), (255, u64::MAX)].as_slice().into())),
    ];
    frames.into_iter().map(|(name, frame)| (name, encoded(&frame))).collect()
}

/// Kind and payload of one frame of each kind.
#[must_use]
pub fn frames() -> Seeds {
    lengthy_frames().into_iter().map(|(name, mut frame)| (name, frame.split_off(LENGTH_LEN))).collect()
}

/// Streams: all frames in a row; a frame to skip between two others; one that is cut off.
#[must_use]
pub fn streams() -> Seeds {
    let all: Vec<u8> = [1, 2].into_iter().chain(lengthy_frames().into_iter().flat_map(|(_, frame)| frame)).collect();
    let ping = encoded(&Frame::Ping(5));
    let skipped = [&[0, 7], ping.as_slice(), &[0, 0, 0, 3, 0x90, 1, 2], ping.as_slice()].concat();
    let cut = [&[3, 0], ping.as_slice(), ping.get(..9).unwrap_or_default()].concat();
    vec![("all", all), ("skipped", skipped), ("cut", cut)]
}

/// Bodies of what came through doors.
#[must_use]
pub fn bridged() -> Seeds {
    let body = |text: &str| text.as_bytes().to_vec();
    let long = format!("{}\n{}\nhi", "d".repeat(32), "c".repeat(64));
    vec![
        ("udp", body("udp-mesh\nA\npeerA_broadcast_0")),
        ("lines", body("peer-line#2\n127.0.0.1:8080 team\ntwo\nlines")),
        ("nobody", body("relay-43110\n\n")),
        ("longest", body(&long)),
        ("other", body("no form at all")),
    ]
}

/// Bodies of letters and keys.
#[must_use]
pub fn letters() -> Seeds {
    let key = |len: usize| {
        let (bytes, mut out) = (vec![7; len], Vec::new());
        let done = LetterKey { suite: 1, key: &bytes }.encode(&mut out);
        debug_assert!(done.is_ok(), "{done:?}");
        out
    };
    let sealed = |enc: &[u8], ciphertext: &[u8]| {
        let mut out = Vec::new();
        let done = SealedLetter { key_id: *b"abcdefgh", enc, ciphertext }.encode(&mut out);
        debug_assert!(done.is_ok(), "{done:?}");
        out
    };
    vec![
        ("key", key(32)),
        ("longest_key", key(MAX_LETTER_KEY_LEN)),
        ("letter", sealed(&[9; 32], &[3; 272])),
        ("empty", sealed(&[], &[])),
        ("longest_enc", sealed(&[9; 255], &[3])),
    ]
}

/// Requests, replies and items.
#[must_use]
pub fn push_pull() -> Seeds {
    let request = |request: Request<'_>, end: &str| {
        let mut out = Vec::new();
        let done = request.encode(&mut out);
        debug_assert!(done.is_ok(), "{done:?}");
        out.extend_from_slice(end.as_bytes());
        out
    };
    let push = Request::Push { destination: "127.0.0.5", contents: "hello MSG: there, grüße" };
    let reply = |reply: Reply| {
        let mut out = Vec::new();
        reply.encode(&mut out);
        out
    };
    let mut item = Vec::new();
    let done = Item { source: "127.0.0.5", contents: "two\nlines" }.encode(&mut item);
    debug_assert!(done.is_ok(), "{done:?}");
    vec![
        ("push", request(push, "")),
        ("push_line", request(push, "\r\n")),
        ("pull", request(Request::Pull, "")),
        ("lines", [request(push, "\n"), request(Request::Pull, "\r\n"), request(Request::Pull, "")].concat()),
        ("success", reply(Reply::Success)),
        ("count", reply(Reply::Count(12))),
        ("fail", reply(Reply::Fail)),
        ("item", item),
    ]
}

/// Messages of the menu chat, a stream of them, and an answer.
#[must_use]
pub fn peer_line() -> Seeds {
    let addr = |last: u8, port: u16| core::net::SocketAddr::from(([127, 0, 0, last], port));
    let made = |sender, team, text| {
        let mut out = Vec::new();
        let done = Line { sender, team, text }.encode(&mut out);
        debug_assert!(done.is_ok(), "{done:?}");
        out
    };
    let plain = made(Sender::Plain(addr(1, 8_080)), Some("blockchain"), "hello, grüße");
    let bracketed = made(Sender::Bracketed(addr(5, 8_103)), Some("miners"), "quit");
    let exit = made(Sender::Plain(core::net::SocketAddr::from(([0u16; 8], 9))), None, "exit");
    let mut answer = Vec::new();
    let done = Online::encode([addr(1, 8_080), addr(2, 9_090)].into_iter(), 100, &mut answer);
    debug_assert!(done.is_ok(), "{done:?}");
    vec![
        ("lines", [b"8080\nCONNECT\n".as_slice(), &plain, b"\r\n", &bracketed, b"\n\n", &exit, b"\0\0"].concat()),
        ("plain", plain),
        ("bracketed", bracketed),
        ("exit", exit),
        ("unknown", b"10.103.45.601:8080 P1 hi".to_vec()),
        ("port", b"8080".to_vec()),
        ("answer", answer),
    ]
}

/// Lines of the menu chat over the mesh.
#[must_use]
pub fn menu_mesh() -> Seeds {
    let from = core::net::SocketAddr::from(([127, 0, 0, 1], 8_080));
    let v6 = core::net::SocketAddr::from((core::net::Ipv6Addr::LOCALHOST, u16::MAX));
    let (team, text) = ("t".repeat(MAX_TEAM_LEN), "x".repeat(MAX_TEXT_LEN));
    let list = [
        ("online", MeshLine { to: To::All, from, team: "blockchain", text: ONLINE }),
        ("exit", MeshLine { to: To::All, from: v6, team: "blockchain", text: EXIT }),
        ("message", MeshLine { to: To::One(v6), from, team: "miners", text: "hello,  grüße " }),
        ("longest", MeshLine { to: To::One(from), from: v6, team: &team, text: &text }),
    ];
    let made = list.map(|(name, line)| {
        let mut out = Vec::new();
        let done = line.encode(&mut out);
        debug_assert!(done.is_ok(), "{done:?}");
        (name, out)
    });
    made.into_iter().chain([("other", b"no form at all".to_vec())]).collect()
}

/// Streams of plain frames, and a text without one.
#[must_use]
pub fn relay() -> Seeds {
    let glued = |start: &str, frames: &[RelayFrame<'_>]| {
        let mut out = [b"ab", start.as_bytes()].concat();
        for frame in frames {
            let done = frame.encode(&mut out);
            debug_assert!(done.is_ok(), "{done:?}");
        }
        out
    };
    let other = RelayFrame::Other { code: "FFFE", payload: &[0, 0xff] };
    vec![
        ("greeting", glued("", &[RelayFrame::Greeting("127.0.0.5")])),
        ("glued", glued("", &[RelayFrame::Message("one"), RelayFrame::Message("a|b|c"), other])),
        ("bare", glued("first", &[RelayFrame::Message("second")])),
        ("digits", glued("room 1", &[RelayFrame::Message("second")])),
    ]
}

/// Streams of protobuf frames: those that the older program sends, in a row and each by itself, and one cut off.
#[must_use]
pub fn protobuf_peer() -> Seeds {
    let bodies: [(&str, &[u8]); 7] = [
        ("start", b"\x08\x03\x22\x02\x08\x0c"),
        ("response", b"\x08\x04\x2a\x02\x08\x0a"),
        ("refused", b"\x08\x04\x2a\x02\x10\x01"),
        ("join", b"\x08\x02\x1a\x06\x12\x04\x08\x0b\x10\x0a"),
        ("message", b"\x08\x01\x12\x0b\x08\x0c\x10\x0b\x1a\x05via A"),
        ("leave", b"\x08\x02\x1a\x06\x08\x01\x1a\x02\x08\x63"),
        ("unknown", b"\x30\x07\x39abcdefgh\x45abcd\x4a\x02\xff\xff"),
    ];
    let mut all = b"ab".to_vec();
    for (_, body) in bodies {
        let done = put_frame(body, &mut all);
        debug_assert!(done.is_ok(), "{done:?}");
    }
    let cut = all.split_last_chunk::<5>().map(|(cut, _)| cut.to_vec()).unwrap_or_default();
    let each = bodies.into_iter().map(|(name, body)| (name, body.to_vec()));
    each.chain([("all", all), ("cut", cut)]).collect()
}

const PROCESS_LINES: [(&str, ProcessLine<'_>); 3] = [
    ("msg", ProcessLine::Msg { id: "-7", text: "grüße,  and spaces" }),
    ("get", ProcessLine::GetChatLog),
    ("crash", ProcessLine::Crash { suffix: "AfterVote" }),
];

/// Lines without their end, each by itself, and all of them as a stream.
fn lines<L, E: core::fmt::Debug>(list: &[(&'static str, L)], encode: fn(&L, &mut Vec<u8>) -> Result<(), E>) -> Seeds {
    let mut all = Vec::new();
    let mut seeds: Seeds = Vec::new();
    for (name, line) in list {
        let mut out = Vec::new();
        let done = encode(line, &mut out);
        debug_assert!(done.is_ok(), "{done:?}");
        all.extend_from_slice(&out);
        out.pop();
        seeds.push((name, out));
    }
    seeds.push(("all", all));
    seeds
}

/// What a process is told.
#[must_use]
pub fn process_lines() -> Seeds {
    let mut seeds = lines(&PROCESS_LINES, ProcessLine::encode);
    seeds.push(("blanks", b"\tmsg  3 \t two  words \r".to_vec()));
    seeds.push(("get_other", b" get  the log \r".to_vec()));
    seeds
}

/// What a proxy is told.
#[must_use]
pub fn proxy_lines() -> Seeds {
    let place = StartPlace { n: 4, port: 10_003 };
    let mut list = vec![
        ("start", ProxyLine::Start { id: 3, place: Some(place) }),
        ("start_short", ProxyLine::Start { id: 12, place: None }),
        ("exit", ProxyLine::Exit),
    ];
    list.extend(PROCESS_LINES.map(|(name, line)| (name, ProxyLine::To { id: 0, line })));
    let mut seeds = lines(&list, ProxyLine::encode);
    seeds.push(("blanks", "\u{feff}1   start  2\t10001 \r".into()));
    seeds.push(("get_other", b"1\tget\r".to_vec()));
    seeds
}

/// What a process answers.
#[must_use]
pub fn reply_lines() -> Seeds {
    let list = [("two", ReplyLine { payload: "hello,grüße, and a comma" }), ("none", ReplyLine { payload: "" })];
    lines(&list, ReplyLine::encode)
}

fn udp_lists() -> Seeds {
    let character = NameChar::new('A');
    let addr = |port: u16| core::net::SocketAddr::from(([127, 0, 0, 1], port));
    let v6 = core::net::SocketAddr::from((core::net::Ipv6Addr::LOCALHOST, 3_003));
    let identity = Some(Identity { key: [7; 32], name: "grüße" });
    let entries = [
        Entry { character, addr: addr(3_001), identity: None },
        Entry { character: NameChar::new('b'), addr: addr(3_002), identity },
        Entry { character: None, addr: v6, identity },
    ];
    let [old, ours, far] = entries;
    let (mut directory, mut none, mut part, mut changes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let old_entries = ['B', 'A', '~', ' '].into_iter().filter_map(NameChar::new).zip(3_001..);
    let done = encode_directory(old_entries, &mut directory).and(encode_directory([], &mut none));
    debug_assert!(done.is_ok(), "{done:?}");
    let steps = [Change::Came(old), Change::Went(addr(3_002)), Change::Came(far), Change::Went(v6), Change::Came(ours)];
    let done = encode_part(9, 5, 2, entries, &mut part).and(encode_changes(9, steps, &mut changes));
    debug_assert!(done.is_ok(), "{done:?}");
    vec![("directory", directory), ("directory_empty", none), ("part", part), ("changes", changes)]
}

/// Datagrams of the UDP mesh, old and extended.
#[must_use]
pub fn udp_mesh() -> Seeds {
    let (time, signature) = (1_763_700_000_000_000, [4; 64]);
    let birth = |addr, name| Datagram::Extended(Extended::Birth { time, key: [7; 32], addr, name, signature });
    let v4 = core::net::SocketAddr::from(([127, 0, 0, 1], 3_001));
    let v6 = core::net::SocketAddr::from((core::net::Ipv6Addr::LOCALHOST, 3_001));
    let mut list = vec![
        ("vanilla", Datagram::Vanilla("peerA_broadcast_0")),
        ("vanilla_empty", Datagram::Vanilla("")),
        ("extended_birth", birth(v4, "anna")),
        ("extended_birth_v6", birth(v6, "grüße")),
        ("text", Datagram::Extended(Extended::Text { time, text: "hello, grüße", signature })),
        ("extended_keepalive", Datagram::Extended(Extended::KeepAlive { version: 9 })),
        ("leave", Datagram::Extended(Extended::Leave { time, signature })),
        ("refused", Datagram::Extended(Extended::Refused(Refusal::Name))),
        ("refused_last", Datagram::Extended(Extended::Refused(Refusal::Unknown))),
    ];
    if let Some(name) = NameChar::new('Z') {
        list.extend([("birth", Datagram::Birth { name, port: 3_005 }), ("keepalive", Datagram::KeepAlive(name))]);
    }
    let mut seeds = udp_lists();
    for (name, datagram) in list {
        let mut out = Vec::new();
        let done = datagram.encode(&mut out);
        debug_assert!(done.is_ok(), "{done:?}");
        seeds.push((name, out));
    }
    seeds
}
