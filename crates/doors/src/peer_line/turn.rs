//! Connections speak in the order in which they were taken: programs of this chat make one for each message, and what one
//! of them says is to stay in order.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// Nobody waits longer for a connection that was taken before and stays open.
const HELD: Duration = Duration::from_millis(50);

/// The turns of all connections.
#[derive(Debug, Default)]
pub(super) struct Turns(Option<oneshot::Receiver<()>>);

/// The turn of one connection, which is over when this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    before: Option<oneshot::Receiver<()>>,
    _over: oneshot::Sender<()>,
    end: Instant,
}

impl Turns {
    /// For the connection that was taken just now.
    pub(super) fn next(&mut self) -> Turn {
        let ((over, seen), now) = (oneshot::channel(), Instant::now());
        Turn { before: self.0.replace(seen), _over: over, end: now.checked_add(HELD).unwrap_or(now) }
    }
}

impl Turn {
    /// Waits until the turns before are over.
    pub(super) async fn comes(&mut self) {
        if let Some(before) = self.before.take() {
            // Nothing is ever sent: the other end goes.
            let _ = before.await;
        }
    }

    /// How long it may still be held while nothing comes.
    #[must_use]
    pub(super) fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }
}
