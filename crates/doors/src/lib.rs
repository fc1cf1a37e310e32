//! Protocol gateways: programs that speak a legacy, unencrypted protocol take part in the chat's room through them, without
//! changes. The product calls them doors.
//!
//! Each protocol is a folder: a machine without IO if the protocol has rules to keep, a thin driver around it, and a type that is a
//! [`Door`]. A door is made from its settings ([`Spec`], `KIND,key=value,...`), bound to loopback unless told otherwise, and served
//! with one end of a [`Port`], a bounded queue to the room and one from it. Anything else that it needs of the node is in
//! [`Services`]. A door knows nothing of other doors. The node ensures that nothing goes round in circles.
#![forbid(unsafe_code)]
#![deny(unreachable_pub, unnameable_types, missing_debug_implementations)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod address;
pub mod classroom;
mod counters;
pub mod cut;
mod door;
mod error;
mod holds;
mod limits;
mod lines;
pub mod listen;
mod lock;
mod opening;
pub mod peer_line;
pub mod port;
pub mod protobuf_peer;
pub mod push_pull;
pub mod relay_43110;
mod service_error;
mod services;
mod shares;
mod spec;
pub mod take;
pub mod udp_mesh;
mod unsent;

pub use counters::Counters;
pub use door::{About, BoundDoor, Door, Files, Kind, LetterUse};
pub use error::DoorError;
pub use holds::{Hold, Holds};
pub use port::{Incoming, Outgoing, Port, RoomEnd, WayOut, port};
pub use service_error::{ReceiverError, ServiceError};
pub use services::{Chat, Durable, Letter, Letters, LogPart, Services};
pub use spec::{MAX_KEYS, Spec, SpecError};
pub use unsent::Unsent;

/// All kinds of doors. A new one has its line here.
#[must_use]
pub fn kinds<S: Services>() -> Vec<Kind<S>> {
    vec![
        Kind::of::<udp_mesh::UdpMesh>(),
        Kind::of::<peer_line::PeerLine>(),
        Kind::of::<protobuf_peer::ProtobufPeer>(),
        Kind::of::<relay_43110::Relay>(),
        Kind::of::<push_pull::PushPull>(),
        Kind::of::<classroom::Classroom>(),
    ]
}

/// The kind that was asked for.
///
/// # Errors
/// There is no such kind; the error names all there are.
pub fn find<S: Services>(spec: &Spec) -> Result<Kind<S>, SpecError> {
    let all: Vec<_> = kinds::<S>().iter().map(|kind| kind.about.kind).collect();
    let found = kinds().into_iter().find(|kind| kind.about.kind == spec.kind);
    found.ok_or_else(|| spec.error(format!("there is no such door; give one of {}", all.join(", "))))
}

#[cfg(test)]
mod tests;
