//! A node whose store is full among others: it says so, at both ends and to whoever waits; what is new passes through it, and
//! what is vital is kept.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod support;

use rumormill_gossip::Reject;
use rumormill_node::config::StoreKind;
use rumormill_node::{NodeConfig, NodeHandle, SubmitError, start};
use rumormill_transport::LocalCa;
use rumormill_wire::native::MessageKind;
use support::{Net, say, until, until_log};

const MOST: u64 = 1 << 20;

fn small(net: &Net, name: &str, kind: StoreKind, neighbours: &[(&str, std::net::SocketAddr)]) -> NodeConfig {
    let mut config = net.on_disk(name, neighbours);
    config.store = kind;
    config.store_max = MOST;
    config.anti_entropy = std::time::Duration::from_millis(200);
    config
}

/// Says until it is told no; the reason, and how many were durable.
async fn say_until_refused(node: NodeHandle) -> (usize, SubmitError) {
    for n in 0.. {
        let sent = node.submit(MessageKind::CHAT, "", format!("{n} {}", "x".repeat(3_000))).await;
        let told = match sent {
            Ok(pending) => pending.await,
            Err(why) => Err(why),
        };
        if let Err(why) = told {
            return (n, why);
        }
    }
    unreachable!()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_node_in_a_line_tells_everybody_and_lets_pass_what_is_new() {
    for kind in [StoreKind::Sqlite, StoreKind::Memory] {
        let net = Net::new();
        let a = net.start("a", &[]).await;
        let full = start(small(&net, "f", kind, &[("a", a.local_addr())])).await.unwrap();
        let c = net.start("c", &[("f", full.local_addr())]).await;
        until("linked", async || full.peers().len() == 2 && full.peers().iter().all(|peer| peer.in_sync)).await;
        let waiting: Vec<_> = (0..6).map(|_| tokio::spawn(say_until_refused(full.clone()))).collect();
        let mut durable = 0;
        for waits in waiting {
            let (said, why) = tokio::time::timeout(support::PATIENCE, waits).await.unwrap().unwrap();
            assert_eq!(why, SubmitError::Rejected(Reject::StoreFull));
            durable += said;
        }
        assert_eq!(full.chat_log().await.unwrap().len(), durable, "what was durable is shown, and no more");
        assert_eq!(until_log(&c, durable).await.len(), durable);
        for n in 0..20 {
            say(&a, &format!("from a {n}")).await;
            say(&c, &format!("from c {n}")).await;
        }
        let all = until_log(&a, durable + 40).await;
        assert_eq!(until_log(&c, durable + 40).await, all);
        assert_eq!(full.chat_log().await.unwrap().len(), durable, "it shows none of it");
        let says = |node: &NodeHandle, lag: u64, behind: u64, why: &str| {
            let peers = node.peers();
            peers.iter().all(|p| p.lag == lag && p.behind == behind && !p.in_sync && p.why.as_deref() == Some(why))
        };
        until("all say what lacks and why", async || {
            says(&a, 40, 0, "held-by-peer") && says(&c, 40, 0, "held-by-peer") && says(&full, 0, 40, "store-full")
        })
        .await;
        let (sent, links) = (a.stats().rumors_sent + c.stats().rumors_sent, full.peers().len());
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert_eq!(a.stats().rumors_sent + c.stats().rumors_sent, sent, "nothing is sent again");
        assert_eq!(links, 2);
        for node in [&a, &full, &c] {
            assert_eq!(node.stats().misbehaviour, 0);
            node.shutdown().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_list_is_durable_in_a_full_store() {
    let net = Net::new();
    let full = start(small(&net, "f", StoreKind::Sqlite, &[])).await.unwrap();
    let (_, why) = say_until_refused(full.clone()).await;
    assert_eq!(why, SubmitError::Rejected(Reject::StoreFull));
    let ca = LocalCa::open(&net.dir.path().join("home")).unwrap();
    let list = ca.revoke(rumormill_wire::NodeId([9; 32]), None).map(|_| ()).is_ok();
    assert!(list);
    until("it is in force", async || full.metrics().contains(&("node_revocation_list".to_owned(), 1))).await;
    full.shutdown().await.unwrap();
    drop(full);
    let path = net.dir.path().join("state-f").join("log.db");
    let mut store = rumormill_store::SqliteStore::open(&path, rumormill_store::Durability::Normal, MOST).unwrap();
    use rumormill_store::Store;
    assert_eq!(store.recover().unwrap().revocations.len(), 1, "the list is in the store");
    store.close().unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    assert!(size <= MOST + rumormill_store::RESERVE, "{size}");
}
