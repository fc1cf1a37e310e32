//! Whose fault it is that a message was not written.

use rumormill_gossip::Reject;

use super::SubmitError;

impl SubmitError {
    /// Whether the message is one that no node takes, or not this one.
    pub(crate) const fn is_asked_wrongly(&self) -> bool {
        matches!(self, Self::Rejected(Reject::Invalid(_)) | Self::TooLong { .. })
    }
}
