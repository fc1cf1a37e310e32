//! The node: joins the gossip engine with sockets, a store, clocks and people.
#![forbid(unsafe_code)]

pub mod clock;
pub mod config;
