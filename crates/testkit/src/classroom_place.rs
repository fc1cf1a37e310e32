//! A directory in which a classroom session runs, and the programs that run there.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::built::built;
use crate::executable::script;
use crate::ports::block;
use crate::wait::{PATIENCE, until};

/// Holds what `process` and `stopall` are; ends what was started there when it goes.
#[derive(Debug)]
pub struct Place {
    dir: TempDir,
    _lock: Option<fs::File>,
}

impl Place {
    /// Links to the built programs, as people have them: neighbours then talk on 20000 and up, so one at a time.
    pub fn linked() -> Self {
        let lock = fs::File::create(std::env::temp_dir().join("rumormill-test-20000.lock")).unwrap();
        lock.lock().unwrap();
        let place = Self { dir: tempfile::tempdir().unwrap(), _lock: Some(lock) };
        symlink(built("process"), place.path("process")).unwrap();
        symlink(built("stopall"), place.path("stopall")).unwrap();
        place
    }

    /// Scripts that run the built programs with ports of their own for neighbours.
    pub fn with_own_ports() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap(), _lock: None };
        let process = format!("exec {} \"$@\" --root {}", built("process").display(), block());
        place.script("process", &process);
        place.script("stopall", &format!("exec {}", built("stopall").display()));
        place
    }

    /// Makes a shell script of one line.
    pub fn script(&self, name: &str, line: &str) {
        script(&self.path(name), line);
    }

    /// Where a file of this name is, or would be.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Process ids of the processes that run here.
    pub fn running(&self) -> Vec<u32> {
        let here = fs::canonicalize(self.dir.path()).unwrap();
        // The program that becomes `rumormill`, and what it has become.
        let programs = [built("process"), built("rumormill")];
        let programs = programs.map(|path| fs::canonicalize(path).unwrap());
        let is_process = |proc: &Path| {
            let words = fs::read(proc.join("cmdline")).unwrap_or_default();
            words.split(|byte| *byte == 0).next().is_some_and(|first| first.ends_with(b"process"))
        };
        let is_ours = |proc: &Path| {
            fs::read_link(proc.join("cwd")).is_ok_and(|cwd| cwd == here)
                && fs::read_link(proc.join("exe")).is_ok_and(|exe| programs.contains(&exe))
                && is_process(proc)
        };
        let entries = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        entries.filter(|proc| is_ours(proc)).filter_map(|proc| proc.file_name()?.to_str()?.parse().ok()).collect()
    }

    /// `./process id n port`, with nothing to say and nobody to say it to.
    pub fn process(&self, id: u32, n: u32, port: u16) -> Control {
        let child = self.command(&self.path("process")).args([id, n, port.into()].map(|word| word.to_string())).spawn();
        Control::connect(child.unwrap(), port)
    }

    /// The same, and what it says on standard error can be read once it has ended.
    pub fn heard_process(&self, id: u32, n: u32, port: u16) -> Control {
        let mut command = self.command(&self.path("process"));
        command.stderr(Stdio::piped()).args([id, n, port.into()].map(|word| word.to_string()));
        Control::connect(command.spawn().unwrap(), port)
    }

    /// A program with this as its working directory, and without input and output.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.dir.path()).stdin(Stdio::null()).stdout(Stdio::null()).env_remove("RUMORMILL_HOME");
        command
    }

    /// `./stopall`; it has to succeed.
    pub fn stop_all(&self) {
        assert!(self.command(&self.path("stopall")).status().unwrap().success());
    }

    /// Starts a proxy here.
    pub fn proxy(&self, whose: Whose) -> Proxy {
        let mut command = match whose {
            Whose::Ours => self.command(&built("rumormill-proxy")),
            Whose::Old => {
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("classroom_old_proxy.py");
                let mut command = self.command(Path::new("python3"));
                command.arg(script);
                command
            }
        };
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Proxy { input: child.stdin.take(), out: BufReader::new(child.stdout.take().unwrap()), child }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.command(&self.path("stopall")).status();
    }
}

/// Whose proxy is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The program `rumormill-proxy`.
    Ours,
    /// A Python program, so its tests need `python3`.
    Old,
}

/// A proxy while it runs.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    input: Option<ChildStdin>,
    out: BufReader<ChildStdout>,
}

impl Proxy {
    /// Types lines.
    pub fn say(&mut self, lines: &str) {
        self.input.as_mut().unwrap().write_all(format!("{lines}\n").as_bytes()).unwrap();
    }

    /// The next line that it shows.
    pub fn shown(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line
    }

    /// The process id of the proxy.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Says `exit`; exit code, standard output, standard error.
    pub fn exit(mut self) -> (Option<i32>, String, String) {
        self.say("exit");
        self.end()
    }

    /// Waits for the end; exit code, standard output, standard error.
    pub fn end(mut self) -> (Option<i32>, String, String) {
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                self.child.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(self.input.take());
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (self.child.wait().unwrap().code(), out, err)
    }

    /// Ends it with SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A process and a connection to its control port.
#[derive(Debug)]
pub struct Control {
    /// The process.
    pub child: Child,
    stream: BufReader<TcpStream>,
}

impl Control {
    /// Waits until the process takes a connection.
    pub fn connect(child: Child, port: u16) -> Self {
        let mut stream = None;
        until("the control port", || {
            stream = TcpStream::connect(("127.0.0.1", port)).ok();
            stream.is_some()
        });
        let stream = stream.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { child, stream: BufReader::new(stream) }
    }

    /// Sends bytes.
    pub fn say(&mut self, lines: &str) {
        self.stream.get_mut().write_all(lines.as_bytes()).unwrap();
    }

    /// The next line that comes.
    pub fn reply(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line
    }

    /// The messages; those in these tests have no commas.
    pub fn log(&mut self) -> Vec<String> {
        self.say("get chatLog\n");
        let line = self.reply();
        let payload = line.strip_prefix("chatLog ").unwrap().strip_suffix('\n').unwrap();
        payload.split(',').filter(|text| !text.is_empty()).map(str::to_owned).collect()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
