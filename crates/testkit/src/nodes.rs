//! Nodes that are the real program, in a network with a CA of its own, and what people ask them by the command line.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::built::built;
use crate::talk::Talk;
use crate::wait::{PATIENCE, until};

/// The program that carries all sub-commands.
pub fn rumormill() -> Command {
    let mut command = Command::new(built("rumormill"));
    command.stdin(Stdio::null()).env_remove("RUMORMILL_HOME");
    command
}

/// What a program has said on standard error.
pub fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

/// A directory with a CA.
#[derive(Debug)]
pub struct Net {
    /// What goes when the test ends.
    pub dir: TempDir,
}

impl Net {
    /// A new one, by `rumormill certs init`.
    pub fn new() -> Self {
        let net = Self { dir: tempfile::tempdir().unwrap() };
        net.certs(&["init"]);
        net
    }

    /// Where its CA is.
    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// `rumormill certs ...` of this network's CA; it has to succeed. Gives what it says.
    pub fn certs(&self, words: &[&str]) -> String {
        let done = self.try_certs(words);
        assert!(done.status.success(), "{words:?}: {}", said(&done));
        String::from_utf8(done.stdout).unwrap()
    }

    /// The same, and it may fail.
    pub fn try_certs(&self, words: &[&str]) -> Output {
        rumormill().arg("certs").args(words).arg("--home").arg(self.home()).output().unwrap()
    }

    /// A node of this network that does not run yet.
    pub fn node(&self, name: &str, neighbours: &[&Node]) -> Node {
        let mut node = Node {
            name: name.to_owned(),
            addr: own_address(),
            state: self.dir.path().join(name),
            log: self.dir.path().join(format!("{name}.log")),
            words: vec!["--home".into(), self.home().display().to_string()],
            child: None,
        };
        for neighbour in neighbours {
            node.words.push("--neighbour".into());
            node.words.push(format!("{}@{}", neighbour.name, neighbour.addr));
        }
        node
    }

    /// A node of this network that runs, with a durable store.
    pub fn start(&self, name: &str, neighbours: &[&Node]) -> Node {
        let mut node = self.node(name, neighbours);
        node.start();
        node
    }
}

impl Default for Net {
    fn default() -> Self {
        Self::new()
    }
}

/// An address of the loopback network that no other test has, so that a port is never in use.
fn own_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [high, low] = u16::try_from(std::process::id() % 0x4000).unwrap().to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(127, 0x40 | high, low, NEXT.fetch_add(1, Ordering::Relaxed)), 20_000))
}

/// A node: a process of its own, or one that was ended.
#[derive(Debug)]
pub struct Node {
    /// The name that its certificate has.
    pub name: String,
    /// The address on which it takes links.
    pub addr: SocketAddr,
    /// Its state directory.
    pub state: PathBuf,
    /// Where its standard error goes.
    pub log: PathBuf,
    /// Further words of the command line.
    pub words: Vec<String>,
    /// The process, if it runs.
    pub child: Option<Child>,
}

impl Node {
    /// Starts it and waits until its door is open: some old programs come once only.
    pub fn start_with_door(&mut self) {
        let open = |node: &Self| node.said().matches("a door is open").count();
        let before = open(self);
        self.start();
        until("the door is open", || open(self) > before);
    }

    /// Waits until it shows a message that came by this door.
    pub fn has_bridged(&self, door: &str, claimed: &str, text: &str) {
        until(&format!("the room has {text:?}"), || {
            let is_it = |line: &Value| line["claimed"] == claimed && line["text"] == text && line["door"] == door;
            self.shown().iter().any(is_it)
        });
    }

    /// Starts it and waits until it answers at its socket.
    pub fn start(&mut self) {
        self.spawn();
        until(&format!("{} answers", self.name), || {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "{} ended: {}", self.name, self.said());
            UnixStream::connect(self.socket()).is_ok()
        });
    }

    /// Starts it, and waits for nothing.
    pub fn spawn(&mut self) {
        self.spawn_by(&[]);
    }

    /// The same, by a program that becomes it.
    pub fn spawn_by(&mut self, by: &[&str]) {
        let log = File::options().append(true).create(true).open(&self.log).unwrap();
        let mut command = match by {
            [] => rumormill(),
            [program, words @ ..] => {
                let mut command = Command::new(program);
                command.args(words).arg(built("rumormill")).stdin(Stdio::null());
                command.env_remove("RUMORMILL_HOME");
                command
            }
        };
        command.args(["node", "--name", &self.name, "--listen", &self.addr.to_string(), "--state"]).arg(&self.state);
        self.child = Some(command.args(&self.words).stdout(Stdio::null()).stderr(log).spawn().unwrap());
    }

    /// Its local socket.
    pub fn socket(&self) -> PathBuf {
        self.state.join("node.sock")
    }

    /// Ends it as a loss of power would, as far as a test can.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to leave; its exit code.
    pub fn term(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        let id = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        until("it leaves", || child.try_wait().unwrap().is_some());
        child.wait().unwrap().code()
    }

    /// What it has said on standard error.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// `rumormill WORDS --socket ...`.
    pub fn ask(&self, words: &[&str]) -> Output {
        rumormill().args(words).arg("--socket").arg(self.socket()).output().unwrap()
    }

    /// The same, each line of standard output one JSON value; it has to succeed.
    pub fn asked(&self, words: &[&str]) -> Vec<Value> {
        let done = self.ask(words);
        assert!(done.status.success(), "{words:?}: {}", said(&done));
        String::from_utf8(done.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// `rumormill send`; where the message was written.
    pub fn send(&self, text: &str) -> Value {
        self.asked(&["send", text, "--json"]).remove(0)
    }

    /// Its links.
    pub fn peers(&self) -> Vec<Value> {
        self.neighbours(true)
    }

    /// The neighbours that it has no link to.
    pub fn unlinked(&self) -> Vec<Value> {
        self.neighbours(false)
    }

    fn neighbours(&self, linked: bool) -> Vec<Value> {
        let all = self.asked(&["peers", "--json"]).remove(0).as_array().unwrap().clone();
        all.into_iter().filter(|one| one["linked"] == linked).collect()
    }

    /// A connection to its socket, without a program between.
    pub fn talk(&self) -> std::io::Result<Talk> {
        Talk::to(&self.socket(), PATIENCE)
    }

    /// A connection that is told the log and then what comes.
    pub fn follow(&self) -> std::io::Result<Talk> {
        let mut talk = self.talk()?;
        talk.follow()?;
        Ok(talk)
    }

    /// The whole log, as it shows it.
    pub fn shown(&self) -> Vec<Value> {
        self.talk().unwrap().log().unwrap()
    }

    /// The texts of the whole log.
    pub fn texts(&self) -> Vec<String> {
        self.shown().iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    }

    /// A figure of `rumormill metrics`; 0 if there is none of this name.
    pub fn metric(&self, name: &str) -> u64 {
        self.asked(&["metrics"])[0][name].as_u64().unwrap_or(0)
    }

    /// Waits for words on its standard error.
    pub fn says(&self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.said().contains(words) {
            assert!(Instant::now() < deadline, "{} never says {words:?}, but:\n{}", self.name, self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
            if std::thread::panicking() {
                let said = self.said();
                let from = said.len().saturating_sub(4_000);
                eprintln!("-- {} said:\n{}", self.name, said.get(from..).unwrap_or(&said));
            }
        }
    }
}

/// Copies the files of a directory; sockets are left.
pub fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap).filter(|entry| entry.file_type().unwrap().is_file()) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
