//! What one handshake that stalls costs in memory, wherever it stalls, and that all of it comes back; and an idle link.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use allocation_counter::AllocationInfo;
use common::{Net, anywhere, issued_dir, raw_client, some_name};
use rumormill_transport::admission::AdmissionLimits;
use rumormill_transport::link::LinkLimits;
use rumormill_transport::{Endpoint, Expect};
use rumormill_wire::native::MAX_FRAME_LEN;
use tokio::runtime::Runtime;

const CONNECTIONS: usize = 40;
/// Most bytes of heap that a stalled handshake may hold before it has sent a whole hello, and after.
const MOST: i64 = 12 * 1024;
const MOST_AFTER_HELLO: i64 = 20 * 1024;
/// Most bytes of heap that one end of an idle link may hold here, whatever went through it before.
const MOST_IDLE: i64 = 20 * 1024;
const DEADLINE: Duration = Duration::from_millis(1_500);

/// Where an attacker stops.
#[derive(Debug, Clone, Copy)]
enum Stall {
    /// Before its first byte.
    Silent,
    /// Inside a hello that never ends.
    InsideHello(usize),
    /// After our hello, with so many bytes of the record that should hold its certificate and proof.
    AfterOurHello(usize),
}

/// Connects from a thread of its own, whose memory is not counted.
fn attackers(stall: Stall, to: SocketAddr, client: Arc<rustls::ClientConfig>) -> Vec<TcpStream> {
    let attack = move || {
        let mut tcp = TcpStream::connect(to).unwrap();
        match stall {
            Stall::Silent => {}
            Stall::InsideHello(bytes) => {
                let mut hello = vec![0x16, 0x03, 0x01, 0x3a, 0x9c, 0x01, 0x00, 0x3a, 0x98, 0x03, 0x03];
                hello.resize(bytes, 0x5a);
                tcp.write_all(&hello).unwrap();
            }
            Stall::AfterOurHello(bytes) => {
                let mut session = rustls::ClientConnection::new(Arc::clone(&client), some_name()).unwrap();
                while session.wants_write() {
                    session.write_tls(&mut tcp).unwrap();
                }
                tcp.read_exact(&mut [0]).unwrap();
                let mut record = vec![0x17, 0x03, 0x03, 0x3a, 0x9c];
                record.resize(bytes, 0x5a);
                tcp.write_all(&record).unwrap();
            }
        }
        tcp
    };
    std::thread::spawn(move || (0..CONNECTIONS).map(|_| attack()).collect()).join().unwrap()
}

fn good(net: &Net) -> Endpoint {
    let admission = AdmissionLimits { deadline: DEADLINE, per_prefix: 2 * CONNECTIONS, ..AdmissionLimits::default() };
    net.limited("good", admission, LinkLimits::default())
}

/// Runs until a condition holds, on this thread, and counts what it allocates.
fn measured(runtime: &Runtime, what: &str, holds: impl FnMut() -> bool) -> AllocationInfo {
    allocation_counter::measure(|| runtime.block_on(common::until(what, holds)))
}

#[test]
fn a_stalled_handshake_holds_little_and_gives_it_back() {
    let net = Net::new();
    let client = Arc::new(raw_client(Some(&issued_dir(&net, "peer"))));
    let stalls = [
        Stall::Silent,
        Stall::InsideHello(2_000),
        Stall::InsideHello(4_095),
        Stall::AfterOurHello(0),
        Stall::AfterOurHello(5),
        Stall::AfterOurHello(4_095),
    ];
    for stall in stalls {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let good = good(&net);
        let listener = runtime.block_on(good.bind(anywhere())).unwrap();
        let to = listener.local_addr();
        let (sender, held) = std::sync::mpsc::channel();
        let client = Arc::clone(&client);
        let attack = std::thread::spawn(move || sender.send(attackers(stall, to, client)).unwrap());
        let mut all = None;
        let mut idle_rounds = 0;
        let up = measured(&runtime, "all to stall", || {
            all = all.take().or_else(|| held.try_recv().ok());
            // What has been sent is read within some rounds after the last attacker is done.
            idle_rounds += u32::from(all.is_some() && good.handshakes() == CONNECTIONS);
            idle_rounds > 100
        });
        attack.join().unwrap();
        let each = up.bytes_current / i64::try_from(CONNECTIONS).unwrap();
        println!("{stall:?}: {each} bytes each");
        let most = if matches!(stall, Stall::AfterOurHello(_)) { MOST_AFTER_HELLO } else { MOST };
        assert!(each > 0 && each <= most, "{stall:?}: {each} bytes each");
        let down = measured(&runtime, "the deadline", || good.handshakes() == 0);
        let left = (up.bytes_current + down.bytes_current) / i64::try_from(CONNECTIONS).unwrap();
        assert!(left < 256, "{stall:?}: {left} bytes each do not come back");
        drop(all);
    }
}

#[test]
fn an_idle_link_holds_little_even_after_the_longest_frames() {
    const LINKS: usize = 20;
    const ROUNDS: usize = 4;
    let net = Net::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (alice, bob) = (net.endpoint("alice"), net.endpoint("bob"));
    let mut links = Vec::with_capacity(LINKS);
    let longest = [&u32::try_from(MAX_FRAME_LEN).unwrap().to_be_bytes()[..], &[0x41; MAX_FRAME_LEN]].concat();
    let up = allocation_counter::measure(|| {
        runtime.block_on(async {
            let mut listener = bob.bind(anywhere()).await.unwrap();
            for _ in 0..LINKS {
                let mut there = alice.dial(listener.local_addr(), Expect::Any).await.unwrap();
                let mut here = listener.accept().await.unwrap();
                for _ in 0..ROUNDS {
                    let (sent, got) = tokio::join!(there.writer.send([&longest[..]]), here.reader.next_frame());
                    assert_eq!(sent.unwrap(), longest.len());
                    assert_eq!(got.unwrap().unwrap().len(), MAX_FRAME_LEN);
                    let (sent, got) =
                        tokio::join!(here.writer.send([&b"\0\0\0\x01\x02"[..]]), there.reader.next_frame());
                    assert_eq!((sent.unwrap(), got.unwrap().unwrap().len()), (5, 1));
                }
                // As in a node, each end waits for the next frame.
                for reader in [&mut there.reader, &mut here.reader] {
                    assert!(tokio::time::timeout(Duration::from_millis(1), reader.next_frame()).await.is_err());
                }
                links.push((there, here));
            }
        });
    });
    let each = up.bytes_current / i64::try_from(2 * LINKS).unwrap();
    println!("an idle end of a link: {each} bytes");
    assert!(each > 0 && each <= MOST_IDLE, "{each} bytes");
    drop(links);
}
