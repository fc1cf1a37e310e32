//! PUSH and PULL: the plain requests of older clients on the loopback port 60085, and what they get back.
//!
//! A request has no mark at its end: it ends at a newline, at the end of the stream or when nothing more comes.
//! [`request_len`] says which bytes are one; [`Request::parse`] reads them. A reply and each item go out in a write of
//! their own, since the clients take one read as one of them; nothing in the bytes would tell them apart.
//!
//! | request | reply |
//! |---|---|
//! | `PUSH IP:<destination> MSG:<contents>` | `SUCCESS` or `FAIL` |
//! | `PULL` | `FAIL`, or `SUCCESS <count>` and `count` items `IP: <source> MSG:<contents>` |
//!
//! Destination and source end at the first ` MSG:`; contents may hold it again. The frames between the older nodes are
//! in [`relay`].

mod fault;
mod glued;
mod head;
pub mod relay;

use nom::{
    FindSubstring, Parser,
    bytes::complete::{tag, take_until},
    character::complete::digit1,
};

pub use fault::{PushPullEncodeError, PushPullError, PushPullFault};

use crate::parse::{Fault, ensure, fault, run, utf8};

type Parse<'a, T> = crate::parse::Parse<'a, T, PushPullFault>;

/// Contents of a request, in bytes: a whole message body.
pub const MAX_CONTENTS_LEN: usize = 32_768;
/// A destination or source, in bytes.
pub const MAX_ADDRESS_LEN: usize = 255;
/// A request with its line end, in bytes.
pub const MAX_REQUEST_LEN: usize = PUSH.len() + MAX_ADDRESS_LEN + MESSAGE.len() + MAX_CONTENTS_LEN + "\r\n".len();
/// An item, in bytes: what the older clients read at once.
pub const MAX_ITEM_LEN: usize = 2_048;

/// How a request to send begins.
pub const PUSH: &str = "PUSH IP:";
/// The request for what has come in.
pub const PULL: &str = "PULL";
/// How an item begins.
pub const ITEM: &str = "IP: ";
/// What stands before contents.
pub const MESSAGE: &str = " MSG:";
/// The good reply; to PULL a blank and the count of items follow.
pub const SUCCESS: &str = "SUCCESS";
/// The bad reply: nothing was done.
pub const FAIL: &str = "FAIL";

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// Send contents to a destination.
    Push {
        /// A name, a node id or an address with or without a port, as typed.
        destination: &'a str,
        /// What the letter says: one line, up to [`MAX_CONTENTS_LEN`] bytes.
        contents: &'a str,
    },
    /// Hand over what has come in.
    Pull,
}

/// Bytes of the request that begins here, its line end included. `ended` says that no more will come for now: end of the
/// stream, or a pause. `None` asks for more bytes.
///
/// # Errors
/// It is longer than [`MAX_REQUEST_LEN`], however it may go on.
pub fn request_len(bytes: &[u8], ended: bool) -> Result<Option<usize>, PushPullError> {
    let line = bytes.find_substring("\n").map(|at| at.saturating_add(1));
    let len = line.or(ended.then_some(bytes.len()));
    if len.unwrap_or(bytes.len()) > MAX_REQUEST_LEN {
        return Err(PushPullError { offset: MAX_REQUEST_LEN, reason: PushPullFault::RequestLength });
    }
    Ok(len.filter(|len| *len > 0))
}

impl<'a> Request<'a> {
    /// Reads one whole request, with or without a line end (`\n` or `\r\n`).
    ///
    /// # Errors
    /// It is no request; to be answered with `FAIL`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PushPullError> {
        if bytes.len() > MAX_REQUEST_LEN {
            return Err(PushPullError { offset: MAX_REQUEST_LEN, reason: PushPullFault::RequestLength });
        }
        let line = bytes.strip_suffix(b"\n").map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line));
        read(line, request)
    }

    /// Appends the request without a line end.
    ///
    /// # Errors
    /// It would not be read as the same; `out` is as before.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), PushPullEncodeError> {
        match self {
            Self::Pull => put(out, &[PULL]),
            Self::Push { destination, contents } => {
                check_address(destination)?;
                check(contents.len() <= MAX_CONTENTS_LEN, PushPullFault::ContentsLength)?;
                check(!contents.contains('\n'), PushPullFault::Newline)?;
                put(out, &[PUSH, destination, MESSAGE, contents]);
            }
        }
        Ok(())
    }
}

/// The answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// What was pushed is durably queued.
    Success,
    /// As many items follow.
    Count(u32),
    /// Refused, and nothing was done.
    Fail,
}

impl Reply {
    /// Reads one whole reply.
    ///
    /// # Errors
    /// It is no reply.
    pub fn parse(bytes: &[u8]) -> Result<Self, PushPullError> {
        read(bytes, reply)
    }

    /// Appends the reply. It has no line end: it goes out in a write of its own.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Success => put(out, &[SUCCESS]),
            Self::Count(count) => put(out, &[SUCCESS, " ", &count.to_string()]),
            Self::Fail => put(out, &[FAIL]),
        }
    }
}

/// One message that PULL hands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<'a> {
    /// Who sent it, as a name or an address: no more than [`MAX_ADDRESS_LEN`] bytes.
    pub source: &'a str,
    /// What; line ends and ` MSG:` are part of it.
    pub contents: &'a str,
}

impl<'a> Item<'a> {
    /// Reads one whole item.
    ///
    /// # Errors
    /// It is no item.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PushPullError> {
        if bytes.len() > MAX_ITEM_LEN {
            return Err(PushPullError { offset: MAX_ITEM_LEN, reason: PushPullFault::ItemLength });
        }
        read(bytes, item)
    }

    /// Appends the item. It has no end: each goes out in a write of its own.
    ///
    /// # Errors
    /// It would not be read as the same; `out` is as before.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), PushPullEncodeError> {
        check_address(self.source)?;
        let parts = [ITEM, self.source, MESSAGE, self.contents];
        let len = parts.iter().fold(0, |sum: usize, part| sum.saturating_add(part.len()));
        check(len <= MAX_ITEM_LEN, PushPullFault::ItemLength)?;
        put(out, &parts);
        Ok(())
    }
}

fn read<'a, T>(
    input: &'a [u8],
    parser: impl Parser<&'a [u8], Output = T, Error = Fault<'a, PushPullFault>>,
) -> Result<T, PushPullError> {
    run(input, PushPullFault::Trailing, parser).map_err(|(offset, reason)| PushPullError { offset, reason })
}

/// What follows `word`, if it stands here.
fn after<'a>(word: &'static str, input: &'a [u8]) -> Option<&'a [u8]> {
    tag::<_, _, Fault<'_, PushPullFault>>(word).parse(input).ok().map(|(rest, _)| rest)
}

fn request(line: &[u8]) -> Parse<'_, Request<'_>> {
    if let Some(rest) = after(PULL, line) {
        return Ok((rest, Request::Pull));
    }
    let Some(start) = after(PUSH, line) else { return fault(line, PushPullFault::Verb) };
    let (at_contents, destination) = address(start)?;
    ensure(at_contents.len() <= MAX_CONTENTS_LEN, at_contents, PushPullFault::ContentsLength)?;
    if let Some(newline) = at_contents.find_substring("\n") {
        return fault(at_contents.get(newline..).unwrap_or_default(), PushPullFault::Newline);
    }
    let contents = utf8(at_contents, at_contents, PushPullFault::Utf8)?;
    Ok((&[], Request::Push { destination, contents }))
}

fn item(input: &[u8]) -> Parse<'_, Item<'_>> {
    let Some(start) = after(ITEM, input) else { return fault(input, PushPullFault::Verb) };
    let (at_contents, source) = address(start)?;
    Ok((&[], Item { source, contents: utf8(at_contents, at_contents, PushPullFault::Utf8)? }))
}

/// A destination or source, and the ` MSG:` that ends it.
fn address(input: &[u8]) -> Parse<'_, &str> {
    let Ok((rest, bytes)) = take_until::<_, _, Fault<'_, PushPullFault>>(MESSAGE).parse(input) else {
        return fault(input, PushPullFault::NoContents);
    };
    let address = utf8(bytes, input, PushPullFault::Utf8)?;
    ensure(is_address(address), input, PushPullFault::Address)?;
    Ok((after(MESSAGE, rest).unwrap_or_default(), address))
}

/// What stands before the first ` MSG:` may be an address.
fn is_address(text: &str) -> bool {
    let controls =
        if text.is_ascii() { text.bytes().any(|b| b.is_ascii_control()) } else { text.chars().any(char::is_control) };
    (1..=MAX_ADDRESS_LEN).contains(&text.len()) && !controls
}

fn reply(input: &[u8]) -> Parse<'_, Reply> {
    if let Some(rest) = after(FAIL, input) {
        return Ok((rest, Reply::Fail));
    }
    let Some(rest) = after(SUCCESS, input) else { return fault(input, PushPullFault::Reply) };
    match after(" ", rest) {
        None => Ok((rest, Reply::Success)),
        Some(digits) => decimal(digits).map(|(rest, count)| (rest, Reply::Count(count))),
    }
}

/// A number without sign or leading zero, the one form of it.
fn decimal(input: &[u8]) -> Parse<'_, u32> {
    let (rest, digits) =
        digit1::<_, Fault<'_, PushPullFault>>(input).or_else(|_| fault(input, PushPullFault::Number))?;
    let number = core::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    match number {
        Some(number) if digits.len() == 1 || !digits.starts_with(b"0") => Ok((rest, number)),
        _ => fault(input, PushPullFault::Number),
    }
}

fn put(out: &mut Vec<u8>, parts: &[&str]) {
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
}

fn check(holds: bool, reason: PushPullFault) -> Result<(), PushPullEncodeError> {
    if holds { Ok(()) } else { Err(PushPullEncodeError(reason)) }
}

fn check_address(text: &str) -> Result<(), PushPullEncodeError> {
    check(is_address(text) && !text.contains(MESSAGE), PushPullFault::Address)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests;
