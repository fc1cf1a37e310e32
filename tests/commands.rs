//! What people type: the demo from start to end, certificates, exit codes, and outputs that fail.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rumormill_testkit::nodes::{Net, Node, rumormill};
use rumormill_testkit::pty;
use rumormill_testkit::wait::until;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn run(words: &[&str]) -> Output {
    rumormill().args(words).output().unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// Node processes that live below a directory.
fn living_below(dir: &Path) -> usize {
    let mark = dir.display().to_string();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter(|p| fs::read(p.path().join("cmdline")).is_ok_and(|c| String::from_utf8_lossy(&c).contains(&mark)))
        .count()
}

#[test]
fn the_demo_ends_with_one_log_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let done = rumormill().args(["demo", "--json"]).env("TMPDIR", dir.path()).output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", text(done.stderr));
    let summary: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&summary["nodes"], &summary["messages"]), (&5.into(), &8.into()));
    assert_eq!(summary["same_log_everywhere"], true);
    assert_eq!(summary["tls"], "TLSv1.3, X25519MLKEM768");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "its directory is gone");
    assert_eq!(living_below(dir.path()), 0);
}

#[test]
fn the_demo_for_people_tells_the_story_without_colour_where_no_terminal_is() {
    let dir = tempfile::tempdir().unwrap();
    let done = rumormill().arg("demo").env("TMPDIR", dir.path()).output().unwrap();
    let (told, code) = (text(done.stdout), done.status.code());
    assert_eq!(code, Some(0), "{told}");
    let mut rest = told.as_str();
    for words in ["started five nodes", "linked up", "carol crashed", "carol is back", "all five logs are the same"] {
        rest = rest.split_once(words).unwrap_or_else(|| panic!("{words:?} in its turn: {told}")).1;
    }
    assert_eq!(rest.matches("Has anybody heard?").count(), 1, "the log is shown: {told}");
    assert!(!told.contains('\x1b'), "{told}");
}

/// The demo, by a shell that does something before, with this directory for temporary files.
fn demo_that_fails(before: &str, dir: &Path) -> (Option<i32>, String) {
    let mut command = Command::new("bash");
    command.args(["-c", &format!("{before}; exec \"$@\""), "bash", env!("CARGO_BIN_EXE_rumormill"), "demo"]);
    let done = command.env("TMPDIR", dir).stdin(Stdio::null()).output().unwrap();
    (done.status.code(), text(done.stderr))
}

#[test]
fn a_demo_without_a_place_for_its_nodes_says_what_is_wrong_with_it_before_any_starts() {
    let dir = tempfile::tempdir().unwrap();
    let (file, long, full) =
        (dir.path().join("file"), dir.path().join("x".repeat(90)), dir.path().join("y".repeat(300)));
    fs::write(&file, "").unwrap();
    fs::create_dir(&long).unwrap();
    for (place, words) in [
        (dir.path().join("nowhere"), "is not there"),
        (file, "is no directory"),
        (long.clone(), "107 is the most"),
        (full, "107 is the most"),
    ] {
        let (code, said) = demo_that_fails("true", &place);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(words) && said.contains("TMPDIR") && !said.contains("room"), "{words}: {said}");
    }
    assert_eq!(fs::read_dir(&long).unwrap().count(), 0, "nothing is left");
}

#[test]
fn a_demo_whose_nodes_cannot_start_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let (code, said) = demo_that_fails("ulimit -n 16", dir.path());
    assert!(code == Some(1) && said.contains("the limit of descriptors is 16"), "{said}");
    // Not even certificates can be written, which the first node says.
    let (code, said) = demo_that_fails("ulimit -f 0", dir.path());
    assert!(code == Some(1) && said.contains("its node ended with code 1"), "{said}");
    assert!(said.contains("is there room in"), "{said}");
    let (code, said) = demo_that_fails("ulimit -f 4", dir.path());
    assert!(code == Some(1) && said.contains("its node ended with code 1"), "{said}");
    assert!(said.contains("the end of its log says") && said.contains("ulimit -f"), "{said}");
    assert_eq!(living_below(dir.path()), 0);
}

#[test]
fn an_interrupted_demo_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut demo = rumormill();
        demo.arg("demo").env("TMPDIR", dir.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut demo = demo.spawn().unwrap();
        // Five nodes run once it has said so; the words of the last may not be there to read yet.
        let mut told = BufReader::new(demo.stdout.take().unwrap());
        told.read_line(&mut String::new()).unwrap();
        until("five nodes", || living_below(dir.path()) == 5);
        kill_process(Pid::from_child(&demo), signal).unwrap();
        let done = demo.wait_with_output().unwrap();
        assert_eq!(done.status.code(), Some(1));
        assert!(text(done.stderr).starts_with("error: "));
        assert_eq!(living_below(dir.path()), 0, "no node is left");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "no directory is left");
    }
}

#[test]
fn no_node_outlives_a_demo_that_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    for signal in [Signal::KILL, Signal::QUIT] {
        let mut demo = rumormill();
        demo.arg("demo").env("TMPDIR", dir.path()).current_dir(dir.path()).stdout(Stdio::null());
        let mut demo = demo.spawn().unwrap();
        until("five nodes", || living_below(dir.path()) == 5);
        kill_process(Pid::from_child(&demo), signal).unwrap();
        assert_eq!(demo.wait().unwrap().code(), None, "it has no time for an end");
        until("no node is left", || living_below(dir.path()) == 0);
    }
}

#[test]
fn a_demo_whose_terminal_is_closed_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (master, end) = pty::terminal();
    // A session of its own, of which this is the terminal.
    let mut demo = Command::new("setsid");
    demo.arg("--ctty").arg(env!("CARGO_BIN_EXE_rumormill")).arg("demo").env("TMPDIR", dir.path());
    demo.stdin(end.try_clone().unwrap()).stdout(end.try_clone().unwrap()).stderr(end);
    let mut child = demo.spawn().unwrap();
    drop(demo);
    until("five nodes", || living_below(dir.path()) == 5);
    drop(master);
    until("it ends", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(1), "it is not killed by the signal");
    until("no node is left", || living_below(dir.path()) == 0);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "no directory is left");
}

#[test]
fn a_demo_that_is_to_stay_when_its_terminal_goes_ends_with_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = Command::new("nohup");
    demo.arg(env!("CARGO_BIN_EXE_rumormill")).args(["demo", "--json"]).env("TMPDIR", dir.path());
    demo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let demo = demo.spawn().unwrap();
    until("five nodes", || living_below(dir.path()) == 5);
    kill_process(Pid::from_child(&demo), Signal::HUP).unwrap();
    let done = demo.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", text(done.stderr));
    assert!(text(done.stdout).contains("\"same_log_everywhere\":true"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "no directory is left");
}

#[test]
fn exit_codes_and_errors_say_what_is_wrong_and_what_next() {
    for words in [&["frob"][..], &["send"], &["node", "--listen", "nowhere"], &["process", "4", "4", "x"]] {
        let done = run(words);
        assert_eq!(done.status.code(), Some(2), "{words:?}");
        let said = text(done.stderr);
        assert!(said.starts_with("error: ") && said.lines().count() > 1, "{words:?}: {said}");
        assert!(done.stdout.is_empty() && !said.contains('\x1b'), "{words:?}");
    }
    for (words, code) in [
        (&["send", "x", "--state", "/nowhere"][..], 2),
        (&["certs", "show", "--home", "/nowhere"], 2),
        (&["send", "x", "--socket", "/nowhere/node.sock"], 1),
    ] {
        let done = run(words);
        assert_eq!(done.status.code(), Some(code), "{words:?}");
        let said = text(done.stderr);
        assert!(said.contains("/nowhere") && said.contains("\n  next: "), "{words:?}: {said}");
    }
    assert_eq!(run(&["--help"]).status.code(), Some(0));
}

#[test]
fn an_output_that_cannot_be_written_is_no_panic() {
    let net = Net::new();
    let alice = net.start("alice", &[]);
    alice.send("hello");
    let socket = alice.socket();
    let socket = socket.to_str().unwrap();
    for words in [
        &["--help"][..],
        &["log", "--socket", socket],
        &["peers", "--socket", socket],
        &["send", "x", "--socket", socket],
    ] {
        for out in [File::options().write(true).open("/dev/full").unwrap(), File::open("/dev/null").unwrap()] {
            let mut command = rumormill();
            let done = command.args(words).stdout(out).stderr(Stdio::piped()).output().unwrap();
            let said = text(done.stderr);
            assert!(
                done.status.code().is_some_and(|code| code <= 1) && !said.contains("panicked"),
                "{words:?}: {said}"
            );
        }
    }
}

#[test]
fn certificates_are_made_shown_renewed_and_never_overwritten() {
    let net = Net::new();
    let home = net.home();
    let home = home.to_str().unwrap();
    let before = fs::read(net.home().join("ca/ca.key")).unwrap();
    let again = run(&["certs", "init", "--home", home]);
    assert_eq!(again.status.code(), Some(1), "a CA is not overwritten");
    assert_eq!(fs::read(net.home().join("ca/ca.key")).unwrap(), before);

    let out = net.dir.path().join("alice");
    let out = out.to_str().unwrap();
    let said = net.certs(&["issue", "alice", "--out", out, "--days", "10"]);
    assert!(said.contains("expires in 10 days"), "{said}");
    let show = |what: &str| -> Value { serde_json::from_str(&net.certs(&["show", what, "--json"])).unwrap() };
    let first = show("alice");
    assert_eq!((&first["name"], &first["ca"]), (&"alice".into(), &false.into()));
    assert_eq!(first["not_after"], show(&format!("{out}/cert.pem"))["not_after"], "by name and by file");
    net.certs(&["issue", "alice", "--out", out, "--days", "20"]);
    let second = show("alice");
    assert_eq!(first["node"], second["node"], "a renewed certificate is of the same node");
    assert!(second["not_after"].as_u64() > first["not_after"].as_u64());
    assert_ne!(first["sha256"], second["sha256"]);
    assert_eq!(first["network"], serde_json::from_str::<Value>(&net.certs(&["show", "--json"])).unwrap()["network"]);
}

fn chain(net: &Net) -> [Node; 3] {
    let alice = net.start("alice", &[]);
    let bob = net.start("bob", &[&alice]);
    let carol = net.start("carol", &[&bob]);
    for text in ["one", "two", "three"] {
        carol.send(text);
    }
    until("alice has them", || alice.texts().len() == 3);
    [alice, bob, carol]
}

#[test]
fn a_plain_revocation_ends_links_and_keeps_what_was_said() {
    let net = Net::new();
    let [alice, bob, carol] = chain(&net);
    let said = net.certs(&["revoke", "carol", "--no-cut"]);
    assert!(said.contains("all its messages count, later ones too"), "{said}");
    until("bob has one link left", || bob.peers().len() == 1);
    carol.send("does anybody hear me?");
    alice.send("no");
    until("bob has alice's", || bob.texts() == ["one", "two", "three", "no"]);
    assert_eq!(carol.texts().len(), 4, "she has her own alone");
    let shown: Value = serde_json::from_str(&net.certs(&["show", "--json"])).unwrap();
    assert_eq!((&shown["revocations"], shown["revoked"].as_array().unwrap().len()), (&1.into(), 1));
}

#[test]
fn a_revocation_with_a_nodes_word_cuts_later_messages_everywhere() {
    let net = Net::new();
    let [mut alice, bob, carol] = chain(&net);
    // What alice does not have when the list is made does not count, though bob has it.
    alice.term();
    carol.send("four");
    until("bob has it", || bob.texts().len() == 4);
    // At another address she is nobody's neighbour: nobody tells her the fourth.
    alice.addr.set_port(20_001);
    alice.start();
    assert_eq!(alice.texts().len(), 3);
    let said = net.certs(&["revoke", "carol", "--socket", alice.socket().to_str().unwrap()]);
    assert!(said.contains("its first 3 messages count"), "{said}");
    until("bob's view is cut", || bob.texts() == ["one", "two", "three"]);
}
