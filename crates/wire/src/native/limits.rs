//! The constants of the protocol (docs/protocol.md): versions, what is signed with, and how long what may be.

/// The version that this crate speaks (P-F6).
pub const VERSION: u16 = 1;
/// The TLS application protocol of a link.
pub const ALPN: &[u8] = b"rumormill/1";
/// What stands before network id and digest where a bundle is signed (P-B6).
pub const SIGN_BUNDLE_CONTEXT: &[u8] = b"rumormill/1 bundle\0";
/// What stands before network id and digest where a part of the revocation list is signed (P-R1).
pub const SIGN_REVOCATION_CONTEXT: &[u8] = b"rumormill/1 revocation\0";

/// Kind and payload of a frame, in bytes (P-F2).
pub const MAX_FRAME_LEN: usize = 73_728;
/// A whole bundle, in bytes (P-B1).
pub const MAX_BUNDLE_LEN: usize = 65_536;
/// Messages of a bundle (P-B1).
pub const MAX_BUNDLE_MESSAGES: usize = 512;
/// Body of a message, in bytes (P-B1).
pub const MAX_BODY_LEN: usize = 32_768;
/// Name of a room, in bytes.
pub const MAX_ROOM_LEN: usize = 64;
/// Entries of a STATUS (P-S5).
pub const MAX_STATUS_ENTRIES: usize = 800;
/// Certificate in a MEMBER, in bytes.
pub const MAX_EVIDENCE_LEN: usize = 4_096;
/// Name of a node in HELLO, in bytes.
pub const MAX_NAME_LEN: usize = 64;
/// Agent in HELLO, in bytes.
pub const MAX_AGENT_LEN: usize = 64;
/// Reason in BYE, in bytes.
pub const MAX_REASON_LEN: usize = 128;
/// A part of the revocation list, in bytes.
pub const MAX_REVOCATION_LEN: usize = 65_536;
/// Incarnations of which one revocation lets messages count (P-R3).
pub const MAX_CUT_INCARNATIONS: usize = 1_024;

/// Bytes of the length that stands before each frame (P-F1).
pub const LENGTH_LEN: usize = 4;
