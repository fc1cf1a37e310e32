//! The tasks of links: dialling and accepting, greeting, reading and writing.

pub(crate) mod accept;
pub(crate) mod dial;
mod entry;
pub(crate) mod greet;
mod linker;
mod pump;

pub(crate) use linker::Linker;
