//! Why a link ended before it was one.

use rumormill_peering::{Ended, Farewell, HelloError, Refusal};
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
    #[error("{0}")]
    Refused(#[from] Refusal),
}

impl GreetError {
    /// Whether it broke the form, which no program that means well does.
    pub(crate) const fn is_breach(&self) -> bool {
        matches!(self, Self::Link(LinkError::Frame(_)) | Self::Refused(Refusal::Hello(HelloError::Broken)))
    }

    /// What the peer is told, if anything.
    pub(crate) fn farewell(&self) -> Option<Farewell> {
        match self {
            Self::Link(LinkError::Frame(_)) => {
                Some(Farewell::new(ByeCode::PROTOCOL, "a frame of a length that no frame has"))
            }
            Self::Refused(why) => why.farewell(),
            _ => None,
        }
    }
}

impl From<&GreetError> for Ended {
    fn from(error: &GreetError) -> Self {
        match error {
            GreetError::Refused(why) => Self::from(why),
            GreetError::Link(error) => of_link(error),
            GreetError::Ended => Self::refused(error.to_string()),
        }
    }
}
