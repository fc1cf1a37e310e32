//! One key with two certificates of the CA: all nodes go by the later one, whichever they saw first and after a restart.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use rumormill_node::{NodeHandle, start};
use rumormill_testkit::frames::hello;
use rumormill_testkit::hostile::endpoint;
use rumormill_transport::endpoint::Opened;
use rumormill_transport::{Endpoint, Expect, Identity, LocalCa};
use support::{Net, has, until};

const DAY: Duration = Duration::from_secs(86_400);

/// A copy of the CA that knows of no certificate.
fn forgetful(home: &Path, copy: &Path) -> LocalCa {
    // By its owner alone, as it was made.
    let other = LocalCa::open_or_create(copy).unwrap();
    for file in ["ca.key", "ca.pem"] {
        fs::copy(home.join("ca").join(file), copy.join("ca").join(file)).unwrap();
    }
    drop(other);
    LocalCa::open(copy).unwrap()
}

/// Two certificates of one key: the CA refuses the second name, but a copy of it that does not know of the first gives it.
fn two_certificates(net: &Net) -> [Identity; 3] {
    let (home, copy, dir) = (net.dir.path().join("home"), net.dir.path().join("copy"), net.dir.path().join("keys"));
    let load = |dir: &Path| Identity::load(&dir.join("cert.pem"), &dir.join("key.pem")).unwrap();
    net.ca().issue("mallory", DAY, Some(&dir)).unwrap();
    let (first, again) = (load(&dir), load(&dir));
    assert!(net.ca().issue("zed", DAY, Some(&dir)).is_err(), "one key has one name");
    let other = forgetful(&home, &copy);
    loop {
        // Certificates count in whole seconds.
        other.issue("zed", DAY, Some(&dir)).unwrap();
        let second = load(&dir);
        if second.valid().0 > first.valid().0 {
            assert_eq!(second.node(), first.node());
            return [first, second, again];
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

async fn linked(net: &Net, identity: Identity, to: &NodeHandle) -> (Endpoint, Opened) {
    let name = identity.name().to_owned();
    let endpoint = endpoint(&net.ca(), identity);
    let mut opened = endpoint.dial(to.local_addr(), Expect::Any).await.unwrap();
    opened.writer.send([hello(endpoint.network(), &name).as_slice()]).await.unwrap();
    until("linked", async || has(to, &name)).await;
    (endpoint, opened)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_later_certificate_names_a_key_at_all_nodes_whichever_they_saw_first_and_after_a_restart() {
    let net = Net::new();
    let a = start(net.on_disk("a", &[])).await.unwrap();
    let b = start(net.on_disk("b", &[("a", a.local_addr())])).await.unwrap();
    let c = start(net.on_disk("c", &[("b", b.local_addr())])).await.unwrap();
    until("linked", async || b.peers().len() == 2).await;
    let [mallory, zed, again] = two_certificates(&net);
    let key = mallory.node();
    let named = |node: &NodeHandle, name: &str| node.name_of(&key).as_deref() == Some(name);
    let at_a = linked(&net, mallory, &a).await;
    until("it is known by its first name", async || [&a, &b, &c].iter().all(|node| named(node, "mallory"))).await;
    let at_c = linked(&net, zed, &c).await;
    until("all go by the later one", async || [&a, &b, &c].iter().all(|node| named(node, "zed"))).await;
    // With the first one shown again, to one that has seen the later one only from others.
    drop((at_a, at_c));
    let _at_b = linked(&net, again, &b).await;
    assert!(named(&b, "zed") && named(&a, "zed"));
    for node in [a, b, c] {
        node.shutdown().await.unwrap();
    }
    for name in ["a", "b", "c"] {
        let node = start(net.on_disk(name, &[])).await.unwrap();
        until("it goes by the later one after a restart", async || named(&node, "zed")).await;
        node.shutdown().await.unwrap();
    }
}

/// What the next start would refuse is not taken while the node runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_with_another_name_is_not_taken() {
    let net = Net::new();
    let (home, copy) = (net.dir.path().join("home"), net.dir.path().join("copy"));
    let a = start(net.on_disk("a", &[])).await.unwrap();
    let other = forgetful(&home, &copy);
    let dir = home.join("nodes").join("a");
    other.issue("zed", DAY, Some(&dir)).unwrap();
    assert_eq!(Identity::load(&dir.join("cert.pem"), &dir.join("key.pem")).unwrap().name(), "zed");
    // The file is looked at twice a second.
    let asks = net.endpoint("asks");
    for _ in 0..20 {
        let opened = asks.dial(a.local_addr(), Expect::Any).await.unwrap();
        assert_eq!(opened.peer.name(), "a");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    a.shutdown().await.unwrap();
}
