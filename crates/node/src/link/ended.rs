//! How a link, or a try at one, ended: in our words, in the peer's, and whether it is likely to pass by itself.

use std::time::Duration;

use rumormill_transport::{DialError, LinkError, Refusal};
use rumormill_wire::ForeignText;
use rumormill_wire::native::{Bye, ByeCode};

use super::greet::GreetError;

/// What a peer said with its BYE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) code: ByeCode,
    pub(crate) reason: ForeignText,
    /// How long it wants to be left alone; zero says nothing.
    pub(crate) retry_after: Duration,
}

impl From<Bye<'_>> for Said {
    fn from(bye: Bye<'_>) -> Self {
        let retry_after = Duration::from_secs(bye.retry_after_s.into());
        Self { code: bye.code, reason: bye.reason.to_text(), retry_after }
    }
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// In our words. Nothing in it was chosen by the peer but numbers.
    pub(crate) reason: String,
    pub(crate) said: Option<Said>,
    /// Somebody has said no, and will say so again until something is changed; else nobody was there, or the wire broke.
    pub(crate) refused: bool,
}

impl Ended {
    pub(crate) fn passing(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), said: None, refused: false }
    }

    pub(crate) fn refused(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), said: None, refused: true }
    }

    /// By a BYE.
    pub(crate) fn by(bye: Bye<'_>) -> Self {
        let refused = !matches!(bye.code, ByeCode::LEAVING | ByeCode::IDLE);
        Self { reason: format!("the peer said goodbye (code {})", bye.code.0), said: Some(bye.into()), refused }
    }

    /// For one field of a log line; empty if the peer said nothing.
    pub(crate) fn said(&self) -> ForeignText {
        self.said.as_ref().map(|said| said.reason.clone()).unwrap_or_default()
    }

    /// How long the peer wants to be left alone.
    pub(crate) fn retry_after(&self) -> Duration {
        self.said.as_ref().map_or(Duration::ZERO, |said| said.retry_after)
    }
}

impl From<&DialError> for Ended {
    fn from(error: &DialError) -> Self {
        let passing = match error {
            DialError::Connect { .. } => true,
            DialError::Refused { reason, .. } => matches!(reason, Refusal::Timeout | Refusal::Lost | Refusal::Overload),
            DialError::LoopbackOnly(_) => false,
        };
        Self { reason: error.to_string(), said: None, refused: !passing }
    }
}

impl From<&GreetError> for Ended {
    fn from(error: &GreetError) -> Self {
        match error {
            GreetError::Bye(said) => {
                let refused = !matches!(said.code, ByeCode::LEAVING | ByeCode::IDLE);
                Self { reason: error.to_string(), said: Some(said.clone()), refused }
            }
            GreetError::Link(error) => Self::from(error),
            GreetError::Deadline(_) | GreetError::Refused { code: ByeCode::LEAVING, .. } => {
                Self::passing(error.to_string())
            }
            _ => Self::refused(error.to_string()),
        }
    }
}

impl From<&LinkError> for Ended {
    fn from(error: &LinkError) -> Self {
        let refused = match error {
            // The other side's check of our certificate ends after ours of its own: its refusal is the first thing read.
            LinkError::Io(error) => Refusal::of_io(error) != Refusal::Lost,
            LinkError::Frame(_) => true,
            _ => false,
        };
        Self { reason: error.to_string(), said: None, refused }
    }
}
