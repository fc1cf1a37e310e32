//! What can be wrong with bytes of the native protocol: where, what, and which rule of docs/protocol.md says so.

use crate::parse::Reason;

/// Bytes that break a rule. Copies freely and carries nothing of what it refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {reason}")]
pub struct WireError {
    /// Where the value begins that breaks the rule, counted from the start of what was parsed.
    pub offset: usize,
    /// The rule that it breaks, which its text names by number.
    pub reason: WireFault,
}

/// A value that has no form on the wire. The output is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot encode: {0}")]
pub struct EncodeError(pub WireFault);

macro_rules! faults {
    ($($(#[$doc:meta])+ $name:ident = $rule:literal, $text:literal;)+) => {
        /// Which rule of docs/protocol.md was broken.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
        #[non_exhaustive]
        pub enum WireFault {
            $($(#[$doc])+ #[error("{}: {}", $rule, $text)] $name,)+
        }

        impl WireFault {
            /// Every fault there is.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The rule's number, or the word of docs/protocol.md that it stands under when it has none.
            #[must_use]
            pub const fn rule(self) -> &'static str {
                match self { $(Self::$name => $rule,)+ }
            }
        }
    };
}

faults! {
    /// The input ends inside a value.
    Truncated = "P-F3", "the input ends inside this value";
    /// Bytes are left over.
    Trailing = "P-F3", "bytes are left over";
    /// A varint has a longer form than it needs.
    VarintForm = "varint", "not the shortest form";
    /// A varint is above 2^64 - 1.
    VarintRange = "varint", "more than 64 bits";
    /// A text is not UTF-8.
    Utf8 = "text8", "not UTF-8";
    /// The length of a frame is 0 or above the limit.
    FrameLength = "P-F2", "frame length out of bounds";
    /// A kind below 0x80 that is not known.
    FrameKind = "P-F4", "unknown frame kind";
    /// A flag bit is set that has no meaning.
    FlagBits = "P-F5", "a flag without meaning is set";
    /// `1 <= min <= max` does not hold.
    Versions = "P-F6", "versions out of order";
    /// A name is empty or too long.
    NameLength = "HELLO", "name length out of bounds";
    /// An agent text is too long.
    AgentLength = "HELLO", "agent length out of bounds";
    /// A reason is too long.
    ReasonLength = "BYE", "reason length out of bounds";
    /// Evidence is empty or too long.
    EvidenceLength = "MEMBER", "evidence length out of bounds";
    /// `1 <= from < until` does not hold.
    RangeOrder = "RANGE", "numbers out of order";
    /// The coverage byte is neither 0 nor 1.
    Coverage = "P-S4", "unknown coverage";
    /// `low <= high` does not hold.
    CoverageOrder = "P-S4", "low above high";
    /// More entries than a STATUS may have.
    EntryCount = "P-S5", "too many entries";
    /// Entries do not rise.
    EntryOrder = "P-S5", "origins do not rise";
    /// An entry is not between `low` and `high`.
    EntryOutside = "P-S5", "origin outside the coverage";
    /// The state byte is above 2.
    EntryState = "P-S6", "unknown state";
    /// `next` is 0.
    NextZero = "P-S6", "next of zero";
    /// `kept` is 0.
    KeptZero = "P-S6", "kept of zero";
    /// A bundle is too long.
    BundleLength = "P-B1", "bundle too long";
    /// A bundle has no message or too many.
    MessageCount = "P-B1", "message count out of bounds";
    /// A body is too long.
    BodyLength = "P-B1", "body too long";
    /// `first` is 0.
    FirstZero = "P-B2", "first number of zero";
    /// `first + count` is above 2^64 - 1.
    SeqRange = "P-B2", "numbers beyond 64 bits";
    /// `previous` is zero where `first` is not 1, or the other way round.
    Previous = "P-B3", "previous digest and first number disagree";
    /// A clock equals the one before.
    ClockZero = "P-B4", "clock difference of zero";
    /// Clocks add up to more than 2^64 - 1.
    ClockRange = "P-B4", "clock beyond 64 bits";
    /// A message kind is 0.
    KindZero = "P-B5", "message kind of zero";
    /// A room's name is too long.
    RoomLength = "message", "room length out of bounds";
    /// The body of a text is not UTF-8.
    BodyUtf8 = "P-B5", "body is not UTF-8";
    /// A letter or a key of a version that is not known.
    LetterVersion = "P-L1", "unknown version of a letter";
    /// The key of a KEY is empty or too long.
    LetterKeyLength = "P-L2", "key length out of bounds";
    /// What goes with a letter is too long.
    LetterEncLength = "P-L3", "enc too long";
    /// A header that is not the head of its bundle.
    HeadMismatch = "RUMOR", "header is not the head of the bundle";
    /// A part of the revocation list is too long.
    RevocationLength = "revocation list", "part too long";
    /// The number of a part of the revocation list is 0.
    RevocationNumber = "revocation list", "number of zero";
    /// A node stands in a part that is not its own.
    NodePlace = "P-R2", "node in another's part";
    /// The parts of REVISIONS do not rise.
    PartOrder = "REVISIONS", "parts do not rise";
    /// Nodes do not rise.
    NodeOrder = "P-R2", "nodes do not rise";
    /// Incarnations do not rise.
    IncarnationOrder = "P-R2", "incarnations do not rise";
    /// The cut byte is neither 0 nor 1.
    Cut = "P-R3", "unknown cut";
    /// A cut lists too many incarnations.
    CutCount = "revocation list", "too many incarnations";
}

impl Reason for WireFault {
    const TRUNCATED: Self = Self::Truncated;
}
