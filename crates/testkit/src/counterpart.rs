//! A program of a legacy protocol ([`crate::counterparts`]) as a process of its own, and what it prints.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::built::built;
use crate::wait::until;

/// Where a program is, by the name of its source; built if only one test was asked for.
pub fn program(name: &str) -> PathBuf {
    static ASKED_FOR: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let example = format!("{name}_counterpart");
    let path = built("rumormill").with_file_name("examples").join(&example);
    let mut asked_for = ASKED_FOR.lock().unwrap();
    if !asked_for.contains(&example) {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--locked", "-p", "rumormill-client", "--example", &example]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(build.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
        asked_for.push(example);
    }
    path
}

/// A program while it runs, and the lines that nobody has taken yet. It is killed when this goes.
#[derive(Debug)]
pub struct Counterpart {
    child: Child,
    /// The lines that nobody has taken.
    pub printed: Arc<Mutex<Vec<String>>>,
}

impl Counterpart {
    /// Starts one by the name of its source.
    pub fn start(name: &str, words: &[&str]) -> Self {
        Self::spawn(Command::new(program(name)).args(words))
    }

    /// The same, by a command.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let printed = Arc::new(Mutex::new(Vec::new()));
        let (lines, shared) = (BufReader::new(child.stdout.take().unwrap()).lines(), Arc::clone(&printed));
        thread::spawn(move || lines.map_while(Result::ok).for_each(|line| shared.lock().unwrap().push(line)));
        Self { child, printed }
    }

    /// Types a line.
    pub fn types(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Takes the next line, whatever it is.
    pub fn next(&self) -> String {
        self.takes(|_| true)
    }

    /// Waits for such a line and takes it; others stay.
    pub fn takes(&self, holds: impl Fn(&str) -> bool) -> String {
        let mut found = None;
        until(&format!("a line, none of {:?}", self.printed.lock().unwrap()), || {
            let mut printed = self.printed.lock().unwrap();
            let at = printed.iter().position(|line| holds(line));
            found = at.map(|at| printed.remove(at));
            found.is_some()
        });
        found.unwrap()
    }

    /// Waits for such a line; it and those before it are taken.
    pub fn prints(&self, holds: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.next();
            if holds(&line) {
                return line;
            }
        }
    }

    /// Ends it with SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Counterpart {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
