//! What a run says: what it found wrong, or what it reached.

use core::fmt;
use std::collections::BTreeMap;

/// What the body found wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding(pub String);

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an input reached, by name, and how often: a target that no longer gets anywhere is seen in it.
pub type Reached = BTreeMap<&'static str, u64>;

/// Says what is wrong unless it holds.
pub(super) fn claim(holds: bool, what: impl FnOnce() -> String) -> Result<(), Finding> {
    if holds { Ok(()) } else { Err(Finding(what())) }
}
