//! `--post-quantum`: nodes that require the hybrid key exchange link with each other and with nodes that prefer it; who does not
//! know it gets no link, and both ends say why.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::net::{SocketAddr, TcpListener};
use std::thread;

use rumormill_testkit::nodes::{Net, Node, rumormill};
use rumormill_testkit::old_tls::{Certificate, client, server, shaken};
use rumormill_testkit::wait::{PATIENCE, until};
use rumormill_transport::Refusal;
use serde_json::Value;

const HYBRID: &str = "X25519MLKEM768";
const WHY: &str = "no key exchange in common";

/// Somebody with a certificate of the network who knows X25519 only and listens; what each handshake with it came to, and the
/// key exchange that was agreed on.
fn listens(certificate: Certificate) -> (SocketAddr, std::sync::mpsc::Receiver<Result<String, Refusal>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for tcp in listener.incoming().map_while(Result::ok) {
            tcp.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut tls = server(&certificate).into();
            if tell.send(shaken(&mut tls, tcp)).is_err() {
                return;
            }
        }
    });
    (addr, told)
}

/// The same dials.
fn dials(certificate: &Certificate, node: &Node) -> Result<String, Refusal> {
    let mut tcp = None;
    until("it listens", || {
        tcp = std::net::TcpStream::connect(node.addr).ok();
        tcp.is_some()
    });
    let tcp = tcp.unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    shaken(&mut client(certificate).into(), tcp)
}

fn linked_by_the_hybrid(node: &Node, names: &[&str]) {
    until(&format!("{} is linked", node.name), || {
        let peers = node.peers();
        let found: Vec<_> = peers.iter().map(|peer| peer["name"].as_str().unwrap()).collect();
        found == names && peers.iter().all(|peer| peer["tls_group"] == HYBRID)
    });
}

#[test]
fn where_it_is_required_who_lacks_it_is_refused_with_the_reason_at_both_ends_and_nobody_else_notices() {
    let net = Net::new();
    let certificate = Certificate::issued(&net.home(), &net.dir.path().join("old"), "old");
    let (addr, told) = listens(certificate.clone());
    // One by the flag, one by the file, one that only prefers it.
    let mut alice = net.node("alice", &[]);
    alice.words.extend(["--post-quantum", "require", "--neighbour", &format!("old@{addr}")].map(str::to_owned));
    alice.start();
    let mut bob = net.node("bob", &[&alice]);
    let file = net.dir.path().join("bob.toml");
    std::fs::write(&file, "post-quantum = \"require\"\n").unwrap();
    bob.words.extend(["--config".into(), file.display().to_string()]);
    bob.start();
    let mut carol = net.node("carol", &[&alice]);
    carol.words.extend(["--post-quantum", "prefer"].map(str::to_owned));
    carol.start();
    linked_by_the_hybrid(&alice, &["bob", "carol"]);
    let links = alice.metric("node_links_up");
    // Alice dials it: both say why, she in `peers`.
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Err(Refusal::KeyExchange));
    let mut last = Value::Null;
    until(&format!("peers says why, not {last}"), || {
        last = alice.unlinked().into_iter().next().unwrap_or_default();
        last["name"] == "old" && last["reason"].as_str().is_some_and(|reason| reason.contains(WHY))
    });
    let shown = String::from_utf8(alice.ask(&["peers"]).stdout).unwrap();
    assert!(shown.contains("not linked:\n") && shown.contains(HYBRID), "{shown}");
    // It dials those that require it; and one that does not, which takes it.
    for node in [&alice, &bob] {
        assert_eq!(dials(&certificate, node), Err(Refusal::KeyExchange));
        until("it is counted", || node.metric("transport_refused_key_exchange") >= 1);
        node.says("handshake refused");
        node.says(WHY);
    }
    assert_eq!(dials(&certificate, &carol), Ok("X25519".to_owned()));
    // What was there is there.
    bob.send("from bob");
    carol.send("from carol");
    until("both are everywhere", || [&alice, &bob, &carol].iter().all(|node| node.texts().len() == 2));
    linked_by_the_hybrid(&alice, &["bob", "carol"]);
    assert_eq!((alice.metric("node_links_up"), alice.metric("node_links_down")), (links, 0));
    assert_eq!([alice.term(), bob.term(), carol.term()], [Some(0); 3]);
}

#[test]
fn a_word_that_it_does_not_know_is_named_with_those_that_it_does() {
    let net = Net::new();
    let done = rumormill()
        .args(["node", "--name", "a", "--post-quantum", "always", "--state"])
        .arg(net.dir.path().join("a"))
        .output()
        .unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(2), "{said}");
    assert!(["always", "prefer", "require"].iter().all(|word| said.contains(word)), "{said}");
}
