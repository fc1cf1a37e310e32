//! One whole node without IO and without a clock. It joins the logs (`rumormill_gossip`) and the links (`rumormill_peering`), which
//! do not know each other. An event of one that concerns the other is passed on here: a link that is up or down, a member that is
//! banned. This crate also holds the pace of our own bundles, which depends on how fast links write, and the amount of gossip's
//! bytes that may be in flight on each link. [`route`] decides which machine receives an incoming frame. The [`Scheduler`] of a
//! link decides in which order outgoing frames leave, and how many of them may wait.
//!
//! [`Machine`] has the three methods of every machine, `handle`, `poll_output` and `next_timeout`. [`Shell`] is the driver as a
//! trait: a node with sockets, a disk and threads is one, the deterministic world of this crate's tests another. The driver has the
//! obligations of the two machines (see their pages), with these differences: it names a link once, with [`Input::Opened`], and
//! reports its end once, with `Input::Links(LinkDown)`; before [`Input::Timeout`] it says what was heard over links, if
//! [`Machine::judges_links`].
//!
//! A further machine is a field of [`Machine`], a variant of [`Input`], [`Output`], [`Route`] and [`Class`], and the events of the
//! others that it wants to hear of.
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
