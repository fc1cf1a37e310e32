//! The programs that are names of `rumormill`: each becomes the `rumormill` beside it and says by its first word who it is
//! (docs/decisions/0002-one-program-five-names.md). No part of the library: each of these programs includes it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Becomes `rumormill` under the name `name`, with the same arguments, process id, environment and open files. Returns
/// only if that cannot be.
pub fn exec_as(name: &str) -> ExitCode {
    let mut words = env::args_os();
    // As it was typed, so that lists of processes show it so; a link of another name still is this program.
    let typed = words.next().filter(|word| Path::new(word).file_name() == Some(OsStr::new(name)));
    let typed = typed.unwrap_or_else(|| name.into());
    let me = env::current_exe().unwrap_or_else(|_| PathBuf::from(name));
    let Some(program) = program(&me, option_env!("RUMORMILL_BUILT_IN"), env::var_os("PATH")) else {
        let what = format!(
            "{name} is a name of `rumormill`, which is neither beside {} nor where it was built nor in PATH",
            me.display()
        );
        return failed(&what, "put a link here instead of a copy, or add the directory of `rumormill` to PATH");
    };
    let why = Command::new(&program).arg0(typed).args(words).exec();
    failed(
        &format!("{name} cannot run {}: {why}", program.display()),
        "see that this file can be run, or build it again",
    )
}

fn failed(what: &str, next: &str) -> ExitCode {
    // Nobody to hear it is no reason to end otherwise.
    let _ = writeln!(std::io::stderr(), "error: {what}\n  next: {next}");
    ExitCode::FAILURE
}

/// The `rumormill` beside `me`, or else where both were built (programs that start a `process` often have a copy of it in their
/// own directory), or else the first in `path`. Never `me` by another name, which would go round.
pub fn program(me: &Path, built_in: Option<&str>, path: Option<OsString>) -> Option<PathBuf> {
    let dirs: Vec<PathBuf> =
        built_in.map(PathBuf::from).into_iter().chain(path.iter().flat_map(env::split_paths)).collect();
    let mut all = [me.with_file_name("rumormill")].into_iter().chain(dirs.iter().map(|dir| dir.join("rumormill")));
    all.find(|file| file.is_file() && file.canonicalize().is_ok_and(|file| file != me))
}
