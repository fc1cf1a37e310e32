//! What people see: errors that say what to do next, colour only on a terminal, and output that may fail.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// Why a command ends, what to do next, and its exit code.
#[derive(Debug)]
pub struct Failure {
    what: String,
    next: String,
    code: u8,
}

impl Failure {
    /// It was tried and failed: exit code 1.
    pub fn failed(what: impl Display, next: impl Display) -> Self {
        Self { what: what.to_string(), next: next.to_string(), code: 1 }
    }

    /// It was asked for wrongly: exit code 2.
    pub fn usage(what: impl Display, next: impl Display) -> Self {
        Self { what: what.to_string(), next: next.to_string(), code: 2 }
    }

    /// Says it on standard error.
    pub fn report(&self) -> ExitCode {
        let mut err = io::stderr().lock();
        let (red, plain) = if colour(&err) { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
        let _ = writeln!(err, "{red}error:{plain} {}", self.what);
        if !self.next.is_empty() {
            let _ = writeln!(err, "  next: {}", self.next);
        }
        ExitCode::from(self.code)
    }
}

/// Whether colour is wanted there.
pub fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Writes a line to standard output. A reader that has gone away is no error of ours: says whether to go on.
pub fn line(text: impl Display) -> bool {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).is_ok()
}
