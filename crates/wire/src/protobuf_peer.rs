//! The frames of the length-prefixed protobuf peer: a big-endian length of four bytes, then so many bytes of a message of
//! the package `cs2`.
//!
//! What the body says is read by the door, with types made from its `.proto`. Here is what has to hold before anything is
//! made of it: [`frame_len`] says how long the frame is, and [`check_body`] walks over the body as proto3 has it, without
//! copying. What `check_body` takes, proto3 reads: fields may come in any order, stand there with their default, or be
//! unknown. Groups, which proto3 does not have, are refused.

use nom::{
    Parser,
    bytes::complete::take,
    number::complete::{be_u32, u8 as byte},
};

use crate::parse::{Fault, Reason, ensure, fault, run, utf8};

type Parse<'a, T> = crate::parse::Parse<'a, T, PeerFault>;

/// Bytes of the length.
pub const LENGTH_LEN: usize = 4;
/// A body that is read, in bytes: more than the older program can take, since its own may be a little longer than what we
/// send.
pub const MAX_BODY_LEN: usize = 131_072;
/// A body that is sent, in bytes: what the older program has been seen to take.
pub const MAX_SENT_LEN: usize = 100_000;

/// Bytes that are not what they should be. Carries nothing of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {reason}")]
pub struct PeerError {
    /// Where the part begins that is wrong, counted from the start of what was parsed.
    pub offset: usize,
    /// What is wrong with it.
    pub reason: PeerFault,
}

/// What is wrong with a frame or its body, for programs and people. It quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum PeerFault {
    /// The input ends inside a value.
    #[error("the input ends here too early")]
    Truncated,
    /// Something follows that does not belong there.
    #[error("something is left over")]
    Trailing,
    /// The length of a frame is zero or over the maximum.
    #[error("a frame length that is zero or too high")]
    Length,
    /// A number of more than 64 bits.
    #[error("a number of more than 64 bits")]
    Varint,
    /// A field with number 0, a number that is too high, or a form that proto3 does not have.
    #[error("not the key of a field")]
    Key,
    /// A known field in the form of another type.
    #[error("a field of another type")]
    Type,
    /// Not UTF-8.
    #[error("not UTF-8")]
    Utf8,
}

impl Reason for PeerFault {
    const TRUNCATED: Self = Self::Truncated;
}

/// A body that is empty or too long to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot send a body of {0} bytes")]
pub struct PeerEncodeError(pub usize);

/// Bytes of the frame that begins here, its length included, as soon as that is there; `None` asks for more bytes.
///
/// # Errors
/// No frame is that long, or empty. What HTTP begins with is no length either.
pub fn frame_len(bytes: &[u8]) -> Result<Option<usize>, PeerError> {
    let Some((length, _)) = bytes.split_first_chunk::<LENGTH_LEN>() else { return Ok(None) };
    read(length, frame_length).map(|body| Some(LENGTH_LEN.saturating_add(body)))
}

/// The body of exactly one frame, not yet checked.
///
/// # Errors
/// It is no frame, or more than one.
pub fn body(frame: &[u8]) -> Result<&[u8], PeerError> {
    read(frame, |input| frame_length(input).and_then(|(rest, length)| take(length)(rest)))
}

/// Appends a frame with this body.
///
/// # Errors
/// The body is empty or longer than [`MAX_SENT_LEN`]; `out` is as before.
pub fn put_frame(body: &[u8], out: &mut Vec<u8>) -> Result<(), PeerEncodeError> {
    put_length(body.len(), out)?;
    out.extend_from_slice(body);
    Ok(())
}

/// Appends what stands before a body of so many bytes, for who writes the body in parts.
///
/// # Errors
/// As [`put_frame`].
pub fn put_length(body: usize, out: &mut Vec<u8>) -> Result<(), PeerEncodeError> {
    let length = u32::try_from(body).ok().filter(|_| (1..=MAX_SENT_LEN).contains(&body));
    out.extend_from_slice(&length.ok_or(PeerEncodeError(body))?.to_be_bytes());
    Ok(())
}

/// Sees that a body has the form of a `PeerMessage`: each field whole, each known field of its type, texts UTF-8.
///
/// # Errors
/// The first place where it has not.
pub fn check_body(body: &[u8]) -> Result<(), PeerError> {
    if body.len() > MAX_BODY_LEN {
        return Err(PeerError { offset: MAX_BODY_LEN, reason: PeerFault::Length });
    }
    read(body, |input| fields(input, PEER_MESSAGE))
}

fn read<'a, T>(input: &'a [u8], parser: impl FnMut(&'a [u8]) -> Parse<'a, T>) -> Result<T, PeerError> {
    run(input, PeerFault::Trailing, parser).map_err(|(offset, reason)| PeerError { offset, reason })
}

fn frame_length(input: &[u8]) -> Parse<'_, usize> {
    let (rest, length) = be_u32(input)?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    ensure((1..=MAX_BODY_LEN).contains(&length), input, PeerFault::Length)?;
    Ok((rest, length))
}

/// What a known field holds.
#[derive(Clone, Copy)]
enum Holds {
    Number,
    Text,
    Message(Fields),
}

/// The known fields of a message, by number.
type Fields = &'static [(u64, Holds)];

const PEER_MESSAGE: Fields = &[
    (1, Holds::Number),
    (2, Holds::Message(&[(1, Holds::Number), (2, Holds::Number), (3, Holds::Text)])),
    (3, Holds::Message(&[(1, Holds::Number), (2, Holds::Message(IDS)), (3, Holds::Message(ID))])),
    (4, Holds::Message(ID)),
    (5, Holds::Message(IDS)),
];
const ID: Fields = &[(1, Holds::Number)];
/// An id and another number: a second id, or whether something went wrong.
const IDS: Fields = &[(1, Holds::Number), (2, Holds::Number)];

/// The ways in which a value follows its key.
const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const LENGTH: u64 = 2;
const FOUR_BYTES: u64 = 5;

/// Fields to the end of the input.
fn fields<'a>(mut input: &'a [u8], known: Fields) -> Parse<'a, ()> {
    while !input.is_empty() {
        let (rest, key) = varint(input)?;
        let (number, way) = (key >> 3, key & 7);
        ensure(number != 0 && key <= u64::from(u32::MAX), input, PeerFault::Key)?;
        let holds = known.iter().find_map(|(known, holds)| (*known == number).then_some(*holds));
        let expected = holds.map(|holds| if matches!(holds, Holds::Number) { VARINT } else { LENGTH });
        ensure(expected.is_none_or(|expected| expected == way), input, PeerFault::Type)?;
        input = match way {
            VARINT => varint(rest)?.0,
            EIGHT_BYTES => take(8usize)(rest)?.0,
            FOUR_BYTES => take(4usize)(rest)?.0,
            LENGTH => delimited(rest, holds)?,
            _ => return fault(input, PeerFault::Key),
        };
    }
    Ok((input, ()))
}

/// A length and so many bytes; gives what follows them.
fn delimited(input: &[u8], holds: Option<Holds>) -> Result<&[u8], nom::Err<Fault<'_, PeerFault>>> {
    let (start, length) = varint(input)?;
    let (after, value) = take(usize::try_from(length).unwrap_or(usize::MAX))(start)?;
    match holds {
        Some(Holds::Text) => utf8(value, start, PeerFault::Utf8).map(drop)?,
        // The fault of a part lies within the part; what counts is how far it lies from the end of the whole.
        Some(Holds::Message(known)) => fields(value, known).map(drop).map_err(|error| {
            error.map(|Fault { rest, reason }| Fault {
                rest: start.get(value.len().saturating_sub(rest.len())..).unwrap_or_default(),
                reason,
            })
        })?,
        Some(Holds::Number) | None => {}
    }
    Ok(after)
}

/// A number in base 128, lowest part first. proto3 readers take forms that are longer than they need be.
fn varint(input: &[u8]) -> Parse<'_, u64> {
    let (mut rest, mut value, mut shift) = (input, 0, 0u32);
    loop {
        let (after, b) = byte.parse(rest)?;
        // The tenth byte has room for one bit, so there is no eleventh.
        ensure(shift < 63 || b <= 1, input, PeerFault::Varint)?;
        value |= u64::from(b & 0x7f) << shift;
        if b < 0x80 {
            return Ok((after, value));
        }
        (rest, shift) = (after, shift.saturating_add(7));
    }
}

#[cfg(test)]
mod tests;
