//! What comes by one link, as texts.

use rumormill_wire::push_pull::relay::{MESSAGE_CODE, Piece, RelayFrame, piece};

use crate::opening::{self, OpeningKind};

/// Pieces between frames that are none, by one link.
const MAX_FAULTS: u32 = 16;

/// What was said by a link, without its frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RelayMessage {
    /// It has dialled us and says so.
    Greeting,
    /// What a message says; not empty.
    Text(String),
}

/// The other side speaks something else; the link is to be closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Garbage;

/// The start of one link's stream that has not been read yet.
#[derive(Debug, Default)]
pub(super) struct FrameReader {
    buffer: Vec<u8>,
    heard_any: bool,
    /// A message came in a frame: what comes without one now is no text.
    framed: bool,
    pub(super) faults: u32,
}

impl FrameReader {
    /// Where to put what comes in.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Whether the beginning of something is here, and its end is not.
    pub(super) fn is_within(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next that was said. `paused`: nothing more comes for now.
    pub(super) fn next(&mut self, paused: bool) -> Result<Option<RelayMessage>, Garbage> {
        while let Some(piece) = piece(&self.buffer, paused).map_err(|_| Garbage)? {
            let (Piece::Frame(len) | Piece::Bare(len)) = piece;
            let bytes: Vec<u8> = self.buffer.drain(..len.min(self.buffer.len())).collect();
            let heard = match piece {
                Piece::Frame(_) => self.frame(&bytes),
                Piece::Bare(_) => self.bare(&bytes)?,
            };
            if heard.is_some() {
                self.heard_any = true;
                return Ok(heard);
            }
        }
        Ok(None)
    }

    fn frame(&mut self, bytes: &[u8]) -> Option<RelayMessage> {
        let text = match RelayFrame::decode(bytes) {
            Ok(RelayFrame::Greeting(_)) => return Some(RelayMessage::Greeting),
            Ok(RelayFrame::Message(text)) => text.to_owned(),
            Ok(RelayFrame::Other { .. }) => {
                self.faults = self.faults.saturating_add(1);
                return None;
            }
            // Somebody typed in another character set: better with marks than not at all.
            Err(_) => lossy(bytes)?,
        };
        self.framed = true;
        (!text.is_empty()).then_some(RelayMessage::Text(text))
    }

    /// Only the first text may come without a frame; what stands between frames later is skipped.
    fn bare(&mut self, bytes: &[u8]) -> Result<Option<RelayMessage>, Garbage> {
        let text = std::str::from_utf8(bytes).ok().map(|text| text.trim_end_matches(['\r', '\n']));
        match text {
            Some(text) if !self.framed && opening::check(bytes, OpeningKind::Unknown).is_ok() => {
                return Ok((!text.is_empty()).then(|| RelayMessage::Text(text.to_owned())));
            }
            _ => self.faults = self.faults.saturating_add(1),
        }
        if self.heard_any && self.faults <= MAX_FAULTS { Ok(None) } else { Err(Garbage) }
    }
}

/// The text of a message that is no UTF-8.
fn lossy(frame: &[u8]) -> Option<String> {
    let mut parts = frame.splitn(3, |b| *b == b'|').skip(1);
    let is_message = parts.next() == Some(MESSAGE_CODE.as_bytes());
    parts.next().filter(|_| is_message).map(|text| String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(parts: &[&[u8]]) -> Result<Vec<String>, Garbage> {
        let (mut reader, mut found) = (FrameReader::default(), Vec::new());
        let mut take = |reader: &mut FrameReader, paused| -> Result<(), Garbage> {
            while let Some(heard) = reader.next(paused)? {
                if let RelayMessage::Text(text) = heard {
                    found.push(text);
                }
            }
            Ok(())
        };
        for part in parts {
            reader.buffer().extend_from_slice(part);
            take(&mut reader, false)?;
        }
        take(&mut reader, true)?;
        Ok(found)
    }

    #[test]
    fn glued_and_split_frames_are_the_same_texts() {
        let stream = b"14|0001|127.0.0.58|0002|one8|0002|two10|0002|three7|0002|a|b";
        // The last is two bytes: its length says so.
        let expected = ["one", "two", "three", "a|"];
        for size in 1..stream.len() {
            let mut found = texts(&stream.chunks(size).collect::<Vec<_>>()).unwrap();
            found.truncate(4);
            assert_eq!(found, expected, "{size}");
        }
    }

    #[test]
    fn the_first_text_may_have_no_frame() {
        assert_eq!(texts(&[b"first"]).unwrap(), ["first"]);
        assert_eq!(texts(&[b"fi", b"rst11|00", b"02|second"]).unwrap(), ["first", "second"]);
        assert_eq!(texts(&[b"14|0001|127.0.0.5", b"first", b"11|0002|second"]).unwrap(), ["first", "second"]);
        assert_eq!(texts(&[b"room 10", b"11|0002|second"]).unwrap(), ["room 10", "second"]);
    }

    #[test]
    fn noise_between_frames_is_skipped_but_not_for_ever() {
        assert_eq!(texts(&[b"8|0002|oneNOISE8|0002|two"]).unwrap(), ["one", "two"]);
        assert_eq!(texts(&[b"8|0002|one5|FFFE|5|FFFF|8|0002|two"]).unwrap(), ["one", "two"]);
        let noise = b"x8|0002|one".repeat(20);
        assert_eq!(texts(&[b"8|0002|one", &noise]), Err(Garbage));
    }

    #[test]
    fn other_protocols_are_none_of_this() {
        assert_eq!(texts(&[b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]), Err(Garbage));
        assert_eq!(texts(&[b"\x16\x03\x01\x02\x00\x01"]), Err(Garbage));
        assert_eq!(texts(&[b"\x16\x03\x01 \n8|0002|evil"]), Err(Garbage), "a hello with a frame in its ticket");
        assert_eq!(texts(&[b"\0\x03\n", b"8|0002|evil"]), Err(Garbage));
        assert_eq!(texts(&[&[b'x'; 5_000]]), Err(Garbage));
    }

    #[test]
    fn other_character_sets_arrive_with_marks() {
        assert_eq!(texts(&[b"8|0002|gr\xfc"]).unwrap(), ["gr\u{fffd}"]);
        assert_eq!(texts(&[b"5|0002|8|0002|one"]).unwrap(), ["one"], "an empty text is nothing");
    }
}
