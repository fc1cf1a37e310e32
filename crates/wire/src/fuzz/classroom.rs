//! The lines of the classroom proxy interface under test. Each target reads its input as one line and as a stream.

use super::{Codec, Finding, Stream, canonical, claim, split_is_whole};
use crate::classroom::{ClassroomError, ProcessLine, ProxyLine, ReplyLine, line_len};

/// Cuts the end off a line; the offset of the fault where there is none.
fn without_end(bytes: &[u8]) -> Result<&[u8], usize> {
    bytes.strip_suffix(b"\n").ok_or(bytes.len())
}

fn done(result: Result<(), ClassroomError>) -> Result<(), String> {
    result.map_err(|e| e.to_string())
}

/// What a proxy is told.
#[derive(Debug)]
pub struct ProxyLines;

impl Codec for ProxyLines {
    type Value<'a> = ProxyLine<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<ProxyLine<'a>, usize> {
        ProxyLine::parse(without_end(bytes)?).map_err(|e| e.offset)
    }

    fn encode(&self, line: &ProxyLine<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        done(line.encode(out))
    }
}

/// What a process is told.
#[derive(Debug)]
pub struct ProcessLines;

impl Codec for ProcessLines {
    type Value<'a> = ProcessLine<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<ProcessLine<'a>, usize> {
        ProcessLine::parse(without_end(bytes)?).map_err(|e| e.offset)
    }

    fn encode(&self, line: &ProcessLine<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        done(line.encode(out))
    }
}

/// What a process answers.
#[derive(Debug)]
pub struct ReplyLines;

impl Codec for ReplyLines {
    type Value<'a> = ReplyLine<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<ReplyLine<'a>, usize> {
        ReplyLine::parse(without_end(bytes)?).map_err(|e| e.offset)
    }

    fn encode(&self, line: &ReplyLine<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        done(line.encode(out))
    }
}

macro_rules! lines {
    ($($codec:ident)+) => {$(
        impl Stream for $codec {
            fn cut(&self, bytes: &[u8], _: bool) -> Result<Option<usize>, usize> {
                line_len(bytes).map_err(|e| e.offset)
            }
        }
    )+};
}

lines!(ProxyLines ProcessLines ReplyLines);

/// The body of lines that have one form.
///
/// # Errors
/// What does not hold.
pub fn lines_with<S: Stream>(codec: &S, bytes: &[u8]) -> Result<(), Finding> {
    canonical(codec, &[bytes, b"\n"].concat())?;
    split_is_whole(codec, u16::try_from(bytes.len() & 0xffff).unwrap_or_default(), bytes)
}

/// The body of lines that are typed: blanks around a line change nothing, and what it reads as has one form.
///
/// # Errors
/// What does not hold.
pub fn typed_with<S: Stream>(codec: &S, bytes: &[u8]) -> Result<(), Finding> {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let line = [line, b"\n"].concat();
    let blank = [b" \t", line.strip_suffix(b"\n").unwrap_or_default(), b"\t \r\n"].concat();
    let mut form = Vec::new();
    if let Ok(value) = codec.parse(&line) {
        let again = codec.parse(&blank).map_err(|at| Finding(format!("with blanks it is refused at byte {at}")))?;
        claim(again == value, || format!("{value:?} with blanks around it is {again:?}"))?;
        let made = codec.encode(&value, &mut form);
        made.map_err(|why| Finding(format!("{value:?} parsed but has no encoding: {why}")))?;
        let again = codec.parse(&form).map_err(|at| Finding(format!("its own encoding is refused at byte {at}")))?;
        claim(again == value, || format!("{value:?} came back as {again:?}"))?;
        canonical(codec, &form)?;
    }
    split_is_whole(codec, u16::try_from(bytes.len() & 0xffff).unwrap_or_default(), bytes)
}

/// Target `classroom_proxy`.
///
/// # Errors
/// What does not hold.
pub fn proxy(bytes: &[u8]) -> Result<(), Finding> {
    typed_with(&ProxyLines, bytes)
}

/// Target `classroom_process`.
///
/// # Errors
/// What does not hold.
pub fn process(bytes: &[u8]) -> Result<(), Finding> {
    typed_with(&ProcessLines, bytes)
}

/// Target `classroom_reply`: also, any texts make one line that reads as they do.
///
/// # Errors
/// What does not hold.
pub fn reply(bytes: &[u8]) -> Result<(), Finding> {
    lines_with(&ReplyLines, bytes)?;
    let Ok(text) = core::str::from_utf8(bytes) else { return Ok(()) };
    let mut out = Vec::new();
    ReplyLine::encode_log(text.split(','), &mut out);
    let read = ReplyLines.parse(&out).map_err(|at| Finding(format!("its own reply is refused at byte {at}")))?;
    let clean: String = text.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect();
    claim(read.payload == clean, || format!("{clean:?} came back as {:?}", read.payload))
}
