//! The tasks of links: dialling and accepting, greeting, reading and writing.

pub(crate) mod dial;
pub(crate) mod greet;
mod pump;
