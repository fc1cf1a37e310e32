//! Frames that a test says over the link of a member without an engine: their bytes, without the length before them.

use rumormill_wire::HeadHash;
use rumormill_wire::native::{
    BundleHeader, Coverage, EntryState, Member, Proof, Rumor, SignedHeader, Status, StatusEntries, StatusEntry,
};

use super::*;

pub fn encoded(frame: &Frame<'_>) -> Bytes {
    let mut out = Vec::new();
    frame.encode(&mut out).unwrap();
    Bytes::from(out).slice(4..)
}

/// A bundle that may be forged: its header alone is read here.
pub fn rumor(bundle: &[u8]) -> Bytes {
    let (header, _) = BundleHeader::peek(bundle).unwrap();
    encoded(&Frame::Rumor(Rumor { want_status: false, answers_range: false, header, bundle }))
}

/// The certificate of a node, with what is added to it (`certificate`).
pub fn member(node: NodeId, added: &str) -> Bytes {
    encoded(&Frame::Member(Member { node, evidence: &certificate(node, added).bytes }))
}

pub fn proof([a, b]: [SignedHeader; 2]) -> Bytes {
    encoded(&Frame::Proof(Proof { a, b }))
}

/// Some lines of a frontier that is not the receiver's. A test says what is otherwise in its own STATUS.
pub fn listed(entries: &[StatusEntry]) -> Status<'_> {
    Status {
        want_status: false,
        hold: false,
        heard: 0,
        fingerprint: [1; 16],
        origins: 1,
        coverage: Coverage::Listed,
        entries: StatusEntries::from(entries),
    }
}

/// Lines of a frontier that is the same as a node's.
pub fn same_as<'a>(node: &Node, entries: &'a [StatusEntry]) -> Status<'a> {
    let engine = &node.engine;
    let origins = u32::try_from(engine.frontier().count()).unwrap();
    Status { fingerprint: engine.fingerprint(), origins, ..listed(entries) }
}

/// A line that claims a chain up to a number, with a head that is nobody's.
pub fn claim(origin: Origin, next: u64) -> StatusEntry {
    StatusEntry { origin, next: Seq(next), head: HeadHash([9; 16]), kept: Seq::FIRST, state: EntryState::Normal }
}

/// The lines of a STATUS, and none of anything else.
pub fn lines(bytes: &[u8]) -> Vec<StatusEntry> {
    match Frame::decode(bytes) {
        Ok(Frame::Status(status)) => status.entries.iter().collect(),
        _ => Vec::new(),
    }
}
