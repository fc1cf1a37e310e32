//! Neighbours that are dialled: one that is banned here is left alone until its ban ends, and a link makes all of it forgotten.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod support;

use std::net::SocketAddr;

use rumormill_testkit::frames::hello;
use support::{Net, until};
use tokio::sync::watch;

/// A member that says HELLO twice to whoever dials it. Where it listens, and how often it was dialled.
async fn rude(net: &Net) -> (SocketAddr, watch::Receiver<usize>) {
    let endpoint = net.endpoint("mallory");
    let mut listener = endpoint.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let (addr, network) = (listener.local_addr(), endpoint.network());
    let (count, dialled) = watch::channel(0);
    tokio::spawn(async move {
        while let Some(mut opened) = listener.accept().await {
            count.send_modify(|count| *count += 1);
            let hello = hello(network, "mallory");
            let _ = opened.writer.send([hello.as_slice(), hello.as_slice()]).await;
            while let Ok(Some(_)) = opened.reader.next_frame().await {}
        }
    });
    (addr, dialled)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_banned_here_is_left_alone_until_the_ban_ends() {
    let net = Net::new();
    let (addr, dialled) = rude(&net).await;
    let a = net.start("a", &[("mallory", addr)]).await;
    let banned = |node: &rumormill_node::NodeHandle| {
        node.unlinked().into_iter().find(|neighbour| neighbour.reason.starts_with("banned here"))
    };
    until("it is banned", async || banned(&a).is_some()).await;
    let told = banned(&a).unwrap();
    assert!((30..=60).contains(&told.next_s.unwrap()), "{told:?}");
    assert_eq!((*dialled.borrow(), told.tries, told.name.as_deref()), (1, 1, Some("mallory")));
    a.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_comes_up_late_is_linked_and_no_longer_listed() {
    let net = Net::new();
    let place = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = place.local_addr().unwrap();
    drop(place);
    let a = net.start("a", &[("b", addr)]).await;
    until("it is tried", async || a.unlinked().first().is_some_and(|b| b.tries > 1 && b.reason.contains("refused")))
        .await;
    assert!(a.unlinked()[0].next_s.is_none_or(|s| s <= 1), "nobody there: soon again");
    let mut config = net.config("b", &[]);
    config.listen = addr;
    let b = rumormill_node::start(config).await.unwrap();
    until("linked", async || a.unlinked().is_empty() && a.peers().len() == 1).await;
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
}
