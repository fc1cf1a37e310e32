//! The values that frames carry (docs/protocol.md, F, B and S). Borrowed from the input, unchecked beyond their form.

use super::{Buckets, Revisions, Status};
use crate::{Clock, Digest, Foreign, NetworkId, NodeId, Origin, Seq, Signature};

/// One frame, decoded. What it borrows lives in the input.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "a frame lives on the stack; a box would make parsing allocate")]
pub enum Frame<'a> {
    /// Versions and names; the first frame each way (P-F6).
    Hello(Hello<'a>),
    /// Are you there (P-F9).
    Ping(u64),
    /// Yes: the nonce of the PING.
    Pong(u64),
    /// The last frame, and why.
    Bye(Bye<'a>),
    /// An origin's certificate, sent before its first bundle.
    Member(Member<'a>),
    /// A bundle.
    Rumor(Rumor<'a>),
    /// How far the sender's chains go: those of all origins, or of some.
    Status(Status<'a>),
    /// The fingerprints of 256 parts of the frontier, by the first byte of the node id (P-S3).
    Buckets(Buckets<'a>),
    /// Please send these numbers.
    Range(RangeRequest),
    /// Two signed headers that cannot both be honest.
    Proof(Proof),
    /// A part of the revocation list, undecoded; see [`crate::native::RevocationPart`].
    Revoked(&'a [u8]),
    /// Which parts of the revocation list the sender has (P-R4).
    Revisions(Revisions<'a>),
    /// A kind of 0x80 or more that this version does not know: to be skipped (P-F4).
    Unknown(u8),
}

/// HELLO (P-F6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello<'a> {
    /// Lowest version the sender speaks.
    pub min: u16,
    /// Highest version the sender speaks.
    pub max: u16,
    /// The sender's network.
    pub network: NetworkId,
    /// Hints: no bit is defined. 0 is sent, and what comes is ignored.
    pub features: u32,
    /// The sender's name.
    pub name: Foreign<'a>,
    /// The sender's program and version.
    pub agent: Foreign<'a>,
}

/// BYE (P-F8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bye<'a> {
    /// Why the link ends, as a number of P-F8.
    pub code: ByeCode,
    /// Seconds to wait before the next try; 0 says nothing.
    pub retry_after_s: u16,
    /// The same for people, in the sender's words: 0 to 128 bytes.
    pub reason: Foreign<'a>,
}

/// Why a link ends (P-F8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ByeCode(pub u16);

impl ByeCode {
    /// The sender shuts down.
    pub const LEAVING: Self = Self(1);
    /// No version that both speak (P-F6).
    pub const VERSION: Self = Self(2);
    /// The sender is of another network.
    pub const NETWORK: Self = Self(3);
    /// A frame that breaks the form.
    pub const PROTOCOL: Self = Self(4);
    /// A frame of good form that no honest node sends.
    pub const MISBEHAVIOUR: Self = Self(5);
    /// The receiver is revoked.
    pub const REVOKED: Self = Self(6);
    /// A node of this id or name is linked already.
    pub const DUPLICATE: Self = Self(7);
    /// The sender has no room for this link now.
    pub const OVERLOAD: Self = Self(8);
    /// Nothing was heard for too long.
    pub const IDLE: Self = Self(9);
    /// A certificate is outside its dates.
    pub const EXPIRED: Self = Self(10);
}

/// MEMBER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// The node that the certificate is for.
    pub node: NodeId,
    /// The certificate in DER, unchecked.
    pub evidence: &'a [u8],
}

/// RUMOR (P-F7). Only the bundle's head is checked on decoding; the rest by [`crate::native::BundleView::parse`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rumor<'a> {
    /// A STATUS is asked for in answer.
    pub want_status: bool,
    /// It answers a RANGE.
    pub answers_range: bool,
    /// The head of `bundle`.
    pub header: BundleHeader,
    /// The whole bundle: header, signature, messages.
    pub bundle: &'a [u8],
}

/// The signed facts of a bundle besides its messages (82 bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BundleHeader {
    /// The chain that it is a part of, by its author and incarnation.
    pub origin: Origin,
    /// Number of the first message.
    pub first: Seq,
    /// How many messages, 1 to 512.
    pub count: u16,
    /// Digest of the bundle before; zero for the first.
    pub previous: Digest,
}

impl BundleHeader {
    /// Bytes on the wire.
    pub const LEN: usize = 82;

    /// The number after its last message. Cannot overflow once decoded (P-B2); saturates otherwise.
    #[must_use]
    pub fn next(&self) -> Seq {
        Seq(self.first.0.saturating_add(u64::from(self.count)))
    }
}

/// A header, the digest of its messages and the signature (P-B7, 178 bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedHeader {
    /// The header as the bundle begins with it.
    pub header: BundleHeader,
    /// BLAKE3 of the messages.
    pub body: Digest,
    /// Over the bundle's digest; unchecked.
    pub signature: Signature,
}

impl SignedHeader {
    /// Bytes on the wire.
    pub const LEN: usize = 178;
}

/// PROOF: two signed headers of one origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// One of the two; which of them stands first means nothing.
    pub a: SignedHeader,
    /// The other, which contradicts it: they overlap, or the later does not name the earlier.
    pub b: SignedHeader,
}

/// One message of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageView<'a> {
    /// Its place in its origin's chain, from 1.
    pub seq: Seq,
    /// When, by its author's clock.
    pub clock: Clock,
    /// What; see [`MessageKind`].
    pub kind: MessageKind,
    /// Which room; empty is the common one.
    pub room: &'a str,
    /// Its body; UTF-8 for chat, notice and bridged (P-B5).
    pub body: &'a [u8],
}

/// What a message is (P-B5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageKind(pub u8);

impl MessageKind {
    /// Text by its author.
    pub const CHAT: Self = Self(1);
    /// A file.
    pub const FILE: Self = Self(2);
    /// A notice by a node.
    pub const NOTICE: Self = Self(3);
    /// Text that came through a plain door.
    pub const BRIDGED: Self = Self(4);
    /// A letter that only its receiver opens ([`super::SealedLetter`]).
    pub const SEALED: Self = Self(5);
    /// The key that letters to its author are sealed to ([`super::LetterKey`]).
    pub const KEY: Self = Self(6);

    /// Whether the body has to be UTF-8.
    #[must_use]
    pub const fn is_text(self) -> bool {
        matches!(self, Self::CHAT | Self::NOTICE | Self::BRIDGED)
    }
}

/// RANGE: bundles that hold the numbers from `from` up to but without `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeRequest {
    /// The chain that bundles are wanted of.
    pub origin: Origin,
    /// First number that is wanted, 1 or more and below `until`.
    pub from: Seq,
    /// First number not wanted.
    pub until: Seq,
}
