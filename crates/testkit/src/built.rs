//! Where cargo has put the programs that the tests start.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_beside_the_folder_of_the_tests() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("rumormill");
        std::fs::write(&program, "").unwrap();
        assert_eq!(beside(&dir.path().join("deps/crash-0123"), "rumormill"), program);
    }

    #[test]
    #[should_panic(expected = "run with cargo test -p rumormill-client")]
    fn one_that_was_not_built_is_said_to_be_so() {
        beside(&tempfile::tempdir().unwrap().path().join("deps/crash-0123"), "rumormill");
    }

    #[test]
    #[should_panic(expected = "run with cargo test -p rumormill-client")]
    fn one_of_another_folder_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("rumormill"), "").unwrap();
        beside(&dir.path().join("release/crash-0123"), "rumormill");
    }
}
