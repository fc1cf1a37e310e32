//! A node as it was before Rumormill, for tests: the plain frames of TCP port 43110, with the quirks of the program that
//! is in use. Knows nothing of our crates.
//!
//! ```text
//! relay_43110 LISTEN [PERIOD_MS [PEERS_PORT]]
//! ```
//! From standard input: `dial IP` connects and greets; `push IP TEXT` queues a text. What comes is printed as its PULL
//! would show it, `IP: <source> MSG:<code>|<text>`, a line each; `GARBLED` stands before a read that was not one frame.
//! `LINK <ip>` and `GONE <ip>` tell of connections.
//!
//! Its quirks: three connections in its whole life; links known by the other side's address; queues that move once in a
//! period (5 s), all at once and with nothing between the frames; the first text to an address without a link goes out
//! without a frame; one read of 2,048 bytes is taken for one frame; a text with `|` loses all up to the first one; the
//! greeting is shown as if it were a message.
#![allow(clippy::print_stdout, clippy::print_stderr, dead_code, reason = "a program, and a module of tests")]

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Connections that it takes, ever.
const PLACES: usize = 3;
/// What it reads at once.
const BUFFER: usize = 2_048;

/// `14|0001|127.0.0.5`.
pub fn frame(code: &str, payload: &str) -> String {
    format!("{}|{code}|{payload}", code.len() + 1 + payload.len())
}

#[derive(Debug, Default)]
struct State {
    links: BTreeMap<IpAddr, TcpStream>,
    taken: usize,
    queue: VecDeque<(IpAddr, String)>,
}

/// The old node.
#[derive(Debug, Clone)]
pub struct Node {
    state: Arc<Mutex<State>>,
    shown: Sender<String>,
    port: u16,
}

impl Node {
    /// Starts one behind a listener; what it shows comes by the channel.
    pub fn start(listener: TcpListener, period: Duration, port: u16) -> (Self, Receiver<String>) {
        let (shown, lines) = channel();
        let node = Self { state: Arc::default(), shown, port };
        let this = node.clone();
        thread::spawn(move || {
            // A connection more than it takes stays in the system's queue for ever.
            while this.lock().taken < PLACES {
                let Ok((stream, from)) = listener.accept() else { return };
                this.link(stream, from.ip());
            }
            loop {
                thread::park();
            }
        });
        let this = node.clone();
        thread::spawn(move || {
            loop {
                thread::sleep(period);
                this.move_queue();
            }
        });
        (node, lines)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, line: String) {
        let _ = self.shown.send(line);
    }

    fn link(&self, stream: TcpStream, ip: IpAddr) {
        let Ok(mut reading) = stream.try_clone() else { return };
        let mut state = self.lock();
        state.taken += 1;
        state.links.insert(ip, stream);
        drop(state);
        self.show(format!("LINK {ip}"));
        let this = self.clone();
        thread::spawn(move || {
            let mut buffer = [0; BUFFER];
            while let Ok(read @ 1..) = reading.read(&mut buffer) {
                let bytes = buffer.get(..read).unwrap_or_default();
                this.show(shown(ip, &String::from_utf8_lossy(bytes)));
            }
            // It keeps the place, and here it would spin.
            this.show(format!("GONE {ip}"));
        });
    }

    fn connect(&self, ip: IpAddr) -> bool {
        if self.lock().taken >= PLACES {
            return false;
        }
        let Ok(stream) = TcpStream::connect(SocketAddr::new(ip, self.port)) else { return false };
        self.link(stream, ip);
        true
    }

    fn write(&self, ip: IpAddr, text: &str) {
        let state = self.lock();
        if let Some(mut stream) = state.links.get(&ip) {
            let _ = stream.write_all(text.as_bytes());
        }
    }

    /// Connects and greets.
    pub fn dial(&self, ip: IpAddr) {
        if self.connect(ip) {
            self.write(ip, &frame("0001", &ip.to_string()));
        }
    }

    /// Queues a text.
    pub fn push(&self, ip: IpAddr, text: &str) {
        self.lock().queue.push_back((ip, text.to_owned()));
    }

    /// How many connections it has taken or made.
    pub fn taken(&self) -> usize {
        self.lock().taken
    }

    /// Ends all links at once, as when the program is killed.
    pub fn die(&self) {
        for stream in self.lock().links.values() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    fn move_queue(&self) {
        let queue = std::mem::take(&mut self.lock().queue);
        for (ip, text) in queue {
            let linked = self.lock().links.contains_key(&ip);
            if linked {
                self.write(ip, &frame("0002", &text));
            } else if self.connect(ip) {
                self.write(ip, &text);
            }
        }
    }
}

/// What its PULL makes of one read.
fn shown(ip: IpAddr, read: &str) -> String {
    let mut parts = read.splitn(3, '|');
    let (len, code, text) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let (Some(code), Some(text)) = (code, text) else { return format!("GARBLED {read}") };
    if len.parse() != Ok(code.len() + 1 + text.len()) {
        return format!("GARBLED {read}");
    }
    match text.split_once('|') {
        Some((_, rest)) => format!("IP: {ip} MSG:{rest}"),
        None => format!("IP: {ip} MSG:{code}|{text}"),
    }
}

/// The program, by the words of its command line and its standard input.
///
/// # Errors
/// A word that it does not know, or a socket that it cannot have.
pub fn main() -> Result<(), String> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let listen: SocketAddr =
        words.first().and_then(|w| w.parse().ok()).ok_or("LISTEN is needed, like 127.0.0.2:43110")?;
    let period = words.get(1).map_or(Ok(5_000), |w| w.parse()).map_err(|_| "no period")?;
    let port = words.get(2).map_or(Ok(listen.port()), |w| w.parse()).map_err(|_| "no port")?;
    let listener = TcpListener::bind(listen).map_err(|e| e.to_string())?;
    println!("LISTENING {}", listener.local_addr().map_err(|e| e.to_string())?);
    let (node, lines) = Node::start(listener, Duration::from_millis(period), port);
    thread::spawn(move || lines.iter().for_each(|line| println!("{line}")));
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|e| e.to_string())?;
        let mut words = line.splitn(3, ' ');
        let (verb, ip) = (words.next().unwrap_or_default(), words.next().and_then(|ip| ip.parse().ok()));
        match (verb, ip, words.next()) {
            ("dial", Some(ip), _) => node.dial(ip),
            ("push", Some(ip), Some(text)) => node.push(ip, text),
            _ => eprintln!("dial IP, or push IP TEXT"),
        }
    }
    Ok(())
}
