//! Links as data: who is there, what waits, how one ended, when the next is tried. The tasks that work on them are in
//! `linking`.

mod endings;
mod facts;
mod greet_error;
mod neighbours;
mod outbox;
mod seats;
mod state;

pub(crate) use endings::{of_dial, of_link, said};
pub(crate) use facts::Facts;
#[cfg(test)]
pub(crate) use facts::tests::facts;
pub(crate) use greet_error::GreetError;
pub(crate) use neighbours::{Neighbours, Slot};
pub(crate) use outbox::Piece;
pub(crate) use seats::{Seat, Seats};
pub(crate) use state::Link;
