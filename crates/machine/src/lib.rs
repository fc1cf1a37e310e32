//! One whole node without IO and without a clock: the logs (`rumormill_gossip`) and the links (`rumormill_peering`), which do not know
//! each other, joined. What one says that concerns the other is told to it here: a link that is up or down, a member that is banned. So is
//! the pace of our own bundles, which depends on how fast links write, and how much of gossip's may be on its way over each. Which machine a
//! frame that comes is for says [`route`]; in which order what they send leaves, and how much of it may wait, is for the [`Scheduler`] of the
//! link.
//!
//! [`Machine`] has the three methods of every machine, `handle`, `poll_output` and `next_timeout`. [`Shell`] is what drives it as a trait: a
//! node with sockets, a disk and threads is one, the deterministic world of this crate's tests another. What the driver owes is what it owes
//! to the two (see their pages), but that it names a link once, with [`Input::Opened`], and tells of its end once, with
//! `Input::Links(LinkDown)`; before [`Input::Timeout`] it says what was heard over links, if [`Machine::judges_links`].
//!
//! A further machine is a field of [`Machine`], a variant of [`Input`], [`Output`], [`Route`] and [`Class`], and what it wants to hear of the others.
#![forbid(unsafe_code)]
#![deny(unreachable_pub, unnameable_types, missing_debug_implementations)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod io;
mod lanes;
mod machine;
mod pacer;
mod route;
mod scheduler;
mod shell;
mod window;

pub use io::{Input, Output, Reject};
pub use machine::Machine;
pub use route::{Route, route};
pub use scheduler::{Batch, Class, MAX_BATCH_BYTES, MAX_WAITING_BYTES, Piece, Scheduler, Taken};
pub use shell::Shell;
