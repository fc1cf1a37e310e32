//! The plain frames between older nodes, TCP port 43110: `<length>|<code>|<payload>` in ASCII.
//!
//! `length` counts every byte after the first `|`. Frames arrive glued together and are cut by it ([`frame_len`]). The
//! first text to an address may come without a frame ([`bare_len`]).

use std::borrow::Cow;

use nom::bytes::complete::take;

pub use super::glued::{MAX_BARE_LEN, Piece, piece};
pub use super::head::{CODE_LEN, MAX_LENGTH, bare_len};

use super::fault::{PushPullEncodeError, PushPullError, PushPullFault};
use super::head::{MIN_LENGTH, head, is_code, length};
use super::{MAX_CONTENTS_LEN, Parse, check, put, read};
use crate::parse::{before, utf8};

/// Whoever dialled says so.
pub const GREETING: &str = "0001";
/// A message.
pub const MESSAGE_CODE: &str = "0002";

/// A frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayFrame<'a> {
    /// `0001`: the address that was dialled. Needs no answer.
    Greeting(&'a str),
    /// `0002`: a message.
    Message(&'a str),
    /// Any other code, four of `0` to `9` and `A` to `F`. `FFFE` and `FFFF` are reserved.
    Other {
        /// Which: neither [`GREETING`] nor [`MESSAGE_CODE`].
        code: &'a str,
        /// Its payload, of unknown form.
        payload: &'a [u8],
    },
}

/// Bytes of the frame that begins here, as soon as its length and `|` are there; `None` asks for more bytes.
///
/// # Errors
/// No frame begins here, whatever follows.
pub fn frame_len(bytes: &[u8]) -> Result<Option<usize>, PushPullError> {
    match read(bytes, |input| length(input).map(|(rest, len)| (&[][..], before(input, rest).len().saturating_add(len))))
    {
        Ok(total) => Ok(Some(total)),
        Err(PushPullError { reason: PushPullFault::Truncated, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The text as the older program shows all of it: behind the code it drops what stands before the first `|`, and would
/// show what follows as a line of whoever that names. A `|` becomes U+00A6, the broken bar.
#[must_use]
pub fn unsplit(text: &str) -> Cow<'_, str> {
    if text.contains('|') { Cow::Owned(text.replace('|', "\u{a6}")) } else { Cow::Borrowed(text) }
}

impl<'a> RelayFrame<'a> {
    /// Reads exactly one frame.
    ///
    /// # Errors
    /// It is no frame, or more than one.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, PushPullError> {
        read(bytes, frame)
    }

    /// Appends the frame, its length first.
    ///
    /// # Errors
    /// It would not be read as the same; `out` is as before.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), PushPullEncodeError> {
        let (code, payload) = match self {
            Self::Greeting(text) => (GREETING, text.as_bytes()),
            Self::Message(text) => (MESSAGE_CODE, text.as_bytes()),
            Self::Other { code, payload } => {
                check(is_code(code.as_bytes()) && ![GREETING, MESSAGE_CODE].contains(code), PushPullFault::Code)?;
                (*code, *payload)
            }
        };
        check(payload.len() <= MAX_CONTENTS_LEN, PushPullFault::FrameLength)?;
        let length = payload.len().saturating_add(MIN_LENGTH);
        put(out, &[&length.to_string(), "|", code, "|"]);
        out.extend_from_slice(payload);
        Ok(())
    }
}

fn frame(input: &[u8]) -> Parse<'_, RelayFrame<'_>> {
    let (at_payload, (len, code)) = head(input)?;
    let (rest, payload) = take(len)(at_payload)?;
    let text = || utf8(payload, at_payload, PushPullFault::Utf8);
    let frame = match code {
        GREETING => RelayFrame::Greeting(text()?),
        MESSAGE_CODE => RelayFrame::Message(text()?),
        _ => RelayFrame::Other { code, payload },
    };
    Ok((rest, frame))
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::PushPullFault as F;
    use super::*;

    fn refused<T>(offset: usize, reason: F) -> Result<T, PushPullError> {
        Err(PushPullError { offset, reason })
    }

    #[test]
    fn frames_of_older_nodes() {
        assert_eq!(RelayFrame::decode(b"14|0001|127.0.0.5"), Ok(RelayFrame::Greeting("127.0.0.5")));
        assert_eq!(RelayFrame::decode(b"13|0002|hi there"), Ok(RelayFrame::Message("hi there")));
        assert_eq!(RelayFrame::decode(b"5|0002|"), Ok(RelayFrame::Message("")));
        assert_eq!(RelayFrame::decode(b"10|0002|a|b|c"), Ok(RelayFrame::Message("a|b|c")));
        assert_eq!(RelayFrame::decode(b"6|FFFE|\xff"), Ok(RelayFrame::Other { code: "FFFE", payload: b"\xff" }));
    }

    #[test]
    fn glued_frames_are_cut_by_their_length() {
        let mut rest: &[u8] = b"8|0002|one8|0002|two10|0002|three";
        for text in ["one", "two", "three"] {
            let len = frame_len(rest).unwrap().unwrap();
            let (frame, after) = rest.split_at(len);
            assert_eq!(RelayFrame::decode(frame), Ok(RelayFrame::Message(text)));
            rest = after;
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn a_length_is_judged_as_soon_as_it_can_be() {
        for open in ["", "4", "3277", "32773"] {
            assert_eq!(frame_len(open.as_bytes()), Ok(None), "{open}");
        }
        assert_eq!(frame_len(b"32773|"), Ok(Some(32_779)));
        for wrong in ["0", "00", "4|", "32774", "99999", "100000", "99999999999999999999999", "x", "|", "-5|"] {
            assert_eq!(frame_len(wrong.as_bytes()), refused(0, F::FrameLength), "{wrong}");
        }
        assert_eq!(frame_len(b"14x"), refused(2, F::Bar));
    }

    #[test]
    fn frames_that_are_none() {
        assert_eq!(RelayFrame::decode(b""), refused(0, F::Truncated));
        assert_eq!(RelayFrame::decode(b"14|0001|127.0.0."), refused(8, F::Truncated));
        assert_eq!(RelayFrame::decode(b"5|0002|x"), refused(7, F::Trailing));
        assert_eq!(RelayFrame::decode(b"5|000x|"), refused(2, F::Code));
        assert_eq!(RelayFrame::decode(b"5|fffe|"), refused(2, F::Code));
        assert_eq!(RelayFrame::decode(b"5|0002x"), refused(6, F::Bar));
        assert_eq!(RelayFrame::decode(b"7|0002|a\xff"), refused(8, F::Utf8));
    }

    #[test]
    fn a_text_without_a_frame_ends_where_one_begins() {
        assert_eq!(bare_len(b"first11|0002|second"), 5);
        assert_eq!(bare_len(b"11|0002|second"), 0);
        assert_eq!(bare_len(b"no frame at 11|all|of it"), 24);
        assert_eq!(bare_len(b""), 0);
        // Long runs of digits are looked at once, not once for each digit.
        assert_eq!(bare_len(&[b'9'; 100_000]), 100_000);
    }

    #[test]
    fn what_would_read_differently_is_not_made() {
        let mut out = Vec::new();
        let long = "x".repeat(MAX_CONTENTS_LEN + 1);
        assert_eq!(RelayFrame::Message(&long).encode(&mut out), Err(PushPullEncodeError(F::FrameLength)));
        for code in ["0001", "0002", "fffe", "FFF", "FFFFF", "é00"] {
            let other = RelayFrame::Other { code, payload: b"" };
            assert_eq!(other.encode(&mut out), Err(PushPullEncodeError(F::Code)), "{code}");
        }
        assert!(out.is_empty());
        assert!(RelayFrame::Message(&long[1..]).encode(&mut out).is_ok());
        assert_eq!((unsplit("a b"), unsplit("|a||b")), ("a b".into(), "\u{a6}a\u{a6}\u{a6}b".into()));
    }
}
