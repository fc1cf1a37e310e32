//! What a link protects, and how it ends: rotation, the wire as others see it, frames, deadlines, rates.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{DAY, Net, anywhere, count, issued_dir, link, raw_client, some_name, soon};
use rumormill_transport::admission::AdmissionLimits;
use rumormill_transport::endpoint::Opened;
use rumormill_transport::link::LinkLimits;
use rumormill_transport::{Endpoint, Expect, Identity, LinkError, TlsInfo};
use rumormill_wire::native::{MAX_FRAME_LEN, kind};
use rustls::HandshakeKind;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

/// A frame of this kind and payload.
fn frame(payload: &[u8]) -> Vec<u8> {
    [&u32::try_from(payload.len()).unwrap().to_be_bytes()[..], payload].concat()
}

async fn passes(from: &mut Opened, to: &mut Opened, payload: &[u8]) {
    from.writer.send([&frame(payload)[..]]).await.unwrap();
    let got = soon("a frame", to.reader.next_frame()).await.unwrap().expect("a frame, not the end");
    assert_eq!(got, payload);
}

#[tokio::test]
async fn a_certificate_is_changed_while_a_link_is_open() {
    let net = Net::new();
    let (alice, bob) = (net.endpoint("alice"), net.endpoint("bob"));
    let (mut there, mut here, mut listener) = link(&alice, &bob).await;
    let old = there.peer.certificate().clone();
    let issued = net.ca.issue("bob", 7 * DAY, None).unwrap();
    bob.reload(Identity::load(&issued.certificate, &issued.key).unwrap()).unwrap();
    passes(&mut there, &mut here, b"\x02on").await;
    passes(&mut here, &mut there, b"\x02and on").await;
    // Both as acceptor and as dialler it now shows the new one, and is the same node.
    let dialled = alice.dial(listener.local_addr(), Expect::Node(bob.identity().node())).await.unwrap();
    let new = dialled.peer.certificate().clone();
    assert_ne!(old, new);
    assert_eq!(new, bob.identity().certificate_der());
    soon("the accept", listener.accept()).await.unwrap();
    let (_, accepted, _listener) = link(&bob, &alice).await;
    assert_eq!(accepted.peer.certificate(), &new);
    passes(&mut there, &mut here, b"\x02still").await;
}

/// Who knows us from our answer may say the first frames in one segment with the last of the handshake.
#[tokio::test]
async fn what_comes_right_behind_a_handshake_belongs_to_the_link() {
    use std::io::Write;

    let net = Net::new();
    let good = net.endpoint("good");
    let mut listener = good.bind(anywhere()).await.unwrap();
    let (addr, config) = (listener.local_addr(), Arc::new(raw_client(Some(&issued_dir(&net, "eager")))));
    for length in [100, 3_000, 6_000, 12_000, 60_000] {
        let frame = frame(&vec![0x80; length]);
        let config = Arc::clone(&config);
        let said = tokio::task::spawn_blocking(move || {
            let mut tls = rustls::ClientConnection::new(config, some_name()).unwrap();
            tls.set_buffer_limit(None);
            tls.writer().write_all(&frame).unwrap();
            let mut tcp = std::net::TcpStream::connect(addr).unwrap();
            while tls.is_handshaking() || tls.wants_write() {
                tls.complete_io(&mut tcp).unwrap();
            }
            (tls, tcp)
        });
        let mut here = soon("the accept", listener.accept()).await.unwrap();
        let _open = said.await.unwrap();
        let got = soon("the frame", here.reader.next_frame()).await.unwrap().expect("a frame, not the end");
        assert_eq!(got.len(), length);
    }
}

async fn copy_and_keep(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, kept: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = vec![0; 8192];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        kept.lock().unwrap().extend_from_slice(&buffer[..n]);
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

#[tokio::test]
async fn who_sits_in_the_path_sees_nothing_and_what_it_changes_ends_the_link() {
    const MARKER: &[u8] = b"\x40the marker that must not be seen, 0123456789";
    let net = Net::new();
    let (alice, bob) = (net.endpoint("alice"), net.endpoint("bob"));
    let mut listener = bob.bind(anywhere()).await.unwrap();
    let relay = TcpListener::bind(anywhere()).await.unwrap();
    let (relay_addr, bob_addr) = (relay.local_addr().unwrap(), listener.local_addr());
    let (up, down) = (Arc::default(), Arc::default());
    let (kept_up, kept_down) = (Arc::clone(&up), Arc::clone(&down));
    tokio::spawn(async move {
        let (from, _) = relay.accept().await.unwrap();
        let (from_read, from_write) = from.into_split();
        let (to_read, to_write) = TcpStream::connect(bob_addr).await.unwrap().into_split();
        tokio::join!(copy_and_keep(from_read, to_write, kept_up), copy_and_keep(to_read, from_write, kept_down));
    });
    let mut there = soon("the dial", alice.dial(relay_addr, Expect::Name("bob".into()))).await.unwrap();
    let mut here = soon("the accept", listener.accept()).await.unwrap();
    for _ in 0..3 {
        passes(&mut there, &mut here, MARKER).await;
        passes(&mut here, &mut there, MARKER).await;
    }
    for (seen, certificate) in [(&up, alice.identity()), (&down, bob.identity())] {
        let seen: Vec<u8> = seen.lock().unwrap().clone();
        assert!(seen.len() > 3 * MARKER.len(), "the relay is in the path");
        let shows = |what: &[u8]| seen.windows(what.len()).any(|window| window == what);
        // Not even a part of it; and names and certificates are not seen either.
        assert!(MARKER.chunks(8).filter(|part| part.len() == 8).all(|part| !shows(part)));
        assert!(!shows(certificate.certificate_der()) && !shows(b"alice") && !shows(b"bob"));
        assert!(!shows(certificate.node().as_bytes()));
    }
    for end in [&there, &here] {
        assert_eq!(end.peer.tls(), &TlsInfo { version: "TLSv1.3", group: "X25519MLKEM768".into() });
    }
}

#[tokio::test]
async fn one_changed_bit_on_the_way_ends_the_link() {
    let net = Net::new();
    let (alice, bob) = (net.endpoint("alice"), net.endpoint("bob"));
    let mut listener = bob.bind(anywhere()).await.unwrap();
    let relay = TcpListener::bind(anywhere()).await.unwrap();
    let (relay_addr, bob_addr) = (relay.local_addr().unwrap(), listener.local_addr());
    let change = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let changes = Arc::clone(&change);
    tokio::spawn(async move {
        let (from, _) = relay.accept().await.unwrap();
        let (mut from_read, mut from_write) = from.into_split();
        let (mut to_read, mut to_write) = TcpStream::connect(bob_addr).await.unwrap().into_split();
        let back = tokio::spawn(async move { tokio::io::copy(&mut to_read, &mut from_write).await });
        let mut buffer = vec![0; 8192];
        while let Ok(n @ 1..) = from_read.read(&mut buffer).await {
            if changes.load(std::sync::atomic::Ordering::SeqCst) {
                buffer[n - 1] ^= 1;
            }
            to_write.write_all(&buffer[..n]).await.unwrap();
        }
        drop(back);
    });
    let mut there = soon("the dial", alice.dial(relay_addr, Expect::Any)).await.unwrap();
    let mut here = soon("the accept", listener.accept()).await.unwrap();
    passes(&mut there, &mut here, b"\x02whole").await;
    change.store(true, std::sync::atomic::Ordering::SeqCst);
    there.writer.send([&frame(b"\x02changed")[..]]).await.unwrap();
    let read = soon("the end", here.reader.next_frame()).await;
    assert!(matches!(read, Err(LinkError::Io(_))), "{read:?}");
}

#[tokio::test]
async fn a_client_that_would_resume_gets_no_ticket_and_shakes_hands_in_full() {
    let net = Net::new();
    let good = net.endpoint("good");
    let mut listener = good.bind(anywhere()).await.unwrap();
    // One configuration, so one store of tickets, which rustls fills and uses by default.
    let config = Arc::new(raw_client(Some(&issued_dir(&net, "peer"))));
    for _ in 0..3 {
        let tcp = TcpStream::connect(listener.local_addr()).await.unwrap();
        let handshake = TlsConnector::from(Arc::clone(&config)).connect(some_name(), tcp);
        let mut stream = soon("the handshake", handshake).await.unwrap();
        let mut here = soon("the accept", listener.accept()).await.unwrap();
        // Tickets would come before this byte.
        here.writer.send([&frame(b"\x02")[..]]).await.unwrap();
        stream.read_exact(&mut [0; 5]).await.unwrap();
        let session = stream.get_ref().1;
        assert_eq!(session.tls13_tickets_received(), 0);
        assert_eq!(session.handshake_kind(), Some(HandshakeKind::Full));
    }
}

#[tokio::test]
async fn a_client_without_post_quantum_exchange_still_gets_a_link_and_it_is_said() {
    let net = Net::new();
    let good = net.endpoint("good");
    let mut listener = good.bind(anywhere()).await.unwrap();
    let mut config = raw_client(Some(&issued_dir(&net, "peer")));
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.kx_groups = vec![rustls::crypto::aws_lc_rs::kx_group::X25519];
    let resolver = Arc::clone(&config.client_auth_cert_resolver);
    config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(common::Gullible))
        .with_client_cert_resolver(resolver);
    config.alpn_protocols = vec![rumormill_wire::native::ALPN.to_vec()];
    let tcp = TcpStream::connect(listener.local_addr()).await.unwrap();
    let _stream = soon("it", TlsConnector::from(Arc::new(config)).connect(some_name(), tcp)).await.unwrap();
    let here = soon("the accept", listener.accept()).await.unwrap();
    assert_eq!(here.peer.tls().group, "X25519");
}

fn limited(net: &Net, name: &str, link: LinkLimits) -> Endpoint {
    net.limited(name, AdmissionLimits::default(), link)
}

#[tokio::test]
async fn a_length_that_no_frame_has_ends_the_link_at_once() {
    let net = Net::new();
    for length in [0, u32::try_from(MAX_FRAME_LEN).unwrap() + 1, u32::MAX] {
        let (mut there, mut here, _listener) = link(&net.endpoint("alice"), &net.endpoint("bob")).await;
        passes(&mut there, &mut here, b"\x02good").await;
        // The length alone: nothing of the payload is waited for.
        there.writer.send([&length.to_be_bytes()[..]]).await.unwrap();
        let read = soon("the end", here.reader.next_frame()).await;
        assert!(matches!(read, Err(LinkError::Frame(_))), "{length}: {read:?}");
    }
}

#[tokio::test]
async fn the_longest_frame_passes_and_frames_come_out_however_they_were_cut() {
    let net = Net::new();
    let (mut there, mut here, _listener) = link(&net.endpoint("alice"), &net.endpoint("bob")).await;
    passes(&mut there, &mut here, &vec![0x41; MAX_FRAME_LEN]).await;
    let bytes = [frame(b"\x02one"), frame(b"\x03"), frame(&[7; 300])].concat();
    for size in [1, 3, 7, bytes.len()] {
        for piece in bytes.chunks(size) {
            there.writer.send([piece]).await.unwrap();
        }
        for expected in [&b"\x02one"[..], b"\x03", &[7; 300]] {
            assert_eq!(soon("a frame", here.reader.next_frame()).await.unwrap().unwrap(), expected);
        }
    }
}

#[tokio::test]
async fn a_clean_end_is_told_from_a_cut() {
    let net = Net::new();
    let (there, mut here, _listener) = link(&net.endpoint("alice"), &net.endpoint("bob")).await;
    there.writer.close().await;
    assert!(matches!(soon("the end", here.reader.next_frame()).await, Ok(None)));

    let (mut there, mut here, _listener) = link(&net.endpoint("alice"), &net.endpoint("bob")).await;
    there.writer.send([&frame(b"\x02whole")[..6]]).await.unwrap();
    there.writer.close().await;
    assert!(matches!(soon("the end", here.reader.next_frame()).await, Err(LinkError::Truncated)));

    // Without TLS's own goodbye the end could be the work of somebody in the path.
    let (there, mut here, _listener) = link(&net.endpoint("alice"), &net.endpoint("bob")).await;
    drop(there);
    assert!(matches!(soon("the end", here.reader.next_frame()).await, Err(LinkError::Io(_))));
}

/// The system would take some megabytes and let nothing more in until a good part of them is gone.
#[tokio::test]
async fn a_peer_that_reads_slowly_keeps_the_link_however_long_one_write_takes() {
    const FRAMES: usize = 60;
    let net = Net::new();
    let limits = LinkLimits { write: Duration::from_millis(700), ..LinkLimits::default() };
    let (mut there, mut here, _listener) = link(&net.endpoint("alice"), &limited(&net, "bob", limits)).await;
    // One piece, so that it is one write that takes so long.
    let piece = frame(&vec![9; 64 * 1024]).repeat(FRAMES);
    let writes = tokio::spawn(async move {
        let from = Instant::now();
        let written = here.writer.send([&piece[..]]).await;
        written.map(|_| (from.elapsed(), here))
    });
    let reads = async {
        while there.reader.next_frame().await.is_ok_and(|frame| frame.is_some()) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        written = writes => {
            let (took, _here) = written.unwrap().expect("it was given up");
            assert!(took > 2 * limits.write, "{took:?}: the system takes all at once");
        }
        () = reads => panic!("it ends"),
    }
}

/// A frame takes its time on a slow line: a peer of which some of it arrives is there.
#[tokio::test]
async fn a_frame_may_take_longer_to_arrive_than_a_peer_may_be_silent() {
    let net = Net::new();
    let slowest_bytes_per_s = 100.try_into().unwrap();
    let limits = LinkLimits { idle: Duration::from_millis(600), slowest_bytes_per_s, ..LinkLimits::default() };
    let (mut there, mut here, _listener) = link(&net.endpoint("alice"), &limited(&net, "bob", limits)).await;
    let arrivals = here.reader.arrivals();
    let whole = frame(&[9; 1_000]);
    let sends = tokio::spawn(async move {
        for part in whole.chunks(whole.len() / 8) {
            there.writer.send([part]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        there
    });
    let from = Instant::now();
    let frame = here.reader.next_frame().await.expect("it was given up").unwrap();
    assert!(frame.len() == 1_000 && from.elapsed() > 2 * limits.idle, "{:?}", from.elapsed());
    assert!(arrivals.silent_for() < limits.idle);
    let _there = sends.await.unwrap();
    assert!(matches!(here.reader.next_frame().await, Err(LinkError::Idle(_))), "nothing arrives any more");
    assert!(arrivals.silent_for() >= limits.idle);
}

#[tokio::test]
async fn a_peer_that_never_reads_loses_the_link() {
    let net = Net::new();
    let limits = LinkLimits { write: Duration::from_millis(200), ..LinkLimits::default() };
    for size in [1_000, 64 * 1024] {
        let (_there, mut here, _listener) = link(&net.endpoint("alice"), &limited(&net, "bob", limits)).await;
        let piece = frame(&vec![9; size]);
        // All that kernel buffers may hold, many times over.
        let most = 256 * 1024 * 1024 / size;
        let mut ended = None;
        for _ in 0..most {
            if let Err(why) = here.writer.send([&piece[..]]).await {
                ended = Some(why);
                break;
            }
        }
        assert!(matches!(ended, Some(LinkError::Stalled(_))), "{size}: {ended:?}");
    }
}

#[tokio::test]
async fn a_silent_peer_and_one_that_never_ends_its_frame_lose_the_link() {
    let net = Net::new();
    let limits = LinkLimits { idle: Duration::from_millis(150), ..LinkLimits::default() };
    let (_there, mut here, _listener) = link(&net.endpoint("alice"), &limited(&net, "bob", limits)).await;
    let from = Instant::now();
    assert!(matches!(soon("the end", here.reader.next_frame()).await, Err(LinkError::Idle(_))));
    assert!(from.elapsed() >= limits.idle);

    let (mut there, mut here, _listener) = link(&net.endpoint("alice"), &limited(&net, "bob", limits)).await;
    let drip = tokio::spawn(async move {
        there.writer.send([&1_000_u32.to_be_bytes()[..]]).await.unwrap();
        while there.writer.send([&[2][..]]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(
        matches!(soon("the end", here.reader.next_frame()).await, Err(LinkError::Unended(_))),
        "bytes are no frame"
    );
    drop(here);
    soon("the peer's own end", drip).await.unwrap();
}

#[tokio::test]
async fn over_its_rate_a_node_is_read_more_slowly_on_all_its_links_and_nothing_is_lost() {
    const FRAMES: u32 = 60;
    const RATE: u32 = 50;
    let net = Net::new();
    // None of them brings messages, so each counts as four.
    let limits = LinkLimits { frames_per_s: NonZeroU32::new(4 * RATE).unwrap(), ..LinkLimits::default() };
    let (alice, bob) = (net.endpoint("alice"), limited(&net, "bob", limits));
    let mut listener = bob.bind(anywhere()).await.unwrap();
    let mut ends = Vec::new();
    for _ in 0..2 {
        let there = soon("the dial", alice.dial(listener.local_addr(), Expect::Any)).await.unwrap();
        ends.push((there, soon("the accept", listener.accept()).await.unwrap()));
    }
    let from = Instant::now();
    let tasks: Vec<_> = ends
        .into_iter()
        .map(|(mut there, mut here)| {
            tokio::spawn(async move {
                for n in 0..FRAMES {
                    there.writer.send([&frame(&n.to_be_bytes())[..]]).await.unwrap();
                }
                let mut n = 0;
                while n < FRAMES {
                    // Given up and tried again, as a task that waits for several things does: nothing is lost.
                    let read = tokio::time::timeout(Duration::from_millis(3), here.reader.next_frame()).await;
                    if let Ok(read) = read {
                        assert_eq!(read.unwrap().unwrap(), n.to_be_bytes()[..]);
                        n += 1;
                    }
                }
                (there, here)
            })
        })
        .collect();
    let mut ends = Vec::new();
    for task in tasks {
        ends.push(soon("all frames", task).await.unwrap());
    }
    // 50 at once, then 50 a second; the last on each link is not waited for.
    let least = Duration::from_secs_f64(f64::from(2 * FRAMES - RATE - 4) / f64::from(RATE));
    assert!(from.elapsed() >= least, "{:?} of at least {least:?}: the links of a node share its rate", from.elapsed());
    let slowed = count(&bob, "reads_slowed");
    assert!(slowed > 0);
    // Another node is not slowed.
    let (mut there, mut here, _listener) = link(&net.endpoint("carol"), &bob).await;
    for _ in 0..20 {
        passes(&mut there, &mut here, b"\x02").await;
    }
    assert_eq!(count(&bob, "reads_slowed"), slowed);
}

#[tokio::test]
async fn a_long_list_counts_as_many_frames_and_messages_as_one() {
    const RATE: u32 = 100;
    let net = Net::new();
    let limits = LinkLimits { frames_per_s: NonZeroU32::new(RATE).unwrap(), ..LinkLimits::default() };
    let bob = limited(&net, "bob", limits);
    let longest = |kind: u8| [&[kind][..], &vec![5; MAX_FRAME_LEN - 1]].concat();
    let (mut there, mut here, _listener) = link(&net.endpoint("alice"), &bob).await;
    for _ in 0..RATE / 2 {
        passes(&mut there, &mut here, &longest(kind::RUMOR)).await;
    }
    assert_eq!(count(&bob, "reads_slowed"), 0, "fifty of a hundred");
    let from = Instant::now();
    for _ in 0..3 {
        passes(&mut there, &mut here, &longest(kind::STATUS)).await;
    }
    // The first waits for nothing, and each counts as all of a second.
    assert!(from.elapsed() >= Duration::from_millis(1_400), "{:?}", from.elapsed());
    assert_eq!(count(&bob, "reads_slowed"), 2);
}

#[tokio::test]
async fn a_frame_without_messages_counts_as_four() {
    const RATE: u32 = 40;
    let net = Net::new();
    let limits = LinkLimits { frames_per_s: NonZeroU32::new(RATE).unwrap(), ..LinkLimits::default() };
    for (name, kind, frames) in [("alice", kind::RUMOR, RATE), ("carol", kind::STATUS, RATE / 4)] {
        let bob = limited(&net, "bob", limits);
        let (mut there, mut here, _listener) = link(&net.endpoint(name), &bob).await;
        for _ in 0..frames {
            passes(&mut there, &mut here, &[kind]).await;
        }
        assert_eq!(count(&bob, "reads_slowed"), 0, "{name}: as many as come at once");
        for _ in 0..frames {
            passes(&mut there, &mut here, &[kind]).await;
        }
        assert!(count(&bob, "reads_slowed") > 0, "{name}: and no more");
    }
}

#[tokio::test]
async fn bytes_have_a_rate_too_that_always_takes_the_longest_frame() {
    let net = Net::new();
    let limits = LinkLimits { bytes_per_s: NonZeroU32::MIN, ..LinkLimits::default() };
    let (mut there, mut here, _listener) = link(&net.endpoint("alice"), &limited(&net, "bob", limits)).await;
    let longest = vec![5; MAX_FRAME_LEN];
    let from = Instant::now();
    for _ in 0..3 {
        passes(&mut there, &mut here, &longest).await;
    }
    assert!(from.elapsed() >= Duration::from_millis(900), "one at once, the next a second later: {:?}", from.elapsed());
}
