//! Links as data: who is there, what waits, how one ended, when the next is tried. The tasks that work on them are in
//! `linking`.

mod ended;
mod facts;
mod greet_error;
mod greetings;
mod neighbours;
mod outbox;
mod places;
mod plan;
mod rival;
mod state;

pub(crate) use ended::Ended;
pub use facts::Direction;
pub(crate) use facts::Facts;
#[cfg(test)]
pub(crate) use facts::tests::facts;
pub(crate) use greet_error::GreetError;
pub(crate) use greetings::{Greetings, Room, Seat};
pub(crate) use neighbours::{Neighbours, Slot};
pub(crate) use outbox::Piece;
pub(crate) use places::{Named, Place};
pub(crate) use plan::Plan;
pub(crate) use rival::{Rival, rival};
pub(crate) use state::Link;
