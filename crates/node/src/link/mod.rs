//! Links as data: who is there, what waits, how one ended. Who gets one is for `rumormill_peering`; the tasks that work on them are in
//! `linking`.

mod endings;
mod facts;
mod greet_error;
mod opening;
mod state;

pub(crate) use endings::{of_dial, of_link, said};
pub(crate) use facts::Facts;
pub(crate) use greet_error::GreetError;
pub(crate) use opening::{Fate, Opening};
pub(crate) use state::Link;
