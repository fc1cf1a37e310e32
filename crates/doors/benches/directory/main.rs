//! The directory of the UDP mesh with 10, 80 and 10,000 peers, beside a server as people wrote it: one list, looked through
//! for each datagram, and the whole directory to everyone at each BIRTH.
//!
//! `cargo bench -p rumormill-doors --bench directory`. Each peer has a socket of its own. Up to 80 they speak the legacy form,
//! 10,000 the extended one, with a signature to check for each; the plain server gets unsigned BIRTHs of six bytes. Peers
//! register as fast as the server takes them; a lost BIRTH is sent again after 50 ms. Without `--bench`, ten peers, once.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a run that cannot begin has nothing to report")]

mod peers;
mod plain;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use peers::{Form, Peers};
use rumormill_doors::udp_mesh::{Config, UdpMesh};
use rumormill_doors::{Counters, Spec, port};
use tokio::sync::watch;

/// BIRTHs on their way at once.
const CHUNK: usize = 128;
/// Between two heartbeats of a peer.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// A run that is not through by then is given up.
const PATIENCE: Duration = Duration::from_secs(30);

fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// What was measured.
struct Figures {
    registered: usize,
    registering: Duration,
    /// Members that had the whole directory in the end, and when the last of them had it, from the first BIRTH on.
    complete: usize,
    everyone: Duration,
    /// One more peer: until all know it.
    one_more: Option<Duration>,
    /// Heartbeats that were read in a second, of those sent as fast as they can be.
    heartbeats: Option<f64>,
    threads: (usize, usize),
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// A server under test: where it is, how many it has registered, how many bytes it has read.
struct Server {
    addr: SocketAddr,
    registered: Box<dyn Fn() -> usize>,
    bytes_in: Option<Box<dyn Fn() -> u64>>,
    /// Entries that are not those of the peers.
    own: usize,
}

async fn until(deadline: Instant, mut holds: impl FnMut() -> bool) -> bool {
    while !holds() {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    true
}

async fn measure(server: &Server, form: Form, count: usize) -> Figures {
    let peers = Peers::bind(form, count + 1).await;
    let before = threads();
    let begin = Instant::now();
    let deadline = begin + PATIENCE;
    for start in (0..count).step_by(CHUNK) {
        let end = count.min(start + CHUNK);
        loop {
            (start..end).for_each(|n| peers.birth(n, server.addr));
            let soon = (Instant::now() + Duration::from_millis(50)).min(deadline);
            if until(soon, || (server.registered)() >= end).await || Instant::now() > deadline {
                break;
            }
        }
    }
    let (registered, registering) = ((server.registered)(), begin.elapsed());
    let expected = registered + server.own;
    let give_up = deadline.min(Instant::now() + PATIENCE / 3);
    // Those who lost something say so with their heartbeats.
    while !until(Instant::now() + HEARTBEAT, || peers.complete(expected) >= registered).await
        && Instant::now() < give_up
    {
        if server.bytes_in.is_some() {
            (0..count).for_each(|n| peers.keepalive(n, server.addr));
        }
    }
    let (complete, everyone) = (peers.complete(expected), begin.elapsed());
    let mut figures = Figures {
        registered,
        registering,
        complete,
        everyone,
        one_more: None,
        heartbeats: None,
        threads: (before, threads()),
    };
    if complete == count {
        let begin = Instant::now();
        peers.birth(count, server.addr);
        let told = until(begin + Duration::from_secs(5), || peers.complete(expected + 1) > count).await;
        figures.one_more = told.then(|| begin.elapsed());
    }
    if let Some(bytes_in) = &server.bytes_in {
        let (begin, before) = (Instant::now(), bytes_in());
        while begin.elapsed() < Duration::from_secs(1) {
            (0..count.min(64)).for_each(|n| peers.keepalive(n, server.addr));
            tokio::task::yield_now().await;
        }
        let len = f64::from(u32::try_from(peers.keepalive_len()).unwrap_or(1));
        let read = f64::from(u32::try_from(bytes_in() - before).unwrap_or(u32::MAX));
        figures.heartbeats = Some(read / len / begin.elapsed().as_secs_f64());
    }
    figures
}

fn show(name: &str, count: usize, figures: &Figures) {
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    let rate = figures.registered as f64 / figures.registering.as_secs_f64();
    let one_more = figures.one_more.map_or_else(|| "-".to_owned(), ms);
    let heartbeats = figures.heartbeats.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0}"));
    say(&format!(
        "{name:>9} {count:>6} peers: {} registered, {rate:.0}/s; {} have the whole directory after {}; one more known to \
         all after {one_more}; heartbeats read {heartbeats}/s; threads {} -> {}",
        figures.registered,
        figures.complete,
        ms(figures.everyone),
        figures.threads.0,
        figures.threads.1,
    ));
}

/// Our directory, on a thread of its own as the plain one is.
fn ours(counters: Arc<std::sync::OnceLock<Arc<Counters>>>, stopped: watch::Receiver<bool>) -> SocketAddr {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let spec: Spec = "udp-mesh,listen=127.0.0.1:0,reap=10m,members=16384,per_address=16384".parse().unwrap();
            let door = UdpMesh::bind(Config::from_spec(&spec).unwrap()).await.unwrap();
            let (port, room) = port("alice", stopped);
            let _ = counters.set(Arc::clone(&room.counters));
            tell.send(door.local_addr()).unwrap();
            door.serve(port).await;
        });
    });
    told.recv().unwrap()
}

async fn run(count: usize) {
    let form = if count <= 80 { Form::Legacy } else { Form::Extended };
    {
        let (stop, stopped) = watch::channel(false);
        let counters = Arc::new(std::sync::OnceLock::new());
        let addr = ours(Arc::clone(&counters), stopped);
        let counters = Arc::clone(counters.get().unwrap());
        let read = Arc::clone(&counters);
        let registered = move || usize::try_from(counters.opened.load(Ordering::Relaxed)).unwrap_or(0);
        let bytes_in: Box<dyn Fn() -> u64> = Box::new(move || read.bytes_in.load(Ordering::Relaxed));
        let server = Server { addr, registered: Box::new(registered), bytes_in: Some(bytes_in), own: 1 };
        show("rumormill", count, &measure(&server, form, count).await);
        let _ = stop.send(true);
    }
    let registered = Arc::new(AtomicU64::new(0));
    let plain = plain::Plain::start(Arc::clone(&registered));
    let registered = move || usize::try_from(registered.load(Ordering::Relaxed)).unwrap_or(0);
    let server = Server { addr: plain.addr, registered: Box::new(registered), bytes_in: None, own: 0 };
    show("plain", count, &measure(&server, Form::Plain, count).await);
}

fn main() {
    let full = std::env::args().any(|arg| arg == "--bench");
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let most = rustix::process::Rlimit { current: files.maximum, ..files };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, most);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        for count in if full { &[10, 80, 10_000][..] } else { &[10] } {
            run(*count).await;
        }
    });
}
