//! A program whose output a test reads while it runs, from a pipe or as a terminal has it.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// Columns of a terminal that does not say how many it has.
pub const COLUMNS: usize = 80;

/// A program while it runs; killed when dropped.
#[derive(Debug)]
pub struct Screen {
    child: Child,
    input: ChildStdin,
    shown: Arc<Mutex<Vec<u8>>>,
}

/// Both ends of a pseudo terminal.
pub fn terminal() -> (File, File) {
    use rustix::pty::OpenptFlags;
    // The program must not hold the end that a test closes.
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags).unwrap();
    rustix::pty::grantpt(&master).unwrap();
    rustix::pty::unlockpt(&master).unwrap();
    let name = rustix::pty::ptsname(&master, Vec::new()).unwrap();
    let end = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    (File::from(master), end)
}

impl Screen {
    /// Starts it with its output in a pipe, or on a terminal.
    pub fn start(mut command: Command, on_terminal: bool) -> Self {
        command.stdin(Stdio::piped()).env("TERM", "dumb");
        let (mut output, mut child): (Box<dyn Read + Send>, _) = if on_terminal {
            let (ours, its) = terminal();
            let child = command.stdout(its.try_clone().unwrap()).stderr(its).spawn().unwrap();
            (Box::new(ours), child)
        } else {
            let (ours, its) = std::io::pipe().unwrap();
            let child = command.stdout(its.try_clone().unwrap()).stderr(its).spawn().unwrap();
            (Box::new(ours), child)
        };
        drop(command);
        let (input, shown) = (child.stdin.take().unwrap(), Arc::<Mutex<Vec<u8>>>::default());
        let to = Arc::clone(&shown);
        // It ends once nobody has the other end any more.
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                to.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..read]);
            }
        });
        Self { child, input, shown }
    }

    /// Types this, line ends included.
    pub fn types(&mut self, text: &str) {
        self.input.write_all(text.as_bytes()).unwrap();
    }

    /// What it has shown until now; a terminal's line ends are as those of a pipe.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap_or_else(PoisonError::into_inner)).replace("\r\n", "\n")
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
