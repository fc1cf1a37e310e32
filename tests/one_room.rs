//! Five older worlds in one room: a UDP peer, a menu chat peer, a protobuf peer, a 43110 node and a classroom process, each
//! at a node of its own; the nodes are linked in a line by TLS. What each says is seen by all the others, once and marked.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

#[path = "support/nodes.rs"]
mod nodes;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nodes::{Net, Node, until};

/// What one of them has heard.
type Heard = Arc<Mutex<Vec<String>>>;

/// Somebody of an older world.
struct Old {
    name: &'static str,
    heard: Heard,
    say: Box<dyn FnMut(&str)>,
    /// How the room shows who it is.
    claimed: String,
    door: &'static str,
}

fn keep(heard: &Heard, text: &[u8]) {
    heard.lock().unwrap().push(String::from_utf8(text.to_vec()).unwrap());
}

fn udp(ip: IpAddr) -> Old {
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
    Old { name: "udp", heard, say: Box::new(say), claimed: "A".into(), door: "udp-mesh" }
}

fn menu(ip: IpAddr) -> Old {
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
    Old { name: "menu", heard, say: Box::new(say), claimed: format!("blockchain {ip}:9090"), door: "peer-line" }
}

fn varint(bytes: &[u8]) -> (usize, &[u8]) {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
    let value = bytes[..=end].iter().rev().fold(0, |value, byte| value << 7 | usize::from(byte & 0x7f));
    (value, &bytes[end + 1..])
}

fn protobuf(ip: IpAddr) -> Old {
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
    Old { name: "protobuf", heard, say: Box::new(say), claimed: "12".into(), door: "protobuf-peer" }
}

fn relay(ip: IpAddr) -> Old {
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
    Old { name: "relay", heard, say: Box::new(say), claimed: from.to_string(), door: "relay-43110" }
}

fn classroom(ip: IpAddr) -> Old {
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
    Old { name: "classroom", heard, say: Box::new(say), claimed: String::new(), door: "" }
}

fn times(old: &Old, text: &str) -> usize {
    old.heard.lock().unwrap().iter().filter(|heard| heard.ends_with(text)).count()
}

#[test]
fn five_older_worlds_meet_in_one_room() {
    let net = Net::new();
    let doors = [
        ("udp", "udp-mesh,listen=IP:3000,name=Z"),
        ("menu", "peer-line,listen=IP:8080,name=room"),
        ("proto", "protobuf-peer,listen=IP:5000,id=10"),
        ("relay", "relay-43110,listen=IP:43110"),
        ("class", "classroom,listen=IP:10000"),
    ];
    let mut nodes: Vec<Node> = Vec::new();
    for (name, door) in doors {
        let mut node = net.node(name, &nodes.last().into_iter().collect::<Vec<_>>());
        node.words.extend(["--door".into(), door.replace("IP", &node.addr.ip().to_string())]);
        node.start();
        node.says("a door is open");
        nodes.push(node);
    }
    for (n, node) in nodes.iter().enumerate() {
        let wanted = if n == 0 || n == 4 { 1 } else { 2 };
        until("linked", || node.peers().len() == wanted);
        assert!(node.peers().iter().all(|peer| peer["tls_version"] == "TLSv1.3" || peer["tls_version"] == "1.3"));
    }
    let ip = |n: usize| nodes[n].addr.ip();
    let mut olds = [udp(ip(0)), menu(ip(1)), protobuf(ip(2)), relay(ip(3)), classroom(ip(4))];
    // Its first message makes the menu chat's peer known.
    (olds[1].say)("hello");
    until("the first message is everywhere", || nodes.iter().all(|node| node.texts().iter().any(|t| t == "hello")));
    for n in 0..olds.len() {
        let text = format!("from {} to everyone", olds[n].name);
        let began = Instant::now();
        (olds[n].say)(&text);
        for old in olds.iter().enumerate().filter(|(m, _)| *m != n).map(|(_, old)| old) {
            until(&format!("{} hears {text:?}, not {:?}", old.name, old.heard.lock().unwrap()), || {
                times(old, &text) > 0
            });
        }
        println!("{text}: everywhere after {:?}", began.elapsed());
        let log = nodes[(n + 2) % 5].shown();
        let line = log.iter().find(|line| line["text"] == text.as_str()).unwrap();
        if olds[n].door.is_empty() {
            assert_eq!((&line["kind"], &line["verified"]), (&"chat".into(), &true.into()));
        } else {
            assert_eq!((&line["kind"], &line["verified"]), (&"bridged".into(), &false.into()));
            assert_eq!((&line["door"], &line["claimed"]), (&olds[n].door.into(), &olds[n].claimed.as_str().into()));
        }
    }
    // What follows arrives behind them, so nothing of theirs is still on its way.
    nodes[0].send("the end");
    for old in &olds {
        until("the end", || times(old, "the end") > 0);
        for from in &olds {
            let said = format!("from {} to everyone", from.name);
            let own = old.name == from.name && !from.door.is_empty();
            assert_eq!(times(old, &said), usize::from(!own), "{} hears {said:?}: {:?}", old.name, old.heard);
            let heard = old.heard.lock().unwrap();
            if let Some(line) = heard.iter().find(|line| line.ends_with(&said))
                && !from.door.is_empty()
            {
                assert!(line.contains(&format!("/{}?@", from.door)), "marked: {line}");
            }
        }
    }
    for node in &mut nodes {
        let doors = node.asked(&["doors", "--json"]).remove(0);
        assert!(doors[0]["counters"]["messages_in"].as_u64().unwrap() >= 1, "{doors}");
        assert_eq!(node.term(), Some(0));
    }
}

/// From `send` at one node until the other shows it, and from a protobuf peer until then; the 99th of a hundred each.
fn p99(from: &Node, to: &Node, peer: &mut Old, round: &str) -> [Duration; 2] {
    let (mut talk, mut follow) = (from.talk().unwrap(), to.follow().unwrap());
    let mut seen = |text: &str| while follow.line().unwrap()["text"] != text {};
    let mut times = [Vec::new(), Vec::new()];
    for n in 0..100 {
        let (own, outside) = (format!("own {round} {n}"), format!("outside {round} {n}"));
        let began = Instant::now();
        talk.send(&own).unwrap();
        seen(&own);
        times[0].push(began.elapsed());
        let began = Instant::now();
        (peer.say)(&outside);
        seen(&outside);
        times[1].push(began.elapsed());
    }
    times.map(|mut times| {
        times.sort();
        times[98]
    })
}

#[test]
#[ignore = "a measurement: prints how much a thousand connections at one door slow the mesh and another door"]
fn a_thousand_connections_at_one_door() {
    let net = Net::new();
    let mut a = net.node("a", &[]);
    let ip = a.addr.ip();
    for door in ["peer-line,listen=IP:8080", "protobuf-peer,listen=IP:5000,id=10"] {
        a.words.extend(["--door".into(), door.replace("IP", &ip.to_string())]);
    }
    a.start();
    until("both doors are open", || a.said().matches("a door is open").count() == 2);
    let b = net.start("b", &[&a]);
    until("linked", || b.peers().len() == 1);
    let mut peer = protobuf(ip);
    for round in 0..3 {
        let quiet = p99(&a, &b, &mut peer, &format!("quiet {round}"));
        let crowd: Vec<_> = (0..1_000).map(|_| TcpStream::connect((ip, 8_080)).unwrap()).collect();
        let crowded = p99(&a, &b, &mut peer, &format!("crowded {round}"));
        let ratio = |n: usize| crowded[n].as_secs_f64() / quiet[n].as_secs_f64();
        println!(
            "p99 of {} connections: mesh {:?} to {:?}, {:.2} times; another door {:?} to {:?}, {:.2} times",
            crowd.len(),
            quiet[0],
            crowded[0],
            ratio(0),
            quiet[1],
            crowded[1],
            ratio(1)
        );
    }
}
