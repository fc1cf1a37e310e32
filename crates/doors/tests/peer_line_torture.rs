//! The door of the menu chat under crowds and rubbish: honest programs are served throughout.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

mod peer_line_parts;

use peer_line_parts::*;

#[tokio::test]
async fn a_web_page_gets_nowhere() {
    let mut yard = Yard::new("").await;
    let pages: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n127.0.0.1:9 t evil\n",
        b"POST /x HTTP/1.1\r\n\r\n127.0.0.1:9 t evil",
        // A TLS hello with lines in its ticket, STUN with lines in a name, and what is no text at all.
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 random\n127.0.0.1:9 t evil\n",
        b"\x16\x03\n\x01\n127.0.0.1:9 t evil\n",
        b"\0\x03\0\n127.0.0.1:9 t evil\n",
        b"\xff\xfe\n127.0.0.1:9 t evil\n",
    ];
    for first in pages {
        let mut stream = TcpStream::connect(yard.at).await.unwrap();
        let _ = stream.write_all(first).await;
        assert!(matches!(timeout(SOON, stream.read(&mut [0; 16])).await.unwrap(), Ok(0) | Err(_)));
    }
    say(yard.at, "127.0.0.1:9 t HTTP/1.1 is old").await;
    yard.hears("t 127.0.0.1:9", "HTTP/1.1 is old").await;
    // Programs write in other character sets, and cut a character where their buffer ends.
    say(yard.at, b"127.0.0.1:9 t gr\xfc\xdf dich").await;
    yard.hears("t 127.0.0.1:9", "gr\u{fffd}\u{fffd} dich").await;
    say(yard.at, b"no address, cut gr\xc3").await;
    assert_eq!(yard.heard().await.text, "no address, cut gr\u{fffd}");
    assert_eq!(yard.count("malformed"), 6);
}

#[tokio::test]
async fn a_thousand_idle_connections_shut_nobody_out() {
    let (mut yard, old) = (Yard::new("").await, Legacy::new().await);
    say(yard.at, format!("{} t hi", old.1)).await;
    yard.heard().await;
    // As many as the door has places, and as many again, and again; each kept open as long as the door lets it.
    let mut idle = Vec::new();
    for n in 0..1_000 {
        let mut stream = TcpStream::connect(yard.at).await.unwrap();
        if n % 3 == 0 {
            let _ = stream.write_all(b"garb").await;
        }
        idle.push(stream);
        if idle.len() > 600 {
            idle.remove(0);
        }
    }
    while yard.room.incoming.try_recv().is_ok() {}
    say(yard.at, format!("{} t still here", old.1)).await;
    loop {
        let heard = yard.heard().await;
        if heard.text == "still here" {
            break;
        }
        assert_eq!(heard.text, "garb");
    }
    drop(yard.says("and you"));
    assert!(old.takes().await.0.ends_with("and you"));
    assert!(yard.count("open") <= 256 && yard.count("refused_full") > 0);
}

/// A generator of its own, so that a failure can be run again.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    fn message(&mut self) -> Vec<u8> {
        let parts: [&[u8]; 14] = [
            b"127.0.0.1:8080 team hello",
            b"<127.0.0.1:8103> miners hi",
            b"8080\nCONNECT",
            b"\n",
            b" exit",
            b" quit",
            b"\0\0\0",
            b"10.103.45.601:8080 P1 hi",
            b"\xff\xfe",
            b"GET / HTTP/1.1\r\n",
            b"Who is online?",
            b"[::1]:99 t ",
            b"                                                                  ",
            b"127.0.0.1:",
        ];
        let mut out = Vec::new();
        for _ in 0..=self.below(6) {
            let part = parts[usize::try_from(self.below(14)).unwrap()];
            out.extend_from_slice(part);
            if self.below(2) == 0 {
                out.extend_from_slice(
                    format!("\n127.0.0.{}:{} x y\n", 1 + self.below(200), 1 + self.below(65_535)).as_bytes(),
                );
            }
        }
        for _ in 0..self.below(4) {
            let (at, byte) = (self.below(out.len() as u64), self.below(256));
            out[usize::try_from(at).unwrap()] = u8::try_from(byte).unwrap();
        }
        out
    }
}

/// Connections and datagrams as fast as they go.
async fn attack(at: SocketAddr, seed: u64) -> io::Result<()> {
    let mut random = Random(seed);
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let mut kept = Vec::new();
    loop {
        let Ok(mut stream) = TcpStream::connect(at).await else {
            tokio::task::yield_now().await;
            continue;
        };
        for _ in 0..random.below(5) {
            let _ = timeout(Duration::from_millis(20), stream.write_all(&random.message())).await;
            let _ = socket.try_send_to(&random.message(), at);
        }
        match random.below(3) {
            0 => kept.push(stream),
            1 => drop(stream.set_zero_linger()),
            _ => {}
        }
        if kept.len() > 40 {
            kept.clear();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn torture_with_an_honest_peer_served_throughout() {
    let long = std::env::var_os("RUMORMILL_TEST_LONG").is_some();
    let (mut yard, old) = (Yard::new("").await, Legacy::new().await);
    let mut attackers = JoinSet::new();
    for seed in 1..9 {
        attackers.spawn(attack(yard.at, seed * 0x0137_79b9_7f4a_7c15));
    }
    let end = Instant::now() + Duration::from_secs(if long { 60 } else { 2 });
    let (mut rounds, mut slowest) = (0u32, Duration::ZERO);
    while Instant::now() < end {
        let (begun, text) = (Instant::now(), format!("honest {rounds}"));
        say(yard.at, format!("{} honest {text}", old.1)).await;
        let mut others = 0u64;
        let heard = timeout(SOON, async {
            while yard.heard().await.text != text {
                others += 1;
            }
        });
        assert!(heard.await.is_ok(), "{text} is not heard among {others}; {:?}", yard.room.counters.named());
        // The room goes on listening while it speaks.
        drop(yard.says(&text));
        let line = {
            let takes = old.takes();
            tokio::pin!(takes);
            loop {
                tokio::select! {
                    (line, _) = &mut takes => break line,
                    Some(_) = yard.room.incoming.recv() => {}
                }
            }
        };
        assert_eq!(line, format!("{} team alice@c0de: {text}", yard.at));
        slowest = slowest.max(begun.elapsed());
        rounds += 1;
    }
    attackers.shutdown().await;
    println!("{rounds} rounds, the slowest in {slowest:?}; {:?}", yard.room.counters.named());
    assert!(rounds > 0);
    assert!(yard.count("open") <= 256 && yard.count("waiting_out") <= 8_192);
    assert!(yard.room.counters.malformed.load(Ordering::Relaxed) > 0);
    assert!(!yard.task.is_finished(), "the door is still there");
}
