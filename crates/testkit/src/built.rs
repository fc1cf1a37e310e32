//! Where cargo has put the programs that the tests start.
#![allow(clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

/// A program of `rumormill-client`. Cargo tells its path to that package's tests alone, when they are compiled.
pub(crate) fn built(name: &str) -> PathBuf {
    beside(&std::env::current_exe().unwrap(), name)
}

/// A test is `…/deps/NAME-HASH`; the programs stand beside `deps`.
fn beside(test: &Path, name: &str) -> PathBuf {
    let folder = test.parent().filter(|folder| folder.ends_with("deps")).and_then(Path::parent);
    let path = folder.map(|folder| folder.join(name)).filter(|path| path.is_file());
    path.unwrap_or_else(|| {
        let test = test.display();
        panic!("{name} is not where it is built, beside the folder of {test}: run with cargo test -p rumormill-client")
    })
}
