//! Who is linked with whom, without IO and without a clock: which addresses are dialled and when, which HELLO makes a link, which of two
//! links with one node stays, who gets one of the places, who is banned, and what is done about a neighbour that is silent.
//!
//! Time and randomness are handed in. Whoever drives this has the sockets, the handshakes and the tasks.
#![forbid(unsafe_code)]
#![deny(unreachable_pub, unnameable_types, missing_debug_implementations)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod bans;
mod direction;
mod ended;
mod greetings;
mod hello;
mod known;
mod link_id;
mod places;
mod plan;
mod rival;
mod silence;

pub use bans::{Bans, MAX_BANS};
pub use direction::Direction;
pub use ended::{Ended, Said};
pub use greetings::{Greetings, Room};
pub use hello::{HelloError, judge};
pub use known::{KEPT, Known};
pub use link_id::LinkId;
pub use places::{Named, Place, Who};
pub use plan::Plan;
pub use rival::{End, Rival, rival};
pub use silence::{Silence, silence};
