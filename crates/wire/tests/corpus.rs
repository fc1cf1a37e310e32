//! Every seed and every corpus file goes through the body of its fuzz target, and what is made from the crate is up to
//! date.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use rumormill_wire::fuzz::{TARGETS, Target, dict};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The files of a folder, which has to be there and hold some.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn inputs(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    ["seeds", "corpus"].iter().flat_map(|kind| files(&fuzz().join(kind).join(target.name))).collect()
}

#[test]
fn replay() {
    for target in TARGETS {
        for (path, input) in inputs(target) {
            (target.body)(&input).unwrap_or_else(|finding| panic!("{}: {finding}", path.display()));
        }
    }
}

#[test]
fn seeds_and_dictionaries_are_up_to_date() {
    for target in TARGETS {
        let made: Vec<_> = (target.seeds)().into_iter().map(|(name, seed)| (name.to_owned(), seed)).collect();
        let mut committed: Vec<_> = files(&fuzz().join("seeds").join(target.name))
            .into_iter()
            .map(|(path, seed)| (path.file_name().unwrap().to_str().unwrap().to_owned(), seed))
            .collect();
        committed.retain(|seed| !made.contains(seed));
        let stale: Vec<_> = committed.iter().map(|(name, _)| name).collect();
        assert!(stale.is_empty(), "{}: {stale:?}; run the example make_seeds", target.name);
        assert_eq!(files(&fuzz().join("seeds").join(target.name)).len(), made.len(), "{}: seeds missing", target.name);
        let dict = fs::read_to_string(fuzz().join("dict").join(format!("{}.dict", target.name))).unwrap();
        assert_eq!(dict, dict::file(&(target.tokens)()), "{}: run the example make_seeds", target.name);
    }
}

#[test]
fn every_target_is_declared_and_nothing_else_has_a_folder() {
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for target in TARGETS {
        assert!(manifest.contains(&format!("name = \"{}\"", target.name)), "{} is not in fuzz/Cargo.toml", target.name);
        assert!(fuzz().join("fuzz_targets").join(format!("{}.rs", target.name)).is_file(), "{}", target.name);
    }
    let bins = manifest.matches("[[bin]]").count();
    for kind in ["seeds", "corpus"] {
        let folders = fs::read_dir(fuzz().join(kind)).unwrap().count();
        assert_eq!(folders, bins, "{kind}: a folder for each target in fuzz/Cargo.toml and no other");
    }
}
