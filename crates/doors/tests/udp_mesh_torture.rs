//! The directory under random and mutated datagrams at full speed: honest peers are served throughout, what is kept stays
//! bounded, and no thread is added. `RUMORMILL_TEST_LONG=1` makes it a minute.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::net::{SocketAddr, UdpSocket as StdSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

mod udp_mesh_parts;

use udp_mesh_parts::{Legacy, Running, birth, keepalive, listed, vanilla};

/// A simple generator: the traffic of a run can be had again by its number.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next()).unwrap() % n
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn datagram(&mut self) -> Vec<u8> {
        let name = char::from(b' ' + u8::try_from(self.below(95)).unwrap());
        let port = u16::try_from(self.below(65_536)).unwrap();
        let mut bytes = match self.below(12) {
            0..3 => birth(name, port),
            3..5 => keepalive(name),
            5..7 => vanilla(&"x".repeat(self.below(60))),
            7 => listed(&[(name, port)]),
            8 => [&[0xe0, 0x52][..], &[0; 8], &[1; 32], &[4, 127, 0, 0, 1, 9, 9, 4], b"anna", &[7; 64]].concat(),
            9 => [&[0xe3, 0x52][..], &[self.byte(); 8]].concat(),
            10 => [&[0xe2, 0x52][..], &[1; 8], &[2, 0], b"hi", &[7; 64]].concat(),
            _ => (0..self.below(40)).map(|_| self.byte()).collect(),
        };
        if self.below(3) == 0 && !bytes.is_empty() {
            let at = self.below(bytes.len());
            match self.below(4) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes.truncate(at),
                2 => bytes.insert(at, self.byte()),
                _ => bytes[at] = self.byte(),
            }
        }
        bytes
    }
}

/// Floods both sockets until told to stop.
fn attack(seed: u64, targets: [SocketAddr; 2], stop: &AtomicBool, sent: &AtomicU64) {
    let mut dice = Dice(seed);
    let sockets: Vec<_> = (0..8).map(|_| StdSocket::bind("127.0.0.1:0").unwrap()).collect();
    let traffic: Vec<_> = (0..4_096).map(|_| dice.datagram()).collect();
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..64 {
            let bytes = &traffic[dice.below(traffic.len())];
            let _ = sockets[dice.below(8)].send_to(bytes, targets[dice.below(2)]);
            sent.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

fn length() -> Duration {
    Duration::from_secs(if std::env::var_os("RUMORMILL_TEST_LONG").is_some() { 60 } else { 2 })
}

#[tokio::test]
async fn honest_peers_are_served_while_others_send_all_there_is() {
    let mut door = Running::start("udp-mesh,listen=127.0.0.1:0,name=R").await;
    let mut a = Legacy::join('A', door.addr).await;
    let mut b = Legacy::join('B', door.addr).await;
    a.listing(|names| names.len() == 3).await;
    b.listing(|names| names.len() == 3).await;
    let before = threads();
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let attackers: Vec<_> = (1..=2)
        .map(|seed| {
            let (stop, sent, targets) = (Arc::clone(&stop), Arc::clone(&sent), [door.addr, door.peer]);
            std::thread::spawn(move || attack(seed, targets, &stop, &sent))
        })
        .collect();
    let (begin, mut said, mut came, mut given, mut got) = (Instant::now(), 0, 0, 0, 0);
    while begin.elapsed() < length() {
        a.say(door.peer, &format!("honest {said}")).await;
        said += 1;
        drop(door.give(&format!("to you {given}")));
        given += 1;
        tokio::time::sleep(Duration::from_millis(40)).await;
        while let Ok(incoming) = door.room.incoming.try_recv() {
            came += usize::from(incoming.claimed == "A" && incoming.text.starts_with("honest "));
        }
        for peer in [&mut a, &mut b] {
            let (texts, listings) = peer.drain().await;
            got += texts.iter().filter(|text| text.starts_with("alice@c0de: to you ")).count();
            for names in listings {
                assert!(['A', 'B', 'R'].iter().all(|name| names.iter().any(|(n, _)| n == name)), "{names:?}");
            }
        }
        assert!(threads() <= before + attackers.len(), "no thread for whatever comes");
        assert!(door.count(|c| &c.open) <= 95, "no more members than characters");
    }
    stop.store(true, Ordering::Relaxed);
    attackers.into_iter().for_each(|attacker| attacker.join().unwrap());
    let flood = sent.load(Ordering::Relaxed);
    let bad = door.count(|c| &c.malformed) + door.count(|c| &c.refused_other) + door.count(|c| &c.refused_rate);
    assert!(flood > 10_000 && bad > flood / 20, "{flood} sent, {bad} refused");
    // An unoptimised build reads more slowly than two threads write: then both sockets are full all the time, and what does
    // not fit the system drops, whoever sent it.
    println!("{flood} datagrams of others; {came} of {said} came in, {got} of {} went out", given * 2);
    let share = if cfg!(debug_assertions) { 50 } else { 2 };
    assert!(came * share > said, "{came} of {said} came in");
    assert!(got * 2 > given, "{got} of {given}, two receivers, went out");
    assert!(!door.task.is_finished());
    // What is left of the flood is soon read; then all is as before.
    let end = Instant::now() + udp_mesh_parts::LONG;
    let mut heard = false;
    while !heard {
        assert!(Instant::now() < end, "nothing comes in after the flood");
        a.say(door.peer, "after the flood").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        while let Ok(incoming) = door.room.incoming.try_recv() {
            heard |= incoming.text == "after the flood";
        }
    }
    door.stop().await;
}

#[tokio::test]
async fn a_peer_of_a_hostile_directory_stays_bounded_and_serves_the_room() {
    let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = server.local_addr().unwrap();
    let mut door = Running::start(&format!("udp-mesh,listen=127.0.0.1:0,join={addr},name=Z,heartbeat=50ms")).await;
    let mut dice = Dice(3);
    let a = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = a.local_addr().unwrap().port();
    let (begin, mut came, mut said) = (Instant::now(), 0, 0);
    while begin.elapsed() < length() {
        for _ in 0..200 {
            let _ = server.try_send_to(&dice.datagram(), door.addr);
        }
        server.send_to(&listed(&[('Z', door.addr.port()), ('A', port)]), door.addr).await.unwrap();
        a.send_to(&vanilla("honest"), door.addr).await.unwrap();
        said += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
        while let Ok(incoming) = door.room.incoming.try_recv() {
            came += usize::from(incoming.claimed == "A");
        }
        assert!(door.count(|c| &c.open) <= 95);
    }
    assert!(came * 2 > said, "{came} of {said} came in");
    drop(door.give("still here"));
    let mut buffer = [0; 100];
    let read = tokio::time::timeout(udp_mesh_parts::LONG, a.recv_from(&mut buffer)).await.unwrap().unwrap();
    assert_eq!(buffer[..read.0], vanilla("alice@c0de: still here"));
    door.stop().await;
}
