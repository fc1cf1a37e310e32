//! PUSH and PULL, against a crowd and against rubbish; and how small a gap between two items is safe.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "helpers of tests")]

mod push_pull_parts;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use push_pull_parts::*;
use rumormill_doors::push_pull::MAX_CLIENTS;
use rumormill_testkit::counterparts::push_pull as legacy;

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
    assert_eq!(legacy::push(house.addr, "bob", "still here").unwrap(), "SUCCESS");
    assert_eq!(legacy::pull(house.addr).unwrap(), ["IP: bob MSG:still here"]);
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
        assert_eq!(legacy::push(house.addr, "bob", &text).unwrap(), "SUCCESS");
        let got = all(&mut legacy::ask(house.addr, "PULL").unwrap());
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

/// How often the legacy client takes two messages as one, by gap, on a machine with nothing else to do and on one with
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
                match legacy::pull(house.addr) {
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
