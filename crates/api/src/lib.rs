//! The requests and replies of a running node as types, and the client that sends requests over the local socket.
//!
//! The socket carries one JSON object a line each way, for the owner of the node alone. A [`Request`] is answered by one line of
//! [`Reply`], or by many of [`Reply::Line`] and one [`Reply::End`]. An unknown request is answered with an error, and the
//! connection stays open. Scripts depend on the names in these types; `tests/golden/lines.jsonl` holds each line.
//!
//! [`Client`] sends one request after another; [`Client::log`] turns it into a [`LogReader`], which reads the log and follows it.
//! Every reply has to begin within a [`Patience`], so that a node that hangs can be told from one that is slow. The other end,
//! which answers, is `rumormill_node::socket`.
#![forbid(unsafe_code)]
#![deny(unreachable_pub, unnameable_types, missing_debug_implementations)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod client;
mod door;
mod error;
mod foreign_json;
mod let_go;
mod line;
mod log_reader;
mod patience;
mod peer;
mod reply;
mod request;
mod socket;
mod standing;
mod time;
mod whose;

pub use client::Client;
pub use door::DoorInfo;
pub use error::ClientError;
pub use line::{LogLine, UNKNOWN_DOOR};
pub use log_reader::{LogQuery, LogReader, Step};
pub use patience::Patience;
pub use peer::{NeighbourInfo, PeerInfo, most_differ, own_clock_suspected};
pub use reply::{Frontier, Info, Reply, RevocationPart, Sent};
pub use request::Request;
pub use rumormill_wire::native::MAX_ROOM_LEN;
pub use rumormill_wire::{Foreign, ForeignText, foreign};
pub use socket::{MAX_LINE, default_path};
pub use standing::{Standing, WARNED_BEFORE_S};
pub use time::{date, utc};
pub use whose::Whose;
