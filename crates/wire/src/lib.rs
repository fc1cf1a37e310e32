//! Every format that Rumormill speaks, as bytes: one module per format, parse and encode, zero-copy, no IO.
//!
//! A parser borrows from its input, allocates nothing, and reports the offset and the rule in its error.
#![forbid(unsafe_code)]
#![deny(unreachable_pub, unnameable_types, missing_debug_implementations)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]

pub mod classroom;
pub mod foreign;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod hex;
pub mod ids;
pub mod native;
mod parse;
pub mod peer_line;
mod plain;
pub mod protobuf_peer;
pub mod push_pull;
pub mod udp_mesh;

pub use foreign::{Foreign, ForeignText};
pub use ids::{Clock, Digest, HeadHash, Incarnation, NetworkId, NodeId, Origin, ParseIdError, Seq, Signature};
pub use plain::{plain, plain_char};
