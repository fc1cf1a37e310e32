//! Programs that play the legacy ones, each written from the description of its protocol, with the habits of the program in use.
//!
//! Each file is a module here, for tests that speak with it in their own process, and the program itself, an example of
//! `rumormill-client`, for tests that start and kill it ([`crate::counterpart`]). It uses the standard library alone: what it has in
//! common with the door that it speaks to, it has by the protocol.

pub mod peer_line;
pub mod protobuf_peer;
pub mod push_pull;
pub mod relay_43110;
pub mod udp_mesh;
