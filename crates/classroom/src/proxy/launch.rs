//! What to run for `process` and `stopall`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

/// A program, or a sub-command of this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launch {
    /// A program by its path.
    Program(PathBuf),
    /// This very program with a sub-command before the arguments.
    Own(&'static str),
}

impl Launch {
    /// The path given; else `default` in the working directory if it is there; else the sub-command of this program.
    #[must_use]
    pub fn choose(given: Option<PathBuf>, default: &str, own: &'static str) -> Self {
        let here = Path::new(".").join(default);
        match given {
            Some(path) => Self::Program(path),
            None if here.exists() => Self::Program(here),
            None => Self::Own(own),
        }
    }

    /// A command that runs in the working directory. It gets none of our standard input, which holds the commands to come,
    /// nor standard output, which is for payloads; what it says on standard error is for the person who typed.
    pub(crate) fn command(&self, arguments: &[String]) -> Command {
        let mut command = match self {
            Self::Program(path) => Command::new(path),
            Self::Own(name) => {
                // The system always knows its own programs; if not, the name alone is looked for.
                let me = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("rumormill"));
                let mut command = Command::new(me);
                // By this name it has all sub-commands, whatever its file is called.
                command.arg0("rumormill").arg(name);
                command
            }
        };
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        command
    }
}
