//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

/// Long enough for a machine whose two cores are busy.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks. Some of those who wait measure how long it took, so it is short.
const PAUSE: Duration = Duration::from_millis(2);

/// Waits until it holds; fails after [`PATIENCE`].
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(PAUSE);
    }
}

/// The same in a task, and for so long at most.
pub async fn until_within(patience: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}: not within {patience:?}");
        tokio::time::sleep(PAUSE).await;
    }
}
