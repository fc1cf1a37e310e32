//! Link policy as a machine without IO and without a clock: which addresses are dialled and when, which HELLO makes a link, which
//! of two links with one node stays, which peer gets one of the slots, which node is banned, and what is done about a silent
//! neighbour. The sockets, the handshakes, the clock and the tasks belong to its driver. The driver feeds one input and then
//! carries out all outputs:
//!
//! ```
//! use std::time::Duration;
//!
//! use rand::{SeedableRng, rngs::StdRng};
//! use rumormill_limits::Timestamp;
//! use rumormill_peering::{Config, Ended, Input, Neighbour, NeighbourId, Output, Peering};
//! use rumormill_wire::{NetworkId, NodeId};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let neighbours = vec![Neighbour { name: Some("bob".into()), addr: "127.0.0.1:20001".parse()? }];
//! let ping = Duration::from_secs(5);
//! let (me, network, hello_deadline) = (NodeId([1; 32]), NetworkId([7; 32]), 2 * ping);
//! let config = Config { me, network, max_links: 64, ping, hello_deadline, neighbours };
//! let mut peering = Peering::new(config, StdRng::seed_from_u64(1));
//!
//! let (mut now, mut dials) = (Timestamp::ZERO, 0);
//! while now < Timestamp(10_000_000) {
//!     // When nothing has happened, sleep until the timer.
//!     now = peering.next_timeout().unwrap_or(Timestamp(u64::MAX));
//!     peering.handle(now, Input::Tick)?;
//!     while let Some(output) = peering.poll_output() {
//!         if output == (Output::Dial { neighbour: NeighbourId(0) }) {
//!             dials += 1;
//!             // Nobody listens there.
//!             let ended = Ended::passing("connection refused");
//!             peering.handle(now, Input::DialEnded { neighbour: NeighbourId(0), ended, lived: Duration::ZERO })?;
//!         }
//!     }
//! }
//! assert!((20..=50).contains(&dials));
//! # Ok(()) }
//! ```
//!
//! The same inputs with the same generator give the same outputs. The obligations of the driver are stated at each [`Input`] and
//! [`Output`]. The number of links that the machine is told of is bounded by its settings: [`Config::max_links`] links that are up,
//! as many greeting links as those that are up leave of it, and one for each neighbour that is dialled.
//!
//! Beside it is [`Known`]: the addresses of members, which have handshakes of their own in a flood.
#![forbid(unsafe_code)]
#![deny(unreachable_pub, unnameable_types, missing_debug_implementations)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod admit;
mod bans;
mod dial;
mod direction;
mod ended;
mod greet;
mod greetings;
mod hello;
mod io;
mod known;
mod link;
mod machine;
mod neighbour;
mod peer;
mod places;
mod plan;
mod redial;
mod refusal;
mod rival;
mod silence;
mod state;
#[cfg(test)]
mod tests;

pub use direction::Direction;
pub use ended::{Ended, Said};
pub use hello::HelloError;
pub use io::{Close, Input, Output, Reject};
pub use known::{KEPT, Known};
pub use neighbour::{Neighbour, NeighbourId};
pub use peer::Peer;
pub use refusal::{Farewell, Refusal, whole_seconds};
pub use rumormill_limits::LinkId;
pub use state::{Config, Peering, Standing};
