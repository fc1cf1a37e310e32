//! The head of a plain frame, `<length>|<code>|`, and whether one stands in what came so far.

use nom::{
    Parser,
    bytes::complete::{take, take_while_m_n},
};

use super::fault::{PushPullError, PushPullFault};
use super::{MAX_CONTENTS_LEN, Parse, read};
use crate::parse::{before, ensure, utf8};

/// Bytes of a code.
pub const CODE_LEN: usize = 4;
/// What `length` may be at most: code, `|` and a whole message body.
pub const MAX_LENGTH: usize = CODE_LEN + 1 + MAX_CONTENTS_LEN;
/// The least that `length` may be: code and `|`.
pub(super) const MIN_LENGTH: usize = CODE_LEN + 1;
/// Digits of [`MAX_LENGTH`].
const MAX_DIGITS: usize = 5;

/// Bytes before the first place where a frame begins with length and code, or all. For the start of a link only, where
/// a text may stand without a frame.
#[must_use]
pub fn bare_len(bytes: &[u8]) -> usize {
    let begins = |at: &usize| bytes.get(*at..).is_some_and(|rest| head(rest).is_ok());
    (0..bytes.len()).find(begins).unwrap_or(bytes.len())
}

/// `<length>|`.
pub(super) fn length(input: &[u8]) -> Parse<'_, usize> {
    let (rest, digits) = take_while_m_n(0, MAX_DIGITS.saturating_add(1), |b: u8| b.is_ascii_digit()).parse(input)?;
    let number = core::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<usize>().ok());
    // More digits can make a number that is too low good, but none that is too high or begins with 0.
    ensure(digits.is_empty() || number.is_some_and(|n| n <= MAX_LENGTH), input, PushPullFault::FrameLength)?;
    ensure(!digits.starts_with(b"0"), input, PushPullFault::FrameLength)?;
    ensure(!rest.is_empty(), rest, PushPullFault::Truncated)?;
    let number = number.unwrap_or(0);
    ensure(number >= MIN_LENGTH, input, PushPullFault::FrameLength)?;
    bar(rest).map(|(rest, ())| (rest, number))
}

fn bar(input: &[u8]) -> Parse<'_, ()> {
    let (rest, byte) = take(1usize)(input)?;
    ensure(byte == b"|", input, PushPullFault::Bar)?;
    Ok((rest, ()))
}

/// `<length>|<code>|`: the payload's length and the code.
pub(super) fn head(input: &[u8]) -> Parse<'_, (usize, &str)> {
    let (at_code, length) = length(input)?;
    // As soon as it can be none.
    ensure(is_code_so_far(at_code.get(..CODE_LEN).unwrap_or(at_code)), at_code, PushPullFault::Code)?;
    let (rest, code) = take(CODE_LEN)(at_code)?;
    let code = utf8(code, at_code, PushPullFault::Code)?;
    let (rest, ()) = bar(rest)?;
    Ok((rest, (length.saturating_sub(MIN_LENGTH), code)))
}

pub(super) fn is_code(code: &[u8]) -> bool {
    code.len() == CODE_LEN && is_code_so_far(code)
}

fn is_code_so_far(code: &[u8]) -> bool {
    code.iter().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'))
}

/// Whether length and code stand here, or still may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    /// They do, and the whole frame has so many bytes.
    There(usize),
    /// What is here is the beginning of some.
    Open,
    /// Neither, whatever follows.
    Other,
}

pub(super) fn look(bytes: &[u8]) -> Head {
    match head(bytes) {
        Ok((rest, (payload, _))) => Head::There(before(bytes, rest).len().saturating_add(payload)),
        Err(_) => match read(bytes, |input| head(input).map(|(_, head)| (&[][..], head))) {
            Err(PushPullError { reason: PushPullFault::Truncated, .. }) => Head::Open,
            _ => Head::Other,
        },
    }
}
