//! A message of the log, as the socket gives it.

use rumormill_wire::ForeignText;
use serde::{Deserialize, Serialize};

/// The door of a message that does not say which.
pub const UNKNOWN_DOOR: &str = "?";

/// A message as one line of JSON. The names of the keys are what others script against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Node id, in hexadecimal.
    pub origin: String,
    /// Which life of its store.
    pub incarnation: u64,
    /// Its place in that chain, from 1.
    pub seq: u64,
    /// Its author's clock: UTC, with microseconds.
    pub time: String,
    /// `chat`, `file`, `notice` or `bridged`.
    pub kind: String,
    /// Which room; empty for the common one.
    #[serde(with = "crate::foreign_json")]
    pub room: ForeignText,
    /// What it says; of a message through a door without the head that the door put there.
    #[serde(with = "crate::foreign_json")]
    pub text: ForeignText,
    /// Its author signed it; false for what came through a plain door.
    pub verified: bool,
    /// The door that it came through.
    #[serde(skip_serializing_if = "Option::is_none", default, with = "crate::foreign_json::option")]
    pub door: Option<ForeignText>,
    /// The name that its sender claimed at that door.
    #[serde(skip_serializing_if = "Option::is_none", default, with = "crate::foreign_json::option")]
    pub claimed: Option<ForeignText>,
    /// It came more than a minute after its stamp.
    pub late: bool,
    /// The certificate of the key that signed it was taken back since, and its messages were not cut: whoever has that key may have
    /// written it. Another key may have the name now.
    #[serde(skip_serializing_if = "core::ops::Not::not", default)]
    pub revoked: bool,
    /// The author's name, if known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<String>,
}
