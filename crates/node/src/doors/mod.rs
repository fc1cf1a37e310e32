//! Doors: what the node opens for programs that speak legacy protocols, and how their messages meet the room.

mod bridge;
mod exit;
mod open;
mod written_files;

pub(crate) use bridge::Bridge;
pub use open::door_kinds;
pub(crate) use open::{Bound, check};
