//! Each way to break a frame, a bundle or a list is refused at its place and by its rule. Every fault that a reader or
//! an encoder can name stands here.
#![allow(clippy::disallowed_types, reason = "a test and a bench are outside the walls")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::HashSet;

use rumormill_wire::native::{
    BundleHeader, BundleView, Bye, ByeCode, Coverage, Cut, EntryState, Frame, Hello, LENGTH_LEN, MAX_BUNDLE_LEN,
    MAX_FRAME_LEN, MAX_REVOCATION_LEN, Member, Proof, RangeRequest, RevocationEntry, RevocationPart, Rumor,
    SignedHeader, Status, StatusEntry, WireError, WireFault, frame_len, rumor_prefix,
};
use rumormill_wire::{Digest, HeadHash, Incarnation, NetworkId, NodeId, Origin, Seq, Signature};

use WireFault as F;

const HEADER: BundleHeader = BundleHeader { origin: Origin::MIN, first: Seq(1), count: 1, previous: Digest::ZERO };

fn at(offset: usize, reason: WireFault) -> WireError {
    WireError { offset, reason }
}

/// Joins parts of bytes.
fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn hello(min: u16, max: u16, name: &[u8], agent: &[u8]) -> Vec<u8> {
    let mut out = join(&[&[1], &min.to_be_bytes(), &max.to_be_bytes(), &[0; 36]]);
    out.push(u8::try_from(name.len()).unwrap());
    out.extend_from_slice(name);
    out.push(u8::try_from(agent.len()).unwrap());
    out.extend_from_slice(agent);
    out
}

fn status(flags: u8, coverage: &[u8], entries: &[&[u8]]) -> Vec<u8> {
    let count = u16::try_from(entries.len()).unwrap().to_be_bytes();
    join(&[&[7, flags, 0], &[0; 20], coverage, &count, &entries.concat()])
}

fn entry(node: u8, next: u8, kept: u8, state: u8) -> Vec<u8> {
    join(&[&[node; 32], &[0; 8], &[next], &[0; 16], &[kept, state]])
}

fn bundle(first: u64, count: u16, previous: u8, messages: &[u8]) -> Vec<u8> {
    join(&[&[0; 40], &first.to_be_bytes(), &count.to_be_bytes(), &[previous; 32], &[0; 64], messages])
}

fn list(number: u64, count: u16, entries: &[u8]) -> Vec<u8> {
    join(&[&[1], &number.to_be_bytes(), &[0; 8], &count.to_be_bytes(), entries, &[0; 64]])
}

fn refused_frames() -> Vec<(Vec<u8>, WireError)> {
    let range = |from: u8, until: u8| join(&[&[9], &[0; 40], &[from, until]]);
    let covered = join(&[&[1], &[1; 40], &[3; 40]]);
    let ok = entry(2, 1, 1, 0);
    let rumor = |flags: u8, bundle: &[u8]| join(&[&[6, flags], bundle]);
    let one = bundle(1, 1, 0, &[0, 1, 0, 0]);
    vec![
        (vec![], at(0, F::FrameLength)),
        (vec![0x90; MAX_FRAME_LEN + 1], at(0, F::FrameLength)),
        (vec![0], at(0, F::FrameKind)),
        (vec![0x0c], at(0, F::FrameKind)),
        (vec![0x7f], at(0, F::FrameKind)),
        (vec![2, 0, 0, 0], at(1, F::Truncated)),
        (vec![2, 0, 0, 0, 0, 0, 0, 0, 0, 9], at(9, F::Trailing)),
        (hello(0, 1, b"a", b""), at(1, F::Versions)),
        (hello(3, 2, b"a", b""), at(1, F::Versions)),
        (hello(1, 1, b"", b""), at(41, F::NameLength)),
        (hello(1, 1, &[b'a'; 65], b""), at(41, F::NameLength)),
        (hello(1, 1, b"ab\xff", b""), at(44, F::Utf8)),
        (hello(1, 1, b"a", &[b'a'; 65]), at(43, F::AgentLength)),
        (join(&[&[4, 0, 1, 0, 0, 129], &[b'a'; 129]]), at(5, F::ReasonLength)),
        (join(&[&[5], &[0; 32]]), at(33, F::EvidenceLength)),
        (join(&[&[5], &[0; 32], &[0; 4097]]), at(33, F::EvidenceLength)),
        (rumor(4, &one), at(1, F::FlagBits)),
        (rumor(0, &[0; MAX_BUNDLE_LEN + 1]), at(2, F::BundleLength)),
        (rumor(0, &bundle(0, 1, 0, &[])), at(42, F::FirstZero)),
        (status(4, &[0], &[]), at(1, F::FlagBits)),
        (join(&[&[7, 0, 0x80, 0]]), at(2, F::VarintForm)),
        (join(&[&[7, 0], &[0xff; 9], &[2]]), at(2, F::VarintRange)),
        (join(&[&[7, 0], &[0xff; 10]]), at(2, F::VarintRange)),
        (status(0, &[2], &[]), at(23, F::Coverage)),
        (status(0, &join(&[&[1], &[3; 40], &[1; 40]]), &[]), at(24, F::CoverageOrder)),
        (status(0, &[0], &vec![&ok[..]; 801]), at(24, F::EntryCount)),
        (status(0, &[0], &[&ok, &ok]), at(85, F::EntryOrder)),
        (status(0, &[0], &[&ok, &entry(1, 1, 1, 0)]), at(85, F::EntryOrder)),
        (status(0, &covered, &[&entry(0, 1, 1, 0)]), at(106, F::EntryOutside)),
        (status(0, &covered, &[&ok, &entry(4, 1, 1, 0)]), at(165, F::EntryOutside)),
        (status(0, &[0], &[&entry(1, 0, 1, 0)]), at(66, F::NextZero)),
        (status(0, &[0], &[&entry(1, 1, 0, 0)]), at(83, F::KeptZero)),
        (status(0, &[0], &[&entry(1, 1, 1, 3)]), at(84, F::EntryState)),
        (join(&[&[8], &[0; 4095]]), at(1, F::Truncated)),
        (join(&[&[8], &[0; 4097]]), at(4097, F::Trailing)),
        (range(0, 1), at(41, F::RangeOrder)),
        (range(1, 1), at(41, F::RangeOrder)),
        (range(2, 1), at(41, F::RangeOrder)),
        (join(&[&[10], &[0; 356]]), at(41, F::FirstZero)),
        (join(&[&[11], &[0; MAX_REVOCATION_LEN + 1]]), at(1, F::RevocationLength)),
        (join(&[&[15, 1], &[0; 8]]), at(2, F::RevocationNumber)),
        (join(&[&[15, 1], &[1; 8], &[1], &[1; 8]]), at(10, F::PartOrder)),
        (join(&[&[15, 2], &[1; 8], &[1], &[1; 8]]), at(10, F::PartOrder)),
        (join(&[&[15, 2], &[1; 7]]), at(2, F::Truncated)),
    ]
}

fn refused_bundles() -> Vec<(Vec<u8>, WireError)> {
    let one = |message: &[u8]| bundle(1, 1, 0, message);
    let two = |first: &[u8], second: &[u8]| bundle(1, 2, 0, &join(&[first, second]));
    let most = join(&[&[0xff; 9], &[1, 2, 0, 0]]);
    vec![
        (vec![], at(0, F::Truncated)),
        (vec![0; MAX_BUNDLE_LEN + 1], at(0, F::BundleLength)),
        (bundle(1, 0, 0, &[]), at(48, F::MessageCount)),
        (bundle(1, 513, 0, &[]), at(48, F::MessageCount)),
        (bundle(0, 1, 0, &[]), at(40, F::FirstZero)),
        (bundle(u64::MAX, 1, 1, &[]), at(40, F::SeqRange)),
        (bundle(1, 1, 1, &[]), at(50, F::Previous)),
        (bundle(2, 1, 0, &[]), at(50, F::Previous)),
        (one(&[]), at(146, F::Truncated)),
        (one(&[0, 0, 0, 0]), at(147, F::KindZero)),
        (one(&join(&[&[0, 2, 65], &[b'r'; 65], &[0]])), at(148, F::RoomLength)),
        (one(&[0, 2, 2, b'r', 0xff, 0]), at(150, F::Utf8)),
        (one(&[0, 2, 0, 0x81, 0x80, 2]), at(149, F::BodyLength)),
        (one(&[0, 2, 0, 3, 1, 2]), at(150, F::Truncated)),
        (one(&[0, 1, 0, 3, b'a', 0xff, b'b']), at(151, F::BodyUtf8)),
        (one(&[0, 3, 0, 1, 0xff]), at(150, F::BodyUtf8)),
        (one(&[0, 4, 0, 1, 0xff]), at(150, F::BodyUtf8)),
        (one(&[0, 1, 0, 0, 9]), at(150, F::Trailing)),
        (two(&[5, 2, 0, 0], &[0, 2, 0, 0]), at(150, F::ClockZero)),
        (two(&most, &[1, 2, 0, 0]), at(159, F::ClockRange)),
    ]
}

fn refused_lists() -> Vec<(Vec<u8>, WireError)> {
    let id = |last: u8| join(&[&[1; 31], &[last]]);
    let links = |last: u8| join(&[&id(last), &[0; 8], &[0]]);
    let cut = |lasts: &[u8]| {
        let count = u16::try_from(lasts.len()).unwrap().to_be_bytes();
        let lasts: Vec<u8> = lasts.iter().flat_map(|i| [0, 0, 0, 0, 0, 0, 0, *i, 9]).collect();
        join(&[&[1; 32], &[0; 8], &[1], &count, &lasts])
    };
    vec![
        (vec![0; MAX_REVOCATION_LEN + 1], at(0, F::RevocationLength)),
        (list(0, 0, &[]), at(1, F::RevocationNumber)),
        (list(1, 1, &join(&[&[1; 32], &[0; 8], &[2]])), at(59, F::Cut)),
        (list(1, 2, &join(&[&links(2), &links(2)])), at(60, F::NodeOrder)),
        (list(1, 2, &join(&[&links(2), &links(1)])), at(60, F::NodeOrder)),
        (list(1, 1, &join(&[&[2; 32], &[0; 8], &[0]])), at(19, F::NodePlace)),
        (list(1, 1, &join(&[&[1; 32], &[0; 8], &[1], &1025u16.to_be_bytes()])), at(60, F::CutCount)),
        (list(1, 1, &cut(&[1, 1])), at(71, F::IncarnationOrder)),
        (list(1, 1, &cut(&[2, 1])), at(71, F::IncarnationOrder)),
        (join(&[&list(1, 0, &[]), &[0]]), at(83, F::Trailing)),
    ]
}

#[test]
fn each_fault_is_found_at_its_place() {
    for (bytes, error) in refused_frames() {
        assert_eq!(Frame::decode(&bytes).unwrap_err(), error, "{:02x?}", &bytes[..bytes.len().min(120)]);
    }
    for (bytes, error) in refused_bundles() {
        assert_eq!(BundleView::parse(&bytes).unwrap_err(), error, "{:02x?}", &bytes[..bytes.len().min(220)]);
    }
    for (bytes, error) in refused_lists() {
        assert_eq!(RevocationPart::parse(&bytes).unwrap_err(), error, "{:02x?}", &bytes[..bytes.len().min(120)]);
    }
}

#[test]
fn every_fault_has_a_case_and_names_its_rule() {
    let tables = [refused_frames(), refused_bundles(), refused_lists()].concat();
    let mut seen: HashSet<_> = tables.iter().map(|(_, error)| error.reason).collect();
    // Only an encoder meets a header that is not the head of the bundle beside it.
    seen.insert(F::HeadMismatch);
    // Of letters, whose unit tests have them.
    seen.extend([F::LetterVersion, F::LetterKeyLength, F::LetterEncLength]);
    for fault in WireFault::ALL {
        assert!(seen.contains(fault), "{fault:?} has no case");
        assert!(fault.to_string().starts_with(&format!("{}: ", fault.rule())), "{fault}");
    }
    assert_eq!(at(12, F::ClockZero).to_string(), "at byte 12: P-B4: clock difference of zero");
}

#[test]
fn a_length_is_judged_as_soon_as_it_is_there() {
    // P-F2: no byte of the payload is waited for.
    for bad in [0, u32::try_from(MAX_FRAME_LEN).unwrap() + 1, u32::MAX] {
        assert_eq!(frame_len(&bad.to_be_bytes()), Err(at(0, F::FrameLength)));
    }
    assert_eq!(frame_len(&u32::try_from(MAX_FRAME_LEN).unwrap().to_be_bytes()), Ok(Some(MAX_FRAME_LEN + LENGTH_LEN)));
    assert_eq!(frame_len(&[0, 0, 0, 1, 0x90]), Ok(Some(5)));
    for short in [&[][..], &[0xff], &[0xff, 0xff, 0xff]] {
        assert_eq!(frame_len(short), Ok(None));
    }
}

#[test]
fn a_kind_that_may_be_skipped_is_named_and_has_no_form() {
    // P-F4
    assert_eq!(Frame::decode(&[0x80, 1, 2, 3]), Ok(Frame::Unknown(0x80)));
    let mut out = vec![1];
    assert_eq!(Frame::Unknown(0x80).encode(&mut out).unwrap_err().0, F::FrameKind);
    assert_eq!(out, [1]);
}

fn unencodable(check: &mut dyn FnMut(Frame<'_>, WireFault)) {
    let hello = Hello { min: 1, max: 1, network: NetworkId::ZERO, features: 0, name: "a".into(), agent: "".into() };
    let long = "x".repeat(300);
    check(Frame::Hello(Hello { min: 0, ..hello }), F::Versions);
    check(Frame::Hello(Hello { name: "".into(), ..hello }), F::NameLength);
    check(Frame::Hello(Hello { name: long.as_str().into(), ..hello }), F::NameLength);
    check(Frame::Hello(Hello { agent: long[..65].into(), ..hello }), F::AgentLength);
    check(Frame::Bye(Bye { code: ByeCode::LEAVING, retry_after_s: 0, reason: long[..129].into() }), F::ReasonLength);
    check(Frame::Member(Member { node: NodeId::ZERO, evidence: &[] }), F::EvidenceLength);
    check(Frame::Member(Member { node: NodeId::ZERO, evidence: &[0; 4097] }), F::EvidenceLength);
    check(Frame::Revoked(&[0; MAX_REVOCATION_LEN + 1]), F::RevocationLength);
    check(Frame::Revisions([(1, 0)].as_slice().into()), F::RevocationNumber);
    check(Frame::Revisions([(2, 1), (2, 1)].as_slice().into()), F::PartOrder);
    check(Frame::Range(RangeRequest { origin: Origin::MIN, from: Seq(2), until: Seq(2) }), F::RangeOrder);
    let one = bundle(1, 1, 0, &[0, 1, 0, 0]);
    let rumor = Rumor { want_status: false, answers_range: false, header: HEADER, bundle: &one };
    check(Frame::Rumor(Rumor { header: BundleHeader { count: 2, ..HEADER }, ..rumor }), F::HeadMismatch);
    check(Frame::Rumor(Rumor { bundle: &one[..100], ..rumor }), F::HeadMismatch);
    let signed = SignedHeader { header: HEADER, body: Digest::ZERO, signature: Signature::ZERO };
    let bad = SignedHeader { header: BundleHeader { first: Seq(2), ..HEADER }, ..signed };
    check(Frame::Proof(Proof { a: signed, b: bad }), F::Previous);
    unencodable_status(check);
}

fn unencodable_status(check: &mut dyn FnMut(Frame<'_>, WireFault)) {
    let good = StatusEntry {
        origin: Origin::MIN,
        next: Seq(1),
        head: HeadHash::ZERO,
        kept: Seq(1),
        state: EntryState::Normal,
    };
    let mut refuse = |coverage, entries: &[StatusEntry], reason| {
        let entries = entries.into();
        let status =
            Status { want_status: false, hold: false, heard: 0, fingerprint: [0; 16], origins: 0, coverage, entries };
        check(Frame::Status(status), reason);
    };
    let backwards = Coverage::Range { low: Origin::MAX, high: Origin::MIN };
    let above = Coverage::Range { low: Origin::MAX, high: Origin::MAX };
    refuse(backwards, &[], F::CoverageOrder);
    refuse(above, &[good], F::EntryOutside);
    refuse(Coverage::Listed, &[good; 801], F::EntryCount);
    refuse(Coverage::Listed, &[good, good], F::EntryOrder);
    refuse(Coverage::Listed, &[StatusEntry { next: Seq(0), ..good }], F::NextZero);
    refuse(Coverage::Listed, &[StatusEntry { kept: Seq(0), ..good }], F::KeptZero);
}

#[test]
fn what_no_reader_takes_no_encoder_makes() {
    let mut cases = 0;
    unencodable(&mut |frame, reason| {
        let mut out = vec![7, 7];
        assert_eq!(frame.encode(&mut out).unwrap_err().0, reason, "{frame:?}");
        assert_eq!(out, [7, 7], "the output is as before");
        cases += 1;
    });
    assert_eq!(cases, 20);
    assert!(rumor_prefix(false, false, MAX_BUNDLE_LEN).is_ok());
    for len in [0, 145, MAX_BUNDLE_LEN + 1, usize::MAX] {
        assert_eq!(rumor_prefix(false, false, len).unwrap_err().0, F::BundleLength);
    }
}

#[test]
fn no_list_is_made_that_breaks_the_rules() {
    let id = |n: u16| {
        let mut node = [1; 32];
        node[30..].copy_from_slice(&n.to_be_bytes());
        NodeId(node)
    };
    let links = |n| RevocationEntry { node: id(n), not_after: 0, cut: Cut::Links };
    let lasts: Vec<_> = (0..1025).map(|i| (Incarnation(i), Seq(u64::MAX))).collect();
    let cut = |lasts| RevocationEntry { node: id(1), not_after: 0, cut: Cut::Last(lasts) };
    let many: Vec<_> = (0..1024u16)
        .map(|i| RevocationEntry { node: id(i), not_after: 0, cut: Cut::Last(lasts[..8].into()) })
        .collect();
    let refuse = |number, entries: &[_], reason| {
        assert_eq!(RevocationPart::encode(1, number, 0, entries).unwrap_err().0, reason);
    };
    assert_eq!(RevocationPart::encode(2, 1, 0, &[links(1)]).unwrap_err().0, F::NodePlace);
    refuse(0, &[], F::RevocationNumber);
    refuse(1, &[links(2), links(1)], F::NodeOrder);
    refuse(1, &[links(1), links(1)], F::NodeOrder);
    refuse(1, &[cut(lasts.as_slice().into())], F::CutCount);
    let backwards = [lasts[1], lasts[0]];
    refuse(1, &[cut(backwards.as_slice().into())], F::IncarnationOrder);
    refuse(1, &many, F::RevocationLength);
}
