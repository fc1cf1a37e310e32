//! Tells the programs that are names of `rumormill` where it is built, for copies of them on the machine that built them.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // OUT_DIR is DIR/build/NAME/out, where DIR gets the programs.
    let out = env::var_os("OUT_DIR").unwrap_or_default();
    if let Some(dir) = Path::new(&out).ancestors().nth(3).and_then(Path::to_str) {
        println!("cargo::rustc-env=RUMORMILL_BUILT_IN={dir}");
    }
}
