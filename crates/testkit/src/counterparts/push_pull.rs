//! A client as it was before Rumormill, for tests: one request for each connection, one read for the reply, `int()` of
//! what follows its first 8 bytes, and then one read for each message. Knows nothing of our crates.
//!
//! ```text
//! push_pull ADDRESS push DESTINATION CONTENTS    prints the reply
//! push_pull ADDRESS pull                         prints the count and each message, a line each
//! push_pull ADDRESS pull-and-die N               reads the count and N messages, then dies at once
//! push_pull ADDRESS                              the same words, a line each, from standard input
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, dead_code, reason = "a program, and a module of tests")]

use std::io::{BufRead, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What the old client reads at once.
const BUFFER: usize = 2_048;

/// One read, as text. Nothing is the end.
fn read_once(stream: &mut TcpStream) -> Result<String, String> {
    let mut buffer = [0; BUFFER];
    let read = stream.read(&mut buffer).map_err(|e| e.to_string())?;
    Ok(String::from_utf8_lossy(buffer.get(..read).unwrap_or_default()).into_owned())
}

fn open(addr: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(addr).map_err(|e| e.to_string())?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).map_err(|e| e.to_string())?;
    Ok(stream)
}

/// Sends a request as it stands; the rest is in the stream.
pub fn ask(addr: SocketAddr, request: &str) -> Result<TcpStream, String> {
    let mut stream = open(addr)?;
    stream.write_all(request.as_bytes()).map_err(|e| e.to_string())?;
    Ok(stream)
}

/// Leaves a message; gives the reply.
pub fn push(addr: SocketAddr, destination: &str, contents: &str) -> Result<String, String> {
    read_once(&mut ask(addr, &format!("PUSH IP:{destination} MSG:{contents}"))?)
}

/// `SUCCESS 3` is 3: what Python's `int()` makes of all that follows the first 8 bytes.
fn count(reply: &str) -> Result<usize, String> {
    let number = reply.get(8..).unwrap_or_default().trim();
    number.parse().map_err(|_| format!("no number in {reply:?}"))
}

/// Takes what has come.
pub fn pull(addr: SocketAddr) -> Result<Vec<String>, String> {
    let mut stream = ask(addr, "PULL")?;
    let count = count(&read_once(&mut stream)?)?;
    (0..count).map(|_| read_once(&mut stream)).collect()
}

/// Reads the count and the first messages and dies; gives the count.
pub fn pull_and_die(addr: SocketAddr, reads: usize) -> Result<usize, String> {
    let mut stream = ask(addr, "PULL")?;
    let count = count(&read_once(&mut stream)?)?;
    for _ in 0..reads {
        read_once(&mut stream)?;
    }
    Ok(count)
}

fn run(addr: SocketAddr, words: &[&str]) -> Result<(), String> {
    match words {
        ["push", destination, contents @ ..] => println!("{}", push(addr, destination, &contents.join(" "))?),
        ["pull"] => {
            let messages = pull(addr)?;
            println!("{}", messages.len());
            messages.iter().for_each(|message| println!("{message}"));
        }
        ["pull-and-die", reads] => {
            println!("{}", pull_and_die(addr, reads.parse().map_err(|_| "how many?")?)?);
        }
        _ => return Err("push DESTINATION CONTENTS, pull, or pull-and-die N".into()),
    }
    Ok(())
}

/// The program, by the words of its command line and its standard input.
///
/// # Errors
/// A word that it does not know, or a socket that it cannot have.
pub fn main() -> Result<(), String> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (addr, words) = words.split_first().ok_or("an address")?;
    let addr = addr.parse().map_err(|_| "an address")?;
    if !words.is_empty() {
        return run(addr, &words.iter().map(String::as_str).collect::<Vec<_>>());
    }
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|e| e.to_string())?;
        if let Err(why) = run(addr, &line.split(' ').collect::<Vec<_>>()) {
            println!("error: {why}");
        }
    }
    Ok(())
}
