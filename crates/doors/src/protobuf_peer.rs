//! The length-prefixed protobuf peer.

#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
#[cfg(test)]
mod generate;
#[rustfmt::skip]
#[allow(clippy::all, missing_docs, unused_qualifications, reason = "made by prost-build")]
mod generated;
pub mod message;
