//! What comes by a link between older nodes, cut into pieces: frames glued together, and the text without a frame that
//! may stand before the first.

use super::head::{Head, bare_len, look};
use super::{PushPullError, PushPullFault};

/// The longest text without a frame, in bytes: an item of the program that sends it is no longer.
pub const MAX_BARE_LEN: usize = super::MAX_ITEM_LEN;
/// Digits, two bars and a code.
const MAX_HEAD_LEN: usize = 11;

const TOO_LONG: PushPullError = PushPullError { offset: MAX_BARE_LEN, reason: PushPullFault::RequestLength };

/// What stands first in what came by a link, and how many bytes it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// A whole frame of so many bytes, its length included.
    Frame(usize),
    /// So many bytes that are no frame.
    Bare(usize),
}

/// What stands first in what came by a link. `paused` says that nothing more comes for now: only a pause ends a text that
/// nothing follows. `None` asks for more bytes.
///
/// The end of a text can look like the start of the length that follows it (`room 1` and `11|0002|second`): then it ends
/// where the frame after it is whole.
///
/// # Errors
/// More than [`MAX_BARE_LEN`] bytes are no frame.
pub fn piece(bytes: &[u8], paused: bool) -> Result<Option<Piece>, PushPullError> {
    let at = match look(bytes) {
        Head::There(_) => 0,
        // A number may be a text; a number and a bar want to be a frame.
        Head::Open => return Ok(bare(bytes.len()).filter(|_| paused && !bytes.contains(&b'|'))),
        Head::Other => bare_len(bytes.get(..MAX_BARE_LEN.saturating_add(MAX_HEAD_LEN)).unwrap_or(bytes)),
    };
    if at > MAX_BARE_LEN {
        return Err(TOO_LONG);
    }
    let rest = bytes.get(at..).unwrap_or_default();
    Ok(match whole(rest) {
        Some(len) if at == 0 => Some(Piece::Frame(len)),
        Some(_) => bare(at),
        None if paused => match later(rest).map_or(at, |digits| at.saturating_add(digits)) {
            // The digits belong to the text, which they make too long.
            len @ ..=MAX_BARE_LEN => bare(len),
            _ => return Err(TOO_LONG),
        },
        None => None,
    })
}

fn bare(len: usize) -> Option<Piece> {
    (len > 0).then_some(Piece::Bare(len))
}

/// Bytes of the frame that stands here, if all of them are there.
fn whole(bytes: &[u8]) -> Option<usize> {
    match look(bytes) {
        Head::There(len) if len <= bytes.len() => Some(len),
        _ => None,
    }
}

/// How many of the digits here belong to a text, so that the frame after them is whole.
fn later(bytes: &[u8]) -> Option<usize> {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    (1..digits).find(|at| bytes.get(*at..).and_then(whole).is_some())
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;

    fn pieces(mut bytes: &[u8], paused: bool) -> Vec<&str> {
        let mut found = Vec::new();
        while let Some(piece) = piece(bytes, paused).unwrap() {
            let (Piece::Frame(len) | Piece::Bare(len)) = piece;
            let (first, rest) = bytes.split_at(len);
            found.push(core::str::from_utf8(first).unwrap());
            bytes = rest;
        }
        found
    }

    #[test]
    fn the_first_text_has_no_frame_and_the_rest_are_glued() {
        assert_eq!(pieces(b"first11|0002|second", false), ["first", "11|0002|second"]);
        assert_eq!(pieces(b"14|0001|127.0.0.5first11|0002|second8|0", false).len(), 3);
        assert_eq!(pieces(b"8|0002|one8|0002|two10|0002|three", false).len(), 3);
    }

    #[test]
    fn only_a_pause_ends_a_text_that_nothing_follows() {
        for text in ["first", "12", "12 apples", "1|2", "99999999", "14|00x"] {
            assert_eq!(pieces(text.as_bytes(), false), [""; 0], "{text}");
            assert_eq!(pieces(text.as_bytes(), true), [text], "{text}");
        }
        for open in ["", "14|", "14|00", "14|0001|127.0", "7|0002|"] {
            assert_eq!(pieces(open.as_bytes(), true), [""; 0], "{open}");
        }
        assert_eq!(pieces(b"first14|0001|12", true), ["first"]);
    }

    #[test]
    fn digits_at_the_end_of_a_text_are_not_taken_for_a_length() {
        assert_eq!(pieces(b"room 1011|0002|second", false), [""; 0], "it may still be a frame of 1011");
        assert_eq!(pieces(b"room 1011|0002|second", true), ["room 10", "11|0002|second"]);
        assert_eq!(pieces(b"711|0002|second", true), ["7", "11|0002|second"]);
    }

    #[test]
    fn what_is_no_frame_has_an_end() {
        let long = [b'x'; MAX_BARE_LEN + 1];
        assert_eq!(piece(&long[1..], false), Ok(None));
        assert_eq!(piece(&long[1..], true), Ok(Some(Piece::Bare(MAX_BARE_LEN))));
        assert!(piece(&long, false).is_err() && piece(&long, true).is_err());
        let framed = [&long[1..], b"11|0002|second"].concat();
        assert_eq!(piece(&framed, false), Ok(Some(Piece::Bare(MAX_BARE_LEN))));
        // Digits before the frame count as well.
        for (text, digits) in
            [(MAX_BARE_LEN - 2, Ok(Some(Piece::Bare(MAX_BARE_LEN)))), (MAX_BARE_LEN - 1, Err(TOO_LONG))]
        {
            let ended = [&long[..text], b"1011|0002|second"].concat();
            assert_eq!(piece(&ended, true), digits, "{text}");
        }
    }
}
