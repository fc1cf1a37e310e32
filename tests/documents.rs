//! What the documents say is there, and what the protocol rules is obeyed somewhere.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn files(dir: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                found.extend(files(&path, end));
            }
        } else if name.ends_with(end) {
            found.push(path);
        }
    }
    found
}

fn documents() -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(root())
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "md"))
        .collect();
    all.extend(files(&root().join("docs"), ".md"));
    all.push(root().join("certs/README.md"));
    all
}

/// Pieces between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Paths of this repository that a text names and that are not there.
fn missing_paths(text: &str) -> Vec<String> {
    let tops = ["crates/", "docs/", "fuzz/", "tests/", "certs/", ".ci/"];
    quoted(text)
        .filter(|piece| tops.iter().any(|top| piece.starts_with(top)) && !piece.contains([' ', '*', '<', '{', '\n']))
        .map(|piece| piece.split(['#', ':']).next().unwrap_or(piece))
        .filter(|piece| !root().join(piece).exists())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_path_that_a_document_names_is_there() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        assert_eq!(missing_paths(&text), Vec::<String>::new(), "{}", document.display());
    }
    assert_eq!(missing_paths("see `crates/cellar/src`"), ["crates/cellar/src"], "a missing one is seen");
}

/// Rules that a text defines: `**P-F1**`.
fn rules(text: &str) -> BTreeSet<String> {
    text.split("**").filter(|piece| piece.starts_with("P-") && piece.len() <= 6).map(str::to_owned).collect()
}

#[test]
fn every_rule_of_the_protocol_is_cited_by_code_or_test() {
    let all = rules(&fs::read_to_string(root().join("docs/protocol.md")).unwrap());
    assert!(all.len() > 20, "{all:?}");
    let code: String = files(&root().join("crates"), ".rs").iter().map(|p| fs::read_to_string(p).unwrap()).collect();
    let uncited: Vec<_> = all.iter().filter(|rule| !cites(&code, rule)).collect();
    assert!(uncited.is_empty(), "nothing cites {uncited:?}");
    assert!(!cites("P-F12", "P-F1"), "a longer number is another rule");
}

/// Whether a text cites a rule, by itself or inside a range such as `P-B1 to P-B3`.
fn cites(text: &str, rule: &str) -> bool {
    let plain =
        text.match_indices(rule).any(|(at, _)| !text[at + rule.len()..].starts_with(|c: char| c.is_ascii_digit()));
    let (letter, number) = rule.split_at(3);
    let number: u32 = number.parse().unwrap();
    let within = text.match_indices(letter).any(|(at, _)| {
        let rest = &text[at + letter.len()..];
        let Some((low, rest)) = rest.split_once(" to ") else { return false };
        let high = rest.strip_prefix(letter).unwrap_or(rest);
        let high: String = high.chars().take_while(char::is_ascii_digit).collect();
        matches!((low.parse::<u32>(), high.parse::<u32>()), (Ok(low), Ok(high)) if (low..=high).contains(&number))
    });
    plain || within
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let text = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let mut code = String::new();
    for dir in ["crates", "tests"] {
        for file in files(&root().join(dir), ".rs") {
            code += &fs::read_to_string(file).unwrap();
        }
    }
    let is_name = |piece: &&str| {
        piece.matches('_').count() >= 3
            && piece.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let named: Vec<_> = quoted(&text).filter(is_name).collect();
    assert!(named.len() > 10, "{named:?}");
    for name in named {
        assert!(code.contains(&format!("fn {name}(")), "SECURITY.md names {name}");
    }
}

#[test]
fn no_document_names_what_a_user_does_not_have() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        assert!(!text.contains("../shared"), "{}", document.display());
    }
}
