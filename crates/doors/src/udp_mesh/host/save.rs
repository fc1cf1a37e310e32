//! Keeping the members over a restart.

use std::time::Duration;

use tracing::warn;

use super::super::state::{self, Kept};
use super::{Host, SAVE_GAP};

impl Host {
    /// When the members are to be written again.
    pub(super) fn save_due(&self, now: Duration) -> Duration {
        let wanted = self.state.is_some() && self.saved.0 != self.directory.version();
        if wanted { (self.saved.1 + SAVE_GAP).max(now + SAVE_GAP / 10) } else { now + Duration::from_secs(60) }
    }

    /// Writes the members if they changed: one write at a time, off this thread, since a disk may take its time.
    pub(super) fn save(&mut self, now: Duration) {
        let Some(path) = &self.state else { return };
        if self.saving.as_ref().is_some_and(|saving| !saving.is_finished()) {
            return;
        }
        let version = self.directory.version();
        if self.saved.0 == version || now < self.saved.1 + SAVE_GAP && self.saved.1 > Duration::ZERO {
            return;
        }
        self.saved = (version, now);
        let (path, kept) = (path.clone(), Kept { version, members: self.directory.saved() });
        self.saving = Some(tokio::task::spawn_blocking(move || {
            state::store(&path, &kept).inspect_err(|why| warn!(%why, "udp-mesh: the members are not kept"))
        }));
    }

    pub(super) async fn save_last(mut self) {
        if let Some(saving) = self.saving.take() {
            let _ = saving.await;
        }
        self.saved.1 = Duration::ZERO;
        self.save(self.start.elapsed());
        if let Some(saving) = self.saving.take() {
            let _ = saving.await;
        }
    }
}
