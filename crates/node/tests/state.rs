//! A node knows its state again: the network it is of, how old it is, whether it is still there, and whose directory it is.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use rumormill_node::config::{IdentitySource, StoreKind};
use rumormill_node::{NodeConfig, NodeHandle, start};
use rumormill_store::{Kind, OpenConfig, Record};
use rumormill_transport::LocalCa;
use support::{Net, say, until_failed};

fn store_of(config: &NodeConfig) -> PathBuf {
    config.state.clone().unwrap().join("log.db")
}

async fn said(config: &NodeConfig, texts: &[&str]) -> NodeHandle {
    let node = start(config.clone()).await.unwrap();
    for text in texts {
        say(&node, text).await;
    }
    node
}

async fn refused(config: NodeConfig) -> String {
    match start(config).await {
        Ok(_) => panic!("it started"),
        Err(why) => why.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_another_network_is_refused_with_both_ids_and_left_as_it_is() {
    let (ours, other) = (Net::new(), Net::new());
    let config = ours.on_disk("a", &[]);
    said(&config, &["ours"]).await.shutdown().await.unwrap();
    let mut theirs = config.clone();
    theirs.identity = other.on_disk("a", &[]).identity;
    let why = refused(theirs).await;
    let id = |net: &Net| LocalCa::open(&net.dir.path().join("home")).unwrap().network().to_string();
    assert!(why.contains(&id(&ours)) && why.contains(&id(&other)), "{why}");
    assert!(why.contains("--state") && why.contains("log.db"), "{why}");
    let node = start(config).await.unwrap();
    assert_eq!(node.chat_log().await.unwrap(), ["ours"]);
    node.shutdown().await.unwrap();
}

/// A store of before stores knew their network.
fn forget_network(config: &NodeConfig) {
    let kind = Kind::Sqlite { path: store_of(config) };
    let durability = rumormill_store::Durability::Normal;
    let mut store = rumormill_store::open(&OpenConfig { kind, durability, max_bytes: 0 }).unwrap();
    store.commit(&[Record::Meta { key: "network".into(), value: Bytes::new() }]).unwrap();
    store.close().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_say_its_network_is_bound_if_it_was_signed_there() {
    let (ours, other) = (Net::new(), Net::new());
    let config = ours.on_disk("a", &[]);
    said(&config, &["ours"]).await.shutdown().await.unwrap();
    forget_network(&config);
    let mut theirs = config.clone();
    theirs.identity = other.on_disk("a", &[]).identity;
    let why = refused(theirs.clone()).await;
    assert!(why.contains("does not say its network"), "{why}");
    start(config).await.unwrap().shutdown().await.unwrap();
    assert!(refused(theirs).await.contains("belongs to network"), "now it says so");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_copy_of_the_store_put_back_is_found_with_no_neighbour_there() {
    let net = Net::new();
    let (config, old) = (net.on_disk("a", &[]), net.dir.path().join("old"));
    let node = said(&config, &["one"]).await;
    let first = node.me();
    node.shutdown().await.unwrap();
    fs::copy(store_of(&config), &old).unwrap();
    let node = said(&config, &["two"]).await;
    assert_eq!(node.me(), first);
    node.shutdown().await.unwrap();
    fs::copy(&old, store_of(&config)).unwrap();
    let node = said(&config, &["three"]).await;
    assert!(node.me() > first, "a new incarnation: {} after {first}", node.me());
    assert_eq!(node.chat_log().await.unwrap(), ["one", "three"]);
    let now = node.me();
    node.shutdown().await.unwrap();
    let node = start(config).await.unwrap();
    assert_eq!(node.me(), now, "found once");
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_directory_put_back_is_a_new_life_when_somebody_says_so() {
    let net = Net::new();
    let mut config = net.on_disk("a", &[]);
    let node = said(&config, &["one"]).await;
    let first = node.me();
    node.shutdown().await.unwrap();
    config.restored = true;
    let node = said(&config, &["two"]).await;
    assert!(node.me() > first);
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_removed_under_a_running_node_stops_it_and_is_missed_at_the_next_start() {
    for what in ["log.db", "log.db-wal"] {
        let net = Net::new();
        let mut config = net.on_disk("a", &[]);
        let node = said(&config, &["one"]).await;
        let first = node.me();
        fs::remove_file(config.state.clone().unwrap().join(what)).unwrap();
        until_failed(&node).await;
        node.shutdown().await.unwrap();
        drop(node);
        if what == "log.db" {
            let why = refused(config.clone()).await;
            assert!(why.contains("is gone") && why.contains("--restored"), "{why}");
            assert!(!store_of(&config).exists(), "nothing was begun in its place");
            config.restored = true;
            let node = said(&config, &["two"]).await;
            assert!(node.me() > first);
            assert_eq!(node.chat_log().await.unwrap(), ["two"]);
            node.shutdown().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_replaced_under_a_running_node_stops_it_and_what_is_there_is_not_touched() {
    let net = Net::new();
    let (mut config, other) = (net.on_disk("a", &[]), net.on_disk("b", &[]));
    said(&other, &["of another"]).await.shutdown().await.unwrap();
    let node = said(&config, &["one"]).await;
    let first = node.me();
    let (store, bytes) = (store_of(&config), fs::read(store_of(&other)).unwrap());
    fs::remove_file(&store).unwrap();
    fs::write(&store, &bytes).unwrap();
    until_failed(&node).await;
    node.shutdown().await.unwrap();
    drop(node);
    assert_eq!(fs::read(&store).unwrap(), bytes);
    let why = refused(config.clone()).await;
    assert!(why.contains("is not the store") && why.contains("--restored"), "{why}");
    config.restored = true;
    let node = said(&config, &[]).await;
    assert!(node.me() > first);
    assert_eq!(node.chat_log().await.unwrap(), ["of another"]);
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_directory_that_others_can_write_is_refused() {
    let net = Net::new();
    let config = net.on_disk("a", &[]);
    let state = config.state.clone().unwrap();
    fs::create_dir(&state).unwrap();
    for mode in [0o777, 0o770, 0o1777] {
        fs::set_permissions(&state, fs::Permissions::from_mode(mode)).unwrap();
        let why = refused(config.clone()).await;
        assert!(why.contains("written by others") && why.contains("chmod"), "{why}");
        assert_eq!(fs::read_dir(&state).unwrap().count(), 0, "nothing is made there");
    }
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    said(&config, &["one"]).await.shutdown().await.unwrap();
    let link = net.dir.path().join("link");
    std::os::unix::fs::symlink(&state, &link).unwrap();
    let why = refused(NodeConfig { state: Some(link), ..config }).await;
    assert!(why.contains("symbolic link"), "{why}");
}

/// All files below a directory, with what tells whether they were changed.
fn tree(dir: &Path) -> BTreeMap<PathBuf, (u64, i64, i64)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let about = fs::symlink_metadata(&path).unwrap();
        if about.is_dir() {
            all.extend(tree(&path));
        }
        all.insert(path, (about.len(), about.mtime(), about.mtime_nsec()));
    }
    all
}

fn with_files_given(net: &Net) -> NodeConfig {
    let (home, etc) = (net.dir.path().join("home"), net.dir.path().join("etc"));
    let ca = LocalCa::init(&home).unwrap();
    ca.issue("a", Duration::from_secs(3_600), Some(&etc)).unwrap();
    fs::set_permissions(&etc, fs::Permissions::from_mode(0o500)).unwrap();
    let mut config = net.on_disk("a", &[]);
    let [cert, key, ca] = ["cert.pem", "key.pem", "ca.pem"].map(|file| etc.join(file));
    config.identity = IdentitySource::Files { cert, key, ca };
    config
}

/// Nothing is left that says which incarnation was used last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lives_that_left_nothing_never_write_under_one_incarnation() {
    let net = Net::new();
    for with_state in [true, false] {
        let mut config = with_files_given(&net);
        if !with_state {
            config.store = StoreKind::Memory;
            config.state = None;
        }
        let mut used = Vec::new();
        for _ in 0..3 {
            let node = said(&config, &["a word"]).await;
            used.push(node.me());
            node.shutdown().await.unwrap();
            config.state.iter().for_each(|state| fs::remove_dir_all(state).unwrap());
        }
        assert!(used.windows(2).all(|lives| lives[0] < lives[1]), "{used:?}");
        fs::set_permissions(net.dir.path().join("etc"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::remove_dir_all(net.dir.path().join("etc")).unwrap();
        fs::remove_dir_all(net.dir.path().join("home")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_files_given_everything_is_written_in_the_state_directory() {
    let net = Net::new();
    let mut config = with_files_given(&net);
    let state = config.state.clone().unwrap();
    let before = tree(net.dir.path());
    let node = said(&config, &["one"]).await;
    let first = node.me();
    node.shutdown().await.unwrap();
    config.restored = true;
    let node = said(&config, &["two"]).await;
    assert!(node.me() > first);
    node.shutdown().await.unwrap();
    let outside = |tree: BTreeMap<PathBuf, _>| -> Vec<_> {
        tree.into_iter().filter(|(path, _)| !path.starts_with(&state)).collect()
    };
    assert_eq!(outside(tree(net.dir.path())), outside(before));
    let inside: Vec<_> = tree(&state).into_keys().filter_map(|path| Some(path.file_name()?.to_owned())).collect();
    assert!(inside.iter().any(|name| name == "a.incarnation"), "{inside:?}");
}
