//! A running node, for those who use it: doors, the local socket, tests.

mod error;
mod inspect;
mod log;
mod node;

pub use error::LogError;
pub use log::{ChatPlace, MAX_PAGE};
pub(crate) use node::Inner;
pub use node::{NodeHandle, Pending, SHUTDOWN_DEADLINE};
