//! The engine's seeds and corpus, replayed: each keeps to the model, and together they reach what there is to reach.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

use rumormill_gossip::fuzz::{Reached, Sound, run, seeds};

fn files(folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn replay() {
    let mut all = Reached::new();
    for (path, input) in files("seeds/engine").into_iter().chain(files("corpus/engine")) {
        let reached = run(&input, &mut Sound).unwrap_or_else(|finding| panic!("{}: {finding}", path.display()));
        for (what, often) in reached {
            *all.entry(what).or_default() += often;
        }
    }
    for what in seeds::seeds().iter().flat_map(|seed| seed.reaches) {
        assert!(all.contains_key(what), "never reached: {what}");
    }
}

#[test]
fn seeds_get_where_they_say_and_are_up_to_date() {
    let made = seeds::seeds();
    for seed in &made {
        let reached = run(&seed.bytes, &mut Sound).unwrap_or_else(|finding| panic!("{}: {finding}", seed.name));
        for what in seed.reaches {
            assert!(reached.contains_key(what), "{} does not reach {what}, but {reached:?}", seed.name);
        }
    }
    let committed = files("seeds/engine");
    assert_eq!(committed.len(), made.len(), "a file for each seed and no other");
    for (path, bytes) in committed {
        let name = path.file_name().unwrap().to_str().unwrap();
        let seed = made.iter().find(|seed| seed.name == name).unwrap_or_else(|| panic!("{name} is no seed"));
        assert_eq!(seed.bytes, bytes, "{name}: run the example make_engine_seeds");
    }
}
