//! The engine's seeds and corpus, replayed.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fs;
use std::path::Path;

#[test]
fn every_file_keeps_to_the_model() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    for folder in ["seeds/engine", "corpus/engine"] {
        let mut files = 0;
        for entry in fs::read_dir(fuzz.join(folder)).expect(folder) {
            rumormill_gossip::fuzz::engine(&fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files > 0, "{folder} is empty");
    }
}
