//! The gossip protocol as a machine without IO and without a clock (docs/protocol.md).
//!
//! [`Engine`] joins small machines: chains of signed bundles ([`chain`]), what is being checked ([`checks`]), one
//! cursor a neighbour and origin ([`link`]), comparison of frontiers ([`frontier`]), what we write ourselves
//! ([`author`]) and the ways to spread ([`mongering`]). The shell around it has sockets, disks and clocks.
#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]

pub mod author;
pub mod bundle;
pub mod cache;
pub mod chain;
pub mod checks;
pub mod clock;
pub mod config;
pub mod cost;
mod engine;
pub mod frontier;
pub mod greed;
pub mod io;
pub mod key;
pub mod link;
pub mod members;
pub mod mongering;
pub mod pacer;
pub mod passing;
pub mod proof;
mod rate;
pub mod revocation;
pub mod stats;
pub mod uncommitted;

#[cfg(feature = "fuzz")]
pub mod fuzz;

pub use bundle::{Invalid, RawBundle, Signer, VerifiedBundle, verify, verify_header};
pub use config::{Dissemination, EngineConfig, Recovered, RecoveredChain};
#[cfg(feature = "fuzz")]
pub use engine::measure;
pub use engine::{Engine, Reject};
pub use io::{CheckId, Event, Input, Keep, LinkId, Output, Ticket, Timestamp};
pub use members::{Checked, Evidence};
pub use proof::{RawProof, VerifiedProof, verify_proof};
pub use revocation::Revocations;
pub use stats::{LinkStats, Stats, Why};
