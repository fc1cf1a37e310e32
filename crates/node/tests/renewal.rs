//! A neighbour that refuses us for our certificate is tried at once when that is renewed, however rare the tries had become.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod support;

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rumormill_node::clock::Wall;
use rumormill_node::config::IdentitySource;
use rumormill_node::{NodeHandle, start};
use rumormill_testkit::frames::encoded;
use rumormill_wire::native::{Bye, ByeCode, Frame};
use support::{Net, until};
use tokio::sync::watch;

const DAY: Duration = Duration::from_secs(86_400);
/// After so many refusals the next try is 3 s away or more, and so many more would take minutes.
const SOME: u64 = 6;

/// A member that answers each link with a BYE, at once or when it is let go.
struct Refuser {
    addr: SocketAddr,
    come: watch::Receiver<u64>,
    holds: watch::Sender<bool>,
}

impl Refuser {
    async fn new(net: &Net, code: ByeCode, retry_after_s: u16) -> Self {
        let mut listener = net.endpoint("mallory").bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let addr = listener.local_addr();
        let (count, come) = watch::channel(0);
        let (holds, mut held) = watch::channel(false);
        let bye = encoded(&Frame::Bye(Bye { code, retry_after_s, reason: "not now".into() }));
        tokio::spawn(async move {
            while let Some(mut opened) = listener.accept().await {
                count.send_modify(|count| *count += 1);
                let _ = held.wait_for(|held| !held).await;
                let _ = opened.writer.send([bye.as_slice()]).await;
                opened.writer.close().await;
            }
        });
        Self { addr, come, holds }
    }

    fn come(&self) -> u64 {
        *self.come.borrow()
    }

    async fn until_come(&self, count: u64) {
        until(&format!("it has come {count} times"), async || self.come() >= count).await;
    }
}

async fn until_renewed(node: &NodeHandle, change: impl FnOnce()) {
    let before = node.certificate_valid();
    change();
    until("it has the new one", async || node.certificate_valid() != before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_shown_at_once_and_soon_again_even_if_it_came_during_a_try() {
    let net = Net::new();
    let mallory = Refuser::new(&net, ByeCode::EXPIRED, 0).await;
    let a = net.start("a", &[("mallory", mallory.addr)]).await;
    mallory.until_come(SOME).await;
    mallory.holds.send_replace(true);
    let held = mallory.come() + 1;
    mallory.until_come(held).await;
    let ca = net.ca();
    until_renewed(&a, || drop(ca.issue("a", DAY, None).unwrap())).await;
    mallory.holds.send_replace(false);
    mallory.until_come(held + SOME).await;
    a.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_put_right_is_a_change_too() {
    let net = Net::new();
    let mallory = Refuser::new(&net, ByeCode::EXPIRED, 0).await;
    let mut config = net.config("a", &[("mallory", mallory.addr)]);
    config.wall = Wall::ahead_by(0);
    let wall = config.wall.clone();
    let a = start(config).await.unwrap();
    mallory.until_come(SOME).await;
    let before = mallory.come();
    wall.set(3_600_000_000);
    mallory.until_come(before + SOME).await;
    a.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asked_to_be_left_alone_is_left_alone_whatever_changes_here() {
    let net = Net::new();
    let full = Refuser::new(&net, ByeCode::OVERLOAD, 300).await;
    let a = net.start("a", &[("mallory", full.addr)]).await;
    until("it was refused", async || a.unlinked().first().is_some_and(|one| one.tries == 1)).await;
    let ca = net.ca();
    until_renewed(&a, || drop(ca.issue("a", DAY, None).unwrap())).await;
    // Whoever is tried at once is tried by now.
    let other = Refuser::new(&net, ByeCode::EXPIRED, 0).await;
    let b = net.start("b", &[("mallory", other.addr)]).await;
    other.until_come(SOME).await;
    assert_eq!((full.come(), a.unlinked()[0].tries), (1, 1));
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_refused_with_its_expired_certificate_is_linked_with_the_next() {
    let net = Net::new();
    let a = net.start("a", &[]).await;
    let (ca, dir) = (net.ca(), net.dir.path().join("b"));
    let issued = ca.issue("b", Duration::from_secs(1), Some(&dir)).unwrap();
    let mut config = net.config("b", &[("a", a.local_addr())]);
    let (cert, key) = (issued.certificate.clone(), issued.key.clone());
    config.identity = IdentitySource::Files { cert, key, ca: issued.ca.clone() };
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let b = start(config).await.unwrap();
    until("it has expired", async || now() > b.certificate_valid().1).await;
    let refused = |node: &NodeHandle| node.unlinked().into_iter().find(|one| one.reason.contains("not valid now"));
    until("it is refused and says why", async || refused(&b).is_some_and(|one| one.tries >= SOME)).await;
    assert!(a.peers().is_empty() && b.peers().is_empty());
    let before = refused(&b).unwrap();
    until_renewed(&b, || drop(ca.issue("b", DAY, Some(&dir)).unwrap())).await;
    until("linked", async || a.peers().len() == 1 && b.peers().len() == 1 && b.unlinked().is_empty()).await;
    println!("linked after: {before:?}");
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
}
