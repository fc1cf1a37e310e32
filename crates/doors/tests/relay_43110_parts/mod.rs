//! A door that runs, with a room, and sockets that talk to it.
#![allow(dead_code, reason = "not every test uses all of it")]

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rumormill_doors::relay_43110::{Config, Relay};
use rumormill_doors::{Counters, Incoming, Outgoing, RoomEnd, Unsent, port};
use rumormill_testkit::counterparts::relay_43110 as legacy;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::sync::{oneshot, watch};

pub const PATIENCE: Duration = Duration::from_secs(60);

/// Addresses of the loopback network that no other test of this file has.
pub fn net() -> [IpAddr; 3] {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let third = NEXT.fetch_add(1, Ordering::Relaxed);
    let second = u8::try_from(std::process::id() % 200).unwrap() + 20;
    [5, 2, 3].map(|last| IpAddr::V4(Ipv4Addr::new(127, second, third, last)))
}

pub struct House {
    pub addr: SocketAddr,
    pub counters: Arc<Counters>,
    pub room: RoomEnd,
    pub stop: watch::Sender<bool>,
    pub runtime: tokio::runtime::Runtime,
    pub running: tokio::task::JoinHandle<()>,
}

pub fn house(spec: &str) -> House {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = Config::from_spec(&format!("relay-43110,{spec}").parse().unwrap()).unwrap();
    let door = runtime.block_on(Relay::bind(config)).unwrap();
    let addr = door.local_addr();
    let (stop, stopped) = watch::channel(false);
    let (port, room) = port("alice", stopped);
    let counters = Arc::clone(&room.counters);
    let running = runtime.spawn(door.serve(port));
    House { addr, counters, room, stop, runtime, running }
}

pub fn talk(text: &str) -> Outgoing {
    let line = format!("alice@c0de: {text}");
    Outgoing { author: None, sender: "alice".into(), text: text.into(), line, to: None, done: None }
}

impl House {
    pub fn say(&self, text: &str) {
        assert!(self.room.way_out().give(talk(text)));
    }

    /// To one; the answer comes later.
    pub fn send(&self, to: IpAddr, text: &str) -> oneshot::Receiver<Result<(), Unsent>> {
        let (done, told) = oneshot::channel();
        assert!(self.room.way_out().give(Outgoing { to: Some(to), done: Some(done), ..talk(text) }));
        told
    }

    pub fn told(&self, told: oneshot::Receiver<Result<(), Unsent>>) -> Result<(), String> {
        self.runtime
            .block_on(async { tokio::time::timeout(PATIENCE, told).await.unwrap().unwrap() })
            .map_err(|why| why.to_string())
    }

    pub fn incoming(&mut self) -> Incoming {
        let next = async { tokio::time::timeout(PATIENCE, self.room.incoming.recv()).await };
        self.runtime.block_on(next).expect("a message in time").expect("the door runs")
    }

    pub fn text_from(&mut self, from: IpAddr) -> String {
        let incoming = self.incoming();
        assert_eq!((incoming.claimed, incoming.from), (from.to_string(), Some(from)));
        incoming.text
    }

    pub fn until(&self, what: &str, holds: impl Fn(&Counters) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(&self.counters) {
            assert!(Instant::now() < end, "{what}: {:?}", self.counters);
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

pub fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// A legacy node whose queues move every `ms`.
pub fn old_node(at: IpAddr, ms: u64, peers_port: u16) -> (legacy::Node, Receiver<String>, u16) {
    let listener = TcpListener::bind((at, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (node, shown) = legacy::Node::start(listener, Duration::from_millis(ms), peers_port);
    (node, shown, port)
}

pub fn next(shown: &Receiver<String>) -> String {
    shown.recv_timeout(PATIENCE).expect("a line in time")
}

/// A socket from one address of this machine.
pub fn connect(from: IpAddr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SockAddr::from(SocketAddr::new(from, 0))).unwrap();
    socket.connect(&SockAddr::from(to)).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).unwrap();
}

pub fn one_read(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 2_048];
    let read = stream.read(&mut buffer).unwrap();
    String::from_utf8(buffer[..read].to_vec()).unwrap()
}
