//! `generated.rs` is made from `proto/cs2.proto`, and up to date.

use std::path::Path;

#[test]
fn the_types_are_those_of_the_proto_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = tempfile::tempdir().unwrap();
    let files = protox::compile(["cs2.proto"], [root.join("proto")]).unwrap();
    prost_build::Config::new().out_dir(made.path()).compile_fds(files).unwrap();
    let made = std::fs::read_to_string(made.path().join("cs2.rs")).unwrap();
    let committed = root.join("src/protobuf_peer/generated.rs");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&committed, &made).unwrap();
    }
    let found = std::fs::read_to_string(&committed).unwrap();
    assert!(found == made, "run this test with UPDATE_GENERATED=1");
}
