//! The node: joins the gossip engine with sockets, a store, clocks and doors.
//!
//! [`start()`] makes a node of a [`NodeConfig`]; a [`NodeHandle`] is what doors and people use.
#![forbid(unsafe_code)]
#![deny(unreachable_pub, unnameable_types, missing_debug_implementations)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod chat_log;
mod check;
pub mod clock;
mod committed;
pub mod config;
pub mod control;
mod counters;
pub mod descriptors;
mod disk;
mod door_share;
mod doors;
mod driver;
mod files;
pub mod fold;
pub mod follow;
pub mod handle;
mod incarnation;
mod keeper;
mod letters;
mod link;
mod linking;
mod lock;
mod log_filter;
pub mod logging;
mod names;
mod network_mark;
mod open_door;
mod outcome;
mod proofs;
mod recovery;
mod reload;
mod rounds;
pub mod run;
pub mod signals;
pub mod socket;
mod socket_error;
mod socket_limits;
pub mod standard_error;
pub mod start;
mod start_error;
pub mod terminal;
mod validity;
pub mod view;

use lock::lock;

pub use committed::Committed;
pub use config::{ConfigError, NodeConfig, NodeOptions};
pub use doors::door_kinds;
pub use follow::{Follow, Next};
pub use handle::{ChatPlace, LogError, NodeHandle, Pending};
pub use outcome::{Receipt, SubmitError};
pub use rumormill_peering::Direction;
pub use run::{configure, run_node};
pub use start::{Credentials, start, start_with};
pub use start_error::StartError;
