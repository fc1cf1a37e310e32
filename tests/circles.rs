//! Circles between the files of a crate: there are none but those in `tests/circles.txt`, and that list only shrinks. Between the
//! modules of its root there are none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use rumormill_testkit::modules::{Graph, circles, graph, top_modules};

/// The list: groups of files below `crates/`, with an empty line between them.
fn listed() -> BTreeSet<BTreeSet<String>> {
    let text = fs::read_to_string(crates().join("../tests/circles.txt")).unwrap();
    let text: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let groups = text.split(|line| line.is_empty()).filter(|group| !group.is_empty());
    groups.map(|group| group.iter().map(|&name| name.to_owned()).collect()).collect()
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The roots of all crates that are built from `src` folders: libraries and programs.
fn roots() -> Vec<PathBuf> {
    let mut roots = Vec::new();
    for entry in fs::read_dir(crates()).unwrap() {
        let source = entry.unwrap().path().join("src");
        roots.extend(["lib.rs", "main.rs"].map(|name| source.join(name)).into_iter().filter(|path| path.exists()));
        let programs = fs::read_dir(source.join("bin")).into_iter().flatten().map(|entry| entry.unwrap().path());
        roots.extend(programs.filter(|path| path.extension().is_some_and(|end| end == "rs")));
    }
    roots.sort();
    roots
}

fn of_disk(root: &Path) -> Graph {
    graph(root, &|path| fs::read_to_string(path).ok())
}

/// Names below `crates/`.
fn named(group: &BTreeSet<PathBuf>) -> BTreeSet<String> {
    let crates = crates();
    group.iter().map(|path| path.strip_prefix(&crates).unwrap().display().to_string()).collect()
}

/// Who names whom in a group, with a path that does.
fn told(graph: &Graph, group: &BTreeSet<PathBuf>) -> String {
    let mut text = String::new();
    for from in group {
        for (to, path) in graph[from].iter().filter(|(to, _)| group.contains(*to)) {
            writeln!(text, "  {} names {} of {}", from.display(), path, to.display()).unwrap();
        }
    }
    text
}

#[test]
fn no_files_of_a_crate_reach_each_other_but_those_listed() {
    let roots = roots();
    assert!(roots.len() >= 8, "{roots:?}");
    let listed = listed();
    let mut standing = BTreeSet::new();
    let (mut new, mut files) = (String::new(), 0);
    for root in roots {
        let graph = of_disk(&root);
        files += graph.len();
        for group in circles(&graph) {
            let names = named(&group);
            if !listed.contains(&names) {
                write!(new, "{}\n{}\n", Vec::from_iter(names.clone()).join("\n"), told(&graph, &group)).unwrap();
            }
            standing.insert(names);
        }
    }
    assert!(files > 200, "{files} files were read");
    let gone: Vec<_> = listed.difference(&standing).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "files that reach each other (part them; tests/circles.txt takes no new ones):\n{new}\nin tests/circles.txt, and not \
         so any more (take off those that are free):\n{gone:#?}"
    );
}

/// A folder with the file of its name is one module: its files may be in no circle, and it in one with other modules.
#[test]
fn no_modules_of_a_crate_reach_each_other() {
    let mut found = String::new();
    let mut modules = 0;
    for root in roots() {
        let tops = top_modules(&root, &of_disk(&root));
        modules += tops.len();
        for group in circles(&tops) {
            write!(found, "{}\n{}\n", Vec::from_iter(named(&group)).join("\n"), told(&tops, &group)).unwrap();
        }
    }
    assert!(modules > 100, "{modules} modules were read");
    assert!(found.is_empty(), "modules that reach each other (part them):\n{found}");
}

/// The graph of sources that stand here.
fn of(sources: &[(&str, &str)]) -> Graph {
    let sources: BTreeMap<PathBuf, String> =
        sources.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
    graph(Path::new("lib.rs"), &|path| sources.get(path).cloned())
}

/// `a -> b` for all that name another.
fn arrows(sources: &[(&str, &str)]) -> Vec<String> {
    let graph = of(sources);
    let arrow = |from: &Path, to: &Path| format!("{} -> {}", from.display(), to.display());
    graph.iter().flat_map(|(from, named)| named.keys().map(|to| arrow(from, to))).collect()
}

fn groups(sources: &[(&str, &str)]) -> Vec<BTreeSet<PathBuf>> {
    circles(&of(sources))
}

#[test]
fn a_circle_of_three_is_seen_however_it_is_written() {
    let from_a = [
        "use crate::b::B; pub struct A;",
        "use super::{b::{B as Other}}; pub struct A;",
        "pub use super::b::B; pub struct A;",
        "pub struct A(crate::b::B);",
        "pub struct A; fn a() { super::b::B::new(); }",
        "pub struct A; fn a() { use crate::b; b::B::new(); }",
        "pub struct A; fn a() { println!(\"{}\", select! { x = crate::b::B::new() => 1 }) }",
        "use crate::b; pub struct A<T>(T); impl<T: Into<b::B>> A<T> {}",
        "use crate::*; pub struct A(B);",
        "pub struct A { #[serde(with = \"crate::b\")] a: u8 }",
        "mod inner { use super::super::b::B; } pub struct A;",
    ];
    for a in from_a {
        let sources = [
            ("lib.rs", "mod a; mod b; mod c; use b::B;"),
            ("a.rs", a),
            ("b.rs", "use crate::c::C; pub struct B; fn serialize() {}"),
            ("c.rs", "pub struct C(super::a::A);"),
        ];
        assert_eq!(groups(&sources), [["a.rs", "b.rs", "c.rs"].map(PathBuf::from).into()], "{a}");
        let sources = [sources[0], sources[1], sources[2], ("c.rs", "pub struct C;")];
        assert_eq!(groups(&sources), [], "{a}");
    }
}

#[test]
fn a_parent_that_its_child_needs_and_that_needs_its_child_is_a_circle() {
    let child = ("a.rs", "pub fn a() -> super::B { super::B }");
    assert_eq!(groups(&[("lib.rs", "mod a; pub struct B; pub fn b() { a::a(); }"), child]).len(), 1);
    assert_eq!(groups(&[("lib.rs", "mod a; pub struct B; pub use a::a;"), child]).len(), 1);
    assert_eq!(groups(&[("lib.rs", "mod a; pub struct B;"), child]), []);
}

#[test]
fn a_circle_of_modules_is_seen_where_their_files_are_in_none() {
    let mut sources = vec![
        ("lib.rs", "mod a; mod b; pub use a::c::C;"),
        ("a.rs", "pub mod c; mod d;"),
        ("a/c.rs", "pub struct C;"),
        ("a/d.rs", "use crate::b::B;"),
        ("b.rs", "pub struct B(crate::C);"),
    ];
    let tops = |sources: &[_]| top_modules(Path::new("lib.rs"), &of(sources));
    assert_eq!(groups(&sources), []);
    assert_eq!(circles(&tops(&sources)), [["a", "b"].map(PathBuf::from).into()]);
    sources[3].1 = "use super::c::C;";
    assert_eq!(circles(&tops(&sources)), [], "within one module");
}

#[test]
fn a_name_is_followed_to_where_it_stands() {
    // The root only passes on what others have; `b` takes it there.
    let parted = [
        ("lib.rs", "mod a; mod b; mod c; pub use a::A; pub use c::*; pub use b::B;"),
        ("a.rs", "pub struct A;"),
        ("b.rs", "use crate::A as Other; use super::{C, a as d}; fn b() { d::A; } pub struct B;"),
        ("c.rs", "pub struct C;"),
    ];
    assert_eq!(
        arrows(&parted),
        ["b.rs -> a.rs", "b.rs -> c.rs", "lib.rs -> a.rs", "lib.rs -> b.rs"],
        "a glob of a module names no thing"
    );
    assert_eq!(circles(&of(&parted)), []);
}

#[test]
fn files_are_found_as_the_compiler_finds_them() {
    let placed = [
        ("lib.rs", "mod a { mod b; pub struct A; } mod c; #[path = \"odd.rs\"] mod d;"),
        ("a/b.rs", "use super::A;"),
        ("c/mod.rs", "mod e; fn c() { e::e() }"),
        ("c/e.rs", "pub fn e() {}"),
        ("odd.rs", "use crate::c::made; use std::io; use self::f::F; mod f { pub struct F; }"),
    ];
    // Nobody wrote `made`, so a macro did.
    assert_eq!(arrows(&placed), ["a/b.rs -> lib.rs", "c/mod.rs -> c/e.rs", "odd.rs -> c/mod.rs"]);
}

#[test]
fn tests_visibility_and_other_crates_are_no_arrows() {
    let sources = [
        ("lib.rs", "mod a; mod b; pub struct B;"),
        ("a.rs", "use std::b::B; use ::b; pub(super) struct A; pub(in crate::b) struct C;\n#[cfg(test)] mod tests;"),
        ("b.rs", "use bytes::a::A; #[cfg(test)] use crate::a::A;\n#[cfg(test)] mod tests { use crate::a::A; }"),
    ];
    assert_eq!(arrows(&sources), Vec::<String>::new());
}
