//! Clients of which it is open whether they have died. What one was given or is being given comes back if it has, so the next PULL
//! waits for that, but not for long: it gets what nobody else is being given then.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// How many such clients there are now, for whoever waits until there is none.
#[derive(Debug, Default)]
pub(super) struct Doubts(watch::Sender<usize>);

impl Doubts {
    /// One more, as long as what this gives lives.
    pub(super) fn one(&self) -> Doubt<'_> {
        self.0.send_modify(|doubts| *doubts = doubts.saturating_add(1));
        Doubt(self)
    }

    /// Waits until there is none, but not longer than this.
    pub(super) async fn settle(&self, most: Duration) {
        let mut doubts = self.0.subscribe();
        drop(timeout(most, doubts.wait_for(|doubts| *doubts == 0)).await);
    }
}

/// One client of which it is open.
#[derive(Debug)]
pub(super) struct Doubt<'a>(&'a Doubts);

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        self.0.0.send_modify(|doubts| *doubts = doubts.saturating_sub(1));
    }
}
