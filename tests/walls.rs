//! The walls between the rooms: who may use whom (ARCHITECTURE.md), and what the pure rooms never name.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A room and those it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("gossip", &["wire"]),
    ("transport", &["wire"]),
    ("store", &["wire"]),
    ("doors", &["wire"]),
    ("proxy", &["wire"]),
    ("node", &["wire", "gossip", "transport", "store", "doors"]),
    ("client", &["node", "proxy"]),
];
/// Rooms without IO, clocks and ambient randomness.
const PURE: &[&str] = &["wire", "gossip"];
/// Crates that a pure room must not reach, by whatever road.
const IMPURE_CRATES: &[&str] = &["tokio", "rustls", "mio", "socket2", "governor", "rusqlite"];
/// What the sources of a pure room never name.
const IMPURE_WORDS: &[&str] = &[
    "tokio",
    "rustls",
    "std::net",
    "std::time",
    "std::fs",
    "std::env",
    "SystemTime",
    "Instant::now",
    "thread_rng",
    "rand::rng()",
];

type Graph = BTreeMap<String, BTreeSet<String>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn metadata() -> serde_json::Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let run = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo metadata");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_slice(&run.stdout).unwrap()
}

/// Normal dependencies by package id, as resolved.
fn resolved(metadata: &serde_json::Value) -> Graph {
    let mut names = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        names.insert(package["id"].as_str().unwrap(), package["name"].as_str().unwrap().to_owned());
    }
    let mut graph = Graph::new();
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let uses = graph.entry(names[node["id"].as_str().unwrap()].clone()).or_default();
        for dependency in node["deps"].as_array().unwrap() {
            let normal = dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null());
            if normal {
                uses.insert(names[dependency["pkg"].as_str().unwrap()].clone());
            }
        }
    }
    graph
}

fn room(name: &str) -> String {
    format!("rumormill-{name}")
}

/// Walls that the graph breaks.
fn broken_walls(graph: &Graph) -> Vec<String> {
    let mut broken = Vec::new();
    let rooms: BTreeSet<_> = graph.keys().filter(|name| name.starts_with("rumormill-")).cloned().collect();
    let known: BTreeSet<_> = MAY_USE.iter().map(|(name, _)| room(name)).collect();
    broken.extend(rooms.difference(&known).map(|name| format!("{name} has no line in the table of this test")));
    for (name, allowed) in MAY_USE {
        let allowed: BTreeSet<_> = allowed.iter().map(|name| room(name)).collect();
        for used in graph.get(&room(name)).into_iter().flatten().filter(|used| rooms.contains(*used)) {
            if !allowed.contains(used) && *used != room(name) {
                broken.push(format!("{name} uses {used}"));
            }
        }
    }
    for name in PURE {
        let mut seen = BTreeSet::new();
        let mut queue = vec![room(name)];
        while let Some(at) = queue.pop() {
            if seen.insert(at.clone()) {
                queue.extend(graph.get(&at).into_iter().flatten().cloned());
            }
        }
        broken.extend(IMPURE_CRATES.iter().filter(|c| seen.contains(**c)).map(|c| format!("{name} reaches {c}")));
    }
    broken
}

/// Words that a source text must not hold. Comments may.
fn broken_words(text: &str) -> Vec<&'static str> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    IMPURE_WORDS.iter().copied().filter(|word| code.contains(word)).collect()
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_room_uses_only_whom_it_may() {
    let graph = resolved(&metadata());
    assert_eq!(broken_walls(&graph), Vec::<String>::new());
}

#[test]
fn a_broken_wall_is_seen() {
    let sound = resolved(&metadata());
    for (from, to) in
        [("wire", "rumormill-gossip"), ("gossip", "tokio"), ("client", "rumormill-store"), ("store", "rumormill-node")]
    {
        let mut graph = sound.clone();
        graph.get_mut(&room(from)).unwrap().insert(to.to_owned());
        assert!(!broken_walls(&graph).is_empty(), "{from} may not use {to}");
    }
    let mut graph = sound;
    graph.insert(room("cellar"), BTreeSet::new());
    assert!(!broken_walls(&graph).is_empty(), "a room that nobody thought of");
}

#[test]
fn pure_rooms_name_no_sockets_clocks_or_dice() {
    for name in PURE {
        let files = sources(&root().join("crates").join(name).join("src"));
        assert!(files.len() > 5, "{name} has sources");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            assert_eq!(broken_words(&text), Vec::<&str>::new(), "{}", file.display());
        }
    }
}

#[test]
fn a_forbidden_word_is_seen() {
    assert_eq!(broken_words("use std::time::Duration;"), ["std::time"]);
    assert_eq!(broken_words("let now = SystemTime::now();"), ["SystemTime"]);
    assert_eq!(broken_words("// tokio is not named here\nlet a = 1;"), Vec::<&str>::new());
}

#[test]
fn every_room_forbids_unsafe_code() {
    for (name, _) in MAY_USE {
        let text = fs::read_to_string(root().join("crates").join(name).join("src/lib.rs")).unwrap();
        assert!(text.contains("#![forbid(unsafe_code)]"), "{name}");
    }
}
