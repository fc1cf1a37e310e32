//! Writes `fuzz/seeds/engine` from the encoder of operations.

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/engine");
    fs::create_dir_all(&folder)?;
    for seed in rumormill_gossip::fuzz::seeds::seeds() {
        fs::write(folder.join(seed.name), seed.bytes)?;
    }
    Ok(())
}
