//! What a running node can be asked, as types, and the client that asks it over the local socket.
//!
//! The socket carries one JSON object a line each way, for the owner of the node alone. A [`Request`] is answered by one line of
//! [`Reply`], or by many of [`Reply::Line`] and one [`Reply::End`]. An unknown request is an error reply, and the connection goes
//! on. The names in it are what scripts are written against; `tests/golden/lines.jsonl` holds each line.
//!
//! [`Client`] asks one question after another; [`Client::log`] makes it a [`LogReader`], which reads the log and follows it. Every
//! answer has to begin within a [`Patience`], so that a node that hangs is told from one that is slow.
//! The other end, which answers, is `rumormill_node::socket`.
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
