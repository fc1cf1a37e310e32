//! Links as data: who is there, what waits, how one ended, when the next is tried. The tasks that work on them are in
//! `linking`.

mod bans;
mod direction;
mod ended;
mod endings;
mod facts;
mod greet_error;
mod greetings;
mod hello;
mod link_id;
mod neighbours;
mod outbox;
mod places;
mod plan;
mod rival;
mod seats;
mod silence;
mod state;

pub(crate) use bans::Bans;
pub use direction::Direction;
pub(crate) use ended::Ended;
pub(crate) use endings::{of_dial, of_link, said};
pub(crate) use facts::Facts;
#[cfg(test)]
pub(crate) use facts::tests::facts;
pub(crate) use greet_error::GreetError;
pub(crate) use greetings::Room;
pub(crate) use hello::judge;
pub(crate) use link_id::LinkId;
pub(crate) use neighbours::{Neighbours, Slot};
pub(crate) use outbox::Piece;
pub(crate) use places::{Named, Place, Who};
pub(crate) use plan::Plan;
pub(crate) use rival::{Rival, rival};
pub(crate) use seats::{Seat, Seats};
pub(crate) use silence::{Silence, silence};
pub(crate) use state::Link;
