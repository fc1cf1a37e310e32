//! The names of things that travel: node, network, origin, number, clock, digest, signature.
//!
//! These are plain bytes with a meaning, not a promise: a [`NodeId`] read from the wire may be no valid
//! key at all until the gossip room has admitted it (docs/protocol.md, "Words").

use core::fmt;

use crate::hex::{self, Hex};

/// Why a text is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} hexadecimal digits, found {found} characters or another sign among them")]
pub struct ParseIdError {
    /// How many hexadecimal digits the identifier has.
    pub expected: usize,
    /// How many characters were given.
    pub found: usize,
}

fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], ParseIdError> {
    let err = ParseIdError { expected: N.saturating_mul(2), found: text.chars().count() };
    if text.len() != err.expected {
        return Err(err);
    }
    let mut out = [0u8; N];
    for (slot, pair) in out.iter_mut().zip(text.as_bytes().as_chunks::<2>().0) {
        *slot = hex::byte(pair).ok_or(err)?;
    }
    Ok(out)
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $n:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $n]);
        impl $name {
            /// How many bytes it has.
            pub const LEN: usize = $n;
            /// All bytes zero: of digests what stands before the first bundle (P-B3); as an id it is nobody's.
            pub const ZERO: Self = Self([0; $n]);
            /// As they stand on the wire.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $n] { &self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { Hex(&self.0).fmt(f) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({}..)", stringify!($name), Hex(self.0.get(..4).unwrap_or(&self.0)))
            }
        }
        impl core::str::FromStr for $name {
            type Err = ParseIdError;
            fn from_str(s: &str) -> Result<Self, ParseIdError> { parse_hex::<$n>(s).map(Self) }
        }
    };
}

bytes_id!(
    /// A node: its Ed25519 public key.
    NodeId, 32);
bytes_id!(
    /// A network: 32 random bytes that its CA certificate carries.
    NetworkId, 32);
bytes_id!(
    /// A BLAKE3 digest.
    Digest, 32);
bytes_id!(
    /// The first 16 bytes of the digest of a chain's head; zero for an empty chain.
    HeadHash, 16);
bytes_id!(
    /// An Ed25519 signature, not yet checked.
    Signature, 64);

impl Digest {
    /// The 16 bytes that a frontier shows of this digest.
    #[must_use]
    pub fn head(&self) -> HeadHash {
        let mut out = [0; 16];
        for (slot, byte) in out.iter_mut().zip(self.0.iter()) {
            *slot = *byte;
        }
        HeadHash(out)
    }
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u64);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(&self.0, f) }
        }
    };
}

number_id!(
    /// One life of a node's store: its creation time in seconds since the Unix epoch, growing for each node.
    Incarnation);
number_id!(
    /// The place of a message in its origin's chain, from 1.
    Seq);
number_id!(
    /// A hybrid logical clock reading: microseconds since the Unix epoch, pushed up to stay above all that was seen.
    Clock);

impl Seq {
    /// The number of the first message of a chain.
    pub const FIRST: Self = Self(1);
}

/// The author of a chain: a node in one incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Whose key signs its bundles, and is in its certificate.
    pub node: NodeId,
    /// Which life of its store.
    pub incarnation: Incarnation,
}

impl Origin {
    /// How many bytes it takes on the wire.
    pub const LEN: usize = 40;
    /// The lowest origin there can be.
    pub const MIN: Self = Self { node: NodeId::ZERO, incarnation: Incarnation(0) };
    /// The highest origin there can be.
    pub const MAX: Self = Self { node: NodeId([0xff; 32]), incarnation: Incarnation(u64::MAX) };
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.node, self.incarnation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_written_and_read_in_hexadecimal() {
        let mut bytes = [0xab; 32];
        bytes[0] = 0x01;
        let id = NodeId(bytes);
        let text = id.to_string();
        assert!(text.starts_with("01abab") && text.len() == 64);
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(text.to_uppercase().parse(), Ok(id));
        assert_eq!(format!("{id:?}"), "NodeId(01ababab..)");
        let wrong = |text: &str| text.parse::<NodeId>().unwrap_err();
        assert_eq!(wrong("01"), ParseIdError { expected: 64, found: 2 });
        assert_eq!(wrong(&text.replace("01", "0g")), ParseIdError { expected: 64, found: 64 });
        assert_eq!(wrong(&text.replace("01", "ü")), ParseIdError { expected: 64, found: 63 });
        assert_eq!(wrong(&text.replace("01", "+1")), ParseIdError { expected: 64, found: 64 });
    }

    #[test]
    fn origins_are_compared_as_their_bytes_are() {
        let origin = |node: u8, incarnation| Origin { node: NodeId([node; 32]), incarnation: Incarnation(incarnation) };
        let sorted = [Origin::MIN, origin(0, 256), origin(1, 2), origin(1, 0x0100), origin(0xff, 0), Origin::MAX];
        let bytes = sorted.map(|o| [&o.node.0[..], &o.incarnation.0.to_be_bytes()].concat());
        assert!(sorted.is_sorted() && bytes.is_sorted());
        assert_eq!(origin(1, 7).to_string(), format!("{}@7", NodeId([1; 32])));
    }

    #[test]
    fn a_head_is_the_first_half_of_a_digest() {
        let digest = Digest(core::array::from_fn(|i| u8::try_from(i).unwrap()));
        assert_eq!(digest.head().0[..], digest.0[..16]);
    }
}
