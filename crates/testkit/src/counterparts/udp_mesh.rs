//! The old programs of the single-letter UDP mesh, written from the description of their format alone: nothing of our own
//! crates, so that it does not share our mistakes. Their faults are here too: they take a datagram every 10 ms, an empty one
//! freezes them, port 0 aborts the server, a name that stands twice in a directory aborts the peer.
//!
//! ```text
//! udp_mesh server PORT
//! udp_mesh peer NAME PORT SERVER_PORT [quiet]
//! ```
//!
//! PORT may be 0; the first line says `listening PORT`. What happens is printed line by line. A peer that is not `quiet`
//! broadcasts every 4 s. It reads from standard input: `send PORT TEXT`, `all TEXT`, `raw PORT HEX`, `stop` (no heartbeats
//! any more), `birth`, `quit`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]
#![allow(clippy::cast_possible_truncation, reason = "as the old programs do")]

use std::collections::BTreeMap;
use std::io::BufRead;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_millis(10);
const HEARTBEAT: Duration = Duration::from_millis(500);
const SILENCE: Duration = Duration::from_millis(1_500);
const BROADCAST: Duration = Duration::from_secs(4);

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from(bytes[at]) | u16::from(bytes[at + 1]) << 8
}

fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| [(word & 0xff) as u8, (word >> 8) as u8]).collect()
}

fn printable(name: u16) -> char {
    char::from_u32(u32::from(name)).filter(|c| (' '..='~').contains(c)).unwrap_or('?')
}

fn say(text: &str) {
    println!("{text}");
}

/// The next datagram, at the old programs' speed. An empty one is the last.
fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    sleep(STEP);
    let mut buffer = vec![0; 65_536];
    loop {
        if let Ok((len, from)) = socket.recv_from(&mut buffer) {
            if len == 0 {
                say("frozen");
                loop {
                    sleep(BROADCAST);
                }
            }
            buffer.truncate(len);
            return (buffer, from);
        }
    }
}

struct Member {
    port: u16,
    heard: Instant,
}

type Members = Arc<Mutex<BTreeMap<u16, Member>>>;

fn tell(socket: &UdpSocket, members: &BTreeMap<u16, Member>) {
    let mut out = words(&[0xc1, members.len() as u16]);
    members.iter().for_each(|(name, member)| out.extend(words(&[*name, member.port])));
    for member in members.values() {
        let _ = socket.send_to(&out, local(member.port));
    }
}

fn server(port: u16) {
    let socket = UdpSocket::bind(local(port)).expect("the port is free");
    say(&format!("listening {}", socket.local_addr().unwrap().port()));
    let members = Members::default();
    spawn({
        let (socket, members) = (socket.try_clone().unwrap(), Arc::clone(&members));
        move || {
            loop {
                sleep(HEARTBEAT);
                let mut members = members.lock().unwrap();
                let silent = |member: &Member| member.heard.elapsed() > SILENCE;
                let gone: Vec<_> = members.iter().filter(|(_, m)| silent(m)).map(|(name, _)| *name).collect();
                for name in &gone {
                    members.remove(name);
                    say(&format!("dropped {}", printable(*name)));
                }
                if !gone.is_empty() {
                    tell(&socket, &members);
                }
            }
        }
    });
    loop {
        let (bytes, _) = receive(&socket);
        let mut members = members.lock().unwrap();
        match (bytes.len(), word(&[&bytes[..], &[0; 2]].concat(), 0)) {
            (6, 0xc0) => {
                let (name, port) = (word(&bytes, 2), word(&bytes, 4));
                if port == 0 {
                    say("aborted: port 0");
                    exit(134);
                }
                if members.contains_key(&name) || members.values().any(|member| member.port == port) {
                    say(&format!("rejected {} {port}", printable(name)));
                } else {
                    members.insert(name, Member { port, heard: Instant::now() });
                    say(&format!("joined {} {port}", printable(name)));
                }
                tell(&socket, &members);
            }
            (4, 0xc3) => {
                if let Some(member) = members.get_mut(&word(&bytes, 2)) {
                    member.heard = Instant::now();
                }
            }
            (len, kind) => say(&format!("unknown {kind:x} {len}")),
        }
    }
}

type Directory = Arc<Mutex<BTreeMap<u16, u16>>>;

fn vanilla(text: &str) -> Vec<u8> {
    [words(&[0xc2, text.len() as u16]), text.as_bytes().to_vec(), vec![0]].concat()
}

fn hear(socket: &UdpSocket, own: u16, directory: &Directory) {
    loop {
        let (bytes, from) = receive(socket);
        match word(&[&bytes[..], &[0; 2]].concat(), 0) {
            0xc1 => {
                let count = usize::from(word(&bytes, 2));
                let mut named = BTreeMap::new();
                for entry in bytes[4..].chunks(4).take(count) {
                    if named.insert(word(entry, 0), word(entry, 2)).is_some() {
                        say("aborted: a name stands twice");
                        exit(134);
                    }
                }
                let shown: Vec<_> = named.iter().map(|(name, port)| format!("{}:{port}", printable(*name))).collect();
                // In force before it is printed: who reads the line may use it at once.
                named.retain(|_, port| *port != own);
                *directory.lock().unwrap() = named;
                say(&format!("directory {}", shown.join(" ")));
            }
            0xc2 => {
                let len = usize::from(word(&bytes, 2));
                let text = String::from_utf8_lossy(&bytes[4..4 + len]).into_owned();
                assert_eq!((bytes.len(), bytes.last()), (len + 5, Some(&0)), "a NUL behind the text");
                say(&format!("vanilla {} {text}", from.port()));
            }
            kind => say(&format!("unknown {kind:x} {}", bytes.len())),
        }
    }
}

fn peer(name: char, port: u16, server: u16, quiet: bool) {
    if port > 32_767 {
        eprintln!("a port above 32767");
        exit(2);
    }
    let own = UdpSocket::bind(local(port)).expect("the port is free");
    let port = own.local_addr().unwrap().port();
    say(&format!("listening {port}"));
    let speak = UdpSocket::bind(local(0)).unwrap();
    let birth = words(&[0xc0, name as u16, port]);
    let _ = speak.send_to(&birth, local(server));
    let (directory, beats) = (Directory::default(), Arc::new(AtomicBool::new(true)));
    spawn({
        let (own, directory) = (own.try_clone().unwrap(), Arc::clone(&directory));
        move || hear(&own, port, &directory)
    });
    spawn({
        let (speak, beats) = (speak.try_clone().unwrap(), Arc::clone(&beats));
        move || {
            loop {
                sleep(HEARTBEAT);
                if beats.load(Ordering::Relaxed) {
                    let _ = speak.send_to(&words(&[0xc3, name as u16]), local(server));
                }
            }
        }
    });
    let to_all = |own: &UdpSocket, directory: &Directory, text: &str| {
        for port in directory.lock().unwrap().values() {
            let _ = own.send_to(&vanilla(text), local(*port));
        }
    };
    if !quiet {
        let (own, directory) = (own.try_clone().unwrap(), Arc::clone(&directory));
        spawn(move || {
            for counter in 0.. {
                sleep(BROADCAST);
                to_all(&own, &directory, &format!("peer{name}_broadcast_{counter:x}"));
            }
        });
    }
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap_or_default();
        let mut parts = line.splitn(3, ' ');
        match (parts.next(), parts.next(), parts.next()) {
            (Some("send"), Some(to), Some(text)) => {
                let _ = own.send_to(&vanilla(text), local(to.parse().expect("a port")));
            }
            (Some("all"), Some(first), rest) => {
                let text = rest.map_or(first.to_owned(), |rest| format!("{first} {rest}"));
                to_all(&own, &directory, &text);
            }
            (Some("raw"), Some(to), hex) => {
                let digits: Vec<_> = hex.unwrap_or_default().chars().filter_map(|c| c.to_digit(16)).collect();
                let bytes: Vec<_> = digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect();
                let _ = speak.send_to(&bytes, local(to.parse().expect("a port")));
            }
            (Some("stop"), ..) => beats.store(false, Ordering::Relaxed),
            (Some("birth"), ..) => {
                let _ = speak.send_to(&birth, local(server));
            }
            (Some("quit"), ..) => exit(0),
            _ => eprintln!("no such command: {line}"),
        }
    }
    // Without an input it goes on, like a peer in the background.
    loop {
        sleep(BROADCAST);
    }
}

/// The program, by the words of its command line and its standard input.
pub fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let port = |at: usize| args.get(at).and_then(|port| port.parse::<u16>().ok());
    match (args.first().map(String::as_str), args.get(1)) {
        (Some("server"), Some(_)) => server(port(1).expect("a port")),
        (Some("peer"), Some(name)) => {
            let name = name.chars().next().expect("a name");
            peer(
                name,
                port(2).expect("a port"),
                port(3).expect("a port"),
                args.get(4).is_some_and(|arg| arg == "quiet"),
            );
        }
        _ => {
            eprintln!("udp_mesh server PORT | udp_mesh peer NAME PORT SERVER_PORT [quiet]");
            exit(2);
        }
    }
}
