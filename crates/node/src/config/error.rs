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
        /// Which setting.
        field: String,
        /// What was given.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// A setting is needed.
    #[error("{field} is needed{why}")]
    Missing {
        /// Which setting.
        field: &'static str,
        /// When.
        why: &'static str,
    },
    /// A door.
    #[error("{0}")]
    Door(#[from] SpecError),
    /// A key of the file means nothing.
    #[error("unknown key `{}`{}", Foreign::new(key).first(80), suggestion.map(|s| format!("; did you mean `{s}`?")).unwrap_or_default())]
    UnknownKey {
        /// The key.
        key: String,
        /// What was probably meant.
        suggestion: Option<&'static str>,
    },
    /// The file cannot be used.
    #[error("configuration file {}: {reason}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The text is no TOML.
    #[error("not TOML: {reason}")]
    Toml {
        /// Why.
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
