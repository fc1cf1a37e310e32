//! What a client asks of a node.

use serde::{Deserialize, Serialize};

/// One line that a client asks a node with; each has a [`crate::Reply`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do", deny_unknown_fields)]
pub enum Request {
    /// Write a message; answered when it is durable.
    Send {
        /// UTF-8, as long as `max-message` allows: 32,768 bytes at most.
        text: String,
        /// Which room; empty for the common one.
        #[serde(default)]
        room: String,
        /// `chat`, the default, or `notice`.
        #[serde(default)]
        kind: Option<String>,
    },
    /// The log, all of it or one room; then, with `follow`, what comes.
    Log {
        /// Go on with what comes.
        #[serde(default)]
        follow: bool,
        /// The name of the one room that is wanted; empty is the common one, not given is all.
        #[serde(default)]
        room: Option<String>,
        /// Only the last so many.
        #[serde(default)]
        last: Option<usize>,
        /// With `follow`: say `current` where the log so far ends and what comes begins.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        mark: bool,
    },
    /// All links that are up.
    Peers,
    /// The configured neighbours without a link.
    Unlinked,
    /// All doors that are open.
    Doors,
    /// All counters and gauges.
    Metrics,
    /// Who the node is, where it listens and how long its certificate is valid.
    Info,
    /// What it has of a node's chains: what a revocation would cut at.
    Frontier {
        /// Node id, in hexadecimal.
        node: String,
    },
    /// A part of the revocation list in force: what the CA's home has to go on from.
    RevocationPart {
        /// The first byte of the node ids that it is for.
        place: u8,
    },
    /// End: what was taken is made durable and sent first, within a bound.
    Shutdown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_what_a_script_would_write() {
        let request: Request = serde_json::from_str(r#"{"do":"send","text":"hi"}"#).unwrap();
        assert_eq!(request, Request::Send { text: "hi".into(), room: String::new(), kind: None });
        let request: Request = serde_json::from_str(r#"{"do":"log","follow":true}"#).unwrap();
        assert_eq!(request, Request::Log { follow: true, room: None, last: None, mark: false });
        assert!(serde_json::from_str::<Request>(r#"{"do":"log","folow":true}"#).is_err());
    }
}
