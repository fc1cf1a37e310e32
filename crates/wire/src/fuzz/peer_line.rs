//! The lines of the menu chat under test.

use super::{Codec, Finding, Stream, canonical, claim, split_is_whole};
use crate::peer_line::{Line, Online, bare_port, message_len, trim};

/// Messages as they are encoded.
pub struct Lines;

impl Codec for Lines {
    type Value<'a> = Line<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<Line<'a>, usize> {
        Line::parse(bytes).map_err(|e| e.offset)
    }

    fn encode(&self, line: &Line<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        line.encode(out).map_err(|e| e.to_string())
    }
}

/// Messages as a stream, each with its line end; only the last may lack it.
pub struct LineStream;

impl Codec for LineStream {
    type Value<'a> = Line<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<Line<'a>, usize> {
        Lines.parse(trim(bytes))
    }

    fn encode(&self, line: &Line<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        Lines.encode(line, out)
    }
}

impl Stream for LineStream {
    fn cut(&self, bytes: &[u8], ended: bool) -> Result<Option<usize>, usize> {
        message_len(bytes, ended).map_err(|e| e.offset)
    }
}

/// Answers to the question who is online.
pub struct Answers;

impl Codec for Answers {
    type Value<'a> = Online<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<Online<'a>, usize> {
        Online::parse(bytes).map_err(|e| e.offset)
    }

    fn encode(&self, online: &Online<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        let (all, start) = (online.addresses().count(), out.len());
        let made = Online::encode(online.addresses(), usize::MAX, out).map_err(|e| e.to_string())?;
        if made == all { Ok(()) } else { Err(format!("{made} of {all} in {} bytes", out.len().saturating_sub(start))) }
    }
}

/// Target `peer_line`: a message, an answer, a port, or a stream of messages.
///
/// # Errors
/// What does not hold.
pub fn peer_line(bytes: &[u8]) -> Result<(), Finding> {
    canonical(&Answers, bytes)?;
    if let Some(port) = bare_port(bytes) {
        claim(port.to_string().as_bytes() == bytes, || format!("{bytes:02x?} is read as port {port}"))?;
    }
    let inner = trim(bytes);
    claim(trim(inner) == inner, || format!("{bytes:02x?} can be trimmed again"))?;
    split_is_whole(&LineStream, u16::try_from(bytes.len() & 0xffff).unwrap_or_default(), bytes)?;
    line_with(&Lines, bytes)
}

/// The part of `peer_line` that reads a message, over any codec of messages.
///
/// # Errors
/// What does not hold.
pub fn line_with<C: for<'a> Codec<Value<'a> = Line<'a>>>(codec: &C, bytes: &[u8]) -> Result<(), Finding> {
    canonical(codec, bytes).map(drop)
}
