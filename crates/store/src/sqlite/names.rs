//! Names of the files that stand beside the store's.

use std::path::{Path, PathBuf};

/// The store's name with a suffix.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
