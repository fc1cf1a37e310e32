//! Keeping the members over a restart.

use rumormill_limits::Timestamp;
use tracing::warn;

use super::super::state::{self, Members};
use super::Host;

/// Between two writes of the members: a crowd that comes at once is written twice or so.
pub(super) const SAVE_GAP: std::time::Duration = std::time::Duration::from_millis(500);
/// For members that came just now there may be more to write in a moment.
const SOON: std::time::Duration = std::time::Duration::from_millis(50);

impl Host {
    /// When the members are to be written again.
    pub(super) fn save_due(&self, now: Timestamp) -> Timestamp {
        let wanted = self.state.is_some() && self.saved.0 != self.directory.revision();
        if wanted { self.saved.1.after(SAVE_GAP).max(now.after(SOON)) } else { now.plus(60_000_000) }
    }

    /// Writes the members if they changed: one write at a time, off this thread, since a disk may take its time.
    pub(super) fn save(&mut self, now: Timestamp) {
        let Some(path) = &self.state else { return };
        if self.saving.as_ref().is_some_and(|saving| !saving.is_finished()) {
            return;
        }
        let (version, revision) = (self.directory.version(), self.directory.revision());
        if self.saved.0 == revision || now < self.saved.1.after(SAVE_GAP) && self.saved.1 > Timestamp::ZERO {
            return;
        }
        self.saved = (revision, now);
        let (path, members) = (path.clone(), Members { version, members: self.directory.saved() });
        self.saving = Some(tokio::task::spawn_blocking(move || {
            state::store(&path, &members).inspect_err(|why| warn!(%why, "udp-mesh: the members are not kept"))
        }));
    }

    pub(super) async fn save_last(mut self) {
        if let Some(saving) = self.saving.take() {
            let _ = saving.await;
        }
        self.saved.1 = Timestamp::ZERO;
        self.save(self.now());
        if let Some(saving) = self.saving.take() {
            let _ = saving.await;
        }
    }
}
