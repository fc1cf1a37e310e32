//! A frame that waits to be written: what stands before the text, and the text, which the frames to other peers share.

use std::sync::Arc;

use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use rumormill_wire::plain;
use rumormill_wire::protobuf_peer::{PeerEncodeError, put_length};

use super::generated::{self as cs2, PeerMessageType};
use super::message::ProtocolMessage;

/// The field of a peer message that holds a text's message (`generated.rs`).
const MESSAGE: u32 = 2;
/// The field of that one that holds the text itself.
const TEXT: u32 = 3;

/// A text without control characters: the legacy program prints it as it comes. All who are to have it share it.
#[derive(Debug, Clone)]
pub(super) struct Printable(Arc<str>);

impl Printable {
    /// The text as a legacy program may be given it.
    #[must_use]
    pub(super) fn new(text: &str) -> Self {
        Self(plain(text).into())
    }
}

/// A frame to be written, its length first. Its bytes are those of [`ProtocolMessage::frame`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Framed {
    head: Box<[u8]>,
    text: Arc<str>,
}

impl Framed {
    /// That of a message without a text.
    ///
    /// # Errors
    /// As [`ProtocolMessage::frame`].
    pub(super) fn said(said: ProtocolMessage) -> Result<Self, PeerEncodeError> {
        Ok(Self { head: said.frame()?.into(), text: "".into() })
    }

    /// That of a text, which it shares with others.
    ///
    /// # Errors
    /// It is longer than a frame may be.
    pub(super) fn text(from: i64, to: i64, text: &Printable) -> Result<Self, PeerEncodeError> {
        let text = Arc::clone(&text.0);
        let size = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
        let mut ids = cs2::Message { fr: from, to, msg: String::new() }.encode_to_vec();
        if !text.is_empty() {
            encode_key(TEXT, WireType::LengthDelimited, &mut ids);
            encode_varint(size(text.len()), &mut ids);
        }
        let mut body = cs2::PeerMessage { r#type: PeerMessageType::Message.into(), content: None }.encode_to_vec();
        encode_key(MESSAGE, WireType::LengthDelimited, &mut body);
        encode_varint(size(ids.len().saturating_add(text.len())), &mut body);
        body.append(&mut ids);
        let mut head = Vec::new();
        put_length(body.len().saturating_add(text.len()), &mut head)?;
        head.append(&mut body);
        Ok(Self { head: head.into(), text })
    }

    /// Its length in bytes.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.head.len().saturating_add(self.text.len())
    }

    /// What of it stands behind so many bytes.
    pub(super) fn rest(&self, written: usize) -> [&[u8]; 2] {
        let head = self.head.get(written..).unwrap_or_default();
        let text = self.text.as_bytes().get(written.saturating_sub(self.head.len())..).unwrap_or_default();
        [head, text]
    }

    /// All of it in one piece.
    #[cfg(test)]
    pub(super) fn whole(&self) -> Vec<u8> {
        self.rest(0).concat()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::message::MAX_TEXT_LEN;
    use super::*;

    #[test]
    fn the_longest_text_fits_and_one_byte_more_may_not() {
        let of = |len| Framed::text(-1, -1, &Printable::new(&"x".repeat(len)));
        let said = |len| ProtocolMessage::Text { from: -1, to: -1, text: "x".repeat(len) }.frame();
        assert_eq!(of(MAX_TEXT_LEN).unwrap().whole(), said(MAX_TEXT_LEN).unwrap());
        assert_eq!(of(MAX_TEXT_LEN + 1).unwrap_err(), said(MAX_TEXT_LEN + 1).unwrap_err());
    }

    #[test]
    fn no_text_moves_a_cursor_or_ends_a_line() {
        let frame = Framed::text(12, 11, &Printable::new("a\u{1b}[2J\r\nb\0\u{9b}c")).unwrap().whole();
        assert_eq!(
            ProtocolMessage::decode(&frame[4..]).unwrap(),
            ProtocolMessage::Text { from: 12, to: 11, text: "a [2J  b  c".into() }
        );
    }

    proptest! {
        #[test]
        fn its_bytes_are_those_of_the_message_whatever_is_in_it(from: i64, to: i64, text in "\\PC{0,300}", written in 0_usize..400) {
            let text = plain(&text).into_owned();
            let framed = Framed::text(from, to, &Printable::new(&text)).unwrap();
            let whole = ProtocolMessage::Text { from, to, text }.frame().unwrap();
            prop_assert_eq!((framed.whole(), framed.len()), (whole.clone(), whole.len()));
            let rest = framed.rest(written).concat();
            prop_assert_eq!(rest.as_slice(), whole.get(written..).unwrap_or_default());
        }
    }
}
