//! Whoever does not belong gets no link, on either side, and the log can say why.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::sync::Arc;
use std::time::SystemTime;

use common::{
    DAY, Forged, Net, PATIENCE, anywhere, issued_dir, network, raw_client, refused_once, some_name, soon, tls_files,
};
use rcgen::{KeyPair, PKCS_ED25519};
use rumormill_transport::admission::AdmissionLimits;
use rumormill_transport::link::LinkLimits;
use rumormill_transport::{DialError, Endpoint, Expect, Identity, Refusal, Revocations, Trust};
use rumormill_wire::NodeId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The intruder dials: `good` refuses for this reason and makes no link; the intruder reads nothing but an end.
async fn acceptor_refuses(good: &Endpoint, intruder: &Endpoint, reason: Refusal) {
    let mut listener = good.bind(anywhere()).await.unwrap();
    match soon("the dial", intruder.dial(listener.local_addr(), Expect::Any)).await {
        // In TLS 1.3 a client is done before the server has seen its certificate.
        Ok(mut opened) => {
            let read = soon("the end", opened.reader.next_frame()).await;
            assert!(!matches!(read, Ok(Some(_))), "{read:?}");
            // What is wrong with it, as far as TLS has a word for that. The connection may have gone before the word came.
            let (told, said) = (told(reason).to_string(), read.map(drop).map_err(|why| why.to_string()));
            assert!(
                said.is_ok() || said.as_ref().is_err_and(|why| why.contains(&told) || why.contains("reset")),
                "{said:?}"
            );
        }
        Err(DialError::Refused { reason: why, .. }) => assert!([told(reason), Refusal::Lost].contains(&why), "{why}"),
        Err(why) => panic!("{why}"),
    }
    refused_once(good, reason.name()).await;
    let none = tokio::time::timeout(std::time::Duration::from_millis(20), listener.accept()).await;
    assert!(none.is_err(), "no link comes out of a refusal");
}

/// What the one that is refused is told.
fn told(reason: Refusal) -> Refusal {
    match reason {
        Refusal::Expired | Refusal::NotYetValid => Refusal::OursNotValid,
        Refusal::Revoked => Refusal::OursRevoked,
        _ => Refusal::ByPeer,
    }
}

/// `good` dials the intruder and refuses for this reason.
async fn dialler_refuses(good: &Endpoint, intruder: &Endpoint, expect: Expect, reason: Refusal) {
    let listener = intruder.bind(anywhere()).await.unwrap();
    let dialled = soon("the dial", good.dial(listener.local_addr(), expect)).await;
    is_refused(dialled, reason);
    refused_once(good, reason.name()).await;
}

fn is_refused<T>(dialled: Result<T, DialError>, expected: Refusal) {
    match dialled {
        Err(DialError::Refused { reason, .. }) => assert_eq!(reason, expected),
        Err(other) => panic!("expected {expected:?}, not {other}"),
        Ok(_) => panic!("expected {expected:?}, not a link"),
    }
}

async fn both_refuse(net: &Net, identity: impl Fn() -> Identity, reason: Refusal) {
    acceptor_refuses(&net.endpoint("good"), &net.intruder(identity()), reason).await;
    dialler_refuses(&net.endpoint("good"), &net.intruder(identity()), Expect::Any, reason).await;
}

#[tokio::test]
async fn who_belongs_gets_a_link() {
    let net = Net::new();
    let forged = net.sign(&net.params("peer"));
    // The attackers below differ from this one in one thing each, so that it is the one thing which is refused.
    let (there, here, _listener) = common::link(&net.intruder(forged.identity()), &net.endpoint("good")).await;
    assert_eq!((there.peer.name(), here.peer.name()), ("good", "peer"));
    assert_eq!(here.peer.node(), forged.identity().node());
    assert_eq!(here.peer.certificate().as_ref(), forged.der.as_ref());
}

#[tokio::test]
async fn another_ca_is_refused() {
    let (net, other) = (Net::new(), Net::new());
    both_refuse(&net, || other.identity("peer"), Refusal::UnknownCa).await;
}

#[tokio::test]
async fn another_ca_with_our_cas_name_and_network_is_refused() {
    let net = Net::new();
    let key = || KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let forged = Forged::new(&net.params("peer"), &net.issuer(key()), key());
    both_refuse(&net, || forged.identity(), Refusal::UnknownCa).await;
    let true_one = net.sign(&net.params("peer"));
    let issuer_of = |der: &[u8]| {
        use x509_cert::der::Decode;
        x509_cert::Certificate::from_der(der).unwrap().tbs_certificate.issuer.to_string()
    };
    assert_eq!(issuer_of(&forged.der), issuer_of(&true_one.der), "the same issuer by name");
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let net = Net::new();
    let mut params = net.params("peer");
    params.not_before = (SystemTime::now() - 3 * DAY).into();
    params.not_after = (SystemTime::now() - DAY).into();
    let forged = net.sign(&params);
    both_refuse(&net, || forged.identity(), Refusal::Expired).await;
}

#[tokio::test]
async fn a_certificate_of_tomorrow_is_refused() {
    let net = Net::new();
    let mut params = net.params("peer");
    params.not_before = (SystemTime::now() + DAY).into();
    params.not_after = (SystemTime::now() + 3 * DAY).into();
    let forged = net.sign(&params);
    both_refuse(&net, || forged.identity(), Refusal::NotYetValid).await;
}

#[tokio::test]
async fn a_revoked_node_is_refused() {
    let net = Net::new();
    let set = net.ca.revoke(net.identity("peer").node(), None).unwrap().list;
    let good = || {
        let good = net.endpoint("good");
        good.set_revoked(set.clone());
        // An older list does not bring it back.
        good.set_revoked(Revocations::default());
        good
    };
    acceptor_refuses(&good(), &net.endpoint("peer"), Refusal::Revoked).await;
    dialler_refuses(&good(), &net.endpoint("peer"), Expect::Any, Refusal::Revoked).await;
}

#[tokio::test]
async fn a_dialler_gets_whom_it_expects_or_nobody() {
    let net = Net::new();
    for expect in [Expect::Name("bob".into()), Expect::Node(net.identity("bob").node())] {
        dialler_refuses(&net.endpoint("good"), &net.endpoint("carol"), expect.clone(), Refusal::WrongName).await;
        let bob = net.endpoint("bob").bind(anywhere()).await.unwrap();
        let opened = soon("the dial", net.endpoint("good").dial(bob.local_addr(), expect)).await.unwrap();
        assert_eq!(opened.peer.name(), "bob");
    }
}

#[tokio::test]
async fn a_certificate_of_our_ca_for_another_network_or_none_is_refused() {
    let net = Net::new();
    for extensions in [vec![network(&[7; 32])], vec![]] {
        let mut params = net.params("peer");
        params.custom_extensions = extensions;
        let forged = net.sign(&params);
        both_refuse(&net, || forged.identity(), Refusal::WrongNetwork).await;
    }
}

#[tokio::test]
async fn a_certificate_without_a_name_of_ours_is_refused() {
    let net = Net::new();
    let mut params = rcgen::CertificateParams::new(["example.org".to_owned()]).unwrap();
    params.custom_extensions = vec![network(&net.ca.network().0)];
    let forged = net.sign(&params);
    both_refuse(&net, || forged.identity(), Refusal::BadCertificate).await;
}

#[tokio::test]
async fn who_is_not_in_the_pin_file_is_refused() {
    let net = Net::new();
    let file = net.dir.path().join("pins");
    let pinned = |nodes: &[(NodeId, &str)]| {
        let lines: String = nodes.iter().map(|(node, name)| format!("{node} {name}\n")).collect();
        std::fs::write(&file, format!("# ours\n{}\n{lines}", net.ca.network())).unwrap();
        let trust = Trust::pinned(&file).unwrap();
        common::endpoint(net.identity("good"), trust, AdmissionLimits::default(), LinkLimits::default())
    };
    let (good, bob) = (net.identity("good").node(), net.identity("bob").node());
    let peer = net.endpoint("peer");
    acceptor_refuses(&pinned(&[(good, "good"), (bob, "bob")]), &peer, Refusal::NotPinned).await;
    dialler_refuses(&pinned(&[(good, "good"), (bob, "bob")]), &peer, Expect::Any, Refusal::NotPinned).await;
    // Who is in it is known by its name there: the CA of its certificate and the name in it do not count, its dates do.
    let other = Net::new();
    let foreign = other.sign(&other.params("any"));
    let trust = pinned(&[(foreign.identity().node(), "foreign")]);
    let (_, here, _listener) = common::link(&net.intruder(foreign.identity()), &trust).await;
    assert_eq!(here.peer.name(), "foreign");
    for (from, to, reason) in [(-3, -1, Refusal::Expired), (1, 3, Refusal::NotYetValid)] {
        let at = |days: i32| {
            let by = DAY * days.unsigned_abs();
            if days < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
        };
        let mut params = other.params("any");
        (params.not_before, params.not_after) = (at(from).into(), at(to).into());
        let forged = other.sign(&params);
        let good = pinned(&[(forged.identity().node(), "foreign")]);
        acceptor_refuses(&good, &net.intruder(forged.identity()), reason).await;
    }
    let (_, here, _listener) = common::link(&net.endpoint("bob"), &pinned(&[(bob, "robert")])).await;
    assert_eq!(here.peer.name(), "robert");
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let net = Net::new();
    let good = net.endpoint("good");
    let listener = good.bind(anywhere()).await.unwrap();
    let tcp = TcpStream::connect(listener.local_addr()).await.unwrap();
    let connector = TlsConnector::from(Arc::new(raw_client(None)));
    let mut stream = soon("the handshake", connector.connect(some_name(), tcp)).await.unwrap();
    assert!(soon("the end", stream.read_u8()).await.is_err());
    refused_once(&good, "no_certificate").await;
}

#[tokio::test]
async fn a_stolen_certificate_without_its_key_is_refused() {
    let net = Net::new();
    let good = net.endpoint("good");
    let listener = good.bind(anywhere()).await.unwrap();
    let (stolen, other) = (issued_dir(&net, "peer"), issued_dir(&net, "thief"));
    let (chain, key) = (tls_files(&stolen).0, tls_files(&other).1);
    let signer = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    let certified = Arc::new(rustls::sign::CertifiedKey::new(chain, signer));
    let mut config = raw_client(None);
    config.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(certified));
    let tcp = TcpStream::connect(listener.local_addr()).await.unwrap();
    let handshake = TlsConnector::from(Arc::new(config)).connect(some_name(), tcp);
    let mut stream = soon("the handshake", handshake).await.unwrap();
    assert!(soon("the end", stream.read_u8()).await.is_err());
    refused_once(&good, "no_key").await;
}

#[tokio::test]
async fn a_client_without_our_protocol_is_refused() {
    let net = Net::new();
    for protocols in [vec![], vec![b"h2".to_vec()]] {
        let good = net.endpoint("good");
        let listener = good.bind(anywhere()).await.unwrap();
        let mut config = raw_client(Some(&issued_dir(&net, "peer")));
        config.alpn_protocols = protocols;
        let tcp = TcpStream::connect(listener.local_addr()).await.unwrap();
        let handshake = soon("the handshake", TlsConnector::from(Arc::new(config)).connect(some_name(), tcp)).await;
        if let Ok(mut stream) = handshake {
            assert!(soon("the end", stream.read_u8()).await.is_err());
        }
        refused_once(&good, "alpn").await;
    }
}

#[tokio::test]
async fn a_server_without_our_protocol_is_refused() {
    let net = Net::new();
    for protocols in [vec![], vec![b"h2".to_vec()]] {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let (chain, key) = tls_files(&issued_dir(&net, "peer"));
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = protocols;
        let listener = TcpListener::bind(anywhere()).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.unwrap();
            let _ = TlsAcceptor::from(Arc::new(config)).accept(tcp).await;
        });
        let good = net.endpoint("good");
        is_refused(soon("the dial", good.dial(addr, Expect::Any)).await, Refusal::Alpn);
        refused_once(&good, "alpn").await;
        soon("the server", server).await.unwrap();
    }
}

/// A ClientHello as TLS 1.2 has it: without the extension that lists versions.
fn hello_of_tls12() -> Vec<u8> {
    let mut body = vec![0x03, 0x03];
    body.extend([0x5a; 32]); // random
    body.push(0); // session id
    body.extend([0, 4, 0xc0, 0x2b, 0xc0, 0x2f]); // ECDHE with AES-128-GCM
    body.extend([1, 0]); // no compression
    let extensions: &[&[u8]] = &[
        &[0, 10, 0, 4, 0, 2, 0, 29],      // groups: X25519
        &[0, 13, 0, 6, 0, 4, 8, 7, 4, 3], // signatures: Ed25519, ECDSA P-256
        &[0, 11, 0, 2, 1, 0],             // points: uncompressed
        &[0, 23, 0, 0],                   // extended master secret
    ];
    let extensions = extensions.concat();
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    record(0x16, &[&[1, 0], &u16::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat())
}

/// A ServerHello as TLS 1.2 has it.
fn server_hello_of_tls12() -> Vec<u8> {
    let mut body = vec![0x03, 0x03];
    body.extend([0x5a; 32]);
    body.extend([0, 0xc0, 0x2b, 0]);
    record(0x16, &[&[2, 0], &u16::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat())
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3], &u16::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
}

/// Sends these bytes to an acceptor; it answers with no more than a TLS alert, and closes.
async fn bytes_are_refused(bytes: &[u8], reason: &str) {
    let net = Net::new();
    let good = net.endpoint("good");
    let listener = good.bind(anywhere()).await.unwrap();
    let mut tcp = TcpStream::connect(listener.local_addr()).await.unwrap();
    tcp.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, tcp.read_to_end(&mut answer)).await.expect("it closes");
    let alert = answer.len() == 7 && answer[0] == 0x15;
    // Who speaks no TLS gets no answer at all.
    assert!(answer.is_empty() || (alert && reason != "not_tls"), "no more than an alert: {answer:x?}");
    refused_once(&good, reason).await;
}

/// Dials a server that answers with these bytes.
async fn answer_is_refused(answer: Vec<u8>, reason: Refusal) {
    let net = Net::new();
    let good = net.endpoint("good");
    let listener = TcpListener::bind(anywhere()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut hello = [0; 4096];
        let _ = tcp.read(&mut hello).await.unwrap();
        tcp.write_all(&answer).await.unwrap();
        let _ = tcp.read_to_end(&mut Vec::new()).await;
    });
    is_refused(soon("the dial", good.dial(addr, Expect::Any)).await, reason);
    refused_once(&good, reason.name()).await;
    soon("the server", server).await.unwrap();
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    bytes_are_refused(&hello_of_tls12(), "tls_version").await;
    answer_is_refused(server_hello_of_tls12(), Refusal::TlsVersion).await;
    // What a server of TLS 1.2 really answers to a client that offers 1.3 alone: the alert protocol_version.
    answer_is_refused(record(0x15, &[2, 70]), Refusal::TlsVersion).await;
}

/// A member that does not take our certificate says so after the handshake, over the link: before it nobody has proven anything.
#[tokio::test]
async fn an_alert_before_the_handshake_is_done_is_told_as_the_word_of_anybody() {
    let net = Net::new();
    for (code, reason) in [(44, Refusal::OursRevoked), (45, Refusal::OursNotValid), (40, Refusal::KeyExchange)] {
        let listener = TcpListener::bind(anywhere()).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let _ = tcp.read(&mut [0; 4096]).await.unwrap();
            tcp.write_all(&record(0x15, &[2, code])).await.unwrap();
            let _ = tcp.read_to_end(&mut Vec::new()).await;
        });
        let error = soon("the dial", net.endpoint("good").dial(addr, Expect::Any)).await.unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, DialError::Refused { alert: true, reason: why, .. } if why == reason), "{said}");
        assert_eq!(said, format!("something at {addr} (unproven) answered with a TLS alert: {reason}"));
        soon("the server", server).await.unwrap();
    }
    let other = Net::new().endpoint("peer");
    let listener = other.bind(anywhere()).await.unwrap();
    let error = soon("the dial", net.endpoint("good").dial(listener.local_addr(), Expect::Any)).await.unwrap_err();
    assert!(
        matches!(error, DialError::Refused { alert: false, reason: Refusal::UnknownCa, .. }),
        "our own verdict: {error}"
    );
}

#[tokio::test]
async fn plain_text_is_refused_without_waiting_for_more_of_it() {
    for bytes in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"{", b"\0\0\0\x09\x02"] {
        bytes_are_refused(bytes, "not_tls").await;
    }
    answer_is_refused(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), Refusal::NotTls).await;
}

#[tokio::test]
async fn silence_ends_at_the_deadline_on_both_sides() {
    let net = Net::new();
    let admission = AdmissionLimits { deadline: std::time::Duration::from_millis(100), ..AdmissionLimits::default() };
    let good = net.limited("good", admission, LinkLimits::default());
    let listener = good.bind(anywhere()).await.unwrap();
    let mut silent = TcpStream::connect(listener.local_addr()).await.unwrap();
    assert_eq!(soon("the end", silent.read(&mut [0])).await.unwrap_or(0), 0);
    refused_once(&good, "timeout").await;
    let deaf = TcpListener::bind(anywhere()).await.unwrap();
    let good = net.limited("good", admission, LinkLimits::default());
    is_refused(soon("the dial", good.dial(deaf.local_addr().unwrap(), Expect::Any)).await, Refusal::Timeout);
    refused_once(&good, "timeout").await;
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_cut_long_before_its_deadline() {
    let net = Net::new();
    // One record of 15,000 bytes that announces a hello as long, and never comes to its end.
    let mut hello = vec![0x16, 0x03, 0x01, 0x3a, 0x9c, 0x01, 0x00, 0x3a, 0x98, 0x03, 0x03];
    hello.resize(12 * 1024, 0x5a);
    let admission = AdmissionLimits { deadline: 2 * PATIENCE, ..AdmissionLimits::default() };
    let good = net.limited("good", admission, LinkLimits::default());
    let listener = good.bind(anywhere()).await.unwrap();
    let mut tcp = TcpStream::connect(listener.local_addr()).await.unwrap();
    let _ = tcp.write_all(&hello).await;
    refused_once(&good, "too_long").await;
    // A hello of the usual length from the same place is heard.
    let (_there, _here, _listener) = common::link(&net.endpoint("peer"), &good).await;
}

#[tokio::test]
async fn links_that_nobody_takes_are_bounded() {
    let net = Net::new();
    let admission = AdmissionLimits { per_prefix: 4, ..AdmissionLimits::default() };
    let good = net.limited("good", admission, LinkLimits::default());
    let listener = good.bind(anywhere()).await.unwrap();
    let peer = net.endpoint("peer");
    let mut held = Vec::new();
    for _ in 0..100 {
        // The dialler is done before the acceptor has looked at it, so its word is not asked for.
        held.push(soon("the dial", peer.dial(listener.local_addr(), Expect::Any)).await);
        assert!(good.handshakes() <= 4);
    }
    common::until("evictions", || common::count(&good, "handshakes_evicted") >= 20).await;
}
