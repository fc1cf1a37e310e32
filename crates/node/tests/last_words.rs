//! The last words of a node that is to end without a farewell.
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use rumormill_node::SubmitError;
use rumormill_testkit::ports::port;
use rumormill_wire::native::MessageKind;
use support::{Net, say, until, until_log};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_is_at_the_neighbours_and_nothing_new_is_passed_on() {
    let net = Net::new();
    let middle = net.start("middle", &[]).await;
    let at = [("middle", middle.local_addr())];
    let (left, right) = (net.start("left", &at).await, net.start("right", &at).await);
    say(&left, "linked").await;
    until_log(&right, 1).await;
    let before = middle.submit(MessageKind::CHAT, "", "before").await.unwrap();
    middle
        .last_words(async {
            before.await.unwrap();
            // From here on it is told things in vain, whoever tells it.
            say(&left, "meanwhile").await;
            let refused = middle.submit(MessageKind::CHAT, "", "too late").await;
            assert!(matches!(refused, Err(SubmitError::Stopping)), "{refused:?}");
            tokio::time::sleep(Duration::from_millis(300)).await;
        })
        .await;
    assert_eq!(until_log(&right, 2).await, ["linked", "before"]);
    assert_eq!(middle.chat_log().await.unwrap(), ["linked", "before"]);
    until("the links have ended", async || left.peers().is_empty() && right.peers().is_empty()).await;
    assert_eq!(left.chat_log().await.unwrap(), ["linked", "before", "meanwhile"]);
    assert_eq!(right.chat_log().await.unwrap(), ["linked", "before"]);
}

/// A way to `to` that takes connections and carries nothing before it is opened.
async fn gate(to: SocketAddr) -> (SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (open, opened) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut opened = opened.clone();
            tokio::spawn(async move {
                let _ = opened.wait_for(|open| *open).await;
                let mut far = TcpStream::connect(to).await.unwrap();
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    (addr, open)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_before_any_link_was_up_is_at_the_neighbours_too() {
    let net = Net::new();
    let (left, right) = (net.start("left", &[]).await, net.start("right", &[]).await);
    let (at_left, open_left) = gate(left.local_addr()).await;
    let (at_right, open_right) = gate(right.local_addr()).await;
    let middle = net.start("middle", &[("left", at_left), ("right", at_right)]).await;
    let before = middle.submit(MessageKind::CHAT, "", "before").await.unwrap();
    let ending = middle.last_words(async {
        before.await.unwrap();
        assert!(middle.peers().is_empty());
        open_left.send_replace(true);
        open_right.send_replace(true);
    });
    ending.await;
    assert_eq!(until_log(&left, 1).await, ["before"]);
    assert_eq!(until_log(&right, 1).await, ["before"]);
    until("the links have ended", async || left.peers().is_empty() && right.peers().is_empty()).await;
    say(&left, "meanwhile").await;
    assert_eq!(middle.chat_log().await.unwrap(), ["before"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_that_are_not_there_or_never_answer_hold_up_no_end() {
    let net = Net::new();
    let nowhere = SocketAddr::from(([127, 0, 0, 1], port()));
    let alone = net.start("alone", &[("nobody", nowhere)]).await;
    let (silent, _never) = gate(nowhere).await;
    let waiting = net.start("waiting", &[("silent", silent)]).await;
    for node in [alone, waiting] {
        let said = node.submit(MessageKind::CHAT, "", "before").await.unwrap();
        let ending = node.last_words(async {
            said.await.unwrap();
        });
        tokio::time::timeout(support::PATIENCE, ending).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_as_soon_as_a_link_is_up_gives_what_it_said_first() {
    let net = Net::new();
    let right = net.start("right", &[]).await;
    for n in 1..=5 {
        let (at_right, open) = gate(right.local_addr()).await;
        let node = net.start(&format!("leaver-{n}"), &[("right", at_right)]).await;
        say(&node, "before").await;
        open.send_replace(true);
        until("the link is up", async || !node.peers().is_empty()).await;
        node.shutdown().await.unwrap();
        assert_eq!(until_log(&right, n).await.len(), n);
    }
}

/// What waits for its time, as a STATUS or an author's pace does, comes while the node stops, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_after_many_words_gives_them_as_fast_as_ever() {
    const WORDS: usize = 600;
    let net = Net::new();
    let right = net.start("right", &[]).await;
    let node = net.start("leaver", &[("right", right.local_addr())]).await;
    until("the link is up", async || !node.peers().is_empty()).await;
    let mut waiting = Vec::new();
    for n in 0..WORDS {
        waiting.push(node.submit(MessageKind::CHAT, "", format!("{n} {}", "x".repeat(1_000))).await.unwrap());
    }
    for said in waiting {
        said.await.unwrap();
    }
    node.shutdown().await.unwrap();
    assert_eq!(until_log(&right, WORDS).await.len(), WORDS);
}
