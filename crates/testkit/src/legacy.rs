//! Users of the legacy protocols, each with the bytes of its own program.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::wait::until;

/// What one of them has heard.
pub type Heard = Arc<Mutex<Vec<String>>>;

/// Somebody who uses a legacy protocol.
pub struct LegacyUser {
    /// The protocol, as tests name it.
    pub name: &'static str,
    /// What it has heard.
    pub heard: Heard,
    /// Says a text to all.
    pub say: Box<dyn FnMut(&str)>,
    /// How the room shows who it is.
    pub claimed: String,
    /// The door through which it is heard; empty for the control port.
    pub door: &'static str,
}

impl fmt::Debug for LegacyUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LegacyUser").field("name", &self.name).field("heard", &self.heard).finish_non_exhaustive()
    }
}

fn keep(heard: &Heard, text: &[u8]) {
    heard.lock().unwrap().push(String::from_utf8(text.to_vec()).unwrap());
}

/// A UDP peer at the directory on port 3000.
pub fn udp(ip: IpAddr) -> LegacyUser {
    let own = UdpSocket::bind((ip, 3_001)).unwrap();
    let aside = UdpSocket::bind((ip, 0)).unwrap();
    let (heard, others) = (Heard::default(), Arc::new(Mutex::new(Vec::<u16>::new())));
    let (texts, listed, socket) = (Arc::clone(&heard), Arc::clone(&others), own.try_clone().unwrap());
    thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok(len) = socket.recv(&mut buffer) {
            match &buffer[..len] {
                [0xc1, 0, _, _, entries @ ..] => {
                    let ports = entries.chunks(4).map(|entry| u16::from_le_bytes([entry[2], entry[3]]));
                    *listed.lock().unwrap() = ports.filter(|port| *port != 3_001).collect();
                }
                [0xc2, 0, _, _, text @ .., 0] => keep(&texts, text),
                other => panic!("{other:02x?}"),
            }
        }
    });
    thread::spawn(move || {
        let mut beat = vec![0xc0, 0, b'A', 0, 0xb9, 0x0b];
        while aside.send_to(&beat, (ip, 3_000)).is_ok() {
            beat = vec![0xc3, 0, b'A', 0];
            thread::sleep(Duration::from_millis(500));
        }
    });
    let known = Arc::clone(&others);
    until("the directory names somebody else", || !known.lock().unwrap().is_empty());
    let say = move |text: &str| {
        let len = u16::try_from(text.len()).unwrap().to_le_bytes();
        let datagram = [&[0xc2, 0], &len[..], text.as_bytes(), &[0]].concat();
        for port in others.lock().unwrap().iter() {
            own.send_to(&datagram, (ip, *port)).unwrap();
        }
    };
    LegacyUser { name: "udp", heard, say: Box::new(say), claimed: "A".into(), door: "udp-mesh" }
}

/// A peer of the menu chat, at the door on port 8080.
pub fn menu(ip: IpAddr) -> LegacyUser {
    let listener = TcpListener::bind((ip, 9_090)).unwrap();
    let heard = Heard::default();
    let texts = Arc::clone(&heard);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut text = Vec::new();
            stream.unwrap().read_to_end(&mut text).unwrap();
            keep(&texts, &text);
        }
    });
    let say = move |text: &str| {
        let mut stream = TcpStream::connect((ip, 8_080)).unwrap();
        write!(stream, "{ip}:9090 blockchain {text}").unwrap();
    };
    LegacyUser { name: "menu", heard, say: Box::new(say), claimed: format!("blockchain {ip}:9090"), door: "peer-line" }
}

fn varint(bytes: &[u8]) -> (usize, &[u8]) {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
    let value = bytes[..=end].iter().rev().fold(0, |value, byte| value << 7 | usize::from(byte & 0x7f));
    (value, &bytes[end + 1..])
}

/// The protobuf peer 12, at host 10 on port 5000.
pub fn protobuf(ip: IpAddr) -> LegacyUser {
    let mut stream = TcpStream::connect((ip, 5_000)).unwrap();
    stream.write_all(&[0, 0, 0, 6, 8, 3, 0x22, 2, 8, 12]).unwrap();
    let (heard, mut reader) = (Heard::default(), stream.try_clone().unwrap());
    let texts = Arc::clone(&heard);
    let mut first = [0; 10];
    reader.read_exact(&mut first).unwrap();
    assert_eq!(first, [0, 0, 0, 6, 8, 4, 0x2a, 2, 8, 10], "host 10 takes 12 in");
    thread::spawn(move || {
        let mut length = [0; 4];
        while reader.read_exact(&mut length).is_ok() {
            let mut body = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
            reader.read_exact(&mut body).unwrap();
            if let [8, 1, 0x12, message @ ..] = &body[..] {
                let (_, message) = varint(message);
                let (fr, message) = varint(message.strip_prefix(&[8]).unwrap());
                let (to, message) = varint(message.strip_prefix(&[0x10]).unwrap());
                let (_, text) = varint(message.strip_prefix(&[0x1a]).unwrap());
                assert_eq!((fr, to), (10, 12));
                keep(&texts, text);
            }
        }
    });
    let say = move |text: &str| {
        let len = u8::try_from(text.len()).unwrap();
        let message = [&[8, 12, 0x10, 10, 0x1a, len], text.as_bytes()].concat();
        let body = [&[8, 1, 0x12, len + 6], &message[..]].concat();
        stream.write_all(&[&[0, 0, 0, len + 10], &body[..]].concat()).unwrap();
    };
    LegacyUser { name: "protobuf", heard, say: Box::new(say), claimed: "12".into(), door: "protobuf-peer" }
}

/// A node at port 43110.
pub fn relay(ip: IpAddr) -> LegacyUser {
    let mut stream = TcpStream::connect((ip, 43_110)).unwrap();
    let from = stream.local_addr().unwrap().ip();
    let greeting = format!("0001|{ip}");
    write!(stream, "{}|{greeting}", greeting.len()).unwrap();
    let (heard, mut reader) = (Heard::default(), BufReader::new(stream.try_clone().unwrap()));
    let texts = Arc::clone(&heard);
    thread::spawn(move || {
        let mut length = Vec::new();
        while reader.read_until(b'|', &mut length).is_ok_and(|read| read > 0) {
            let digits = std::str::from_utf8(&length[..length.len() - 1]).unwrap();
            let mut frame = vec![0; digits.parse().unwrap()];
            reader.read_exact(&mut frame).unwrap();
            if let Some(text) = frame.strip_prefix(b"0002|") {
                keep(&texts, text);
            }
            length.clear();
        }
    });
    let say = move |text: &str| {
        let frame = format!("0002|{text}");
        stream.write_all(format!("{}|{frame}", frame.len()).as_bytes()).unwrap();
    };
    LegacyUser { name: "relay", heard, say: Box::new(say), claimed: from.to_string(), door: "relay-43110" }
}

/// Somebody at the control port 10000.
pub fn classroom(ip: IpAddr) -> LegacyUser {
    let addr = SocketAddr::from((ip, 10_000));
    let heard = Heard::default();
    let texts = Arc::clone(&heard);
    thread::spawn(move || {
        let mut stream = BufReader::new(TcpStream::connect(addr).unwrap());
        let mut line = String::new();
        while stream.get_mut().write_all(b"get chatLog\n").is_ok() && stream.read_line(&mut line).is_ok() {
            let Some(log) = line.strip_suffix('\n').and_then(|line| line.strip_prefix("chatLog ")) else { return };
            *texts.lock().unwrap() = log.split(',').map(str::to_owned).collect();
            line.clear();
            thread::sleep(Duration::from_millis(20));
        }
    });
    let mut stream = TcpStream::connect(addr).unwrap();
    let say = move |text: &str| stream.write_all(format!("msg 1 {text}\n").as_bytes()).unwrap();
    LegacyUser { name: "classroom", heard, say: Box::new(say), claimed: String::new(), door: "" }
}
