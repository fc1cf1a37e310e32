//! What the rooms share: one kind of time, one name of a link, one rate, one back-off, one table of slots that decides which holder
//! makes room, one memory of recently used keys, one queue whose users take turns, one way to read times and sizes of settings
//! ([`settings`]), the numbers of rules that more than one room holds to, and one way to write a file that a crash cannot tear. It is a
//! leaf: any room except `wire` may use it.
//!
//! Time and randomness are passed in. Modules with IO or a clock of their own ([`mod@file`], [`Clock`]) are behind the feature
//! `shell`, and rooms without IO do not name them.
#![forbid(unsafe_code)]
#![deny(unreachable_pub, unnameable_types, missing_debug_implementations)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

extern crate alloc;

mod backoff;
#[cfg(feature = "shell")]
mod clock;
#[cfg(feature = "shell")]
pub mod file;
mod link_id;
mod rate;
mod recent;
mod rules;
pub mod settings;
mod slots;
mod time;
mod turns;

pub use backoff::Backoff;
#[cfg(feature = "shell")]
pub use clock::Clock;
pub use link_id::LinkId;
pub use rate::Rate;
pub use recent::Recent;
pub use rules::{BAN, DAY_S, MAX_INCARNATION_AHEAD_S};
pub use slots::{Room, Slots, room};
pub use time::Timestamp;
pub use turns::Turns;
