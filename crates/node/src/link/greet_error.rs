//! Why a link ended before it was one.

use std::time::Duration;

use rumormill_peering::{Ended, HelloError};
use rumormill_transport::LinkError;
use rumormill_wire::native::ByeCode;

use super::endings::of_link;

/// Why a link ended before it was one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GreetError {
    #[error("{0}")]
    Link(#[from] LinkError),
    #[error("it ended before its HELLO; a node that refuses us says why in its own log")]
    Ended,
    #[error("no HELLO within {0:?}")]
    Deadline(Duration),
    #[error("{0}")]
    Hello(#[from] HelloError),
    #[error("it is this node itself")]
    Ourselves,
    #[error("{reason}")]
    Refused { code: ByeCode, reason: &'static str },
}

impl GreetError {
    /// Whether it broke the form, which no program that means well does.
    pub(crate) const fn is_breach(&self) -> bool {
        matches!(self, Self::Link(LinkError::Frame(_)) | Self::Hello(HelloError::Broken))
    }

    /// What the peer is told, if anything.
    pub(crate) const fn bye(&self) -> Option<(ByeCode, &'static str)> {
        match self {
            Self::Hello(error) => error.bye(),
            Self::Link(LinkError::Frame(_)) => Some((ByeCode::PROTOCOL, "a frame of a length that no frame has")),
            Self::Ourselves => Some((ByeCode::DUPLICATE, "this is your own node")),
            Self::Deadline(_) => Some((ByeCode::IDLE, "no HELLO")),
            _ => None,
        }
    }
}

impl From<&GreetError> for Ended {
    fn from(error: &GreetError) -> Self {
        match error {
            GreetError::Hello(error) => Self::from(error),
            GreetError::Refused { code: ByeCode::DUPLICATE, .. } => {
                Self { duplicate: true, ..Self::refused(error.to_string()) }
            }
            GreetError::Link(error) => of_link(error),
            GreetError::Deadline(_) | GreetError::Refused { code: ByeCode::LEAVING, .. } => {
                Self::passing(error.to_string())
            }
            _ => Self::refused(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use rumormill_wire::native::Bye;

    use super::*;

    fn bye(code: ByeCode, reason: &str) -> Ended {
        Ended::by(Bye { code, retry_after_s: 0, reason: reason.into() })
    }

    #[test]
    fn a_second_link_is_told_from_other_refusals_on_both_sides() {
        assert!(bye(ByeCode::DUPLICATE, "kept").duplicate);
        assert!(!bye(ByeCode::MISBEHAVIOUR, "banned").duplicate);
        let here = |code| Ended::from(&GreetError::Refused { code, reason: "no" });
        assert!(here(ByeCode::DUPLICATE).duplicate && here(ByeCode::DUPLICATE).refused);
        assert!(!here(ByeCode::REVOKED).duplicate && here(ByeCode::REVOKED).refused);
        assert!(!here(ByeCode::LEAVING).refused);
        assert!(!Ended::from(&GreetError::Ourselves).duplicate, "no link with that peer is up");
    }
}
