//! The length-prefixed protobuf peer.
