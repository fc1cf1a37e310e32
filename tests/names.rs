//! One program that answers to five names: as a file of each name beside it, as links to it, and what is said where it is
//! not there.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rumormill_testkit::executable;
use rumormill_testkit::nodes::said;
use rumormill_testkit::ports;
use rumormill_testkit::wait::until;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

#[path = "../crates/client/src/shim.rs"]
#[allow(dead_code, reason = "only what a test asks")]
mod shim;

const RUMORMILL: &str = env!("CARGO_BIN_EXE_rumormill");
/// The other names, each with a word of its help that only it has.
const OTHERS: [(&str, &str, &str); 4] = [
    ("rumormill-node", env!("CARGO_BIN_EXE_rumormill-node"), "--max-links"),
    ("rumormill-proxy", env!("CARGO_BIN_EXE_rumormill-proxy"), "get chatLog"),
    ("process", env!("CARGO_BIN_EXE_process"), "<PORT>"),
    ("stopall", env!("CARGO_BIN_EXE_stopall"), "where `process` was run"),
];

fn help(program: &Path) -> String {
    text(&Command::new(program).arg("--help").output().unwrap())
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// In a directory of its own, without `rumormill` in PATH.
fn alone(dir: &TempDir, name: &str, words: &[&str]) -> Output {
    Command::new(dir.path().join(name)).args(words).env("PATH", dir.path().join("none")).output().unwrap()
}

#[test]
fn a_file_and_a_link_of_each_name_are_that_program() {
    let dir = tempfile::tempdir().unwrap();
    let all = help(Path::new(RUMORMILL));
    for (name, file, word) in OTHERS {
        let own = help(Path::new(file));
        assert!(own.contains(word) && own.contains(&format!("Usage: {name}")), "{own}");
        assert!(!all.contains(&format!("Usage: {name}")), "{all}");
        // A link to the file, a link to the one program, that program as another file of this name, and a link of a name
        // that nobody knows to the file.
        symlink(file, dir.path().join(name)).unwrap();
        assert_eq!(help(&dir.path().join(name)), own, "{name}");
        fs::remove_file(dir.path().join(name)).unwrap();
        symlink(RUMORMILL, dir.path().join(name)).unwrap();
        assert_eq!(help(&dir.path().join(name)), own, "{name}");
        fs::remove_file(dir.path().join(name)).unwrap();
        executable::copy(RUMORMILL, &dir.path().join(name));
        assert_eq!(text(&alone(&dir, name, &["--help"])), own, "{name}");
        symlink(file, dir.path().join("p1")).unwrap();
        assert_eq!(help(&dir.path().join("p1")), own, "{name}");
        fs::remove_file(dir.path().join("p1")).unwrap();
        let sub = name.trim_start_matches("rumormill-");
        let sub = text(&Command::new(RUMORMILL).args([sub, "--help"]).output().unwrap());
        assert!(sub.contains(word), "{sub}");
    }
    symlink(RUMORMILL, dir.path().join("rm")).unwrap();
    assert_eq!(
        help(&dir.path().join("rm")).replace("Usage: rm ", "Usage: rumormill "),
        all,
        "a name that nobody knows"
    );
}

#[test]
fn only_one_of_the_files_holds_the_code() {
    let size = |path: &str| fs::metadata(path).unwrap().len();
    for (name, file, _) in OTHERS {
        assert!(size(file).saturating_mul(4) < size(RUMORMILL), "{name}: {} bytes", size(file));
    }
}

#[test]
fn a_copy_is_that_program_too_where_it_was_built() {
    for (name, file, word) in OTHERS {
        let dir = tempfile::tempdir().unwrap();
        executable::copy(file, &dir.path().join(name));
        let said = text(&alone(&dir, name, &["--help"]));
        assert!(said.contains(word) && said.contains(&format!("Usage: {name}")), "{said}");
        // A link back to the copy is not taken for the program.
        symlink(name, dir.path().join("rumormill")).unwrap();
        assert_eq!(text(&alone(&dir, name, &["--help"])), said);
    }
}

#[test]
fn the_program_is_found_beside_where_it_was_built_and_in_path_in_this_order() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let [beside, built, path] = ["beside", "built", "path"].map(|name| {
        fs::create_dir(root.join(name)).unwrap();
        fs::write(root.join(name).join("rumormill"), name).unwrap();
        root.join(name).join("rumormill")
    });
    let me = beside.with_file_name("process");
    fs::write(&me, "").unwrap();
    let found = || {
        let in_path = Some(path.parent().unwrap().as_os_str().to_owned());
        shim::program(&me, built.parent().unwrap().to_str(), in_path)
    };
    assert_eq!(found(), Some(beside.clone()));
    fs::remove_file(&beside).unwrap();
    symlink(&me, &beside).unwrap();
    assert_eq!(found(), Some(built.clone()), "a link back would go round");
    fs::remove_file(&built).unwrap();
    assert_eq!(found(), Some(path.clone()));
    fs::remove_file(&path).unwrap();
    assert_eq!(found(), None);
    assert_eq!(shim::program(&me, None, None), None);
}

#[test]
fn a_rumormill_that_cannot_be_run_is_said_to_be_so() {
    let dir = tempfile::tempdir().unwrap();
    executable::copy(OTHERS[2].1, &dir.path().join("process"));
    fs::write(dir.path().join("rumormill"), "no program").unwrap();
    let output = alone(&dir, "process", &["0", "1", "9"]);
    assert!(output.status.code() == Some(1) && said(&output).contains("process cannot run"), "{output:?}");
}

#[test]
fn codes_words_and_signals_go_through_and_the_process_is_the_same() {
    let wrong = Command::new(OTHERS[2].1).args(["0", "0", "1"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    let dir = tempfile::tempdir().unwrap();
    let [control] = ports::ports();
    let root = ports::block();
    for by_link in [false, true] {
        let program = dir.path().join("process");
        symlink(if by_link { RUMORMILL } else { OTHERS[2].1 }, &program).unwrap();
        let mut child = Command::new(&program)
            .args(["0", "1", &control.to_string(), "--root", &root.to_string()])
            .current_dir(dir.path())
            .env("HOME", dir.path())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut stream = None;
        until("the control port", || {
            assert!(child.try_wait().unwrap().is_none(), "the control port is not there");
            stream = TcpStream::connect(("127.0.0.1", control)).ok();
            stream.is_some()
        });
        let stream = stream.unwrap();
        // Answered once the node has started.
        (&stream).write_all(b"get chatLog\n").unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        assert_eq!(line, "chatLog \n");
        let proc = Path::new("/proc").join(child.id().to_string());
        assert_eq!(fs::read_to_string(proc.join("comm")).unwrap(), "process\n", "as `ps` and `pkill` show it");
        let words = fs::read_to_string(proc.join("cmdline")).unwrap();
        assert!(words.starts_with(&format!("{}\0", program.display())), "{words:?}");
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        fs::remove_file(&program).unwrap();
    }
}
