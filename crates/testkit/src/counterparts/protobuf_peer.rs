//! The older peer, written from the description of its protocol alone and with its habits: it reads a frame with one read
//! for the length and one for the body, takes ten connections in its whole life, goes on hearing whom it refused, lets any
//! JOIN take over a route, drops whoever speaks of the leaving of somebody it does not know, and puts into lower case what
//! is typed.
//!
//! `protobuf_peer_counterpart LOCAL [PEER] [--desired-id N]`; then, as lines: `<id> text`, `table`, `buffer`, `end`. What it
//! sees it prints, a line each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]
#![allow(clippy::cast_possible_truncation, reason = "lengths here are short")]

use std::collections::BTreeMap;
use std::io::{BufRead, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

const CONNECTIONS_IN_A_LIFE: usize = 10;

#[derive(Debug, Clone)]
enum Said {
    Message(i64, i64, String),
    Join(i64, i64),
    Leave(i64),
    Start(i64),
    Response(i64, bool),
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A number with its key; a default is left out.
fn number(field: u8, value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    if value != 0 {
        out.push(field << 3);
        put_varint(&mut out, value as u64);
    }
    out
}

fn part(field: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![field << 3 | 2];
    put_varint(&mut out, content.len() as u64);
    out.extend_from_slice(content);
    out
}

fn encode(said: &Said) -> Vec<u8> {
    let (kind, content) = match said {
        Said::Message(from, to, text) => {
            let text = if text.is_empty() { vec![] } else { part(3, text.as_bytes()) };
            (1, part(2, &[number(1, *from), number(2, *to), text].concat()))
        }
        Said::Join(id, via) => (2, part(3, &part(2, &[number(1, *id), number(2, *via)].concat()))),
        Said::Leave(id) => (2, part(3, &[number(1, 1), part(3, &number(1, *id))].concat())),
        Said::Start(id) => (3, part(4, &number(1, *id))),
        Said::Response(id, error) => (4, part(5, &[number(1, *id), number(2, i64::from(*error))].concat())),
    };
    let body = [number(1, kind), content].concat();
    [(body.len() as u32).to_be_bytes().to_vec(), body].concat()
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f).checked_shl(shift).unwrap_or(0);
        if *first < 0x80 {
            return Some(value);
        }
    }
    None
}

/// The fields of a message: numbers and parts by their field.
type Fields = (BTreeMap<u64, i64>, BTreeMap<u64, Vec<u8>>);

fn fields(mut bytes: &[u8]) -> Option<Fields> {
    let (mut numbers, mut parts) = (BTreeMap::new(), BTreeMap::new());
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        match key & 7 {
            0 => drop(numbers.insert(key >> 3, varint(&mut bytes)? as i64)),
            2 => {
                let len = varint(&mut bytes)? as usize;
                parts.insert(key >> 3, bytes.get(..len)?.to_vec());
                bytes = &bytes[len..];
            }
            _ => return None,
        }
    }
    Some((numbers, parts))
}

fn decode(body: &[u8]) -> Option<Said> {
    let (numbers, parts) = fields(body)?;
    let content = |field: u64| fields(parts.get(&field)?);
    let of = |numbers: &BTreeMap<u64, i64>, field: u64| numbers.get(&field).copied().unwrap_or(0);
    match of(&numbers, 1) {
        1 => {
            let (numbers, parts) = content(2)?;
            let text = String::from_utf8(parts.get(&3).cloned().unwrap_or_default()).ok()?;
            Some(Said::Message(of(&numbers, 1), of(&numbers, 2), text))
        }
        2 => {
            let (numbers, parts) = content(3)?;
            let ids = |field: u64| fields(parts.get(&field)?).map(|(numbers, _)| numbers);
            match of(&numbers, 1) {
                0 => ids(2).map(|ids| Said::Join(of(&ids, 1), of(&ids, 2))),
                _ => ids(3).map(|ids| Said::Leave(of(&ids, 1))),
            }
        }
        3 => content(4).map(|(numbers, _)| Said::Start(of(&numbers, 1))),
        4 => content(5).map(|(numbers, _)| Said::Response(of(&numbers, 1), of(&numbers, 2) != 0)),
        _ => None,
    }
}

/// One `recv(4)`, one `recv(size)`.
fn receive(stream: &mut TcpStream) -> Result<Said, String> {
    let mut length = [0; 4];
    match stream.read(&mut length).map_err(|e| e.to_string())? {
        0 => return Err("closed".into()),
        4 => {}
        n => return Err(format!("{n} bytes of a length")),
    }
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    let got = stream.read(&mut body).map_err(|e| e.to_string())?;
    if got < body.len() {
        return Err(format!("{got} of {} bytes", body.len()));
    }
    decode(&body).ok_or_else(|| "no message".into())
}

#[derive(Default)]
struct World {
    id: i64,
    /// Direct peers and their connections.
    direct: BTreeMap<i64, TcpStream>,
    /// Where each id is reached: the direct peer.
    routes: BTreeMap<i64, i64>,
    kept: Vec<(i64, i64, String)>,
}

impl World {
    fn send(&mut self, peer: i64, said: &Said) {
        if let Some(stream) = self.direct.get_mut(&peer) {
            let _ = stream.write_all(&encode(said));
        }
    }

    fn message(&mut self, from: i64, to: i64, text: String) {
        if to == self.id {
            println!("from {from}: {text}");
        } else if let Some(via) = self.routes.get(&to).copied() {
            self.send(via, &Said::Message(from, to, text));
        } else {
            self.kept.push((from, to, text));
        }
    }

    fn start(&mut self, id: i64, stream: &mut TcpStream) -> bool {
        if id == self.id || self.routes.contains_key(&id) {
            let _ = stream.write_all(&encode(&Said::Response(0, true)));
            println!("refused {id}");
            return false;
        }
        let known: Vec<_> = self.routes.keys().copied().collect();
        let others: Vec<_> = self.direct.keys().copied().collect();
        self.direct.insert(id, stream.try_clone().unwrap());
        self.send(id, &Said::Response(self.id, false));
        let (for_it, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.kept).into_iter().partition(|(_, to, _)| *to == id);
        self.kept = rest;
        for (from, to, text) in for_it {
            self.send(id, &Said::Message(from, to, text));
        }
        for other in known {
            self.send(id, &Said::Join(other, self.id));
        }
        for other in others {
            self.send(other, &Said::Join(id, self.id));
        }
        self.routes.insert(id, id);
        println!("peer {id}");
        true
    }

    fn gone(&mut self, peer: i64, dialled_in: bool) {
        self.direct.remove(&peer);
        self.routes.retain(|_, via| *via != peer);
        println!("gone {peer}");
        if dialled_in {
            for other in self.direct.keys().copied().collect::<Vec<_>>() {
                self.send(other, &Said::Leave(peer));
            }
        }
    }
}

/// Hears one connection to its end.
fn hear(world: &Mutex<World>, mut stream: TcpStream, mut peer: Option<i64>) {
    let dialled_in = peer.is_none();
    let why = loop {
        let said = match receive(&mut stream) {
            Ok(said) => said,
            Err(why) => break why,
        };
        let mut world = world.lock().unwrap();
        match (said, peer) {
            (Said::Start(id), None) => peer = world.start(id, &mut stream).then_some(id),
            (Said::Message(from, to, text), Some(_)) => world.message(from, to, text),
            (Said::Join(id, via), Some(peer)) => {
                println!("join {id} via {via}");
                world.routes.insert(id, peer);
            }
            (Said::Leave(id), Some(_)) => {
                println!("leave {id}");
                if world.routes.remove(&id).is_none() {
                    break "leave of an unknown id".to_owned();
                }
            }
            (said, _) => println!("unexpected {said:?}"),
        }
    };
    println!("link ended: {why}");
    if let Some(peer) = peer {
        world.lock().unwrap().gone(peer, dialled_in);
    }
    let _ = stream.shutdown(std::net::Shutdown::Both);
}

fn join(world: &Arc<Mutex<World>>, host: &str) {
    let id = world.lock().unwrap().id;
    let mut stream = TcpStream::connect(host).expect("the host is there");
    stream.write_all(&encode(&Said::Start(id))).unwrap();
    match receive(&mut stream) {
        Ok(Said::Response(host, false)) if host > 0 => {
            println!("joined {host}");
            let mut state = world.lock().unwrap();
            state.routes.insert(host, host);
            state.direct.insert(host, stream.try_clone().unwrap());
            drop(state);
            let world = Arc::clone(world);
            thread::spawn(move || hear(&world, stream, Some(host)));
        }
        other => {
            println!("not joined: {other:?}");
            std::process::exit(1);
        }
    }
}

/// The program, by the words of its command line and its standard input.
pub fn main() {
    let (mut addresses, mut id) = (Vec::new(), 1);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--desired-id" => id = args.next().expect("an id").parse().expect("an id"),
            _ => addresses.push(arg),
        }
    }
    let world = Arc::new(Mutex::new(World { id, ..World::default() }));
    let listener = TcpListener::bind(addresses.first().expect("LOCAL")).expect("LOCAL is free");
    println!("listening {}", listener.local_addr().unwrap());
    if let Some(host) = addresses.get(1) {
        join(&world, host);
    }
    let shared = Arc::clone(&world);
    thread::spawn(move || {
        for stream in listener.incoming().take(CONNECTIONS_IN_A_LIFE).flatten() {
            let world = Arc::clone(&shared);
            thread::spawn(move || hear(&world, stream, None));
        }
    });
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap().to_lowercase();
        let mut world = world.lock().unwrap();
        match line.trim() {
            "end" => break,
            "table" => println!("table {:?}", world.routes),
            "buffer" => println!("buffer {:?}", world.kept),
            line => match line.split_once(' ').and_then(|(id, text)| Some((id.parse::<i64>().ok()?, text))) {
                Some((to, text)) => {
                    let from = world.id;
                    world.message(from, to, text.to_owned());
                }
                None => println!("what?"),
            },
        }
    }
}
