//! The walls between the rooms: who may use whom (ARCHITECTURE.md), and what the pure rooms never name.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// A room and those it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("limits", &[]),
    ("gossip", &["wire", "limits"]),
    ("peering", &["wire", "limits"]),
    ("machine", &["wire", "limits", "gossip", "peering"]),
    ("transport", &["wire", "limits"]),
    ("store", &["wire"]),
    ("doors", &["wire", "limits"]),
    ("api", &["wire"]),
    ("node", &["wire", "limits", "gossip", "peering", "machine", "transport", "store", "doors", "api"]),
    ("classroom", &["wire", "limits", "node"]),
    ("client", &["wire", "limits", "transport", "doors", "api", "node", "classroom"]),
    // Nobody may use it: it is there for tests, which are not in this table.
    ("testkit", &["wire", "transport"]),
];
/// Rooms without IO, clocks and ambient randomness.
const PURE: &[&str] = &["wire", "gossip", "peering", "machine"];
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
    "limits::file",
    "limits::Clock",
];

/// What every library denies at the top of its `lib.rs`: the lints of the workspace hold for tests and benchmarks too, where
/// these would be in the way.
const DENIED: &[&str] = &[
    "unreachable_pub",
    "unnameable_types",
    "missing_debug_implementations",
    "clippy::indexing_slicing",
    "clippy::arithmetic_side_effects",
];
/// Rooms that do not deny some of it yet. One that does has to leave the list.
const NOT_YET: &[(&str, &[&str])] = &[("testkit", &["clippy::indexing_slicing", "clippy::arithmetic_side_effects"])];

type Graph = BTreeMap<String, BTreeSet<String>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn toml(path: &Path) -> Table {
    let text = fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    text.parse().unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// The packages that a manifest's tables of normal dependencies name, those of single platforms included.
fn normal_dependencies(manifest: &Table) -> BTreeSet<String> {
    let platforms = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = platforms.filter_map(Value::as_table).chain([manifest]);
    let named = tables.filter_map(|table| table.get("dependencies")?.as_table()).flatten();
    named.map(|(key, about)| about.get("package").and_then(Value::as_str).unwrap_or(key).to_owned()).collect()
}

/// Who uses whom, by package name: rooms by their manifests, all others by `Cargo.lock`. Nothing is asked of cargo, which
/// would want the packages of every platform downloaded.
fn graph() -> Graph {
    let mut graph = Graph::new();
    for package in toml(&root().join("Cargo.lock"))["package"].as_array().unwrap() {
        // `name`, or `name version` where there are several.
        let uses = package.get("dependencies").and_then(Value::as_array).into_iter().flatten();
        let uses = uses.filter_map(|entry| entry.as_str()?.split(' ').next().map(str::to_owned));
        graph.entry(package["name"].as_str().unwrap().to_owned()).or_default().extend(uses);
    }
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let manifest = toml(&entry.unwrap().path().join("Cargo.toml"));
        let name = manifest["package"]["name"].as_str().unwrap().to_owned();
        assert!(graph.contains_key(&name), "{name} stands in Cargo.lock");
        graph.insert(name, normal_dependencies(&manifest));
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
    let graph = graph();
    assert!(graph[&room("gossip")].contains(&room("wire")) && graph[&room("transport")].contains("tokio"), "{graph:?}");
    assert!(graph["tokio"].contains("mio"), "{graph:?}");
    assert_eq!(broken_walls(&graph), Vec::<String>::new());
}

#[test]
fn a_broken_wall_is_seen() {
    let sound = graph();
    for (from, to) in [
        ("wire", "rumormill-gossip"),
        ("gossip", "tokio"),
        ("client", "rumormill-store"),
        ("store", "rumormill-node"),
        ("client", "rumormill-testkit"),
    ] {
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
    assert_eq!(broken_words("use rumormill_limits::file::write_private;"), ["limits::file"]);
    assert_eq!(broken_words("// tokio is not named here\nlet a = 1;"), Vec::<&str>::new());
}

#[test]
fn every_room_forbids_unsafe_code() {
    for (name, _) in MAY_USE {
        let text = fs::read_to_string(root().join("crates").join(name).join("src/lib.rs")).unwrap();
        assert!(text.contains("#![forbid(unsafe_code)]"), "{name}");
    }
}

#[test]
fn every_room_denies_what_a_library_should_not_do_but_those_listed() {
    for (name, _) in MAY_USE {
        let text = fs::read_to_string(root().join("crates").join(name).join("src/lib.rs")).unwrap();
        let (attributes, _) = text.split_once("\nmod ").or_else(|| text.split_once("\npub mod ")).unwrap();
        let attributes: String = attributes.lines().filter(|line| !line.starts_with("//")).collect();
        let not_yet = NOT_YET.iter().find(|(room, _)| room == name).map_or(&[][..], |(_, lints)| lints);
        for lint in DENIED {
            assert_eq!(attributes.contains(lint), !not_yet.contains(lint), "{name}: {lint}");
        }
    }
}
