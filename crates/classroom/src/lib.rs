//! The classroom's own programs: [`process`] is a node that is driven only through its control port, [`proxy`] starts such nodes
//! and drives them, and [`session`] ends those that were started in a directory (`stopall`). They exchange the lines of
//! [`rumormill_wire::classroom`].
#![forbid(unsafe_code)]
#![deny(unreachable_pub, unnameable_types, missing_debug_implementations)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod process;
pub mod proxy;
pub mod session;
