//! How a link, or a try at one, ended: in our words, in the peer's, and whether it is likely to pass by itself.

use core::time::Duration;

use rumormill_wire::ForeignText;
use rumormill_wire::native::{Bye, ByeCode};

/// What a peer said with its BYE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The reason as a number of docs/protocol.md, P-F8; any number may come.
    pub code: ByeCode,
    /// The reason in the peer's own words: text that somebody else has chosen.
    pub reason: ForeignText,
    /// How long it wants to be left alone; zero says nothing.
    pub retry_after: Duration,
}

impl From<Bye<'_>> for Said {
    fn from(bye: Bye<'_>) -> Self {
        let retry_after = Duration::from_secs(bye.retry_after_s.into());
        Self { code: bye.code, reason: bye.reason.to_text(), retry_after }
    }
}

/// How a link, or a try to have one, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// In our words. Nothing in it was chosen by the peer but numbers.
    pub reason: String,
    /// What the peer said, if it said why.
    pub said: Option<Said>,
    /// Somebody has said no, and will say so again until something is changed; else nobody was there, or the wire broke.
    pub refused: bool,
    /// Whoever was there has not proven to be a member: it may be a stranger at the address of a neighbour that comes back soon.
    pub unproven: bool,
    /// Another link with the same peer is kept, here or there.
    pub duplicate: bool,
}

impl Ended {
    /// Nobody was there, or the wire broke.
    pub fn passing(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), said: None, refused: false, unproven: false, duplicate: false }
    }

    /// Somebody has said no.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self { refused: true, ..Self::passing(reason) }
    }

    /// By a BYE.
    #[must_use]
    pub fn by(bye: Bye<'_>) -> Self {
        Self::told(format!("the peer said goodbye (code {})", bye.code.0), bye.into())
    }

    /// The peer said why.
    pub(crate) fn told(reason: String, said: Said) -> Self {
        let refused = !matches!(said.code, ByeCode::LEAVING | ByeCode::IDLE);
        let duplicate = said.code == ByeCode::DUPLICATE;
        Self { reason, said: Some(said), refused, unproven: false, duplicate }
    }

    /// How long the peer wants to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        self.said.as_ref().map_or(Duration::ZERO, |said| said.retry_after)
    }
}
