//! The last words of a node that is to end without a farewell.
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::time::Duration;

use rumormill_node::SubmitError;
use rumormill_wire::native::MessageKind;
use support::{Net, say, until, until_log};

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
