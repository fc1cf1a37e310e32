//! Bundles as they travel (docs/protocol.md, B): the head, the whole, and one message at a time.

use nom::{
    Parser,
    bytes::complete::take,
    number::complete::{be_u16, be_u64, u8 as byte},
};

use super::error::{WireError, WireFault};
use super::prim::{Parse, array, ensure, fault, origin, run, utf8, varint};
use super::types::{BundleHeader, MessageKind, MessageView, SignedHeader};
use super::{MAX_BODY_LEN, MAX_BUNDLE_LEN, MAX_BUNDLE_MESSAGES, MAX_ROOM_LEN};
use crate::{Clock, Digest, Seq, Signature};

/// Header and signature: where the messages begin.
pub(super) const HEAD_LEN: usize = BundleHeader::LEN + Signature::LEN;

impl BundleHeader {
    /// Reads the head of a bundle and leaves its messages unread (P-B1 to P-B3).
    ///
    /// # Errors
    /// The bundle is too long or too short, or the head breaks a rule.
    pub fn peek(bundle: &[u8]) -> Result<(Self, Signature), WireError> {
        run(bundle, |i| peek(i).map(|(_, (header, signature))| (&[][..], (header, signature))))
    }

    /// The header as it is signed and sent.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        let parts: [&[u8]; 5] = [
            self.origin.node.as_bytes(),
            &self.origin.incarnation.0.to_be_bytes(),
            &self.first.0.to_be_bytes(),
            &self.count.to_be_bytes(),
            self.previous.as_bytes(),
        ];
        for (slot, byte) in out.iter_mut().zip(parts.into_iter().flatten()) {
            *slot = *byte;
        }
        out
    }

    /// The rules that a header can break by itself (P-B1 to P-B3).
    pub(super) fn check(&self) -> Result<(), WireFault> {
        match self.first.0.checked_add(u64::from(self.count)) {
            _ if self.first.0 == 0 => Err(WireFault::FirstZero),
            _ if !(1..=MAX_BUNDLE_MESSAGES).contains(&usize::from(self.count)) => Err(WireFault::MessageCount),
            None => Err(WireFault::SeqRange),
            Some(_) if (self.first == Seq::FIRST) != (self.previous == Digest::ZERO) => Err(WireFault::Previous),
            Some(_) => Ok(()),
        }
    }
}

/// A header that keeps P-B1 to P-B3.
pub(super) fn header(input: &[u8]) -> Parse<'_, BundleHeader> {
    let (at_first, origin) = origin(input)?;
    let (at_count, first) = be_u64.map(Seq).parse(at_first)?;
    let (at_previous, count) = be_u16(at_count)?;
    let (rest, previous) = array.map(Digest).parse(at_previous)?;
    let header = BundleHeader { origin, first, count, previous };
    match header.check() {
        Ok(()) => Ok((rest, header)),
        Err(reason @ WireFault::MessageCount) => fault(at_count, reason),
        Err(reason @ WireFault::Previous) => fault(at_previous, reason),
        Err(reason) => fault(at_first, reason),
    }
}

/// The head of a bundle that is the whole input; leaves the messages.
pub(super) fn peek(input: &[u8]) -> Parse<'_, (BundleHeader, Signature)> {
    ensure(input.len() <= MAX_BUNDLE_LEN, input, WireFault::BundleLength)?;
    (header, array.map(Signature)).parse(input)
}

/// A whole bundle that keeps P-B1 to P-B5. Its signature is unchecked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BundleView<'a> {
    bytes: &'a [u8],
    header_bytes: &'a [u8],
    message_bytes: &'a [u8],
    header: BundleHeader,
    signature: Signature,
    first_clock: Clock,
    last_clock: Clock,
}

impl<'a> BundleView<'a> {
    /// Reads a bundle and every message in it.
    ///
    /// # Errors
    /// The first rule that is broken, P-B1 to P-B5.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        run(bytes, |input| {
            let (at_messages, (header, signature)) = peek(input)?;
            let (_, header_bytes) = take(BundleHeader::LEN)(input)?;
            let mut rest = at_messages;
            let mut clocks: Option<(Clock, Clock)> = None;
            for _ in 0..header.count {
                let (after, clock) = message(rest, clocks.map(|(_, last)| last))?;
                clocks = Some((clocks.map_or(clock, |(first, _)| first), clock));
                rest = after;
            }
            let (first_clock, last_clock) = clocks.unwrap_or_default();
            let message_bytes = at_messages;
            Ok((rest, Self { bytes, header_bytes, message_bytes, header, signature, first_clock, last_clock }))
        })
    }

    /// Its head, which keeps P-B1 to P-B3.
    #[must_use]
    pub const fn header(&self) -> &BundleHeader {
        &self.header
    }
    /// Its signature, unchecked.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }
    /// The whole bundle as it came, 65,536 bytes at most.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
    /// The header as signed.
    #[must_use]
    pub const fn header_bytes(&self) -> &'a [u8] {
        self.header_bytes
    }
    /// The messages as signed.
    #[must_use]
    pub const fn message_bytes(&self) -> &'a [u8] {
        self.message_bytes
    }
    /// Clock of the first message.
    #[must_use]
    pub const fn first_clock(&self) -> Clock {
        self.first_clock
    }
    /// Clock of the last message.
    #[must_use]
    pub const fn last_clock(&self) -> Clock {
        self.last_clock
    }
    /// Its messages in order.
    #[must_use]
    pub fn messages(&self) -> Messages<'a> {
        Messages { rest: self.message_bytes, seq: self.header.first, left: self.header.count, clock: None }
    }
}

/// The messages of a checked bundle, in order.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    rest: &'a [u8],
    seq: Seq,
    left: u16,
    clock: Option<Clock>,
}

impl<'a> Iterator for Messages<'a> {
    type Item = MessageView<'a>;

    fn next(&mut self) -> Option<MessageView<'a>> {
        self.left = self.left.checked_sub(1)?;
        // Checked before: neither the form nor the sums can fail here, and bodies need no second look.
        let (rest, raw) = raw_message(self.rest).ok()?;
        let clock = self.clock.unwrap_or_default().0.checked_add(raw.clock).map(Clock)?;
        let (seq, next) = (self.seq, self.seq.0.checked_add(1)?);
        (self.rest, self.clock, self.seq) = (rest, Some(clock), Seq(next));
        Some(MessageView { seq, clock, kind: raw.kind, room: core::str::from_utf8(raw.room).ok()?, body: raw.body })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.left), Some(usize::from(self.left)))
    }
}

impl ExactSizeIterator for Messages<'_> {}

/// A message cut into its parts, lengths checked. `at_*` is the input from there on, for the place of a fault.
struct RawMessage<'a> {
    clock: u64,
    kind: MessageKind,
    room: &'a [u8],
    body: &'a [u8],
    at_kind: &'a [u8],
    at_room: &'a [u8],
    at_body: &'a [u8],
}

fn raw_message(input: &[u8]) -> Parse<'_, RawMessage<'_>> {
    let (at_kind, clock) = varint(input)?;
    let (at_room_len, kind) = byte(at_kind)?;
    let (at_room, len) = byte(at_room_len)?;
    ensure(usize::from(len) <= MAX_ROOM_LEN, at_room_len, WireFault::RoomLength)?;
    let (at_body_len, room) = take(len)(at_room)?;
    let (at_body, len) = varint(at_body_len)?;
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    ensure(len <= MAX_BODY_LEN, at_body_len, WireFault::BodyLength)?;
    let (rest, body) = take(len)(at_body)?;
    Ok((rest, RawMessage { clock, kind: MessageKind(kind), room, body, at_kind, at_room, at_body }))
}

/// The clock of one message that keeps P-B4 and P-B5.
fn message(input: &[u8], last: Option<Clock>) -> Parse<'_, Clock> {
    let (rest, raw) = raw_message(input)?;
    ensure(last.is_none() || raw.clock != 0, input, WireFault::ClockZero)?;
    let Some(clock) = last.unwrap_or_default().0.checked_add(raw.clock) else {
        return fault(input, WireFault::ClockRange);
    };
    ensure(raw.kind.0 != 0, raw.at_kind, WireFault::KindZero)?;
    utf8(raw.room, raw.at_room, WireFault::Utf8)?;
    if raw.kind.is_text() {
        utf8(raw.body, raw.at_body, WireFault::BodyUtf8)?;
    }
    Ok((rest, Clock(clock)))
}

impl SignedHeader {
    /// The form that proofs carry (P-B7).
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        let header = self.header.to_bytes();
        let parts = header.iter().chain(self.body.as_bytes()).chain(self.signature.as_bytes());
        for (slot, byte) in out.iter_mut().zip(parts) {
            *slot = *byte;
        }
        out
    }

    /// Reads exactly one, the whole input. The signature is not checked.
    ///
    /// # Errors
    /// The length is not 178, or the header breaks P-B1 to P-B3.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        run(bytes, signed_header)
    }
}

pub(super) fn signed_header(input: &[u8]) -> Parse<'_, SignedHeader> {
    (header, array.map(Digest), array.map(Signature))
        .map(|(header, body, signature)| SignedHeader { header, body, signature })
        .parse(input)
}
