//! The store's files are no longer those that are open.

use std::sync::atomic::Ordering::Relaxed;

use rumormill_wire::{Origin, Seq};

use super::state::Driver;
use crate::lock;
use crate::outcome::SubmitError;

impl Driver {
    /// Up to where our own chain is durable, if we have written since the start.
    pub(crate) fn own_told(&self) -> Option<(Origin, Seq)> {
        lock(&self.state).own_told
    }

    /// Stops the node; waits for the store's thread. What is open is given up as it is: closing would write to, and remove, what lies under its name now.
    pub(crate) fn store_gone(&self, why: &str, next: &str) {
        tracing::error!(why, next, "the store is gone from under this node: it stops");
        self.failed.store(true, Relaxed);
        self.disk.abandon();
        let failed = SubmitError::StoreFailed { reason: format!("{why}; {next}") };
        lock(&self.state).failure = Some(failed.clone());
        self.end_tickets(&failed);
        self.stop();
    }
}
