//! How a submitted message ended.

use core::pin::Pin;
use core::task::{Context, Poll};

use rumormill_doors::ServiceError;
use rumormill_gossip::Reject;
use rumormill_wire::{Clock, Origin, Seq};
use tokio::sync::oneshot;

/// What a submitted message became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Under which origin it was written.
    pub origin: Origin,
    /// Its place in that origin's chain, from 1.
    pub seq: Seq,
    /// The time that it bears, by our hybrid clock.
    pub clock: Clock,
}

/// Why a message was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The caller's fault or the store's bound; see [`Reject`].
    #[error("{0}")]
    Rejected(Reject),
    /// Longer than this node's `max-message`.
    #[error("the message has {len} bytes; max-message allows {max}")]
    TooLong {
        /// Bytes of the message.
        len: usize,
        /// Bytes that `max-message` allows.
        max: usize,
    },
    /// The store failed, and the node stops because of it.
    #[error("the store failed, and the node stops: {reason}")]
    StoreFailed {
        /// What the store said.
        reason: String,
    },
    /// The node shuts down.
    #[error("the node is stopping")]
    Stopping,
}

impl SubmitError {
    /// Whether the message is one that no node takes, or not this one.
    pub(crate) const fn is_asked_wrongly(&self) -> bool {
        matches!(self, Self::Rejected(Reject::Invalid(_)) | Self::TooLong { .. })
    }
}

impl From<SubmitError> for ServiceError {
    fn from(error: SubmitError) -> Self {
        let said = error.to_string();
        match error {
            SubmitError::Rejected(Reject::Invalid(_)) | SubmitError::TooLong { .. } => Self::Invalid(said),
            SubmitError::Rejected(Reject::Busy) => Self::Busy(said),
            SubmitError::Rejected(Reject::StoreFull) => Self::StoreFull(said),
            SubmitError::Rejected(Reject::Revoked) => Self::Revoked(said),
            SubmitError::Rejected(Reject::Leaving) | SubmitError::Stopping => Self::Stopping,
            SubmitError::Rejected(Reject::UnknownLink | Reject::TimeWentBack) | SubmitError::StoreFailed { .. } => {
                Self::Failed(said)
            }
        }
    }
}

/// Whoever waits for a message hears how it ended.
pub(crate) type OutcomeSender = oneshot::Sender<Result<Receipt, SubmitError>>;

/// A submitted message on its way to the disk. Await it to know when it is durable: one result, so that nobody takes that there was
/// an answer for the answer.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<Result<Receipt, SubmitError>>);

impl Pending {
    /// With whoever tells how it ended.
    pub(crate) fn new() -> (OutcomeSender, Self) {
        let (waiting, told) = oneshot::channel();
        (waiting, Self(told))
    }
}

impl Future for Pending {
    type Output = Result<Receipt, SubmitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Everybody who waits is told; nobody is left to tell only when the node itself is gone.
        Pin::new(&mut self.0).poll(cx).map(|told| told.unwrap_or(Err(SubmitError::Stopping)))
    }
}
