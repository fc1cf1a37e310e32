//! What a node has shown, a restart shows again; what it may have lost, it does not write over.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod support;

use std::fs;
use std::path::Path;

use bytes::Bytes;
use rumormill_node::start;
use rumormill_store::{Kind, OpenConfig, Record, open};
use rumormill_wire::{Incarnation, NodeId, Origin};
use support::{Net, say, until, until_log};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_goes_on_where_it_ended() {
    let net = Net::new();
    let node = start(net.on_disk("a", &[])).await.unwrap();
    for n in 0..10 {
        say(&node, &format!("{n}")).await;
    }
    let (log, me) = (node.chat_log().await.unwrap(), node.me());
    node.shutdown().await.unwrap();
    drop(node);
    let node = start(net.on_disk("a", &[])).await.unwrap();
    assert_eq!(node.chat_log().await.unwrap(), log);
    assert_eq!(node.me(), me);
    say(&node, "more").await;
    assert_eq!(node.chat_log().await.unwrap().len(), 11);
    assert_eq!(node.frontier_of(&node.node_id()), (vec![(me.incarnation, rumormill_wire::Seq(11))], 0), "one chain");
    node.shutdown().await.unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_copy_of_a_store_put_back_is_filled_from_neighbours_and_never_written_over() {
    let net = Net::new();
    let b = net.start("b", &[]).await;
    let config = || net.on_disk("a", &[("b", b.local_addr())]);
    let state = config().state.unwrap();
    let a = start(config()).await.unwrap();
    say(&a, "one").await;
    a.shutdown().await.unwrap();
    drop(a);
    let old = net.dir.path().join("old");
    copy(&state, &old);
    let a = start(config()).await.unwrap();
    say(&a, "two").await;
    let first_life = a.me();
    until_log(&b, 2).await;
    a.shutdown().await.unwrap();
    drop(a);
    fs::remove_dir_all(&state).unwrap();
    copy(&old, &state);
    let a = start(config()).await.unwrap();
    say(&a, "three").await;
    assert_eq!(until_log(&a, 3).await, until_log(&b, 3).await);
    assert_ne!(a.me(), first_life, "our own messages go on under a new incarnation");
    assert_eq!(until_log(&b, 3).await, ["one", "two", "three"]);
    for node in [a, b] {
        assert_eq!(node.stats().proofs, 0, "nobody has signed two histories");
        node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_store_is_salvaged_and_filled_again() {
    let net = Net::new();
    let b = net.start("b", &[]).await;
    let config = || net.on_disk("a", &[("b", b.local_addr())]);
    let a = start(config()).await.unwrap();
    for n in 0..200 {
        say(&a, &format!("{n} {}", "x".repeat(1_000))).await;
    }
    let log = until_log(&b, 200).await;
    let before = a.me();
    a.shutdown().await.unwrap();
    drop(a);
    let file = config().state.unwrap().join("log.db");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    for byte in &mut bytes[middle..middle + 4_096] {
        *byte ^= 0xa5;
    }
    fs::write(&file, bytes).unwrap();
    let a = start(config()).await.unwrap();
    assert_ne!(a.me(), before);
    say(&a, "after").await;
    until("the log is whole again", async || a.chat_log().await.unwrap().len() == 201).await;
    assert_eq!(a.chat_log().await.unwrap()[..200], log);
    assert_eq!(until_log(&b, 201).await, a.chat_log().await.unwrap());
    for node in [a, b] {
        assert_eq!(node.stats().proofs, 0);
        node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_says_so_and_shows_what_it_has() {
    let net = Net::new();
    let mut config = net.on_disk("a", &[]);
    config.store_max = 1 << 20;
    let node = start(config).await.unwrap();
    let mut durable = 0;
    for _ in 0..100 {
        let Ok(pending) = node.submit(rumormill_wire::native::MessageKind::CHAT, "", "x".repeat(20_000)).await else {
            break;
        };
        if let Err(why) = pending.await {
            assert!(why.to_string().contains("the store is full"), "{why}");
            break;
        }
        durable += 1;
    }
    assert!((20..52).contains(&durable), "{durable}");
    assert_eq!(node.chat_log().await.unwrap().len(), durable);
    assert!(!node.has_failed(), "a full store is no failure");
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_in_use_is_left_alone() {
    let net = Net::new();
    let node = start(net.on_disk("a", &[])).await.unwrap();
    let Err(error) = start(net.on_disk("a", &[])).await else { panic!("two nodes have one store") };
    assert!(error.to_string().contains("in use"), "{error}");
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proofs_about_nothing_that_an_older_life_kept_are_dropped_once_the_node_listens() {
    const PLANTED: u64 = 20_000;
    let net = Net::new();
    let node = start(net.on_disk("a", &[])).await.unwrap();
    say(&node, "kept").await;
    node.shutdown().await.unwrap();
    drop(node);
    let path = net.on_disk("a", &[]).state.unwrap().join("log.db");
    let opened = || {
        let kind = Kind::Sqlite { path: path.clone() };
        open(&OpenConfig { kind, durability: rumormill_store::Durability::Normal, max_bytes: 0 }).unwrap()
    };
    let mut store = opened();
    let planted: Vec<_> = (0..PLANTED)
        .map(|n| {
            let origin = Origin { node: NodeId([9; 32]), incarnation: Incarnation(n) };
            Record::Proof { origin, bytes: Bytes::from(vec![7; 356]) }
        })
        .collect();
    store.commit(&planted).unwrap();
    store.close().unwrap();
    drop(store);
    let node = start(net.on_disk("a", &[])).await.unwrap();
    assert_eq!(node.chat_log().await.unwrap(), ["kept"]);
    say(&node, "more").await;
    let dropped = || node.metrics().into_iter().find(|(name, _)| name.ends_with("useless_proofs_dropped")).unwrap().1;
    until("all are dropped", async || dropped() == PLANTED).await;
    node.shutdown().await.unwrap();
    drop(node);
    let found = opened().recover().unwrap();
    assert_eq!((found.proofs.len(), found.chains.len()), (0, 1));
}
