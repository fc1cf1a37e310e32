//! The native protocol between nodes (docs/protocol.md).
//!
//! A stream is cut with [`frame_len`] and each piece read with [`Frame::decode`]. What is read borrows from the input.
//!
//! ```
//! use rumormill_wire::native::{Frame, LENGTH_LEN, frame_len};
//!
//! let mut stream = Vec::new();
//! Frame::Ping(7).encode(&mut stream)?;
//! assert_eq!(frame_len(&stream)?, Some(stream.len()));
//! assert_eq!(Frame::decode(&stream[LENGTH_LEN..])?, Frame::Ping(7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bridged;
mod buckets;
mod builder;
mod bundle;
mod error;
mod evidence;
mod frame;
mod hello;
pub mod kind;
mod letter;
mod limits;
mod prim;
mod revisions;
mod revocation;
mod revocations;
mod rumor;
mod status;
mod types;

pub use bridged::{Bridged, MAX_CLAIMED_LEN, MAX_DOOR_LEN};
pub use buckets::{BUCKET_COUNT, Buckets};
pub use builder::{BundleBuilder, InvalidMessage, PushError, validate_message};
pub use bundle::{BundleView, Messages};
pub use error::{EncodeError, WireError, WireFault};
pub use frame::frame_len;
pub use letter::{KEY_ID_LEN, LETTER_VERSION, LetterKey, MAX_LETTER_KEY_LEN, SealedLetter};
pub use limits::{
    ALPN, LENGTH_LEN, MAX_AGENT_LEN, MAX_BODY_LEN, MAX_BUNDLE_LEN, MAX_BUNDLE_MESSAGES, MAX_CUT_INCARNATIONS,
    MAX_EVIDENCE_LEN, MAX_FRAME_LEN, MAX_NAME_LEN, MAX_REASON_LEN, MAX_REVOCATION_LEN, MAX_ROOM_LEN,
    MAX_STATUS_ENTRIES, SIGN_BUNDLE_CONTEXT, SIGN_REVOCATION_CONTEXT, VERSION,
};
pub use revisions::{MAX_PARTS, Revisions};
pub use revocation::{Cut, Lasts, RevocationEntry, RevocationPart, place_of};
pub use revocations::{ListPart, Revocations, Revoked};
pub use rumor::{RUMOR_PREFIX, rumor_prefix};
pub use status::{Coverage, EntryState, Status, StatusEntries, StatusEntry};
pub use types::*;
