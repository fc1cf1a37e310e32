//! What is wrong with a configuration.

use std::path::PathBuf;

use rumormill_doors::SpecError;
use rumormill_wire::Foreign;

/// Why a node cannot be configured so. Always the user's to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A value is not allowed.
    #[error("{field}: `{value}` is not allowed; give {allowed}")]
    Value {
        /// The key of the setting, which is the flag's name too.
        field: String,
        /// What was given, 80 characters of it at most.
        value: String,
        /// What is allowed, to stand behind "give".
        allowed: String,
    },
    /// A setting is needed.
    #[error("{field} is needed{why}")]
    Missing {
        /// The key of the setting, which is the flag's name too.
        field: &'static str,
        /// With what it is needed, to stand behind "is needed"; empty if it always is.
        why: &'static str,
    },
    /// A door.
    #[error("{0}")]
    Door(#[from] SpecError),
    /// A key of the file means nothing.
    #[error("unknown key `{}`{}", Foreign::new(key).first(80), suggestion.map(|s| format!("; did you mean `{s}`?")).unwrap_or_default())]
    UnknownKey {
        /// The key as it stands in the file.
        key: String,
        /// What was probably meant.
        suggestion: Option<&'static str>,
    },
    /// The file cannot be used.
    #[error("configuration file {}: {reason}", path.display())]
    File {
        /// The file, as it was named.
        path: PathBuf,
        /// What stands in the way; with the place in the file if it is no TOML.
        reason: String,
    },
    /// The text is no TOML.
    #[error("not TOML: {reason}")]
    Toml {
        /// Line, column and what is wrong there.
        reason: String,
    },
}

impl ConfigError {
    pub(super) fn value(field: &str, value: &str, allowed: &str) -> Self {
        // A pasted novel helps nobody.
        let value = Foreign::new(value).first(80).to_string();
        Self::Value { field: field.to_owned(), value, allowed: allowed.to_owned() }
    }
}
