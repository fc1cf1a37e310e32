//! Whoever does not belong gets no further than the handshake, and the node's own log says why.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rumormill_testkit::nodes::{Net, Node};
use rumormill_testkit::old_tls::Anybody;
use rumormill_testkit::wait::{PATIENCE, until};
use rumormill_transport::LocalCa;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection};

/// A connection, once the node listens: its local socket is there a little earlier.
fn connect(node: &Node) -> TcpStream {
    let mut tcp = None;
    until("it listens", || {
        tcp = TcpStream::connect(node.addr).ok();
        tcp.is_some()
    });
    let tcp = tcp.unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp
}

/// Sends these bytes; gives what is answered until the end.
fn answer_to(node: &Node, bytes: &[u8]) -> Vec<u8> {
    let mut tcp = connect(node);
    tcp.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let _ = tcp.read_to_end(&mut answer);
    answer
}

#[test]
fn plain_text_and_tls_1_2_get_no_more_than_an_alert() {
    let net = Net::new();
    let alice = net.start("alice", &[]);
    let answer = answer_to(&alice, b"GET / HTTP/1.1\r\nHost: alice\r\n\r\n");
    assert!(answer.len() <= 7, "{answer:x?}");
    alice.says("handshake refused");
    alice.says("not TLS: plain text");
    // A ClientHello without the extension that lists versions: random, no session, one suite, no compression, groups and
    // signatures.
    let extensions = [[0, 10, 0, 4, 0, 2, 0, 29], [0, 13, 0, 4, 0, 2, 4, 3]].concat();
    let body = [&[3, 3][..], &[0x5a; 32], &[0, 0, 2, 0xc0, 0x2b, 1, 0, 0, 16], &extensions].concat();
    let len = u8::try_from(body.len()).unwrap();
    let hello = [&[0x16, 3, 1, 0, len + 4, 1, 0, 0, len][..], &body].concat();
    let answer = answer_to(&alice, &hello);
    assert!(answer.is_empty() || (answer.len() == 7 && answer[0] == 0x15), "{answer:x?}");
    alice.says("TLS version below 1.3");
}

/// Dials with the certificate of a directory, or with none; gives what the node says above TLS.
fn intrude(node: &Node, certificate: Option<&Path>) -> Vec<u8> {
    let config = ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(Anybody));
    let mut config = match certificate {
        None => config.with_no_client_auth(),
        Some(dir) => {
            let chain = CertificateDer::pem_file_iter(dir.join("cert.pem")).unwrap().map(Result::unwrap).collect();
            config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(dir.join("key.pem")).unwrap()).unwrap()
        }
    };
    config.alpn_protocols = vec![b"rumormill/1".to_vec()];
    let name = ServerName::try_from(node.name.clone()).unwrap();
    let mut tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut tcp = connect(node);
    let mut heard = Vec::new();
    let _ = rustls::Stream::new(&mut tls, &mut tcp).read_to_end(&mut heard);
    heard
}

#[test]
fn nobody_comes_in_without_a_certificate_or_with_one_that_has_expired() {
    let net = Net::new();
    let alice = net.start("alice", &[]);
    assert!(intrude(&alice, None).is_empty());
    alice.says("reason=\"no certificate\"");
    let dir = net.dir.path().join("late");
    LocalCa::open(&net.home()).unwrap().issue("late", Duration::from_secs(1), Some(&dir)).unwrap();
    until("it has expired and is refused", || {
        intrude(&alice, Some(&dir));
        alice.said().contains("reason=\"certificate expired\"")
    });
    assert!(intrude(&alice, Some(&dir)).is_empty());
    assert!(alice.peers().is_empty());
}

#[test]
fn another_ca_and_another_name_get_no_link() {
    let (net, other) = (Net::new(), Net::new());
    let alice = net.start("alice", &[]);
    let mallory = other.start("mallory", &[&alice]);
    alice.says("handshake refused");
    until("why", || [&alice, &mallory].iter().any(|node| node.said().contains("certificate from another CA")));
    assert!(alice.peers().is_empty() && mallory.peers().is_empty());
    let mut bob = net.node("bob", &[]);
    bob.words.extend(["--neighbour".into(), format!("zoe@{}", alice.addr)]);
    bob.start();
    bob.says("wrong name: another node answers at this address");
    assert!(bob.peers().is_empty());
}

#[test]
fn revoking_drops_the_open_link_and_refuses_the_next() {
    let net = Net::new();
    let alice = net.start("alice", &[]);
    let bob = net.start("bob", &[&alice]);
    until("a link", || alice.peers().len() == 1 && bob.peers().len() == 1);
    net.certs(&["revoke", "bob", "--state", alice.state.to_str().unwrap()]);
    until("no link", || alice.peers().is_empty() && bob.peers().is_empty());
    alice.says("certificate revoked");
    alice.send("not for bob");
    assert!(bob.texts().is_empty());
}

/// Carries bytes to `to` and keeps a copy of all, both ways.
fn relay(to: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&kept);
    thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let Ok(far) = TcpStream::connect(to) else { continue };
            for (mut from, mut to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                let keep = Arc::clone(&keep);
                thread::spawn(move || {
                    let mut part = [0; 4_096];
                    while let Ok(len @ 1..) = from.read(&mut part) {
                        keep.lock().unwrap().extend_from_slice(&part[..len]);
                        if to.write_all(&part[..len]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(Shutdown::Both);
                });
            }
        }
    });
    (addr, kept)
}

#[test]
fn who_records_all_bytes_on_the_way_sees_no_message() {
    const MARKER: &str = "the-quick-brown-marker";
    let net = Net::new();
    let alice = net.start("alice", &[]);
    let (addr, kept) = relay(alice.addr);
    let mut bob = net.node("bob", &[]);
    bob.words.extend(["--neighbour".into(), format!("alice@{addr}")]);
    bob.start();
    for n in 0..20 {
        alice.send(&format!("{MARKER} {n}"));
        bob.send(&format!("{MARKER} {n}"));
    }
    until("all messages", || alice.texts().len() == 40 && bob.texts().len() == 40);
    let kept = kept.lock().unwrap().clone();
    assert!(kept.len() > 40 * MARKER.len(), "they came this way: {} bytes", kept.len());
    let parts: Vec<_> = MARKER.as_bytes().windows(8).collect();
    assert!(!kept.windows(8).any(|seen| parts.contains(&seen)), "not even a part of one");
}
