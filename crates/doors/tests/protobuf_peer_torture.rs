//! The protobuf door under crowds and rubbish: honest peers are served throughout.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use rumormill_doors::protobuf_peer::message::ProtocolMessage;
use rumormill_doors::protobuf_peer::{MAX_NEW, MAX_PEERS};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

mod protobuf_peer_parts;

use protobuf_peer_parts::*;

#[tokio::test]
async fn a_thousand_idle_connections_do_not_shut_out_an_honest_one() {
    let mut door = door("id=10").await;
    let mut honest = Peer::joined(door.addr, 12).await;
    honest.says(text(12, 10, "first")).await;
    assert_eq!(door.heard().await, claimed(12, "first"));
    let mut idle = Vec::new();
    for n in 0..1_000i64 {
        let mut peer = Peer::dial(door.addr).await;
        if n % 2 == 0 {
            peer.says(ProtocolMessage::Start { id: 1_000 + n }).await;
        }
        idle.push(peer);
    }
    door.counts("opened", |n| n == 1_001).await;
    let mut late = Peer::joined(door.addr, 13).await;
    late.says(text(13, 10, "late")).await;
    honest.says(text(12, 10, "early")).await;
    let mut heard = [door.heard().await, door.heard().await];
    heard.sort();
    assert_eq!(heard, [claimed(12, "early"), claimed(13, "late")]);
    let open = door.counts("open", |_| true).await;
    assert!(open <= u64::try_from(MAX_NEW + MAX_PEERS).unwrap(), "{open}");
}

/// xorshift: the same run every time.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn frame(&mut self) -> Vec<u8> {
        let id = |draw: &mut Self| i64::try_from(draw.below(40)).unwrap() - 1;
        let said = match self.below(6) {
            0 => ProtocolMessage::Start { id: 100 + id(self) },
            1 => ProtocolMessage::Welcome { id: id(self) },
            2 => ProtocolMessage::Join { id: 10_000 + id(self), via: id(self) },
            3 => ProtocolMessage::Leave { id: 10_000 + id(self) },
            _ => text(
                id(self),
                [10, 12, 77, 10_003][usize::try_from(self.below(4)).unwrap()],
                &"x".repeat(usize::try_from(self.below(300)).unwrap()),
            ),
        };
        let mut frame = said.frame().unwrap();
        if self.below(4) == 0 {
            let at = usize::try_from(self.below(frame.len() as u64)).unwrap();
            frame[at] = self.next().to_le_bytes()[0];
        }
        frame
    }
}

/// One who sends whatever he likes, as fast as he can, and often comes back.
async fn attack(addr: SocketAddr, seed: u64, end: Instant) {
    let mut draw = Draw(seed);
    while Instant::now() < end {
        let Ok(mut stream) = TcpStream::connect(addr).await else { continue };
        let mut bytes = match draw.below(3) {
            0 => ProtocolMessage::Start { id: i64::try_from(1_000 + draw.below(5_000)).unwrap() }.frame().unwrap(),
            _ => Vec::new(),
        };
        for _ in 0..draw.below(200) {
            bytes.extend(draw.frame());
        }
        let cut = usize::try_from(draw.below(bytes.len() as u64 + 1)).unwrap();
        let _ = timeout(Duration::from_millis(200), stream.write_all(&bytes[..cut])).await;
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn torture() {
    let time = if std::env::var_os("RUMORMILL_TEST_LONG").is_some() { 60 } else { 2 };
    let mut door = door("id=10").await;
    let end = Instant::now() + Duration::from_secs(time);
    let attackers: Vec<_> = (1..=8).map(|n| tokio::spawn(attack(door.addr, n * 7_919, end))).collect();
    // Whoever is admitted may still be crowded out by the flood before he has spoken; then he comes back, as a person would.
    let (mut served, mut again) = (0, 0);
    let mut honest = None;
    while Instant::now() < end {
        if honest.is_none() {
            let mut peer = Peer::dial(door.addr).await;
            let hello =
                [ProtocolMessage::Start { id: 12 }.frame().unwrap(), text(12, 10, "honest").frame().unwrap()].concat();
            again += 1;
            honest = peer.0.write_all(&hello).await.is_ok().then_some(peer);
        }
        let Some(peer) = &mut honest else { continue };
        let mark = format!("mark {served}");
        let sent = peer.0.write_all(&text(12, 10, &mark).frame().unwrap()).await.is_ok();
        let found = sent && timeout(Duration::from_secs(1), find(&mut door.room, &mark)).await.is_ok();
        if found {
            served += 1;
        } else {
            honest = None;
        }
        // He also reads what he is told.
        let mut rest = vec![0; 65_536];
        if let Some(peer) = &mut honest {
            while matches!(peer.0.try_read(&mut rest), Ok(1..)) {}
        }
    }
    for attacker in attackers {
        attacker.await.unwrap();
    }
    let open = door.counts("open", |_| true).await;
    assert!(open <= u64::try_from(MAX_NEW + MAX_PEERS).unwrap(), "{open}");
    assert!(
        served > time * 20 && again < time * 5,
        "{served} messages, {again} links; {:?}",
        door.room.counters.named()
    );
    door.stop.send_replace(true);
    timeout(SOON, door.task).await.unwrap().unwrap();
}
