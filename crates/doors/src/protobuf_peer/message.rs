//! What a frame says: from the types made from `proto/cs2.proto` to one value that cannot contradict itself, and back.

use prost::Message as _;
use rumormill_wire::protobuf_peer::{LENGTH_LEN, MAX_SENT_LEN, PeerEncodeError, PeerError, check_body, put_frame};

use super::generated::peer_message::Content;
use super::generated::propagation_message::Content as News;
use super::generated::{self as cs2, AnnouncementType, PeerMessageType};

/// What stands in a message beside its text, at most.
pub(super) const AROUND_TEXT: usize = 2 + (1 + 3) + 2 * (1 + 10) + (1 + 3);
/// A text, in bytes, that fits into a message to the legacy program whatever the ids are.
pub const MAX_TEXT_LEN: usize = MAX_SENT_LEN - AROUND_TEXT;

/// What one peer says to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProtocolMessage {
    /// By whoever dialled: who it is.
    Start {
        /// The id that it wants, which may be taken.
        id: i64,
    },
    /// By whoever was dialled: who that is.
    Welcome {
        /// The id of whoever was dialled.
        id: i64,
    },
    /// By whoever was dialled: the id is taken.
    Refused,
    /// Somebody can be reached by whoever says so.
    Join {
        /// The id that can be reached.
        id: i64,
        /// The id of whoever says so.
        via: i64,
    },
    /// Somebody is known to have gone, and cannot be reached any more by whoever says so.
    Leave {
        /// The id that has gone.
        id: i64,
    },
    /// What one id says to another.
    Text {
        /// The id of its author, as claimed.
        from: i64,
        /// The id that it is for.
        to: i64,
        /// What it says, as it came.
        text: String,
    },
}

/// Why a body says nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It has not the form.
    #[error(transparent)]
    Form(#[from] PeerError),
    /// It has the form and does not read all the same.
    #[error("it does not read: {0}")]
    Read(#[from] prost::DecodeError),
    /// Its type is unknown, or another than its content.
    #[error("type {0} disagrees with the content")]
    Disagrees(i32),
}

impl ProtocolMessage {
    /// Reads the body of a frame, without its length.
    ///
    /// # Errors
    /// It says nothing; the link is to be closed.
    pub fn decode(body: &[u8]) -> Result<Self, Unreadable> {
        check_body(body)?;
        let message = cs2::PeerMessage::decode(body)?;
        let disagrees = Unreadable::Disagrees(message.r#type);
        let kind = PeerMessageType::try_from(message.r#type).unwrap_or(PeerMessageType::Unknown);
        match (kind, message.content) {
            (PeerMessageType::Message, Some(Content::Message(cs2::Message { fr, to, msg }))) => {
                Ok(Self::Text { from: fr, to, text: msg })
            }
            (PeerMessageType::Announcement, Some(Content::Announcement(news))) => Self::news(news),
            (PeerMessageType::HandshakeStart, Some(Content::HandshakeStart(start))) => Ok(Self::Start { id: start.id }),
            (PeerMessageType::HandshakeResponse, Some(Content::HandshakeResponse(response))) => {
                Ok(if response.error { Self::Refused } else { Self::Welcome { id: response.id } })
            }
            _ => Err(disagrees),
        }
    }

    fn news(news: cs2::PropagationMessage) -> Result<Self, Unreadable> {
        match (AnnouncementType::try_from(news.r#type), news.content) {
            (Ok(AnnouncementType::Join), Some(News::Join(join))) => Ok(Self::Join { id: join.id, via: join.via_id }),
            (Ok(AnnouncementType::Leave), Some(News::Leave(leave))) => Ok(Self::Leave { id: leave.id }),
            _ => Err(Unreadable::Disagrees(news.r#type)),
        }
    }

    /// Length and body, ready to be written.
    ///
    /// # Errors
    /// A text longer than [`MAX_TEXT_LEN`] may not fit.
    pub fn frame(self) -> Result<Vec<u8>, PeerEncodeError> {
        let body = self.message().encode_to_vec();
        let mut frame = Vec::with_capacity(body.len().saturating_add(LENGTH_LEN));
        put_frame(&body, &mut frame)?;
        Ok(frame)
    }

    fn message(self) -> cs2::PeerMessage {
        let news = |kind: AnnouncementType, content| {
            let news = cs2::PropagationMessage { r#type: kind.into(), content: Some(content) };
            (PeerMessageType::Announcement, Content::Announcement(news))
        };
        let response = |id, error| {
            let response = cs2::HandshakeResponse { id, error };
            (PeerMessageType::HandshakeResponse, Content::HandshakeResponse(response))
        };
        let (kind, content) = match self {
            Self::Start { id } => {
                (PeerMessageType::HandshakeStart, Content::HandshakeStart(cs2::HandshakeStart { id }))
            }
            Self::Welcome { id } => response(id, false),
            Self::Refused => response(0, true),
            Self::Join { id, via } => news(AnnouncementType::Join, News::Join(cs2::Join { id, via_id: via })),
            Self::Leave { id } => news(AnnouncementType::Leave, News::Leave(cs2::Leave { id })),
            Self::Text { from, to, text } => {
                (PeerMessageType::Message, Content::Message(cs2::Message { fr: from, to, msg: text }))
            }
        };
        cs2::PeerMessage { r#type: kind.into(), content: Some(content) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(from: i64, to: i64, text: &str) -> ProtocolMessage {
        ProtocolMessage::Text { from, to, text: text.into() }
    }

    #[test]
    fn every_frame_is_as_the_older_program_sends_it_to_the_byte() {
        for (said, bytes) in [
            (ProtocolMessage::Start { id: 12 }, &b"\x00\x00\x00\x06\x08\x03\x22\x02\x08\x0c"[..]),
            (ProtocolMessage::Welcome { id: 10 }, b"\x00\x00\x00\x06\x08\x04\x2a\x02\x08\x0a"),
            (ProtocolMessage::Refused, b"\x00\x00\x00\x06\x08\x04\x2a\x02\x10\x01"),
            (ProtocolMessage::Join { id: 11, via: 10 }, b"\x00\x00\x00\x0a\x08\x02\x1a\x06\x12\x04\x08\x0b\x10\x0a"),
            (text(12, 11, "via A"), b"\x00\x00\x00\x0f\x08\x01\x12\x0b\x08\x0c\x10\x0b\x1a\x05via A"),
            (ProtocolMessage::Leave { id: 99 }, b"\x00\x00\x00\x0a\x08\x02\x1a\x06\x08\x01\x1a\x02\x08\x63"),
        ] {
            assert_eq!(said.clone().frame().unwrap(), bytes, "{said:?}");
            assert_eq!(ProtocolMessage::decode(&bytes[4..]).unwrap(), said);
        }
    }

    #[test]
    fn a_type_that_disagrees_with_its_content_is_refused() {
        for (body, kind) in [
            (&b""[..], 0),
            (b"\x08\x03", 3),
            (b"\x22\x02\x08\x0c", 0),
            (b"\x08\x04\x22\x02\x08\x0c", 4),
            (b"\x08\x09\x22\x02\x08\x0c", 9),
            (b"\x08\x02\x1a\x06\x08\x01\x12\x02\x08\x63", 1),
            (b"\x08\x02\x1a\x04\x1a\x02\x08\x63", 0),
            (b"\x08\x02\x1a\x06\x08\x07\x1a\x02\x08\x63", 7),
            (b"\x08\x02\x1a\x00", 0),
        ] {
            assert_eq!(ProtocolMessage::decode(body), Err(Unreadable::Disagrees(kind)), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn what_another_proto3_writer_may_send_reads() {
        // Content before its type, a default that is written out, an unknown field, a number in a longer form.
        assert_eq!(ProtocolMessage::decode(b"\x22\x02\x08\x0c\x08\x03"), Ok(ProtocolMessage::Start { id: 12 }));
        assert_eq!(
            ProtocolMessage::decode(b"\x08\x02\x1a\x08\x08\x00\x12\x04\x08\x0b\x10\x0a"),
            Ok(ProtocolMessage::Join { id: 11, via: 10 })
        );
        assert_eq!(
            ProtocolMessage::decode(b"\x08\x83\x00\x22\x02\x08\x0c\x30\x01"),
            Ok(ProtocolMessage::Start { id: 12 })
        );
        assert_eq!(ProtocolMessage::decode(b"\x08\x01\x12\x00"), Ok(text(0, 0, "")));
        assert!(matches!(ProtocolMessage::decode(b"\x08\x01\x12\x02\x1a\x05"), Err(Unreadable::Form(_))));
    }

    #[test]
    fn the_longest_text_fits_and_one_byte_more_may_not() {
        let most = "x".repeat(MAX_TEXT_LEN);
        assert_eq!(text(-1, -1, &most).frame().unwrap().len() - 4, MAX_SENT_LEN);
        assert!(text(-1, -1, &"x".repeat(MAX_TEXT_LEN + 1)).frame().is_err());
    }
}
