//! PUSH and PULL as older clients know them, with letters in memory behind the door.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "helpers of tests")]

#[path = "../../../tests/counterparts/push_pull.rs"]
#[allow(missing_docs)]
mod old;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rumormill_doors::push_pull::{Config, MAX_CLIENTS, MAX_ITEMS, PushPull};
use rumormill_doors::{Counters, Letter, Letters, Outgoing, RoomEnd, port};
use tokio::sync::{oneshot, watch};

const PATIENCE: Duration = Duration::from_secs(20);

/// Letters in memory. Nobody but bob can be reached.
#[derive(Debug, Clone, Default)]
struct Pile(Arc<Mutex<Vec<Letter>>>, Arc<AtomicU64>);

impl Pile {
    fn put(&self, source: &str, contents: &str) {
        let id = self.1.fetch_add(1, Ordering::Relaxed);
        self.0.lock().unwrap().push(Letter { id, source: source.into(), contents: contents.into() });
    }

    fn texts(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|letter| letter.contents.clone()).collect()
    }

    fn until(&self, what: &str, holds: impl Fn(usize) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(self.0.lock().unwrap().len()) {
            assert!(Instant::now() < end, "{what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Letters for Pile {
    async fn push(&self, destination: &str, contents: &str) -> Result<(), String> {
        if destination != "bob" {
            return Err("nobody there".into());
        }
        self.put(destination, contents);
        Ok(())
    }

    async fn waiting(&self, max: usize) -> Result<Vec<Letter>, String> {
        tokio::task::yield_now().await;
        Ok(self.0.lock().unwrap().iter().take(max).cloned().collect())
    }

    async fn handed_over(&self, ids: Vec<u64>) -> Result<(), String> {
        tokio::task::yield_now().await;
        self.0.lock().unwrap().retain(|letter| !ids.contains(&letter.id));
        Ok(())
    }
}

struct House {
    addr: SocketAddr,
    letters: Pile,
    counters: Arc<Counters>,
    room: Option<RoomEnd>,
    stop: watch::Sender<bool>,
    runtime: tokio::runtime::Runtime,
    running: tokio::task::JoinHandle<()>,
}

fn house(spec: &str) -> House {
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

/// Sends the parts with a pause after each and gives all that comes back.
fn exchange(addr: SocketAddr, parts: &[&str], pause: Duration) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for part in parts {
        stream.write_all(part.as_bytes()).unwrap();
        std::thread::sleep(pause);
    }
    all(&mut stream)
}

fn all(stream: &mut TcpStream) -> String {
    let mut out = Vec::new();
    let _ = stream.read_to_end(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_request_comes_in_one_read_or_many_with_or_without_an_end() {
    let house = house(",idle=100ms");
    let pause = Duration::from_millis(10);
    let mut expected = Vec::new();
    for (parts, contents) in [
        (&["PUSH IP:bob MSG:plain"][..], "plain"),
        (&["PUSH IP:bob MSG:newline\n"], "newline"),
        (&["PUSH IP:bob MSG:both\r\n"], "both"),
        (&["PU", "SH IP:b", "ob MS", "G:in par", "ts"], "in parts"),
        (&["PUSH IP:bob MSG:a MSG:b  grüße \u{1f600} ", ""], "a MSG:b  grüße \u{1f600} "),
        (&["PUSH IP:bob MSG:"], ""),
        (&["PUSH IP:bob MSG:first\nsecond\n"], "first"),
    ] {
        assert_eq!(exchange(house.addr, parts, pause), "SUCCESS", "{parts:?}");
        expected.push(contents.to_owned());
    }
    assert_eq!(house.letters.texts(), expected);
    // The end of the stream ends it at once, and the reply still comes.
    let mut stream = old::ask(house.addr, "PUSH IP:bob MSG:ended").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(all(&mut stream), "SUCCESS");
    let bytes: Vec<_> = "PUSH IP:bob MSG:byte by byte".chars().map(String::from).collect();
    let parts: Vec<_> = bytes.iter().map(String::as_str).collect();
    assert_eq!(exchange(house.addr, &parts, Duration::from_millis(1)), "SUCCESS");
    assert_eq!(house.letters.texts().len(), expected.len() + 2);
}

#[test]
fn the_longest_request_is_taken_whole() {
    let house = house("");
    let contents = "é".repeat(16_384);
    assert_eq!(old::push(house.addr, "bob", &contents).unwrap(), "SUCCESS");
    assert_eq!(house.letters.texts(), std::slice::from_ref(&contents));
    assert_eq!(old::push(house.addr, "bob", &format!("{contents}x")).unwrap(), "FAIL");
    let pulled = old::pull(house.addr).unwrap();
    assert!(pulled.iter().all(|item| item.len() <= 2_048), "items that the old client reads at once");
    let whole: String = pulled.iter().map(|item| item.strip_prefix("IP: bob MSG:").unwrap()).collect();
    assert!(whole == contents, "nothing of a long letter is lost");
}

#[test]
fn what_is_no_request_fails_and_web_pages_hear_nothing() {
    let house = house(",idle=50ms");
    for request in [
        "PUSH",
        "PUSH IP:a",
        "PUSH IP: MSG:x",
        "PUSH IP:nobody MSG:x",
        "PULLED",
        "pull",
        "hello\n",
        "\n",
        "PULL \n",
        "PUSH IP:a\u{7} MSG:x",
        "SUCCESS 3",
    ] {
        assert_eq!(exchange(house.addr, &[request], Duration::ZERO), "FAIL", "{request}");
    }
    for page in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /PULL HTTP/1.1\r\n\r\nPUSH IP:bob MSG:evil\n"] {
        assert_eq!(exchange(house.addr, &[page], Duration::ZERO), "", "{page}");
    }
    assert!(house.letters.texts().is_empty());
}

#[test]
fn each_read_of_the_old_client_is_one_message_and_what_was_pulled_is_gone() {
    let house = house("");
    assert_eq!(old::pull(house.addr).unwrap(), [""; 0]);
    let sent: Vec<_> = (0..20).map(|n| format!("message {n} MSG: x")).collect();
    sent.iter().for_each(|text| house.letters.put("127.0.0.5", text));
    let expected: Vec<_> = sent.iter().map(|text| format!("IP: 127.0.0.5 MSG:{text}")).collect();
    assert_eq!(old::pull(house.addr).unwrap(), expected);
    house.letters.put("anna", "since");
    assert_eq!(old::pull(house.addr).unwrap(), ["IP: anna MSG:since"]);
    assert_eq!(old::pull(house.addr).unwrap(), [""; 0]);
    assert_eq!(exchange(house.addr, &["PULL\r\n"], Duration::ZERO), "SUCCESS 0");
    assert_eq!(house.counters.messages_out.load(Ordering::Relaxed), 21);
}

#[test]
fn a_client_that_dies_in_the_middle_loses_nothing() {
    let house = house(",gap=150ms");
    (0..5).for_each(|n| house.letters.put("a", &n.to_string()));
    for reads in 0..4 {
        assert_eq!(old::pull_and_die(house.addr, reads).unwrap(), 5, "after {reads} reads");
    }
    // One that is there for all writes, reads none of them and dies.
    let stream = old::ask(house.addr, "PULL").unwrap();
    std::thread::sleep(Duration::from_millis(300));
    drop(stream);
    assert_eq!(old::pull(house.addr).unwrap().len(), 5);
    assert_eq!(old::pull(house.addr).unwrap().len(), 0);
}

#[test]
fn a_client_that_closed_its_sending_half_gets_everything_or_keeps_everything() {
    let house = house(",gap=50ms");
    (0..3).for_each(|n| house.letters.put("a", &n.to_string()));
    for reads in 0..3 {
        let mut stream = old::ask(house.addr, "PULL").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        (0..reads).for_each(|_| assert!(stream.read(&mut [0; 2_048]).unwrap() > 0));
    }
    let mut stream = old::ask(house.addr, "PULL").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(all(&mut stream), "SUCCESS 3IP: a MSG:0IP: a MSG:1IP: a MSG:2");
    assert_eq!(old::pull(house.addr).unwrap().len(), 0);
}

#[test]
fn two_pulls_at_once_never_get_the_same() {
    let house = house(",gap=2ms");
    let total = 60;
    let writer = {
        let letters = house.letters.clone();
        std::thread::spawn(move || {
            for n in 0..total {
                letters.put("a", &n.to_string());
                std::thread::sleep(Duration::from_millis(1));
            }
        })
    };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let readers: Vec<_> = (0..6)
        .map(|_| {
            let (seen, addr) = (Arc::clone(&seen), house.addr);
            std::thread::spawn(move || {
                for _ in 0..8 {
                    // All there is up to the end: reads that took two are two here.
                    let got = all(&mut old::ask(addr, "PULL").unwrap());
                    seen.lock().unwrap().extend(got.split("IP: a MSG:").skip(1).map(str::to_owned));
                }
            })
        })
        .collect();
    writer.join().unwrap();
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    let mut seen = seen.lock().unwrap().clone();
    let rest = all(&mut old::ask(house.addr, "PULL").unwrap());
    seen.extend(rest.split("IP: a MSG:").skip(1).map(str::to_owned));
    assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (total, total));
}

#[test]
fn one_pull_takes_only_so_many() {
    let house = house(",gap=1ms");
    (0..MAX_ITEMS + 3).for_each(|n| house.letters.put("a", &n.to_string()));
    let count = |text: &str| text.matches("IP: a MSG:").count();
    assert_eq!(count(&all(&mut old::ask(house.addr, "PULL").unwrap())), MAX_ITEMS);
    assert_eq!(count(&all(&mut old::ask(house.addr, "PULL").unwrap())), 3);
}

#[test]
fn a_door_that_closes_in_the_middle_of_a_pull_keeps_the_letters() {
    let house = house(",gap=1s");
    (0..3).for_each(|n| house.letters.put("a", &n.to_string()));
    let mut stream = old::ask(house.addr, "PULL").unwrap();
    stream.read_exact(&mut [0; 9]).unwrap();
    let asked = Instant::now();
    house.stop.send(true).unwrap();
    house.runtime.block_on(house.running).unwrap();
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert!(!all(&mut stream).contains("MSG:2"));
    assert_eq!(house.letters.texts().len(), 3);
}

#[test]
fn the_rooms_talk_does_not_go_this_way() {
    let mut house = house("");
    let (done, told) = oneshot::channel();
    let talk = Outgoing { sender: "a".into(), text: "x".into(), line: "a@0: x".into(), to: None, done: Some(done) };
    house.room.as_ref().unwrap().give(talk).unwrap();
    assert!(house.runtime.block_on(told).unwrap().is_err());
    assert_eq!(old::pull(house.addr).unwrap(), [""; 0]);
    house.room = None;
    house.runtime.block_on(house.running).unwrap();
}

#[test]
fn a_thousand_idle_connections_keep_nobody_out() {
    let house = house(",gap=150ms");
    let mut idle: Vec<TcpStream> = Vec::new();
    for n in 0..1_000_usize {
        let mut stream = TcpStream::connect(house.addr).unwrap();
        let _ = stream.write_all(if n.is_multiple_of(2) { b"PUSH IP:never " } else { b"" });
        idle.push(stream);
    }
    let start = Instant::now();
    assert_eq!(old::push(house.addr, "bob", "still here").unwrap(), "SUCCESS");
    assert_eq!(old::pull(house.addr).unwrap(), ["IP: bob MSG:still here"]);
    eprintln!("served beside 1,000 idle connections in {:?}", start.elapsed());
    assert!(house.counters.open.load(Ordering::Relaxed) <= u64::try_from(MAX_CLIENTS).unwrap());
    assert!(house.counters.refused_full.load(Ordering::Relaxed) > 800);
}

fn long() -> Duration {
    if std::env::var_os("RUMORMILL_TEST_LONG").is_some() { Duration::from_secs(60) } else { Duration::from_secs(2) }
}

/// The same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

/// A stranger for one connection; answers are not waited for to the end.
fn torment(addr: SocketAddr, dice: &mut Dice) {
    let Ok(mut stream) = TcpStream::connect(addr) else { return };
    let _ = stream.set_read_timeout(Some(Duration::from_millis(20)));
    let mut request = match dice.roll(6) {
        0 => b"PUSH IP:nobody MSG:".to_vec(),
        1 => b"PULL ME".to_vec(),
        2 => b"PUSH IP:bob".to_vec(),
        3 => vec![b'P'; 40_000],
        4 => b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        _ => Vec::new(),
    };
    for _ in 0..dice.roll(4) {
        let (at, byte) = (dice.roll(request.len() + 1), u8::try_from(dice.roll(256)).unwrap());
        // A mutated PULL would take letters away, and rightly so.
        request.insert(at, if byte == b'\n' || byte == b'\r' { b'P' } else { byte });
    }
    let _ = stream.write_all(&request);
    if dice.roll(2) == 0 {
        let _ = stream.read(&mut [0; 64]);
    }
}

#[test]
fn an_honest_client_is_served_while_others_send_rubbish_at_full_speed() {
    let house = house(",gap=5ms,idle=100ms");
    let (stop, attacks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let attackers: Vec<_> = (1..=4_u64)
        .map(|seed| {
            let (stop, attacks, addr) = (Arc::clone(&stop), Arc::clone(&attacks), house.addr);
            std::thread::spawn(move || {
                let mut dice = Dice(seed << 33 | 0x9e37_79b9);
                while !stop.load(Ordering::Relaxed) {
                    torment(addr, &mut dice);
                    attacks.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let (start, mut rounds, mut slowest) = (Instant::now(), 0, Duration::ZERO);
    while start.elapsed() < long() {
        let asked = Instant::now();
        let text = format!("round {rounds}");
        assert_eq!(old::push(house.addr, "bob", &text).unwrap(), "SUCCESS");
        let got = all(&mut old::ask(house.addr, "PULL").unwrap());
        assert_eq!(got, format!("SUCCESS 1IP: bob MSG:{text}"));
        slowest = slowest.max(asked.elapsed());
        rounds += 1;
    }
    stop.store(true, Ordering::Relaxed);
    attackers.into_iter().for_each(|attacker| attacker.join().unwrap());
    eprintln!("{rounds} rounds, the slowest {slowest:?}, beside {} attacks", attacks.load(Ordering::Relaxed));
    assert!(rounds >= 3 && house.counters.open.load(Ordering::Relaxed) <= u64::try_from(MAX_CLIENTS).unwrap());
    house.letters.until("all was pulled", |left| left == 0);
}

/// How often the old client takes two messages as one, by gap, on a machine with nothing else to do and on one with
/// twice as many busy threads as processors. Prints a table; run it with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn how_small_a_gap_is_safe() {
    let busy = std::thread::available_parallelism().unwrap().get() * 2;
    for load in [0, busy] {
        let stop = Arc::new(AtomicBool::new(false));
        for _ in 0..load {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        for gap in [1, 2, 5, 10, 20, 30, 50, 100] {
            let house = house(&format!(",gap={gap}ms"));
            let (per_pull, pulls) = (100, 10);
            let mut wrong = 0;
            for _ in 0..pulls {
                (0..per_pull).for_each(|n| house.letters.put("a", &n.to_string()));
                match old::pull(house.addr) {
                    Ok(got) => wrong += got.iter().filter(|item| item.matches("IP: ").count() != 1).count(),
                    Err(_) => wrong += per_pull,
                }
                house.letters.until("pulled", |left| left == 0);
            }
            eprintln!("{load:>2} busy threads, gap {gap:>3} ms: {wrong} wrong reads of {}", per_pull * pulls);
        }
        stop.store(true, Ordering::Relaxed);
    }
}
