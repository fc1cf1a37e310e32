//! The lines of the menu chat under test.

use super::{Codec, Finding, Stream, canonical, claim, split_is_whole};
use crate::peer_line::{Line, Online, Sender, bare_port, is_greeting, is_question, message_len, trim};

/// Messages as they are encoded.
#[derive(Debug)]
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
#[derive(Debug)]
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
#[derive(Debug)]
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
    claim(is_question(bytes) == is_question(inner), || "a question with another around it".to_owned())?;
    words(inner)?;
    shorter(inner)?;
    split_is_whole(&LineStream, u16::try_from(bytes.len() & 0xffff).unwrap_or_default(), bytes)?;
    line_with(&Lines, bytes)
}

/// A message that is one of the words is nothing else, and no port.
fn words(message: &[u8]) -> Result<(), Finding> {
    let Ok(text) = core::str::from_utf8(message) else { return Ok(()) };
    claim(!is_greeting(text) || bare_port(message).is_none(), || format!("{text:?} is a port"))?;
    let Ok(line) = Line::parse(message) else { return Ok(()) };
    let bracketed = matches!(line.sender, Sender::Bracketed(_));
    let word = line.text.trim().to_ascii_lowercase();
    let expected = word == "exit" || bracketed && word == "quit";
    claim(line.is_exit() == expected && !is_greeting(text), || format!("{text:?}: exit is {}", line.is_exit()))
}

/// An answer cut to fewer bytes is the beginning of the whole; one with a port that is none is not made.
fn shorter(answer: &[u8]) -> Result<(), Finding> {
    let Ok(online) = Online::parse(answer) else { return Ok(()) };
    let (most, mut out) = (answer.len() / 2, vec![0xa5]);
    let made = Online::encode(online.addresses(), most, &mut out).map_err(|why| Finding(why.to_string()))?;
    let cut = out.split_off(1);
    claim(cut.len() <= most && answer.starts_with(&cut), || format!("{cut:02x?} of {answer:02x?}"))?;
    let none = core::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let refused = Online::encode(online.addresses().take(made).chain([none]), usize::MAX, &mut out);
    claim(refused.is_err() && out == [0xa5], || format!("port 0 is made into {out:02x?}"))
}

/// The part of `peer_line` that reads a message, over any codec of messages.
///
/// # Errors
/// What does not hold.
pub fn line_with<C: for<'a> Codec<Value<'a> = Line<'a>>>(codec: &C, bytes: &[u8]) -> Result<(), Finding> {
    canonical(codec, bytes).map(drop)
}
