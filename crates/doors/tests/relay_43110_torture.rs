//! The plain frames of TCP port 43110, against a crowd and against rubbish.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, missing_docs, reason = "helpers of tests")]

mod relay_43110_parts;

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use relay_43110_parts::*;
use rumormill_doors::relay_43110::MAX_ACCEPTED;
use rumormill_testkit::counterparts::relay_43110::frame;

#[test]
fn a_thousand_idle_connections_keep_nobody_out() {
    let [own, ..] = net();
    let here = IpAddr::from([127, 0, 0, 1]);
    let mut house = house(&format!("listen={own}:0"));
    let mut idle = Vec::new();
    for n in 0..1_000_usize {
        let mut stream = connect(here, house.addr);
        let _ = stream.write_all(if n.is_multiple_of(2) { b"14|00" } else { b"" });
        idle.push(stream);
    }
    let start = Instant::now();
    let mut honest = connect(here, house.addr);
    send(&mut honest, &frame("0001", &own.to_string()));
    send(&mut honest, &frame("0002", "still here"));
    assert_eq!(house.text_from(here), "still here");
    house.say("you too");
    assert_eq!(one_read(&mut honest), frame("0002", "alice@c0de: you too"));
    eprintln!("served beside 1,000 idle connections in {:?}", start.elapsed());
    assert!(count(&house.counters.open) <= u64::try_from(MAX_ACCEPTED).unwrap());
    assert!(count(&house.counters.refused_full) > 800);
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

/// A stranger for one connection.
fn torment(from: IpAddr, to: SocketAddr, dice: &mut Dice) {
    let mut stream = connect(from, to);
    let mut bytes = Vec::new();
    for _ in 0..dice.roll(20) {
        let text = "rubbish ".repeat(dice.roll(40));
        bytes.extend_from_slice(frame(["0001", "0002", "FFFE", "zzzz"][dice.roll(4)], &text).as_bytes());
    }
    for _ in 0..dice.roll(4) {
        let at = dice.roll(bytes.len() + 1);
        bytes.insert(at, u8::try_from(dice.roll(256)).unwrap());
    }
    for part in bytes.chunks(1 + dice.roll(3_000)) {
        if stream.write_all(part).is_err() {
            return;
        }
    }
    if dice.roll(3) == 0 {
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

#[test]
fn an_honest_peer_is_served_while_others_send_rubbish_at_full_speed() {
    let [own, honest, other] = net();
    let mut house = house(&format!("listen={own}:0,pause=1ms"));
    let (stop, attacks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    // From the honest peer's own address too.
    let attackers: Vec<_> = [(1_u64, honest), (2, honest), (3, other)]
        .map(|(seed, from)| {
            let (stop, attacks, addr) = (Arc::clone(&stop), Arc::clone(&attacks), house.addr);
            std::thread::spawn(move || {
                let mut dice = Dice(seed << 33 | 0x9e37_79b9);
                while !stop.load(Ordering::Relaxed) {
                    torment(from, addr, &mut dice);
                    attacks.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .into();
    let mut link = connect(honest, house.addr);
    send(&mut link, &frame("0001", &own.to_string()));
    let (start, mut rounds, mut slowest) = (Instant::now(), 0, Duration::ZERO);
    while start.elapsed() < long() {
        let (asked, text) = (Instant::now(), format!("round {rounds}"));
        send(&mut link, &frame("0002", &text));
        while house.incoming().text != text {
            assert!(asked.elapsed() < PATIENCE, "round {rounds}");
        }
        slowest = slowest.max(asked.elapsed());
        rounds += 1;
    }
    stop.store(true, Ordering::Relaxed);
    let drained = std::thread::spawn(move || attackers.into_iter().for_each(|attacker| attacker.join().unwrap()));
    while !drained.is_finished() {
        let _ = house.room.incoming.try_recv();
    }
    drained.join().unwrap();
    eprintln!("{rounds} rounds, the slowest {slowest:?}, beside {} attacks", attacks.load(Ordering::Relaxed));
    assert!(rounds >= 3 && count(&house.counters.open) <= u64::try_from(MAX_ACCEPTED).unwrap());
}
