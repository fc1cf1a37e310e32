//! What people see: errors that say what to do next, colour only where it is wanted, and output that may fail.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use rumormill_node::fold;
pub(crate) use rumormill_node::standard_error::tell;
pub(crate) use rumormill_node::terminal::colour;

/// So many of these.
pub(crate) fn count(n: impl TryInto<u64>, one: &str) -> String {
    match n.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {one}"),
        n => format!("{n} {one}s"),
    }
}

/// Why a command ends, what to do next, and its exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    next: String,
    code: u8,
}

impl Failure {
    /// It was tried and failed: exit code 1.
    pub(crate) fn failed(what: impl Display, next: impl Display) -> Self {
        Self { what: what.to_string(), next: next.to_string(), code: 1 }
    }

    /// It was asked for wrongly: exit code 2.
    pub(crate) fn usage(what: impl Display, next: impl Display) -> Self {
        Self { what: what.to_string(), next: next.to_string(), code: 2 }
    }

    /// What was printed has not arrived.
    pub(crate) fn output(why: &io::Error) -> Self {
        Self::failed(
            format_args!("cannot write to standard output: {why}"),
            "what was printed is not complete; what was done stays done",
        )
    }

    /// Says it on standard error.
    pub(crate) fn report(&self) -> ExitCode {
        let (red, plain) = if colour(&io::stderr()) { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
        tell(&format!("{red}error:{plain} "), &self.what);
        let mut lead = "  next: ";
        for line in self.next.lines() {
            tell(lead, line);
            lead = "    ";
        }
        ExitCode::from(self.code)
    }
}

/// Standard output, as every command is given it. What could not be written is remembered, whether the command looks or not,
/// and [`printing`] makes it a failure. A reader that has gone away, as `head` does, is none.
pub(crate) struct Out {
    /// Not by [`io::Stdout`], which takes a standard output that is open for reading only to be written to.
    to: Option<BufWriter<File>>,
    gather: bool,
    fault: Option<io::Error>,
}

/// Runs a command with standard output and gives its exit code. There is no other way to an [`Out`], so none is forgotten.
pub(crate) fn printing(command: impl FnOnce(&mut Out) -> Result<ExitCode, Failure>) -> ExitCode {
    let mut out = Out { to: None, gather: false, fault: None };
    let done = command(&mut out);
    let written = out.end();
    match (done, written) {
        (Err(failure), _) => failure.report(),
        (Ok(_), Err(why)) => Failure::output(&why).report(),
        (Ok(code), Ok(())) => code,
    }
}

impl Out {
    /// From here on lines are gathered and written many at once.
    pub(crate) fn gather(&mut self) {
        self.gather = true;
    }

    /// Writes a line. Says whether to go on: where nothing arrives any more, there is no use in it.
    pub(crate) fn line(&mut self, text: impl Display) -> bool {
        let written = writeln!(self, "{text}").and_then(|()| if self.gather { Ok(()) } else { self.flush() });
        written.is_ok()
    }

    /// Writes a line for people, which may hold text of others: on a terminal it is folded. See [`rumormill_node::fold`].
    pub(crate) fn shown(&mut self, text: impl Display) -> bool {
        match fold::width(&io::stdout()) {
            Some(width) => self.line(fold::fold(&text.to_string(), width)),
            None => self.line(text),
        }
    }

    /// Notes what another writer to standard output has seen.
    pub(crate) fn note(&mut self, fault: io::Error) {
        self.fault.get_or_insert(fault);
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut BufWriter<File>) -> io::Result<T>) -> io::Result<T> {
        if let Some(fault) = &self.fault {
            return Err(fault.kind().into());
        }
        let done = match &mut self.to {
            Some(to) => act(to),
            None => {
                let file = io::stdout().as_fd().try_clone_to_owned().map(File::from);
                file.and_then(|file| act(self.to.insert(BufWriter::new(file))))
            }
        };
        done.map_err(|why| {
            let kind = why.kind();
            self.fault = Some(why);
            kind.into()
        })
    }

    fn end(mut self) -> io::Result<()> {
        if self.to.is_some() {
            let _ = self.flush();
        }
        match self.fault.take() {
            Some(fault) if fault.kind() != ErrorKind::BrokenPipe => Err(fault),
            _ => Ok(()),
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.act(|to| to.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.act(BufWriter::flush)
    }
}
