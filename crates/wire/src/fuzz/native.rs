//! The native protocol under test (docs/protocol.md): frames, streams of them, bundles, STATUS, revocation lists.

use std::sync::Arc;

use super::{Codec, Finding, Stream, canonical, claim, refused, split_is_whole};
use crate::native::{
    BUCKET_COUNT, Buckets, BundleHeader, BundleView, Coverage, Cut, Frame, Hello, LENGTH_LEN, Lasts, ListPart, Member,
    RangeRequest, Revisions, RevocationEntry, RevocationPart, Rumor, SignedHeader, Status, frame_len, kind, place_of,
    rumor_prefix,
};
use crate::{Digest, Incarnation, NodeId, Origin, Seq, Signature};

/// Frames without their length; what is to be skipped counts as refused.
#[derive(Debug)]
pub struct Frames;

impl Codec for Frames {
    type Value<'a> = Frame<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<Frame<'a>, usize> {
        match Frame::decode(bytes).map_err(|e| e.offset)? {
            Frame::Unknown(_) => Err(0),
            frame => Ok(frame),
        }
    }

    fn encode(&self, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        let start = out.len();
        frame.encode(out).map_err(|e| e.to_string())?;
        let body = out.split_off(start).split_off(LENGTH_LEN);
        out.extend_from_slice(&body);
        Ok(())
    }
}

impl Stream for Frames {
    fn cut(&self, bytes: &[u8], _: bool) -> Result<Option<usize>, usize> {
        frame_len(bytes).map_err(|e| e.offset)
    }

    fn prefix_len(&self) -> usize {
        LENGTH_LEN
    }
}

/// Whole bundles, made again from their messages.
#[derive(Debug)]
pub struct Bundles;

impl Codec for Bundles {
    type Value<'a> = BundleView<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<BundleView<'a>, usize> {
        BundleView::parse(bytes).map_err(|e| e.offset)
    }

    fn encode(&self, view: &BundleView<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        let header = view.header();
        let mut builder = crate::native::BundleBuilder::new(header.origin, header.first, header.previous);
        for message in view.messages() {
            builder.push(message.clock, message.kind, message.room, message.body).map_err(|e| e.to_string())?;
        }
        out.extend_from_slice(&builder.seal(*view.signature()));
        Ok(())
    }
}

/// Whole parts of revocation lists, made again from their entries.
#[derive(Debug)]
pub struct Revocations;

impl Codec for Revocations {
    type Value<'a> = RevocationPart<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<RevocationPart<'a>, usize> {
        RevocationPart::parse(bytes).map_err(|e| e.offset)
    }

    fn encode(&self, list: &RevocationPart<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        let entries: Vec<_> = list.entries().collect();
        let signed =
            RevocationPart::encode(list.place(), list.number(), list.issued(), &entries).map_err(|e| e.to_string())?;
        out.extend_from_slice(&RevocationPart::seal(signed, list.signature()));
        Ok(())
    }
}

/// Target `native_frame`: kind and payload of one frame.
///
/// # Errors
/// What does not hold.
pub fn frame(bytes: &[u8]) -> Result<(), Finding> {
    frame_with(&Frames, bytes)
}

/// The body of `native_frame` over any codec of frames.
///
/// # Errors
/// What does not hold.
pub fn frame_with<C: for<'a> Codec<Value<'a> = Frame<'a>>>(codec: &C, bytes: &[u8]) -> Result<(), Finding> {
    canonical(codec, bytes)?;
    match codec.parse(bytes) {
        Ok(Frame::Rumor(rumor)) => rumor_is_prefix_and_bundle(codec, bytes, &rumor),
        Ok(Frame::Hello(hello)) => refused(codec, &Frame::Hello(Hello { min: 0, ..hello })),
        Ok(Frame::Member(member)) => refused(codec, &Frame::Member(Member { evidence: &[], ..member })),
        Ok(Frame::Range(range)) => {
            refused(codec, &Frame::Range(RangeRequest { from: range.until, until: range.from, ..range }))
        }
        Ok(Frame::Buckets(sums)) => {
            let mut array = [[0; 16]; BUCKET_COUNT];
            array.iter_mut().zip(sums.iter()).for_each(|(slot, sum)| *slot = sum);
            claim(sums == Buckets::from(&array), || "sums from an array differ".to_owned())
        }
        Ok(Frame::Revisions(revisions)) => {
            let parts: Vec<_> = revisions.iter().collect();
            claim(parts.is_sorted_by(|a, b| a.0 < b.0), || "parts do not rise".to_owned())?;
            claim(revisions == Revisions::from(parts.as_slice()), || "parts from a slice differ".to_owned())?;
            let backwards: Vec<_> = parts.iter().rev().copied().collect();
            if parts.len() < 2 { Ok(()) } else { refused(codec, &Frame::Revisions(backwards.as_slice().into())) }
        }
        _ => Ok(()),
    }
}

fn rumor_is_prefix_and_bundle<C>(codec: &C, bytes: &[u8], rumor: &Rumor<'_>) -> Result<(), Finding>
where
    C: for<'a> Codec<Value<'a> = Frame<'a>>,
{
    let prefix = rumor_prefix(rumor.want_status, rumor.answers_range, rumor.bundle.len());
    let prefix = prefix.map_err(|e| Finding(e.to_string()))?;
    let whole = [prefix.get(LENGTH_LEN..).unwrap_or_default(), rumor.bundle].concat();
    claim(whole == bytes, || "prefix and bundle are not the frame".to_owned())?;
    let other = BundleHeader { count: rumor.header.count ^ 1, ..rumor.header };
    refused(codec, &Frame::Rumor(Rumor { header: other, ..*rumor }))
}

/// Target `native_stream`: two bytes that draw the sizes of the pieces, then a stream.
///
/// # Errors
/// What does not hold.
pub fn stream(bytes: &[u8]) -> Result<(), Finding> {
    stream_with(&Frames, bytes)
}

/// The body of `native_stream` and its like over any stream.
///
/// # Errors
/// What does not hold.
pub fn stream_with<S: Stream>(stream: &S, bytes: &[u8]) -> Result<(), Finding> {
    let Some((seed, rest)) = bytes.split_first_chunk::<2>() else { return Ok(()) };
    split_is_whole(stream, u16::from_be_bytes(*seed), rest)
}

/// Target `bundle`: one whole bundle.
///
/// # Errors
/// What does not hold.
pub fn bundle(bytes: &[u8]) -> Result<(), Finding> {
    bundle_with(&Bundles, bytes)
}

/// The body of `bundle` over any codec of bundles.
///
/// # Errors
/// What does not hold.
pub fn bundle_with<C: for<'a> Codec<Value<'a> = BundleView<'a>>>(codec: &C, bytes: &[u8]) -> Result<(), Finding> {
    canonical(codec, bytes)?;
    let view = codec.parse(bytes);
    let head = BundleHeader::peek(bytes);
    let Ok(view) = view else { return Ok(()) };
    claim(head == Ok((*view.header(), *view.signature())), || format!("the head reads as {head:?}"))?;
    let parts = [view.header_bytes(), view.signature().as_bytes(), view.message_bytes()].concat();
    claim(parts == bytes && view.bytes() == bytes, || "the parts are not the whole".to_owned())?;
    let clocks: Vec<_> = view.messages().map(|m| m.clock).collect();
    claim(clocks.is_sorted_by(|a, b| a < b), || "clocks do not rise".to_owned())?;
    let ends = (clocks.first().copied(), clocks.last().copied());
    claim(ends == (Some(view.first_clock()), Some(view.last_clock())), || "the ends differ".to_owned())?;
    let next = view.messages().last().and_then(|m| m.seq.0.checked_add(1));
    claim(next == Some(view.header().next().0), || "numbers do not reach the next bundle".to_owned())?;
    let signed = SignedHeader { header: *view.header(), body: Digest::ZERO, signature: Signature::ZERO };
    claim(SignedHeader::parse(&signed.to_bytes()) == Ok(signed), || "the signed header differs".to_owned())
}

/// Target `status`: the payload of a STATUS.
///
/// # Errors
/// What does not hold.
pub fn status(bytes: &[u8]) -> Result<(), Finding> {
    status_with(&Frames, bytes)
}

/// The body of `status` over any codec of frames.
///
/// # Errors
/// What does not hold.
pub fn status_with<C: for<'a> Codec<Value<'a> = Frame<'a>>>(codec: &C, payload: &[u8]) -> Result<(), Finding> {
    let frame = [&[kind::STATUS], payload].concat();
    canonical(codec, &frame)?;
    let Ok(Frame::Status(status)) = codec.parse(&frame) else { return Ok(()) };
    let entries: Vec<_> = status.entries.iter().collect();
    let same_len = entries.len() == status.entries.len() && entries.is_empty() == status.entries.is_empty();
    claim(same_len, || "the count is not the number of entries".to_owned())?;
    claim(entries.is_sorted_by(|a, b| a.origin < b.origin), || "P-S5: origins do not rise".to_owned())?;
    if let Coverage::Range { low, high } = status.coverage {
        let inside = entries.iter().all(|e| (low..=high).contains(&e.origin));
        claim(inside, || "P-S5: an origin outside the coverage".to_owned())?;
    }
    let owned = Status { entries: entries.as_slice().into(), ..status.clone() };
    claim(owned == status, || "entries from a slice differ".to_owned())?;
    if entries.len() > 1 {
        let backwards: Vec<_> = entries.into_iter().rev().collect();
        refused(codec, &Frame::Status(Status { entries: backwards.as_slice().into(), ..status.clone() }))?;
    }
    match status.coverage {
        Coverage::Range { low, high } if low < high => {
            let coverage = Coverage::Range { low: high, high: low };
            refused(codec, &Frame::Status(Status { coverage, ..status.clone() }))
        }
        _ => Ok(()),
    }
}

/// Target `revocation`: one whole part of a revocation list.
///
/// # Errors
/// What does not hold.
pub fn revocation(bytes: &[u8]) -> Result<(), Finding> {
    revocation_with(&Revocations, bytes)
}

/// The body of `revocation` over any codec of lists.
///
/// # Errors
/// What does not hold.
pub fn revocation_with<C>(codec: &C, bytes: &[u8]) -> Result<(), Finding>
where
    C: for<'a> Codec<Value<'a> = RevocationPart<'a>>,
{
    canonical(codec, bytes)?;
    let Ok(list) = codec.parse(bytes) else { return Ok(()) };
    let entries: Vec<_> = list.entries().collect();
    claim(entries.len() == list.len(), || "the count is not the number of entries".to_owned())?;
    claim(entries.is_sorted_by(|a, b| a.node < b.node), || "P-R2: nodes do not rise".to_owned())?;
    let placed = entries.iter().all(|entry| place_of(&entry.node) == list.place());
    claim(placed, || "P-R2: a node in another's part".to_owned())?;
    for entry in &entries {
        let Cut::Last(lasts) = entry.cut else { continue };
        cut_comes_back(entry.node, lasts)?;
    }
    let elsewhere = RevocationPart::encode(list.place().wrapping_add(1), 1, 0, &entries);
    claim(entries.is_empty() || elsewhere.is_err(), || "P-R2: nodes go into another's part".to_owned())?;
    let made =
        |number, entries: &[RevocationEntry<'_>]| RevocationPart::encode(list.place(), number, list.issued(), entries);
    let backwards: Vec<_> = entries.iter().rev().copied().collect();
    claim(made(0, &entries).is_err(), || "a list has number 0".to_owned())?;
    claim(entries.len() < 2 || made(1, &backwards).is_err(), || "P-R2: nodes fall".to_owned())?;
    let whole = [list.signed_part(), list.signature().as_bytes()].concat();
    claim(whole == bytes && list.is_empty() == entries.is_empty(), || "the parts are not the whole".to_owned())?;
    decoded(bytes, &entries)
}

/// What is in force once a part is decoded is what its entries say (P-R3), and encodes to the same bytes.
fn decoded(bytes: &[u8], entries: &[RevocationEntry<'_>]) -> Result<(), Finding> {
    let part = ListPart::decode(bytes).map_err(|why| Finding(format!("a part that parses is not decoded: {why}")))?;
    let again = ListPart::encode(part.place(), part.number(), part.issued(), part.nodes());
    claim(again.is_ok_and(|again| bytes.starts_with(&again)), || "a decoded part encodes to other bytes".to_owned())?;
    let mut force = crate::native::Revocations::default();
    claim(force.take(Arc::new(part)), || "P-R2: a first part is not taken".to_owned())?;
    claim(force.len() == entries.len() && force.is_empty() == entries.is_empty(), || "nodes are lost".to_owned())?;
    claim(force.nodes().map(|(node, _)| *node).eq(entries.iter().map(|entry| entry.node)), || {
        "other nodes".to_owned()
    })?;
    for entry in entries {
        claim(force.revokes(&entry.node), || "a node is not revoked".to_owned())?;
        let limit = |incarnation| force.limit(&Origin { node: entry.node, incarnation });
        match entry.cut {
            Cut::Links => claim(limit(Incarnation(1)).is_none(), || "P-R3: a cut that is none".to_owned())?,
            Cut::Last(lasts) => {
                for (incarnation, last) in lasts.iter() {
                    let next = Some(Seq(last.0.saturating_add(1)));
                    claim(limit(incarnation) == next, || "P-R3: another limit".to_owned())?;
                }
            }
        }
    }
    Ok(())
}

/// The same from a slice, and refused backwards.
fn cut_comes_back(node: NodeId, lasts: Lasts<'_>) -> Result<(), Finding> {
    let owned: Vec<_> = lasts.iter().collect();
    claim(owned.len() == lasts.len() && owned.is_empty() == lasts.is_empty(), || {
        "the count is not the number of incarnations".to_owned()
    })?;
    claim(owned.is_sorted_by(|a, b| a.0 < b.0), || "P-R2: incarnations do not rise".to_owned())?;
    let part =
        |cut: Cut<'_>| RevocationPart::encode(place_of(&node), 1, 0, &[RevocationEntry { node, not_after: 7, cut }]);
    let list = |lasts: &[_]| part(Cut::Last(lasts.into()));
    let wire = part(Cut::Last(lasts));
    let same = lasts == Lasts::from(owned.as_slice());
    claim(same && wire.is_ok() && list(&owned) == wire, || "incarnations from a slice differ".to_owned())?;
    let backwards: Vec<_> = owned.iter().rev().copied().collect();
    claim(owned.len() < 2 || list(&backwards).is_err(), || "P-R2: incarnations fall".to_owned())
}
