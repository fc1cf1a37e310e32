//! Why the log could not be read.

use rumormill_store::StoreError;

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The store could not read it, or what was read is damaged.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The task that had to do it was ended: the program goes, or it broke.
    #[error("the task that works on the store ended: {0}")]
    Ended(String),
}
