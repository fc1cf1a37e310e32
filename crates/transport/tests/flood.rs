//! Thousands of connections that never finish their handshake, from one prefix: others and members are not kept waiting.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

mod common;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use common::{Net, anywhere, count, soon, until};
use rumormill_transport::admission::AdmissionLimits;
use rumormill_transport::link::LinkLimits;
use rumormill_transport::{Endpoint, Expect, Listener};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

const CONNECTIONS: usize = 3_000;
const PER_PREFIX: usize = 64;
const DEADLINE: Duration = Duration::from_secs(3);
/// Bound on a healthy dial; the real time is printed. Shorter than the deadline: it waits for none of those that stand still.
const PROMPT: Duration = Duration::from_millis(2_500);
/// One whose first packet found the system's queue full waits for a second.
const NO_SECOND_PACKET: Duration = Duration::from_millis(900);
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 8, 1));
const MEMBER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 9, 200));

/// The open files of a process are for one flood at a time.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// How many connections fit: each has a descriptor at both ends, in this one process.
fn affordable() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let now = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let fit = usize::try_from(now.saturating_sub(200) / 2).unwrap_or(usize::MAX).min(CONNECTIONS);
    if fit < CONNECTIONS {
        println!("only {fit} of {CONNECTIONS} connections fit in the limit of {now} open files");
    }
    fit
}

/// The beginning of a ClientHello of 15,000 bytes in one record.
fn truncated_hello(bytes: usize) -> Vec<u8> {
    let mut hello = vec![0x16, 0x03, 0x01, 0x3a, 0x9c, 0x01, 0x00, 0x3a, 0x98, 0x03, 0x03];
    hello.resize(bytes.max(11), 0x5a);
    hello
}

/// An address of the flood's prefix.
fn somewhere(n: usize) -> IpAddr {
    IpAddr::from([127, 0, 9, u8::try_from(n % 150 + 1).unwrap()])
}

/// One that stalls: silent, or after up to 12 KiB.
async fn stall(n: usize, from: IpAddr, to: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind(SocketAddr::new(from, 0)).ok()?;
    let mut stream = socket.connect(to).await.ok()?;
    if n % 2 == 1 {
        // It may have been closed already.
        let _ = stream.write_all(&truncated_hello(n * 7_919 % (12 * 1024))).await;
    }
    Some(stream)
}

async fn healthy(dialler: &Endpoint, source: IpAddr, listener: &mut Listener) -> Duration {
    let from = Instant::now();
    let dial = dialler.dial_from(Some(source), listener.local_addr(), Expect::Any);
    let both = async { (dial.await, listener.accept().await) };
    let (there, here) =
        tokio::time::timeout(PROMPT, both).await.unwrap_or_else(|_| panic!("{source} was kept waiting"));
    there.unwrap();
    assert_eq!(here.unwrap().peer.addr().ip(), source);
    from.elapsed()
}

async fn flood(rate: u32) {
    let connections = affordable();
    let net = Net::new();
    let admission = AdmissionLimits { deadline: DEADLINE, per_prefix: PER_PREFIX, rate, ..AdmissionLimits::default() };
    let bob = net.limited("bob", admission, LinkLimits::default());
    bob.set_known_members([MEMBER]);
    let mut listener = bob.bind(anywhere()).await.unwrap();
    let (alice, addr) = (net.endpoint("alice"), listener.local_addr());
    let flooding = tokio::spawn(async move {
        let mut held = Vec::with_capacity(connections);
        for n in 0..connections {
            held.extend(stall(n, somewhere(n), addr).await);
        }
        held
    });
    let (mut during, mut worst) = (0, Duration::ZERO);
    while !flooding.is_finished() {
        for source in [STRANGER, MEMBER] {
            worst = worst.max(healthy(&alice, source, &mut listener).await);
        }
        during += 2;
        // The healthy have a rate too.
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(bob.handshakes() <= PER_PREFIX + 2, "{}", bob.handshakes());
    }
    let held = soon("the flood", flooding).await.unwrap();
    assert!(held.len() > connections * 9 / 10, "{} of {connections} connected", held.len());
    println!("rate {rate}: {during} healthy dials while {} connections came; the slowest took {worst:?}", held.len());
    // Of the last ones some have sent too much by now, so it may not be full; most stand still.
    until("many stalled handshakes", || bob.handshakes() > PER_PREFIX / 4).await;
    for (who, source) in [("another prefix", STRANGER), ("a member in the flood's prefix", MEMBER)] {
        let took = healthy(&alice, source, &mut listener).await;
        println!("rate {rate}: {who}, with {} stalled in flight: {took:?}", bob.handshakes());
    }
    until("no handshake in flight", || bob.handshakes() == 0).await;
    println!(
        "rate {rate}: evicted {}, over the rate {}",
        count(&bob, "handshakes_evicted"),
        count(&bob, "connections_over_rate")
    );
    let ways = ["handshakes_evicted", "connections_over_rate", "refused_timeout", "refused_too_long", "refused_lost"];
    let ended: u64 = ways.iter().map(|way| count(&bob, way)).sum();
    assert!(ended >= u64::try_from(held.len()).unwrap(), "{ended}");
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_that_never_finishes_keeps_nobody_else_waiting() {
    let _alone = ALONE.lock().await;
    // With the usual rate most of it is closed unheard; without one, all of it goes through the table.
    flood(AdmissionLimits::default().rate).await;
    flood(1_000_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_from_a_members_own_address_leaves_it_a_way_in() {
    let _alone = ALONE.lock().await;
    let connections = affordable();
    let net = Net::new();
    let bob = net.endpoint("bob");
    bob.set_known_members([MEMBER]);
    let mut listener = bob.bind(anywhere()).await.unwrap();
    let mut held = Vec::with_capacity(connections);
    for n in 0..connections {
        held.extend(stall(n, MEMBER, listener.local_addr()).await);
    }
    assert!(held.len() > connections * 9 / 10, "{} of {connections} connected", held.len());
    assert!(bob.handshakes() <= AdmissionLimits::default().per_member, "{}", bob.handshakes());
    let alice = net.endpoint("alice");
    for source in [MEMBER, somewhere(0), STRANGER] {
        let took = healthy(&alice, source, &mut listener).await;
        println!("{source}, with {} stalled in flight: {took:?}", bob.handshakes());
    }
    drop(held);
}

#[test]
fn the_system_holds_a_flood_until_we_come_to_it() {
    // As many as the system holds at most, if that is less.
    let system: usize = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse().unwrap();
    let connections = affordable().min(system);
    assert!(connections > 0, "net.core.somaxconn is {system}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _alone = runtime.block_on(ALONE.lock());
    let net = Net::new();
    let listener = runtime.block_on(net.endpoint("bob").bind(anywhere())).unwrap();
    // Nothing of ours runs meanwhile. One whose first packet is dropped waits for a second.
    let connect = |_| {
        std::net::TcpStream::connect_timeout(&listener.local_addr(), NO_SECOND_PACKET).expect("a place in the queue")
    };
    let held: Vec<_> = (0..connections).map(connect).collect();
    assert_eq!(held.len(), connections);
}
