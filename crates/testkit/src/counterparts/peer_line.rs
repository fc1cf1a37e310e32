//! A program of the menu chat as the page of that chat describes it, and nothing of ours: for tests against the door.
//!
//! `peer_line_counterpart IP:PORT TEAM [plain|bracket|opener] [once|end|line]`
//!
//! It listens there and prints what it receives, one line each: `GOT <text>`. How it reads: `once` (one read of 1,024
//! bytes, then it closes), `end` (to the end of the stream), `line` (line by line). How it speaks: `plain` (its own
//! address, one connection a message, no newline), `bracket` (the receiver's address and its own port in angle brackets),
//! `opener` (one connection that begins with a bare port line and `CONNECT`, and waits for an answer to each message).
//!
//! Commands on standard input: `send IP:PORT text`, `raw IP:PORT text` (with `\n`, `\r`, `\0`, `\xNN`), `who IP:PORT`,
//! `exit IP:PORT`, `quit`.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

fn say(line: &str) {
    // One write, so that lines of two threads do not mix.
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("{line}\n").as_bytes());
    let _ = out.flush();
}

fn unescape(text: &str) -> Vec<u8> {
    let (mut out, mut chars) = (Vec::new(), text.bytes());
    while let Some(byte) = chars.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match chars.next() {
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b'0') => out.push(0),
            Some(b'x') => {
                let digits: String = chars.by_ref().take(2).map(char::from).collect();
                out.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
            }
            other => out.extend(other),
        }
    }
    out
}

/// As the old programs do: bytes that are no text lose the whole message.
fn got(bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.trim().is_empty() => say(&format!("GOT {}", text.trim())),
        Ok(_) => {}
        Err(_) => say("LOST"),
    }
}

fn receive(mut stream: TcpStream, how: &str) {
    match how {
        "end" => {
            let mut all = Vec::new();
            let _ = stream.read_to_end(&mut all);
            got(&all);
        }
        "line" => {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                got(&line);
            }
        }
        _ => {
            let mut buffer = [0; 1_024];
            if let Ok(bytes) = stream.read(&mut buffer) {
                got(&buffer[..bytes]);
            }
        }
    }
}

struct Program {
    own: String,
    team: String,
    style: String,
    open: HashMap<String, TcpStream>,
}

impl Program {
    fn send(&mut self, to: &str, text: &str) -> std::io::Result<()> {
        let port = self.own.rsplit(':').next().unwrap_or_default().to_owned();
        let ip = to.rsplit_once(':').map_or(to, |(ip, _)| ip);
        match self.style.as_str() {
            "bracket" => self.raw(to, format!("<{ip}:{port}> {} {text}", self.team).as_bytes()),
            "opener" => self.opened(to, &port, text),
            _ => self.raw(to, format!("{} {} {text}", self.own, self.team).as_bytes()),
        }
    }

    fn raw(&self, to: &str, bytes: &[u8]) -> std::io::Result<()> {
        TcpStream::connect(to)?.write_all(bytes)
    }

    fn opened(&mut self, to: &str, port: &str, text: &str) -> std::io::Result<()> {
        if !self.open.contains_key(to) {
            let mut stream = TcpStream::connect(to)?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(format!("{port}\nCONNECT").as_bytes())?;
            say(&format!("ANSWER {}", stream.read(&mut [0; 1_024])?));
            self.open.insert(to.to_owned(), stream);
        }
        let Some(stream) = self.open.get_mut(to) else { return Ok(()) };
        stream.write_all(text.as_bytes())?;
        say(&format!("ANSWER {}", stream.read(&mut [0; 1_024])?));
        Ok(())
    }

    fn who(&self, to: &str) -> std::io::Result<()> {
        // From our own port: then we are somebody whom the other side may know.
        let socket = UdpSocket::bind(&self.own)?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        socket.send_to(b"Who is online?", to)?;
        let mut buffer = [0; 65_536];
        let (bytes, _) = socket.recv_from(&mut buffer)?;
        say(&format!("ONLINE {}", String::from_utf8_lossy(&buffer[..bytes]).replace('\n', " ")));
        Ok(())
    }
}

/// The program, by the words of its command line and its standard input.
///
/// # Errors
/// A word that it does not know, or a socket that it cannot have.
pub fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(own), Some(team)) = (args.next(), args.next()) else {
        let usage = "usage: peer_line_counterpart IP:PORT TEAM [plain|bracket|opener] [once|end|line]";
        return Err(std::io::Error::other(usage));
    };
    let style = args.next().unwrap_or_else(|| "plain".into());
    let how = args.next().unwrap_or_else(|| "once".into());
    let listener = TcpListener::bind(&own)?;
    let own = listener.local_addr()?.to_string();
    say(&format!("LISTENING {own}"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let how = how.clone();
            std::thread::spawn(move || receive(stream, &how));
        }
    });
    let mut program = Program { own, team, style, open: HashMap::new() };
    for line in std::io::stdin().lines() {
        let line = line?;
        let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let (to, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let done = match command {
            "send" => program.send(to, text),
            "exit" => program.send(to, "exit"),
            "raw" => program.raw(to, &unescape(text)),
            "who" => program.who(to),
            "quit" => return Ok(()),
            _ => Err(std::io::Error::other("no such command")),
        };
        match done {
            Ok(()) => say(&format!("DONE {command}")),
            Err(why) => say(&format!("FAILED {command}: {why}")),
        }
    }
    Ok(())
}
