//! Doors: what the node opens for programs that speak legacy protocols, and how their messages meet the room.

mod bridge;
mod exit;
mod mark;
mod open;
mod places;

pub(crate) use bridge::Bridge;
pub(crate) use mark::Mark;
pub use open::door_kinds;
pub(crate) use open::{Bound, check};

pub(crate) use crate::open_door::OpenDoor;
