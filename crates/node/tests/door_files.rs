//! Files that doors write: two doors, or a door and the node, never share one. It is said before anything is opened.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rumormill_node::config::IdentitySource;
use rumormill_node::start::start;
use rumormill_node::{NodeConfig, NodeOptions};

fn config(dir: &Path, state: bool, doors: &[String]) -> NodeConfig {
    let mut options =
        NodeOptions { name: Some("alice".into()), listen: Some("127.0.0.1:0".into()), ..NodeOptions::default() };
    match state {
        true => options.state = Some(dir.join("state").display().to_string()),
        false => options.store = Some("memory".into()),
    }
    options.door = doors.to_vec();
    let mut config = NodeConfig::build(&options).unwrap();
    config.identity = IdentitySource::LocalCa { home: Some(dir.join("home")) };
    config
}

/// Asks for a node in `dir` with these doors; why it does not start.
async fn refused(dir: &Path, state: bool, doors: &[String]) -> Option<String> {
    match start(config(dir, state, doors)).await {
        Ok(node) => {
            node.shutdown().await.unwrap();
            None
        }
        Err(why) => {
            assert!(why.is_asked_wrongly(), "{why}");
            Some(why.to_string())
        }
    }
}

fn door(state: &str) -> String {
    format!("udp-mesh,listen=127.0.0.1:0{}", if state.is_empty() { String::new() } else { format!(",state={state}") })
}

#[tokio::test(flavor = "multi_thread")]
async fn two_doors_do_not_share_a_file_by_whatever_path() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    fs::create_dir(at("real")).unwrap();
    symlink(at("real"), at("link")).unwrap();
    fs::write(at("members"), "rumormill udp-mesh 1\n1\n").unwrap();
    fs::hard_link(at("members"), at("hard")).unwrap();
    for (one, two) in [
        (at("new"), at("new")),
        (at("new"), at("real/../new")),
        (at("real/new"), at("link/new")),
        (at("members"), at("hard")),
        // The second's own, which it has without being told.
        (at("state/udp-mesh-2.members"), String::new()),
    ] {
        let why = refused(dir.path(), true, &[door(&one), door(&two)]).await.unwrap_or_else(|| panic!("{one} {two}"));
        assert!(why.contains("door `udp-mesh#2`") && why.contains("door `udp-mesh` keeps; name another"), "{why}");
        assert!(!dir.path().join("home").exists() && !dir.path().join("state").exists(), "nothing was made: {why}");
    }
    assert_eq!(refused(dir.path(), true, &[door(&at("members")), door(&at("new")), door("")]).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_does_not_share_a_file_with_its_node() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let push_pull = "push-pull,listen=127.0.0.1:0".to_owned();
    // All that a node that has run has in its directories, and what it has while it runs.
    assert_eq!(refused(dir.path(), true, std::slice::from_ref(&push_pull)).await, None);
    let mut files: Vec<_> =
        ["log.db-wal", "log.db-shm", "node.sock", "incarnations/alice.incarnation"].map(str::to_owned).into();
    for entry in
        fs::read_dir(at("state")).unwrap().map(Result::unwrap).filter(|entry| entry.file_type().unwrap().is_file())
    {
        files.push(entry.file_name().into_string().unwrap());
    }
    for known in ["log.db", "log.db-lock", "log.mark", "letters.key"] {
        assert!(files.iter().any(|file| file == known), "{known} of {files:?}");
    }
    fs::remove_dir_all(at("state")).unwrap();
    for file in files {
        let why = refused(dir.path(), true, &[push_pull.clone(), door(&at(&format!("state/{file}")))]).await;
        let why = why.unwrap_or_else(|| panic!("{file} was taken"));
        assert!(why.contains("door `udp-mesh`") && why.contains("a file that the node keeps"), "{file}: {why}");
        assert!(!dir.path().join("state").exists(), "nothing was made");
    }
    assert_eq!(refused(dir.path(), false, &[door(&at("log.db"))]).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_do_not_share_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let members = dir.path().join("members");
    let first = start(config(&dir.path().join("one"), true, &[door(&members.display().to_string())])).await.unwrap();
    let second = || start(config(&dir.path().join("two"), true, &[door(&members.display().to_string())]));
    let why = second().await.err().unwrap().to_string();
    assert!(why.contains("another program keeps its members there; name another"), "{why}");
    first.shutdown().await.unwrap();
    second().await.unwrap().shutdown().await.unwrap();
}
