//! Ends of output: what was printed and has not arrived is a failure, by every command; exit codes; colours; what is logged.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rumormill_testkit::nodes::{Net, Node, rumormill, said};
use rumormill_testkit::ports;
use rumormill_testkit::pty;
use rumormill_testkit::wait::until;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};

/// Runs a command with this standard input and output.
fn run(mut command: Command, typed: &str, out: impl Into<Stdio>) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(out).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let typed = typed.to_owned();
    // It may end before it has read everything.
    let typing = std::thread::spawn(move || drop(input.write_all(typed.as_bytes())));
    let done = child.wait_with_output().unwrap();
    typing.join().unwrap();
    done
}

/// Every command that prints, with what is typed into it.
fn commands(net: &Net, alice: &Node, scratch: &Path) -> Vec<(Command, String, String)> {
    let (socket, home) = (alice.socket().display().to_string(), net.home().display().to_string());
    let (fresh, out) = (scratch.join("home").display().to_string(), scratch.join("out").display().to_string());
    let port = ports::port().to_string();
    let (local, menu_port) = (format!("127.0.0.1:{}", ports::port()), ports::port());
    let plain: &[&[&str]] = &[
        &["--help"],
        &["--version"],
        &["node", "--help"],
        &["certs", "issue", "--help"],
        &["send", "x", "--socket", &socket],
        &["send", "x", "--json", "--socket", &socket],
        &["log", "--socket", &socket],
        &["log", "--json", "--socket", &socket],
        &["log", "--follow", "--socket", &socket],
        &["peers", "--socket", &socket],
        &["peers", "--json", "--socket", &socket],
        &["doors", "--socket", &socket],
        &["doors", "--json", "--socket", &socket],
        &["metrics", "--socket", &socket],
        &["certs", "show", "--home", &home],
        &["certs", "show", "alice", "--json", "--home", &home],
        &["certs", "issue", "zoe", "--out", &out, "--home", &home],
        &["certs", "revoke", "zoe", "--cut-all", "--home", &home],
        &["certs", "init", "--home", &fresh],
        &["demo"],
        &["demo", "--json"],
    ];
    let typing: &[(&[&str], String)] = &[
        (&["menu"], format!("A\n{menu_port}\n0\n")),
        (&["menu", "--socket", &socket], format!("A\n{menu_port}\n0\n")),
        (&["udp-peer", "--port", &port, "--directory", "127.0.0.1:1"], "peers\nquit\n".to_owned()),
        (&["peer", &local], "table\nend\n".to_owned()),
    ];
    let plain = plain.iter().map(|words| (*words, String::new()));
    let all = plain.chain(typing.iter().map(|(words, typed)| (*words, typed.clone())));
    let mut commands: Vec<_> = all
        .map(|(words, typed)| {
            let mut command = rumormill();
            command.args(words).env("TMPDIR", scratch).current_dir(scratch);
            (command, typed, words.join(" "))
        })
        .collect();
    let mut help = Command::new(env!("CARGO_BIN_EXE_rumormill-proxy"));
    help.arg("--help");
    commands.push((help, String::new(), "rumormill-proxy --help".to_owned()));
    // Its processes link at ports that no other session has.
    let process = scratch.join("process");
    let script = format!("#!/bin/sh\nexec {} \"$@\" --root {}\n", env!("CARGO_BIN_EXE_process"), ports::block());
    fs::write(&process, script).unwrap();
    fs::set_permissions(&process, fs::Permissions::from_mode(0o700)).unwrap();
    let mut proxy = Command::new(env!("CARGO_BIN_EXE_rumormill-proxy"));
    proxy.current_dir(scratch).env("TMPDIR", scratch).env("RUMORMILL_HOME", scratch.join("proxy"));
    let typed = format!("0 start 1 {}\n0 msg 1 hello\n0 get chatLog\nexit\n", ports::port());
    commands.push((proxy, typed, "rumormill-proxy".to_owned()));
    commands
}

fn prepared() -> (Net, Node) {
    let net = Net::new();
    let alice = net.start("alice", &[]);
    let mut talk = alice.talk().unwrap();
    for n in 0..300 {
        talk.send(&format!("message {n}")).unwrap();
    }
    (net, alice)
}

#[test]
fn what_could_not_be_printed_is_a_failure_of_every_command() {
    let (net, alice) = prepared();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let read_only = || File::open("/dev/null").unwrap();
    for (open, why) in [(&full as &dyn Fn() -> File, "No space left"), (&read_only, "Bad file descriptor")] {
        let scratch = tempfile::tempdir().unwrap();
        for (command, typed, words) in commands(&net, &alice, scratch.path()) {
            let done = run(command, &typed, open());
            let said = said(&done);
            assert_eq!(done.status.code(), Some(1), "{words}: {said}");
            assert!(said.contains("standard output") && said.contains(why), "{words}: {said}");
            assert!(said.contains("\n  next: ") && !said.contains("panicked"), "{words}: {said}");
        }
    }
}

#[test]
fn a_reader_that_has_gone_is_no_failure_and_nothing_is_said() {
    let (net, alice) = prepared();
    let scratch = tempfile::tempdir().unwrap();
    for (command, typed, words) in commands(&net, &alice, scratch.path()) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let done = run(command, &typed, writer);
        // Consoles of the legacy protocols log to standard error; an error is none of it.
        let said = said(&done);
        assert_eq!(done.status.code(), Some(0), "{words}: {said}");
        assert!(!said.contains("error") && !said.contains("roken pipe"), "{words}: {said}");
    }
    // It ends once it has something to write, not with the log.
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = rumormill();
    command.args(["log", "--follow", "--socket"]).arg(alice.socket()).stdout(writer).stderr(Stdio::piped());
    let mut following = command.spawn().unwrap();
    drop(command);
    reader.read_exact(&mut [0; 100]).unwrap();
    drop(reader);
    alice.send("one more");
    until("the follower ends", || following.try_wait().unwrap().is_some());
    assert_eq!(following.wait().unwrap().code(), Some(0));
}

#[test]
fn a_follower_is_told_that_the_node_stops() {
    let (_net, mut alice) = prepared();
    let mut command = rumormill();
    command.args(["log", "--follow", "--socket"]).arg(alice.socket()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut following = command.spawn().unwrap();
    drop(command);
    let mut lines = following.stdout.take().unwrap();
    lines.read_exact(&mut [0; 100]).unwrap();
    assert_eq!(alice.term(), Some(0));
    std::io::copy(&mut lines, &mut std::io::sink()).unwrap();
    let done = following.wait_with_output().unwrap();
    assert_eq!((done.status.code(), said(&done).as_str()), (Some(0), "the node stops: nothing more comes\n"));
}

#[test]
fn a_log_is_whole_or_its_export_fails() {
    let (_net, alice) = prepared();
    let dir = tempfile::tempdir().unwrap();
    for (kib, whole) in [(4, false), (1_024, true)] {
        let file = dir.path().join(format!("export-{kib}"));
        // A file that may not grow beyond this is a disk that is full.
        let script = format!("ulimit -f {kib}; exec \"$@\" > {}", file.display());
        let mut command = Command::new("bash");
        command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_rumormill"), "log", "--socket"]).arg(alice.socket());
        let done = command.output().unwrap();
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert_eq!(done.status.code(), Some(if whole { 0 } else { 1 }), "{}", said(&done));
        assert_eq!(lines == 300, whole, "{lines} lines");
        assert_eq!(said(&done).is_empty(), whole, "{}", said(&done));
    }
}

#[test]
fn a_node_whose_terminal_is_closed_leaves_in_good_order_unless_it_is_to_stay() {
    let net = Net::new();
    for (trap, stays) in [("", false), ("trap '' HUP; ", true)] {
        let mut alice = net.node("alice", &[]);
        alice.spawn_by(&["bash", "-c", &format!("{trap}exec \"$@\""), "bash"]);
        until("alice answers", || alice.talk().is_ok());
        let child = alice.child.as_mut().unwrap();
        kill_process(Pid::from_child(child), Signal::HUP).unwrap();
        if stays {
            (0..20).for_each(|_| drop(alice.send("still here")));
            assert_eq!(alice.term(), Some(0));
        } else {
            until("it leaves", || child.try_wait().unwrap().is_some());
            let code = child.wait().unwrap().code();
            alice.child = None;
            assert_eq!(code, Some(0), "{}", alice.said());
        }
    }
}

#[test]
fn with_too_few_descriptors_nothing_begins_and_the_limit_is_named() {
    for (limit, works) in [(6, false), (15, false), (16, true)] {
        let home = tempfile::tempdir().unwrap();
        let script = format!("ulimit -n {limit}; exec \"$@\"");
        let mut command = Command::new("bash");
        command.args(["-c", &script, "bash", env!("CARGO_BIN_EXE_rumormill"), "certs", "init", "--home"]);
        let done = command.arg(home.path().join("ca")).output().unwrap();
        assert_eq!(done.status.code(), Some(if works { 0 } else { 1 }), "{}", said(&done));
        assert_eq!(said(&done).contains(&format!("the limit of descriptors is {limit}")), !works, "{}", said(&done));
    }
}

#[test]
fn a_node_begins_with_as_few_descriptors_as_it_says_and_with_fewer_says_so() {
    let net = Net::new();
    let mut bob = net.node("bob", &[]);
    for (limit, door) in [(16, false), (20, false), (35, false), (47, true)] {
        let home = net.home().display().to_string();
        let script = format!("ulimit -n {limit}; exec \"$@\"");
        let mut command = Command::new("timeout");
        command.args(["60", "bash", "-c", &script, "bash", env!("CARGO_BIN_EXE_rumormill"), "node", "--name", "alice"]);
        command.args(["--home", &home, "--listen", "127.0.0.1:0", "--state"]).arg(net.dir.path().join("few"));
        command.args(if door { &["--door", "push-pull,listen=127.0.0.1:0"][..] } else { &[] });
        let done = command.stdin(Stdio::null()).output().unwrap();
        let least = if door { 48 } else { 36 };
        let words = format!("the limit of descriptors is {limit}, and this node needs {least}");
        assert_eq!(done.status.code(), Some(1), "{limit}: {}", said(&done));
        assert!(said(&done).contains(&words), "{limit}: {}", said(&done));
    }
    // With as many as it says it is linked, by whomever, and asked.
    for (limit, door) in [(36, false), (48, true)] {
        let mut alice = net.node("alice", &[]);
        if door {
            alice.words.extend(["--door".to_owned(), format!("push-pull,listen={}:60085", alice.addr.ip())]);
        }
        alice.spawn_by(&["bash", "-c", &format!("ulimit -n {limit}; exec \"$@\""), "bash"]);
        until("alice answers", || alice.talk().is_ok());
        bob.words = vec![
            "--home".into(),
            net.home().display().to_string(),
            "--neighbour".into(),
            format!("alice@{}", alice.addr),
        ];
        bob.start();
        until("they are linked", || bob.peers().len() == 1 && alice.peers().len() == 1);
        bob.send("here");
        until("alice has it", || alice.texts().last().is_some_and(|text| text == "here"));
        if door {
            let (mut client, mut said) = (TcpStream::connect((alice.addr.ip(), 60_085)).unwrap(), String::new());
            client.write_all(b"PULL\r\n").unwrap();
            client.read_to_string(&mut said).unwrap();
            assert!(said.contains("SUCCESS"), "{said}");
        }
        assert_eq!((bob.term(), alice.term()), (Some(0), Some(0)));
    }
}

/// Descriptors that whoever started it left open count too.
#[test]
fn a_store_that_finds_no_descriptor_left_blames_no_file() {
    let net = Net::new();
    for open in 12..22 {
        let script = format!("for n in $(seq {open}); do exec {{fd}}</dev/null; done; ulimit -n 36; exec \"$@\"");
        let mut alice = net.node("alice", &[]);
        let _ = fs::remove_file(&alice.log);
        alice.spawn_by(&["bash", "-c", &script, "bash"]);
        let child = alice.child.as_mut().unwrap();
        let ended = |child: &mut std::process::Child| child.try_wait().unwrap().is_some();
        let listens = || fs::read_to_string(&alice.log).is_ok_and(|said| said.contains("listening"));
        until("it ends or listens", || ended(child) || listens());
        if ended(child) {
            alice.child = None;
        } else {
            alice.kill();
        }
        assert!(!alice.said().contains("can be written"), "{open}: {}", alice.said());
    }
}

#[test]
fn where_files_may_not_grow_every_command_says_so_and_none_is_ended_by_a_signal() {
    let (net, alice) = prepared();
    let scratch = tempfile::tempdir().unwrap();
    net.certs(&["issue", "zoe", "--out", scratch.path().join("out").to_str().unwrap()]);
    for (asked, typed, words) in commands(&net, &alice, scratch.path()) {
        let mut command = Command::new("bash");
        command.args(["-c", "ulimit -f 0; exec \"$@\"", "bash"]).arg(asked.get_program()).args(asked.get_args());
        for (name, value) in asked.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(scratch.path());
        let done = run(command, &typed, File::create(net.dir.path().join("out")).unwrap());
        let said = said(&done);
        assert_eq!(done.status.code(), Some(1), "{words}: {} {said}", done.status);
        // The demo's nodes say so in logs that are files too.
        assert!(said.contains("File too large") || words.starts_with("demo"), "{words}: {said}");
        assert!(said.contains("\n  next: ") && !said.contains("panicked"), "{words}: {said}");
    }
}

#[test]
fn a_node_at_a_limit_of_the_size_of_files_says_so_and_ends_as_at_a_full_disk() {
    let net = Net::new();
    let mut alice = net.node("alice", &[]);
    alice.spawn_by(&["bash", "-c", "ulimit -f 300; exec \"$@\"", "bash"]);
    until("alice answers", || alice.talk().is_ok());
    let mut talk = alice.talk().unwrap();
    let refused = (0..100).find_map(|_| talk.send(&"x".repeat(30_000)).err());
    let refused = refused.expect("300 KiB do not hold it all").to_string();
    assert!(refused.contains("ulimit -f"), "whoever waits hears why: {refused}");
    let mut child = alice.child.take().unwrap();
    until("it ends", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(1), "{}", alice.said());
    alice.says("the store failed: this node stops");
    // What was durable is there with more room.
    alice.start();
    assert!(alice.texts().len() > 1);
    assert_eq!(alice.term(), Some(0));
}

#[test]
fn a_node_at_a_limit_of_its_processor_time_says_so_and_leaves_in_good_order() {
    // The soft limit is a second and the hard one is far; and one limit for both, of which the node keeps some for its end.
    for limit in ["-St 1", "-t 2"] {
        ends_when_its_time_is_used_up(limit);
    }
}

fn ends_when_its_time_is_used_up(limit: &str) {
    let net = Net::new();
    let mut alice = net.node("alice", &[]);
    alice.spawn_by(&["bash", "-c", &format!("ulimit {limit}; exec \"$@\""), "bash"]);
    until("alice answers", || alice.talk().is_ok());
    let mut child = alice.child.take().unwrap();
    until("it ends", || {
        let _ = alice.talk().and_then(|mut talk| talk.send(&"x".repeat(10_000)));
        child.try_wait().unwrap().is_some()
    });
    assert_eq!(child.wait().unwrap().code(), Some(1), "{}", alice.said());
    alice.says("processor time is used up");
    alice.start();
    assert!(alice.texts().len() > 1 && !alice.said().contains("damaged"));
    assert_eq!(alice.term(), Some(0));
}

#[test]
fn exit_codes_tell_what_was_asked_wrongly_from_what_failed() {
    let net = Net::new();
    net.certs(&["issue", "alice", "--out", net.dir.path().join("alice.files").to_str().unwrap()]);
    let path = |name: &str| net.dir.path().join(name).display().to_string();
    let (home, nowhere, here) = (net.home().display().to_string(), path("nowhere"), path("."));
    fs::write(path("bad.toml"), "name = \n").unwrap();
    fs::write(path("unknown.toml"), "nmae = \"a\"\n").unwrap();
    fs::write(path("latin.toml"), b"name = \"\xe9\"\n").unwrap();
    fs::write(path("text"), "no certificate").unwrap();
    let (bad, unknown, latin, text) = (path("bad.toml"), path("unknown.toml"), path("latin.toml"), path("text"));
    let (cert, key, ca) = (path("alice.files/cert.pem"), path("alice.files/key.pem"), path("alice.files/ca.pem"));
    let state = path("state");
    let node = ["node", "--name", "alice", "--listen", "127.0.0.1:0", "--state", &state, "--home", &home];
    let with = |words: &[&'static str]| [&node[..], words].concat();
    let files = |cert: &str, key: &str, ca: &str, name: &str| -> Vec<String> {
        let words = ["node", "--name", name, "--listen", "127.0.0.1:0", "--state", &state];
        let files = ["--cert", cert, "--key", key, "--ca", ca];
        words.iter().chain(&files).map(|word| (*word).to_owned()).collect()
    };
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let long = "r".repeat(65);
    let wrongly = [
        owned(&[]),
        owned(&["frob"]),
        owned(&["node"]),
        owned(&["node", "--name", "Alice", "--state", &state]),
        owned(&["node", "--name", "alice"]),
        owned(&with(&["--neighbour", "bob"])),
        owned(&with(&["--door", "teapot,listen=127.0.0.1:1"])),
        owned(&with(&["--door", "classroom,listen=0.0.0.0:1"])),
        owned(&with(&["--max-links", "0"])),
        owned(&with(&["--log-level", "loud"])),
        owned(&with(&["--cert", "x"])),
        owned(&with(&["--socket", "/dev/null"])),
        owned(&["node", "--config", &nowhere]),
        owned(&["node", "--config", &bad]),
        owned(&["node", "--config", &unknown]),
        owned(&["node", "--config", &latin]),
        owned(&["node", "--config", &here]),
        owned(&["node", "--config", "/dev/zero"]),
        files(&nowhere, &key, &ca, "alice"),
        files(&cert, &nowhere, &ca, "alice"),
        files(&cert, &key, &nowhere, "alice"),
        files(&text, &key, &ca, "alice"),
        files(&cert, &key, &text, "alice"),
        files(&cert, &key, &ca, "bob"),
        owned(&["send", "x", "--state", &nowhere]),
        owned(&["send", "x", "--state", ""]),
        owned(&["send", "x", "--socket", ""]),
        owned(&["send", "x", "--room", &long, "--state", &here]),
        owned(&["send"]),
        owned(&["log", "--state", &nowhere]),
        owned(&["log", "--folow"]),
        owned(&["peers", "--state", &nowhere]),
        owned(&["doors", "--state", &nowhere]),
        owned(&["metrics", "--state", &nowhere]),
        owned(&["menu", "--state", &nowhere]),
        owned(&["menu", "--listen", "0.0.0.0"]),
        owned(&["menu", "--state", &here, "--insecure-bind"]),
        owned(&["udp-peer", "--port", "70000"]),
        owned(&["udp-peer", "--listen", "0.0.0.0"]),
        owned(&["peer"]),
        owned(&["peer", "127.0.0.1:5000", "--log-level", "loud"]),
        owned(&["peer", "0.0.0.0:5000"]),
        owned(&["certs"]),
        owned(&["certs", "issue", "Bad Name", "--home", &home]),
        owned(&["certs", "issue", "a", "--days", "0", "--home", &home]),
        owned(&["certs", "issue", "a", "--home", &nowhere]),
        owned(&["certs", "show", "--home", &nowhere]),
        owned(&["certs", "show", "nobody", "--home", &home]),
        owned(&["certs", "show", &text, "--home", &home]),
        owned(&["certs", "revoke", "nobody", "--home", &home]),
        owned(&["certs", "revoke", "alice", "--home", &home]),
        owned(&["certs", "revoke", "alice", "--state", &nowhere, "--home", &home]),
        owned(&["demo", "--fast"]),
        owned(&["process", "4", "4", "x"]),
        owned(&["process", "4", "4", "10000"]),
        owned(&["proxy", "-n", "x"]),
        owned(&["stopall", "now"]),
    ];
    let other = path("other");
    fs::create_dir(&other).unwrap();
    let failed = [
        owned(&["send", "x", "--state", &other]),
        owned(&["log", "--state", &other]),
        owned(&["peers", "--socket", &path("none.sock")]),
        owned(&["doors", "--state", &other]),
        owned(&["metrics", "--state", &other]),
        owned(&["menu", "--state", &other]),
        owned(&["certs", "init", "--home", &home]),
    ];
    for (all, code) in [(&wrongly[..], 2), (&failed[..], 1)] {
        for words in all {
            let mut command = rumormill();
            command.args(words).current_dir(net.dir.path());
            let done = run(command, "A\n4000\n0\n", Stdio::piped());
            let said = said(&done);
            assert_eq!(done.status.code(), Some(code), "{words:?}: {said}");
            assert!(!said.is_empty() && !said.contains("panicked") && !said.contains('\x1b'), "{words:?}: {said}");
        }
    }
    // The same address twice: asked for rightly.
    let carol = net.start("carol", &[]);
    until("it listens", || carol.said().contains("listening"));
    // What no node takes is asked for wrongly, whoever finds out.
    for words in [&["send", "x", "--room", "\u{202e}"][..], &["send", &"x".repeat(40_000)]] {
        let done = carol.ask(words);
        assert_eq!(done.status.code(), Some(2), "{}", said(&done));
    }
    let mut second = rumormill();
    second.args(["node", "--name", "bob", "--listen", &carol.addr.to_string(), "--state", &state, "--home", &home]);
    let mut second = second.stderr(Stdio::null()).spawn().unwrap();
    until("it ends", || second.try_wait().unwrap().is_some());
    assert_eq!(second.wait().unwrap().code(), Some(1));
}

#[test]
fn a_configuration_that_is_no_regular_file_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (fifo, long) = (dir.path().join("fifo"), dir.path().join("long.toml"));
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    fs::write(&long, vec![b'#'; (1 << 20) + 1]).unwrap();
    let cases = [
        (fifo.as_path(), "regular file"),
        (dir.path(), "directory"),
        (Path::new("/dev/zero"), "regular file"),
        (Path::new("/proc/self/environ"), ""),
        (long.as_path(), "1048576 at most"),
    ];
    for (file, words) in cases {
        let mut child = rumormill();
        child.args(["node", "--config"]).arg(file).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        until("it ends", || child.try_wait().unwrap().is_some());
        let done = child.wait_with_output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{}: {}", file.display(), said(&done));
        assert!(said(&done).contains(words), "{}: {}", file.display(), said(&done));
    }
}

/// Starts a node with these variables, waits for words of its log or for its end, and gives what it said.
fn log_of(net: &Net, words: &[&str], set: &[(&str, &str)], awaited: &str) -> String {
    let log = net.dir.path().join("log");
    let file = File::create(&log).unwrap();
    let mut command = rumormill();
    command.args(["node", "--name", "alice", "--listen", "127.0.0.1:0", "--state"]).arg(net.dir.path().join("alice"));
    command.arg("--home").arg(net.home()).args(words).env_remove("RUST_LOG").envs(set.iter().copied());
    let mut child = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
    let said = || fs::read_to_string(&log).unwrap();
    let socket = net.dir.path().join("alice/node.sock");
    until(awaited, || match awaited {
        "" => rumormill().args(["metrics", "--socket"]).arg(&socket).output().unwrap().status.success(),
        words => said().contains(words),
    });
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    said()
}

#[test]
fn rust_log_of_others_silences_nothing_and_a_flag_wins() {
    let net = Net::new();
    for value in ["", " ", "hyper=debug", "some_program", "hyper=off,tower=error"] {
        let said = log_of(&net, &[], &[("RUST_LOG", value)], "listening");
        assert!(!said.contains("RUST_LOG"), "{value:?}: {said}");
    }
    let said = log_of(&net, &[], &[("RUST_LOG", "rumormill=loud")], "listening");
    assert!(said.contains("RUST_LOG is no filter"), "{said}");
    // What is meant for it counts, and a flag counts more.
    let said = log_of(&net, &[], &[("RUST_LOG", "off")], "");
    assert_eq!(said, "");
    let said = log_of(&net, &[], &[("RUST_LOG", "rumormill_node=error")], "");
    assert!(!said.contains("listening"), "{said}");
    log_of(&net, &["--log-level", "info"], &[("RUST_LOG", "off")], "listening");
    let said = log_of(&net, &["--log-level", "error"], &[("RUST_LOG", "debug")], "");
    assert!(!said.contains("listening"), "{said}");
}

/// What a command writes to a terminal within a while, or until these words.
fn on_a_terminal(mut command: Command, until_words: &str) -> String {
    let (mut master, end) = pty::terminal();
    let mut child = command.stdin(Stdio::null()).stdout(end.try_clone().unwrap()).stderr(end).spawn().unwrap();
    drop(command);
    let mut shown = Vec::new();
    let mut buffer = [0; 4_096];
    let deadline = Instant::now() + Duration::from_secs(60);
    // When nobody has the other end any more, reading fails.
    while let Ok(read) = master.read(&mut buffer) {
        shown.extend_from_slice(&buffer[..read]);
        if String::from_utf8_lossy(&shown).contains(until_words) && !until_words.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "{}", String::from_utf8_lossy(&shown));
    }
    let _ = child.kill();
    child.wait().unwrap();
    String::from_utf8_lossy(&shown).into_owned()
}

#[test]
fn the_log_and_every_command_have_one_rule_for_colour() {
    let (net, alice) = prepared();
    let socket = alice.socket().display().to_string();
    let state = net.dir.path().join("bob").display().to_string();
    let home = net.home().display().to_string();
    let node = ["node", "--name", "bob", "--listen", "127.0.0.1:0", "--state", &state, "--home", &home];
    let commands: [(&[&str], &str); 6] = [
        (&["--help"], ""),
        (&["frob"], ""),
        (&["send", "x", "--socket", "/nowhere/at/all"], ""),
        (&["log", "--socket", &socket], ""),
        (&["certs", "--help"], ""),
        (&node, "listening"),
    ];
    for (words, last) in commands {
        let cases: [(&[(&str, &str)], bool); 6] = [
            (&[("TERM", "xterm")], true),
            (&[("TERM", "xterm"), ("NO_COLOR", "")], true),
            (&[("TERM", "xterm"), ("NO_COLOR", "1")], false),
            (&[("TERM", "dumb")], false),
            (&[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")], false),
            (&[("TERM", "")], false),
        ];
        for (set, coloured) in cases {
            let mut command = rumormill();
            for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "RUST_LOG"] {
                command.env_remove(name);
            }
            command.args(words).envs(set.iter().copied());
            let shown = on_a_terminal(command, last);
            assert!(!shown.is_empty(), "{words:?}");
            assert_eq!(shown.contains('\x1b'), coloured, "{words:?} {set:?}: {shown}");
        }
        // Where no terminal is, nothing brings colour.
        let mut command = rumormill();
        command.args(words).env("TERM", "xterm").env("CLICOLOR_FORCE", "1").env_remove("NO_COLOR");
        if last.is_empty() {
            let done = command.output().unwrap();
            assert!(!done.stdout.contains(&0x1b) && !done.stderr.contains(&0x1b), "{words:?}");
        }
    }
    assert!(!alice.said().contains('\x1b'));
}

#[test]
fn a_stopped_node_is_said_to_hang() {
    let net = Net::new();
    let alice = net.start("alice", &[]);
    let pid = Pid::from_child(alice.child.as_ref().unwrap());
    kill_process(pid, Signal::STOP).unwrap();
    let done = alice.ask(&["peers"]);
    kill_process(pid, Signal::CONT).unwrap();
    let said = said(&done);
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("hangs") && said.contains("\n  next: "), "{said}");
    assert!(alice.ask(&["peers"]).status.success(), "it goes on");
}

#[test]
fn a_long_message_is_folded_and_indented_where_output_is_a_terminal() {
    let (net, alice) = prepared();
    let socket = alice.socket().display().to_string();
    let forged = "2026-11-26T11:57:21.407517Z bob: I agree";
    let text = format!("x{}{forged}", " ".repeat(45));
    assert!(rumormill().args(["send", &text, "--socket", &socket]).status().unwrap().success());
    let log = || {
        let mut command = rumormill();
        command.args(["log", "--socket", &socket]).env("TERM", "dumb");
        command
    };
    // A terminal that does not say how wide it is has eighty columns.
    let shown = on_a_terminal(log(), "");
    let at = shown.lines().position(|line| line.contains("I agree")).unwrap_or_else(|| panic!("{shown:?}"));
    let line = shown.lines().nth(at).unwrap();
    assert!(line.starts_with("    "), "{shown:?}");
    assert!(shown.lines().all(|line| line.len() < 80), "{shown:?}");
    let piped = log().output().unwrap();
    let piped = String::from_utf8(piped.stdout).unwrap();
    assert!(piped.lines().any(|line| line.contains(": x  ") && line.ends_with(forged)), "a pipe has one line: {piped}");
    drop(net);
}
