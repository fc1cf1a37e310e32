//! Certificates that are renewed or revoked while nodes run.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod support;

use std::time::Duration;

use rumormill_transport::LocalCa;
use support::{Net, say, until, until_log};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_node_loses_its_links_at_once_everywhere() {
    let net = Net::new();
    let a = net.start("a", &[]).await;
    let b = net.start("b", &[("a", a.local_addr())]).await;
    let c = net.start("c", &[("b", b.local_addr())]).await;
    say(&c, "before").await;
    until_log(&a, 1).await;
    let ca = LocalCa::open(&net.dir.path().join("home")).unwrap();
    ca.revoke(c.node_id(), None).unwrap();
    until("b has dropped c", async || b.peers().iter().all(|peer| peer.name != "c")).await;
    until("all know", async || a.metrics().iter().any(|(name, n)| name == "node_revocation_list" && *n == 1)).await;
    say(&c, "nobody listens").await;
    say(&a, "still here").await;
    assert_eq!(until_log(&b, 2).await, ["before", "still here"], "what counted before still counts");
    // It goes on dialling; nobody takes it.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(b.peers().iter().all(|peer| peer.name != "c") && c.peers().is_empty());
    for node in [a, b, c] {
        node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_takes_messages_back_the_same_everywhere() {
    let net = Net::new();
    let a = net.start("a", &[]).await;
    let b = net.start("b", &[("a", a.local_addr())]).await;
    for text in ["one", "two", "three"] {
        say(&b, text).await;
    }
    until_log(&a, 3).await;
    let ca = LocalCa::open(&net.dir.path().join("home")).unwrap();
    let cut = [(b.me().incarnation, rumormill_wire::Seq(1))].into();
    ca.revoke(b.node_id(), Some(cut)).unwrap();
    until("the view is cut", async || a.chat_log().await.unwrap() == ["one"]).await;
    until("at the author too", async || b.chat_log().await.unwrap() == ["one"]).await;
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_live_through_a_renewed_certificate() {
    let net = Net::new();
    let a = net.start("a", &[]).await;
    let b = net.start("b", &[("a", a.local_addr())]).await;
    until("linked", async || a.peers().len() == 1).await;
    let ca = LocalCa::open(&net.dir.path().join("home")).unwrap();
    // Of another minute, so that its bytes and its file's time differ.
    ca.issue("b", Duration::from_secs(86_400), None).unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(a.peers().len(), 1, "the link is still the one from before");
    say(&b, "hello").await;
    assert_eq!(until_log(&a, 1).await, ["hello"]);
    let c = net.start("c", &[("b", b.local_addr())]).await;
    assert_eq!(until_log(&c, 1).await, ["hello"], "a new link takes the new certificate");
    for node in [a, b, c] {
        node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dialler_that_expects_another_name_gets_no_link() {
    let net = Net::new();
    let a = net.start("a", &[]).await;
    let b = net.start("b", &[("mallory", a.local_addr())]).await;
    until("it tried", async || b.metrics().iter().any(|(name, n)| name == "node_dials_failed" && *n > 2)).await;
    assert!(a.peers().is_empty() && b.peers().is_empty());
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
}
