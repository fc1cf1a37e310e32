//! Threads for a sub-command.

use crate::output::Failure;

/// A runtime for a sub-command that waits for few things at once.
pub(crate) fn runtime(threads: usize) -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = match threads {
        0 | 1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build().map_err(|why| Failure::failed(format!("cannot start: {why}"), "free some memory"))
}
