//! A door that runs, with letters in memory behind it.
#![allow(dead_code, reason = "not every test uses all of it")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rumormill_doors::push_pull::{Config, PushPull};
use rumormill_doors::{Counters, Holds, Letter, Letters, ReceiverError, RoomEnd, ServiceError, port};
use tokio::sync::watch;

pub const PATIENCE: Duration = Duration::from_secs(60);

/// Letters in memory. Nobody but bob can be reached. While the last is true, none can be struck off.
#[derive(Debug, Clone, Default)]
pub struct Pile(pub Arc<Mutex<Vec<Waiting>>>, pub Arc<AtomicU64>, pub Holds, pub Arc<AtomicBool>);

/// A letter in memory.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub id: u64,
    pub source: String,
    pub contents: String,
}

impl Pile {
    pub fn put(&self, source: &str, contents: &str) {
        let id = self.1.fetch_add(1, Ordering::Relaxed);
        self.0.lock().unwrap().push(Waiting { id, source: source.into(), contents: contents.into() });
    }

    pub fn texts(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|letter| letter.contents.clone()).collect()
    }

    pub fn until(&self, what: &str, holds: impl Fn(usize) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(self.0.lock().unwrap().len()) {
            assert!(Instant::now() < end, "{what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Letters for Pile {
    type Taken = Vec<Waiting>;

    async fn push(&self, destination: &str, contents: &str) -> Result<(), ServiceError> {
        if destination != "bob" {
            return Err(ReceiverError::Unknown(destination.to_owned()).into());
        }
        self.put(destination, contents);
        Ok(())
    }

    async fn waiting(&self, max: usize) -> Result<Vec<Letter>, ServiceError> {
        tokio::task::yield_now().await;
        let pile = self.0.lock().unwrap();
        let free = pile.iter().filter_map(|letter| {
            let Waiting { id, source, contents } = letter.clone();
            Some(Letter { hold: self.2.take(id)?, id, source, contents })
        });
        Ok(free.take(max).collect())
    }

    async fn handed_over(&self, ids: Vec<u64>) -> Result<Vec<Waiting>, ServiceError> {
        tokio::task::yield_now().await;
        if self.3.load(Ordering::Relaxed) {
            return Err(ServiceError::Failed("no space left on device".into()));
        }
        Ok(self.0.lock().unwrap().extract_if(.., |letter| ids.contains(&letter.id)).collect())
    }

    async fn bring_back(&self, taken: Vec<Waiting>) -> Result<(), ServiceError> {
        tokio::task::yield_now().await;
        let mut pile = self.0.lock().unwrap();
        pile.extend(taken);
        pile.sort_by_key(|letter| letter.id);
        Ok(())
    }
}

pub struct House {
    pub addr: SocketAddr,
    pub letters: Pile,
    pub counters: Arc<Counters>,
    pub room: Option<RoomEnd>,
    pub stop: watch::Sender<bool>,
    pub runtime: tokio::runtime::Runtime,
    pub running: tokio::task::JoinHandle<()>,
}

pub fn house(spec: &str) -> House {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = Config::from_spec(&format!("push-pull,listen=127.0.0.1:0{spec}").parse().unwrap()).unwrap();
    let door = runtime.block_on(PushPull::bind(config)).unwrap();
    let (addr, letters) = (door.local_addr(), Pile::default());
    let (stop, stopped) = watch::channel(false);
    let (port, room) = port("alice", stopped);
    let counters = Arc::clone(&room.counters);
    let running = runtime.spawn(door.serve(port, letters.clone()));
    House { addr, letters, counters, room: Some(room), stop, runtime, running }
}

impl House {
    pub fn until(&self, what: &str, holds: impl Fn(&Counters) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(&self.counters) {
            assert!(Instant::now() < end, "{what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Until so many letters are given, of which it is not known that they were read.
    pub fn until_given(&self, letters: u64) {
        self.until("given", |counters| counters.letters_given.load(Ordering::Relaxed) == letters);
    }
}

/// Sends the parts with a pause after each and gives all that comes back.
pub fn exchange(addr: SocketAddr, parts: &[&str], pause: Duration) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for part in parts {
        stream.write_all(part.as_bytes()).unwrap();
        std::thread::sleep(pause);
    }
    all(&mut stream)
}

pub fn all(stream: &mut TcpStream) -> String {
    let mut out = Vec::new();
    let _ = stream.read_to_end(&mut out);
    String::from_utf8(out).unwrap()
}
