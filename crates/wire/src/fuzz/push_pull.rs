//! The plain forms of older clients and nodes under test.

use super::{Codec, Finding, Stream, canonical, claim, native::stream_with, split_is_whole};
use crate::push_pull::relay::{MAX_BARE_LEN, Piece, RelayFrame, bare_len, frame_len, piece};
use crate::push_pull::{Item, Reply, Request, request_len};

/// Requests; one with a line end counts as refused, since it is not how they are encoded.
#[derive(Debug)]
pub struct Requests;

impl Codec for Requests {
    type Value<'a> = Request<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<Request<'a>, usize> {
        if bytes.ends_with(b"\n") { Err(bytes.len()) } else { Request::parse(bytes).map_err(|e| e.offset) }
    }

    fn encode(&self, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        request.encode(out).map_err(|e| e.to_string())
    }
}

/// Requests as a stream, each with its line end; only the last may lack it.
#[derive(Debug)]
pub struct RequestLines;

impl Codec for RequestLines {
    type Value<'a> = Request<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<Request<'a>, usize> {
        Request::parse(bytes).map_err(|e| e.offset)
    }

    fn encode(&self, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        Requests.encode(request, out)
    }
}

impl Stream for RequestLines {
    fn cut(&self, bytes: &[u8], ended: bool) -> Result<Option<usize>, usize> {
        request_len(bytes, ended).map_err(|e| e.offset)
    }
}

/// Replies to PUSH and PULL: `SUCCESS`, with or without a count, and `FAIL`.
#[derive(Debug)]
pub struct Replies;

impl Codec for Replies {
    type Value<'a> = Reply;

    fn parse(&self, bytes: &[u8]) -> Result<Reply, usize> {
        Reply::parse(bytes).map_err(|e| e.offset)
    }

    fn encode(&self, reply: &Reply, out: &mut Vec<u8>) -> Result<(), String> {
        reply.encode(out);
        Ok(())
    }
}

/// Items, as they follow the reply to a PULL.
#[derive(Debug)]
pub struct Items;

impl Codec for Items {
    type Value<'a> = Item<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<Item<'a>, usize> {
        Item::parse(bytes).map_err(|e| e.offset)
    }

    fn encode(&self, item: &Item<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        item.encode(out).map_err(|e| e.to_string())
    }
}

/// Frames between older nodes.
#[derive(Debug)]
pub struct RelayFrames;

impl Codec for RelayFrames {
    type Value<'a> = RelayFrame<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<RelayFrame<'a>, usize> {
        RelayFrame::decode(bytes).map_err(|e| e.offset)
    }

    fn encode(&self, frame: &RelayFrame<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        frame.encode(out).map_err(|e| e.to_string())
    }
}

impl Stream for RelayFrames {
    fn cut(&self, bytes: &[u8], _: bool) -> Result<Option<usize>, usize> {
        frame_len(bytes).map_err(|e| e.offset)
    }
}

/// Target `push_pull`: a request, a reply, an item, or a stream of requests.
///
/// # Errors
/// What does not hold.
pub fn push_pull(bytes: &[u8]) -> Result<(), Finding> {
    canonical(&Replies, bytes)?;
    canonical(&Items, bytes)?;
    split_is_whole(&RequestLines, u16::try_from(bytes.len() & 0xffff).unwrap_or_default(), bytes)?;
    request_with(&Requests, bytes)
}

/// The part of `push_pull` that reads a request, over any codec of requests.
///
/// # Errors
/// What does not hold.
pub fn request_with<C: for<'a> Codec<Value<'a> = Request<'a>>>(codec: &C, bytes: &[u8]) -> Result<(), Finding> {
    if !canonical(codec, bytes)? {
        return Ok(());
    }
    // The line end is no part of the request, unless what stands before it makes it one of the other kind.
    let ends: &[&[u8]] = if bytes.ends_with(b"\r") { &[] } else { &[b"\n", b"\r\n"] };
    for end in ends {
        let line = [bytes, end].concat();
        let (with, without) = (Request::parse(&line), Request::parse(bytes));
        claim(with == without, || format!("{without:?} with a line end is {with:?}"))?;
    }
    Ok(())
}

/// Target `relay_43110`: two bytes that draw the sizes of the pieces, then a stream of frames.
///
/// # Errors
/// What does not hold.
pub fn relay(bytes: &[u8]) -> Result<(), Finding> {
    relay_with(&RelayFrames, bytes)
}

/// The body of `relay_43110` over any codec of its frames.
///
/// # Errors
/// What does not hold.
pub fn relay_with<C: Stream + for<'a> Codec<Value<'a> = RelayFrame<'a>>>(
    codec: &C,
    bytes: &[u8],
) -> Result<(), Finding> {
    stream_with(codec, bytes)?;
    let frames = bytes.get(2..).unwrap_or_default();
    canonical(codec, frames)?;
    let bare = bare_len(frames);
    claim(bare <= frames.len(), || "a bare text longer than the input".to_owned())?;
    let rest = frames.get(bare..).unwrap_or_default();
    claim(rest.is_empty() || matches!(codec.cut(rest, false), Ok(Some(_))), || {
        "no frame after a bare text".to_owned()
    })?;
    glued(bytes)
}

/// Pieces of a link: whatever came first is the same piece when more has come, and a pause ends each text.
fn glued(bytes: &[u8]) -> Result<(), Finding> {
    let (drawn, mut rest) = bytes.split_at_checked(2).unwrap_or((&[], bytes));
    let step = usize::from(drawn.first().copied().unwrap_or(0)).saturating_add(1);
    while let Ok(Some(first)) = piece(rest, true) {
        let (Piece::Frame(len) | Piece::Bare(len)) = first;
        claim((1..=rest.len()).contains(&len), || format!("a piece of {len} of {} bytes", rest.len()))?;
        let (head, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        match first {
            Piece::Frame(_) => claim(frame_len(head) == Ok(Some(len)), || "a frame of another length".to_owned())?,
            Piece::Bare(_) => claim(len <= MAX_BARE_LEN, || format!("a text of {len} bytes"))?,
        }
        let soon = (0..rest.len()).step_by(step).filter_map(|end| rest.get(..end));
        for part in soon.take(64) {
            if let Ok(Some(early)) = piece(part, false) {
                let whole = piece(rest, false);
                claim(whole == Ok(Some(early)), || format!("{early:?} of {} bytes is {whole:?}", part.len()))?;
            }
        }
        rest = after;
    }
    Ok(())
}
