//! The doors: older, plain protocols through which programs that know nothing of Rumormill meet its rooms.
//!
//! Each door is a module. It is opened from a [`Spec`] (`KIND,key=value,...`), binds to loopback unless told otherwise,
//! and talks to the node through its [`Port`]: what comes in goes into a bounded queue, what goes out comes from one.
//! A door knows nothing of other doors. That nothing goes round in circles is the node's work.
#![forbid(unsafe_code)]

pub mod classroom;
pub mod counters;
pub mod cut;
pub mod limits;
pub mod listen;
pub mod peer_line;
pub mod port;
pub mod protobuf_peer;
pub mod push_pull;
pub mod relay_43110;
pub mod spec;
pub mod take;
pub mod udp_mesh;

pub use counters::Counters;
pub use port::{Incoming, Outgoing, Port, RoomEnd, port};
pub use spec::{DoorError, DoorKind, Spec, SpecError};
