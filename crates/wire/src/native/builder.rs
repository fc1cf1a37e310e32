//! Making bundles (docs/protocol.md, P-B1 to P-B5): what is pushed here is what [`super::BundleView`] takes.

use super::bundle::HEAD_LEN;
use super::error::WireFault;
use super::prim::{put_varint, varint_len};
use super::types::{BundleHeader, MessageKind};
use super::{MAX_BODY_LEN, MAX_BUNDLE_LEN, MAX_BUNDLE_MESSAGES, MAX_ROOM_LEN};
use crate::foreign::is_hidden;
use crate::{Clock, Digest, Origin, Seq, Signature};

/// A message that no bundle takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMessage {
    /// P-B5: the kind is 0.
    #[error("P-B5: message kind of zero")]
    KindZero,
    /// The room's name has more than 64 bytes.
    #[error("the room's name has {0} bytes, 64 at most")]
    RoomLength(usize),
    /// P-T2: the room's name holds a character that nobody sees or that moves a cursor.
    #[error("P-T2: the room's name holds U+{0:04X}, which is a control character or cannot be seen; leave it out")]
    RoomHidden(u32),
    /// P-B1: the body has more than 32,768 bytes.
    #[error("P-B1: the body has {0} bytes, 32768 at most")]
    BodyLength(usize),
    /// P-B5: the body of a text is not UTF-8.
    #[error("P-B5: the body is not UTF-8")]
    BodyUtf8,
}

/// Why a message was not taken. The builder is as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// No room in this bundle; it fits in the next.
    #[error("P-B1: the bundle is full")]
    Full,
    /// P-B4: the clock is not above the one before.
    #[error("P-B4: the clock is not above the one before")]
    ClockNotRising,
    /// It fits in no bundle.
    #[error(transparent)]
    Invalid(#[from] InvalidMessage),
    /// The chain cannot go on from where the builder begins (P-B2, P-B3).
    #[error("the bundle cannot begin so: {0}")]
    Start(WireFault),
}

/// Whether we write this message: some bundle takes it, and its room's name is one that people can see (P-T2). To be asked
/// before it is queued.
///
/// # Errors
/// [`InvalidMessage`] says what is wrong.
pub fn validate_message(kind: MessageKind, room: &str, body: &[u8]) -> Result<(), InvalidMessage> {
    has_form(kind, room, body)?;
    match room.chars().find(|c| is_hidden(*c)) {
        Some(c) => Err(InvalidMessage::RoomHidden(c.into())),
        None => Ok(()),
    }
}

/// Whether some bundle takes this message: what is valid from others (P-B1, P-B5).
fn has_form(kind: MessageKind, room: &str, body: &[u8]) -> Result<(), InvalidMessage> {
    if kind.0 == 0 {
        return Err(InvalidMessage::KindZero);
    }
    if room.len() > MAX_ROOM_LEN {
        return Err(InvalidMessage::RoomLength(room.len()));
    }
    if body.len() > MAX_BODY_LEN {
        return Err(InvalidMessage::BodyLength(body.len()));
    }
    if kind.is_text() && core::str::from_utf8(body).is_err() {
        return Err(InvalidMessage::BodyUtf8);
    }
    Ok(())
}

/// A bundle that grows by one message at a time, then is sealed.
#[derive(Debug, Clone)]
pub struct BundleBuilder {
    header: BundleHeader,
    last_clock: Option<Clock>,
    /// Room for the head, then the messages.
    bytes: Vec<u8>,
}

impl BundleBuilder {
    /// Begins after the bundle with digest `previous`; for the first of a chain `first` is 1 and `previous` zero (P-B3).
    /// A start that breaks P-B2 or P-B3 is told by the first [`BundleBuilder::push`].
    #[must_use]
    pub fn new(origin: Origin, first: Seq, previous: Digest) -> Self {
        let header = BundleHeader { origin, first, count: 0, previous };
        Self { header, last_clock: None, bytes: vec![0; HEAD_LEN] }
    }

    /// Adds a message, whose number is the one behind the last.
    ///
    /// # Errors
    /// It was not added, and nothing changed. After [`PushError::Full`] it fits in the next bundle.
    pub fn push(&mut self, clock: Clock, kind: MessageKind, room: &str, body: &[u8]) -> Result<(), PushError> {
        has_form(kind, room, body)?;
        let stamp = match self.last_clock {
            None => clock.0,
            Some(last) => clock.0.checked_sub(last.0).filter(|d| *d > 0).ok_or(PushError::ClockNotRising)?,
        };
        let body_len = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let parts = [varint_len(stamp), 2, room.len(), varint_len(body_len), body.len()];
        let len = parts.into_iter().fold(self.bytes.len(), usize::saturating_add);
        let room_len = match u8::try_from(room.len()) {
            Ok(room_len) if len <= MAX_BUNDLE_LEN && self.len() < MAX_BUNDLE_MESSAGES => room_len,
            _ => return Err(PushError::Full),
        };
        let header = BundleHeader { count: self.header.count.saturating_add(1), ..self.header };
        match header.check() {
            // The numbers end here; what this bundle holds is still in range.
            Err(WireFault::SeqRange) if !self.is_empty() => return Err(PushError::Full),
            Err(reason) => return Err(PushError::Start(reason)),
            Ok(()) => {}
        }
        put_varint(&mut self.bytes, stamp);
        self.bytes.extend_from_slice(&[kind.0, room_len]);
        self.bytes.extend_from_slice(room.as_bytes());
        put_varint(&mut self.bytes, body_len);
        self.bytes.extend_from_slice(body);
        (self.header, self.last_clock) = (header, Some(clock));
        Ok(())
    }

    /// How many messages it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.header.count)
    }

    /// Whether it holds none; such a one is not to be sealed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.header.count == 0
    }

    /// Bytes of the sealed bundle as it stands.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.bytes.len()
    }

    /// The header as it stands.
    #[must_use]
    pub const fn header(&self) -> BundleHeader {
        self.header
    }

    /// The messages as they will be signed.
    #[must_use]
    pub fn message_bytes(&self) -> &[u8] {
        self.bytes.get(HEAD_LEN..).unwrap_or_default()
    }

    /// Clock of the last message.
    #[must_use]
    pub const fn last_clock(&self) -> Option<Clock> {
        self.last_clock
    }

    /// The bundle's bytes. An empty builder gives what no reader takes (P-B1).
    #[must_use]
    pub fn seal(mut self, signature: Signature) -> Vec<u8> {
        let header = self.header.to_bytes();
        for (slot, byte) in self.bytes.iter_mut().zip(header.iter().chain(signature.as_bytes())) {
            *slot = *byte;
        }
        self.bytes
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;
    use crate::native::BundleView;

    fn builder() -> BundleBuilder {
        BundleBuilder::new(Origin::MIN, Seq::FIRST, Digest::ZERO)
    }

    fn sealed_len(builder: &BundleBuilder) -> usize {
        let bytes = builder.clone().seal(Signature::ZERO);
        BundleView::parse(&bytes).unwrap().bytes().len()
    }

    #[test]
    fn the_count_ends_at_512() {
        let mut builder = builder();
        for clock in 0..512 {
            builder.push(Clock(clock), MessageKind::CHAT, "", b"").unwrap();
        }
        assert_eq!(builder.push(Clock(512), MessageKind::CHAT, "", b""), Err(PushError::Full));
        assert_eq!((builder.len(), builder.last_clock()), (512, Some(Clock(511))));
        assert_eq!(sealed_len(&builder), builder.encoded_len());
    }

    #[test]
    fn the_last_byte_is_used_and_no_more() {
        let mut builder = builder();
        let largest = vec![b'x'; MAX_BODY_LEN];
        builder.push(Clock(0), MessageKind::CHAT, "", &largest).unwrap();
        // Clock, kind, room's length and the body's length take 6 bytes.
        let left = MAX_BUNDLE_LEN - builder.encoded_len() - 6;
        assert!((1 << 14..MAX_BODY_LEN).contains(&left));
        assert_eq!(builder.push(Clock(1), MessageKind::CHAT, "", &largest[..=left]), Err(PushError::Full));
        builder.push(Clock(1), MessageKind::CHAT, "", &largest[..left]).unwrap();
        assert_eq!((builder.encoded_len(), sealed_len(&builder)), (MAX_BUNDLE_LEN, MAX_BUNDLE_LEN));
    }

    #[test]
    fn every_valid_message_fits_in_an_empty_bundle() {
        let largest = vec![b'x'; MAX_BODY_LEN];
        builder().push(Clock(u64::MAX), MessageKind::CHAT, &"r".repeat(MAX_ROOM_LEN), &largest).unwrap();
    }

    #[test]
    fn what_fits_in_no_bundle_is_told_from_what_fits_in_the_next() {
        let largest = vec![b'x'; MAX_BODY_LEN + 1];
        let room = "r".repeat(MAX_ROOM_LEN + 1);
        let mut builder = builder();
        builder.push(Clock(7), MessageKind::CHAT, "", b"").unwrap();
        let mut refused = |clock, kind, room: &str, body: &[u8]| {
            let before = builder.encoded_len();
            let error = builder.push(Clock(clock), MessageKind(kind), room, body).unwrap_err();
            assert_eq!((builder.encoded_len(), builder.len()), (before, 1), "nothing changes");
            error
        };
        assert_eq!(refused(8, 0, "", b""), PushError::Invalid(InvalidMessage::KindZero));
        assert_eq!(refused(8, 1, &room, b""), PushError::Invalid(InvalidMessage::RoomLength(65)));
        assert_eq!(refused(8, 1, "", &largest), PushError::Invalid(InvalidMessage::BodyLength(32_769)));
        assert_eq!(refused(8, 1, "", &[0xff]), PushError::Invalid(InvalidMessage::BodyUtf8));
        assert_eq!(refused(7, 1, "", b""), PushError::ClockNotRising);
        assert_eq!(refused(0, 1, "", b""), PushError::ClockNotRising);
        assert_eq!(validate_message(MessageKind::FILE, "", &[0xff]), Ok(()));
    }

    #[test]
    fn a_room_that_nobody_could_see_is_not_written_and_yet_carried() {
        for room in ["y\n2026", "a\u{1b}[2J", "\u{202e}", "a\u{200b}", "\u{2028}", "\u{2066}"] {
            let refused = validate_message(MessageKind::CHAT, room, b"x");
            assert!(matches!(refused, Err(InvalidMessage::RoomHidden(_))), "{room:?}");
            assert_eq!(builder().push(Clock(1), MessageKind::CHAT, room, b"x"), Ok(()), "what others wrote is carried");
        }
        assert_eq!(validate_message(MessageKind::CHAT, "n\u{e9}ws of today", b"x"), Ok(()));
    }

    #[test]
    fn a_start_that_breaks_the_chain_is_told() {
        let start = |first, previous| {
            BundleBuilder::new(Origin::MIN, Seq(first), previous).push(Clock(0), MessageKind::CHAT, "", b"")
        };
        let some = Digest([1; 32]);
        assert_eq!(start(0, Digest::ZERO), Err(PushError::Start(WireFault::FirstZero)));
        assert_eq!(start(1, some), Err(PushError::Start(WireFault::Previous)));
        assert_eq!(start(2, Digest::ZERO), Err(PushError::Start(WireFault::Previous)));
        assert_eq!(start(u64::MAX, some), Err(PushError::Start(WireFault::SeqRange)));
        let mut last = BundleBuilder::new(Origin::MIN, Seq(u64::MAX - 1), some);
        last.push(Clock(0), MessageKind::CHAT, "", b"").unwrap();
        assert_eq!(last.push(Clock(1), MessageKind::CHAT, "", b""), Err(PushError::Full));
    }
}
