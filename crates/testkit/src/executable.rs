//! Programs that a test makes and then runs.
//!
//! Programs of their own write them: what this one has open for writing, a process that another test starts at that moment has open
//! too, and while it has, nothing of it can be run (execve(2), `ETXTBSY`).

use std::path::Path;
use std::process::Command;

fn done(command: &mut Command, path: &Path) {
    assert!(command.status().unwrap().success(), "{}", path.display());
}

/// Makes a shell script of one line.
pub fn script(path: &Path, line: &str) {
    let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 755 \"$0\"";
    done(Command::new("sh").args(["-c", write]).arg(path).arg(line), path);
}

/// Copies a program.
pub fn copy(from: impl AsRef<Path>, to: &Path) {
    done(Command::new("cp").arg(from.as_ref()).arg(to), to);
}
