//! What the rooms share: one kind of time. It is a leaf: it uses nothing, and any room but `wire` may use it.
#![forbid(unsafe_code)]
#![deny(unreachable_pub, unnameable_types, missing_debug_implementations)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod time;

pub use time::Timestamp;
