//! What is seen of a node by whoever is not a member, and links that have to be post-quantum.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod common;

use std::sync::Arc;

use common::{Net, anywhere, issued_dir, link, raw_client, refused_once, some_name, soon, tls_files};
use rumormill_transport::admission::AdmissionLimits;
use rumormill_transport::link::LinkLimits;
use rumormill_transport::{CertificateInfo, DialError, Endpoint, EndpointConfig, Expect, Refusal};
use rustls::crypto::{CryptoProvider, aws_lc_rs as lc};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

fn holds(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn who_asks_without_a_certificate_learns_name_node_and_network_and_no_more() {
    let net = Net::new();
    let good = net.endpoint("good");
    let listener = good.bind(anywhere()).await.unwrap();
    let tcp = TcpStream::connect(listener.local_addr()).await.unwrap();
    let connector = TlsConnector::from(Arc::new(raw_client(None)));
    let mut stream = soon("the handshake", connector.connect(some_name(), tcp)).await.unwrap();
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    let info = CertificateInfo::read(&shown).unwrap();
    assert_eq!((info.name.as_str(), info.node), ("good", good.identity().node()));
    assert_eq!(info.network, Some(net.ca.network()));
    assert!(soon("the end", stream.read_u8()).await.is_err(), "not one byte above TLS");
    refused_once(&good, "no_certificate").await;
}

#[tokio::test]
async fn who_answers_without_being_a_member_learns_nothing_of_the_dialler() {
    let (net, other) = (Net::new(), Net::new());
    let (chain, key) = tls_files(&issued_dir(&other, "good"));
    let mut roots = rustls::RootCertStore::empty();
    roots.add(net.ca.certificate().clone()).unwrap();
    let anybody =
        rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(lc::default_provider()));
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(lc::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(anybody.build().unwrap())
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"rumormill/1".to_vec()];
    let listener = TcpListener::bind(anywhere()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        TlsAcceptor::from(Arc::new(config)).accept(tcp).await.map(drop).map_err(|why| why.to_string())
    });
    let good = net.endpoint("good");
    match soon("the dial", good.dial(addr, Expect::Any)).await {
        Err(DialError::Refused { reason, .. }) => assert_eq!(reason, Refusal::UnknownCa),
        other => panic!("{:?}", other.map(drop)),
    }
    // It never came to its certificate: an alert is all that the server got.
    let heard = soon("the server", server).await.unwrap().unwrap_err();
    assert!(heard.contains("alert"), "{heard}");
}

#[tokio::test]
async fn in_the_clear_are_the_protocol_and_the_key_exchange_and_no_name() {
    let net = Net::new();
    let good = net.endpoint("good");
    let listener = TcpListener::bind(anywhere()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut hello = vec![0; 8_192];
        let mut read = 0;
        // A hello with a post-quantum share is longer than one read may give.
        while read < 1_200 {
            read += tcp.read(&mut hello[read..]).await.unwrap();
        }
        hello.truncate(read);
        hello
    });
    let dialled = tokio::spawn({
        let good = good.clone();
        async move { good.dial(addr, Expect::Name("peer".to_owned())).await.map(drop) }
    });
    let hello = soon("the hello", server).await.unwrap();
    assert!(holds(&hello, b"rumormill/1"), "the protocol is named in the clear");
    let node = good.identity().node();
    for secret in [&b"good"[..], b"peer", node.as_bytes(), net.ca.network().as_bytes()] {
        assert!(!holds(&hello, secret), "{secret:?}");
    }
    let _ = soon("the dial", dialled).await;
}

fn required(net: &Net, name: &str) -> Endpoint {
    Endpoint::new(EndpointConfig {
        identity: net.identity(name),
        trust: net.trust(),
        loopback_only: false,
        admission: AdmissionLimits::default(),
        link: LinkLimits::default(),
        post_quantum: true,
    })
    .unwrap()
}

/// A provider without the hybrid group.
fn classical() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { kx_groups: vec![lc::kx_group::X25519], ..lc::default_provider() })
}

#[tokio::test]
async fn where_post_quantum_is_required_a_client_without_it_is_refused() {
    let net = Net::new();
    let (good, usual) = (required(&net, "good"), net.endpoint("usual"));
    for (endpoint, refused) in [(&usual, false), (&good, true)] {
        let listener = endpoint.bind(anywhere()).await.unwrap();
        let (chain, key) = tls_files(&issued_dir(&net, "peer"));
        let mut config = rustls::ClientConfig::builder_with_provider(classical())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(common::Gullible))
            .with_client_auth_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"rumormill/1".to_vec()];
        let tcp = TcpStream::connect(listener.local_addr()).await.unwrap();
        let shaken = soon("the handshake", TlsConnector::from(Arc::new(config)).connect(some_name(), tcp)).await;
        assert_eq!(shaken.is_err(), refused, "{shaken:?}");
    }
    refused_once(&good, "key_exchange").await;
    let (there, _, _listener) = link(&net.endpoint("peer"), &required(&net, "other")).await;
    assert_eq!(there.peer.tls().group, "X25519MLKEM768", "who knows it gets a link");
}

#[tokio::test]
async fn where_post_quantum_is_required_a_server_without_it_is_refused() {
    let net = Net::new();
    for (good, refused) in [(net.endpoint("usual"), false), (required(&net, "good"), true)] {
        let (chain, key) = tls_files(&issued_dir(&net, "peer"));
        let mut config = rustls::ServerConfig::builder_with_provider(classical())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"rumormill/1".to_vec()];
        let listener = TcpListener::bind(anywhere()).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.unwrap();
            let _ = TlsAcceptor::from(Arc::new(config)).accept(tcp).await;
        });
        match soon("the dial", good.dial(addr, Expect::Any)).await {
            Ok(opened) => assert!(!refused && opened.peer.tls().group == "X25519"),
            Err(DialError::Refused { reason, .. }) => assert!(refused && reason == Refusal::KeyExchange, "{reason}"),
            Err(other) => panic!("{other}"),
        }
        soon("the server", server).await.unwrap();
    }
}
