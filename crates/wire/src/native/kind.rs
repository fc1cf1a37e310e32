//! Kind bytes (docs/protocol.md, table of F).

/// HELLO.
pub const HELLO: u8 = 0x01;
/// PING.
pub const PING: u8 = 0x02;
/// PONG.
pub const PONG: u8 = 0x03;
/// BYE.
pub const BYE: u8 = 0x04;
/// MEMBER.
pub const MEMBER: u8 = 0x05;
/// RUMOR.
pub const RUMOR: u8 = 0x06;
/// STATUS.
pub const STATUS: u8 = 0x07;
/// BUCKETS.
pub const BUCKETS: u8 = 0x08;
/// RANGE.
pub const RANGE: u8 = 0x09;
/// PROOF.
pub const PROOF: u8 = 0x0a;
/// REVOKED.
pub const REVOKED: u8 = 0x0b;
/// REVISIONS.
pub const REVISIONS: u8 = 0x0f;
/// From here on what is not known is skipped (P-F4).
pub const SKIPPED: u8 = 0x80;
