//! Writes `fuzz/seeds` and `fuzz/dict` from the encoders and constants of this crate.

use std::{fs, io, path::Path};

use rumormill_wire::fuzz::{TARGETS, dict};

fn main() -> io::Result<()> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    fs::create_dir_all(fuzz.join("dict"))?;
    for target in TARGETS {
        let folder = fuzz.join("seeds").join(target.name);
        fs::create_dir_all(&folder)?;
        for (name, seed) in (target.seeds)() {
            fs::write(folder.join(name), seed)?;
        }
        fs::write(fuzz.join("dict").join(format!("{}.dict", target.name)), dict::file(&(target.tokens)()))?;
    }
    Ok(())
}
