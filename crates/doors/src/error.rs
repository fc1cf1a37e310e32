//! Why a door does not open, or ends.

use crate::spec::SpecError;

/// Why a door does not open or ends.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// Its settings cannot be used as they are.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A socket or a file.
    #[error("door {door}: cannot {action} {what}: {source}")]
    Io {
        /// The kind of the door.
        door: &'static str,
        /// What could not be done, as a verb: it stands behind "cannot".
        action: &'static str,
        /// The address or file that it could not be done with.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The other side said no.
    #[error("door {door}: {reason}")]
    Refused {
        /// The kind of the door.
        door: &'static str,
        /// What it said, in words for people.
        reason: String,
    },
    /// What carries the messages of a program.
    #[error("{reason}")]
    Carrier {
        /// What is wrong with it.
        reason: String,
        /// What to do next.
        next: String,
    },
}

impl DoorError {
    /// What to do next, where the error does not say it itself.
    #[must_use]
    pub fn next(&self) -> &str {
        match self {
            Self::Carrier { next, .. } => next,
            _ => "",
        }
    }

    /// For `map_err`.
    pub fn io(door: &'static str, action: &'static str, what: impl ToString) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.to_string();
        move |source| Self::Io { door, action, what, source }
    }
}
