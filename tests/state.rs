//! What the real program makes of a state directory, keys and settings that are not as they should be.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "a test")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rumormill_testkit::nodes::{Net, rumormill, said};
use rumormill_testkit::talk::place;
use rumormill_testkit::wait::until;

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn settings_that_cannot_be_meant_are_refused_with_the_reason_and_code_2() {
    let dir = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &str); 8] = [
        (&["--state", ""], "state"),
        (&["--state", "file:x"], "not a URI"),
        (&["--state", "s", "--home", ""], "home"),
        (&["--state", "s", "--socket", ""], "socket"),
        (&["--state", "s", "--neighbour", "127.0.0.1:0"], "1 to 65535"),
        (&["--state", "s", "--neighbour", "bob@0.0.0.0:20000"], "one host"),
        (&["--state", "s", "--neighbour", "[::]:20000"], "one host"),
        (&["--state", "s", "--neighbour", "224.0.0.1:20000"], "one host"),
    ];
    for (words, reason) in cases {
        let done = rumormill().current_dir(&dir).args(["node", "--name", "a"]).args(words).output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{words:?}: {}", said(&done));
        assert!(said(&done).contains(reason), "{words:?}: {}", said(&done));
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0, "nothing is made");
    }
    for words in [&["certs", "init", "--home", ""][..], &["certs", "issue", "a", "--out", ""], &["log", "--state", ""]]
    {
        let done = rumormill().current_dir(&dir).args(words).output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{words:?}: {}", said(&done));
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0, "nothing is made");
    }
}

#[test]
fn a_store_that_goes_from_under_a_node_ends_it_and_is_missed_until_somebody_says_so() {
    let net = Net::new();
    let mut alice = net.start("alice", &[]);
    let (_, before, _) = place(&alice.send("one"));
    fs::remove_file(alice.state.join("log.db")).unwrap();
    let mut child = alice.child.take().unwrap();
    until("it ends by itself", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(1), "{}", alice.said());
    alice.says("was removed or renamed");
    alice.says("--restored");
    alice.spawn();
    let mut child = alice.child.take().unwrap();
    until("it does not start", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    alice.says("is gone, and the mark beside it says that there was one");
    assert!(!alice.state.join("log.db").exists());
    alice.words.push("--restored".into());
    alice.start();
    let (_, now, _) = place(&alice.send("two"));
    assert!(now > before, "a new incarnation: {now} after {before}");
    assert_eq!(alice.texts(), ["two"]);
    assert_eq!(alice.term(), Some(0));
    // A directory that is gone as a whole is a new one.
    alice.words.pop();
    fs::remove_dir_all(&alice.state).unwrap();
    alice.start();
    assert!(alice.texts().is_empty());
}

#[test]
fn under_another_ca_a_node_does_not_start_and_says_whose_its_store_is() {
    let (ours, other) = (Net::new(), Net::new());
    let mut alice = ours.start("alice", &[]);
    alice.send("one");
    assert_eq!(alice.term(), Some(0));
    let home = other.home().display().to_string();
    let words = ["node", "--name", "alice", "--home", &home, "--listen", "127.0.0.1:0", "--state"];
    let done = rumormill().args(words).arg(&alice.state).output().unwrap();
    let id = |net: &Net| net.certs(&["show"]).lines().find_map(|l| Some(l.strip_prefix("network")?.trim().to_owned()));
    let (found, given) = (id(&ours).unwrap(), id(&other).unwrap());
    assert_eq!(done.status.code(), Some(1), "{}", said(&done));
    let told = said(&done);
    assert!(told.contains(&found) && told.contains(&given) && told.contains("--state"), "{told}");
}

#[test]
fn keys_and_directories_of_others_are_neither_certified_nor_used() {
    let net = Net::new();
    let out = net.dir.path().join("out");
    fs::create_dir(&out).unwrap();
    mode(&out, 0o777);
    let done = net.try_certs(&["issue", "alice", "--out", out.to_str().unwrap()]);
    assert_eq!(done.status.code(), Some(1));
    assert!(said(&done).contains("written by others"), "{}", said(&done));
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
    mode(&out, 0o700);
    assert!(net.try_certs(&["issue", "alice", "--out", out.to_str().unwrap()]).status.success());
    // A key that others may have: neither used nor certified once more.
    let key = out.join("key.pem");
    for (bits, reason) in [(0o644, "everybody can read"), (0o620, "written by others")] {
        mode(&key, bits);
        let files = ["cert", "key", "ca"].map(|file| format!("{}", out.join(format!("{file}.pem")).display()));
        let [cert, key, ca] = &files;
        let words = ["node", "--name", "alice", "--cert", cert, "--key", key, "--ca", ca, "--store", "memory"];
        let done = rumormill().args(words).args(["--listen", "127.0.0.1:0"]).output().unwrap();
        assert_eq!(done.status.code(), Some(1));
        assert!(said(&done).contains(reason) && said(&done).contains("key.pem"), "{}", said(&done));
        let done = net.try_certs(&["issue", "alice", "--out", out.to_str().unwrap()]);
        assert!(done.status.code() == Some(1) && said(&done).contains(reason), "{}", said(&done));
    }
    mode(&key, 0o600);
    // The CA's home.
    let place = net.home();
    mode(&place, 0o770);
    for words in [&["init"][..], &["issue", "bob"], &["revoke", "alice"], &["show"]] {
        let done = net.try_certs(words);
        assert!(done.status.code() == Some(1), "{words:?}: {}", said(&done));
        assert!(said(&done).contains("written by others"), "{words:?}: {}", said(&done));
    }
    mode(&place, 0o700);
    mode(&place.join("ca/ca.key"), 0o644);
    let done = net.try_certs(&["issue", "bob"]);
    assert!(said(&done).contains("everybody can read"), "{}", said(&done));
}

/// What a program said that ends by itself. A node that runs although it should not is ended, and has no exit code.
fn ended_or_running(mut child: Child) -> Output {
    let end = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() >= end {
            child.kill().unwrap();
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}

/// What a node does with certificate files, by flags and by a configuration file: it is refused, and says these words of this path.
fn not_used(out: &Path, state: &Path, path: &Path, words: &str) {
    let [cert, key, ca] = ["cert", "key", "ca"].map(|file| out.join(format!("{file}.pem")).display().to_string());
    let toml = out.with_extension("toml");
    let state = state.display().to_string();
    let text = format!(
        "name = \"alice\"\nlisten = \"127.0.0.1:0\"\nstate = \"{state}\"\ncert = \"{cert}\"\nkey = \"{key}\"\nca = \"{ca}\"\n"
    );
    fs::write(&toml, text).unwrap();
    let toml = toml.display().to_string();
    let flags = ["--name", "alice", "--cert", &cert, "--key", &key, "--ca", &ca, "--state", &state];
    for words_of_start in [&flags[..], &["--config", &toml]] {
        let mut node = rumormill();
        node.arg("node").args(words_of_start).args(["--listen", "127.0.0.1:0"]).stderr(Stdio::piped());
        let done = ended_or_running(node.spawn().unwrap());
        assert_eq!(done.status.code(), Some(1), "{}: {}", path.display(), said(&done));
        let place = format!("{}: ", path.display());
        assert!(said(&done).contains(&place) && said(&done).contains(words), "{place}{words}: {}", said(&done));
        assert!(!Path::new(&state).join("log.db").exists(), "no store was made");
    }
}

#[test]
fn a_node_uses_no_certificate_that_others_could_have_put_there() {
    let net = Net::new();
    let (out, state) = (net.dir.path().join("out"), net.dir.path().join("state"));
    assert!(net.try_certs(&["issue", "alice", "--out", out.to_str().unwrap()]).status.success());
    for bits in [0o777, 0o1777, 0o770] {
        mode(&out, bits);
        not_used(&out, &state, &out, "written by others");
        not_used(&out, &state, &out, "`chmod go-w` it");
    }
    mode(&out, 0o700);
    for file in ["cert.pem", "ca.pem", "key.pem"].map(|name| out.join(name)) {
        for bits in [0o666, 0o660] {
            mode(&file, bits);
            not_used(&out, &state, &file, "written by others");
        }
        mode(&file, 0o600);
    }
    // Each of the three by its own directory.
    for name in ["cert.pem", "ca.pem", "key.pem"] {
        let (place, file) = (net.dir.path().join(format!("{name}.d")), out.join(name));
        fs::create_dir(&place).unwrap();
        fs::rename(&file, place.join(name)).unwrap();
        std::os::unix::fs::symlink(place.join(name), &file).unwrap();
        mode(&place, 0o777);
        not_used(&out, &state, &fs::canonicalize(&place).unwrap(), "written by others");
        mode(&place, 0o755);
    }
    // Links alone, and a group that reads, are nothing to refuse.
    mode(&out, 0o750);
    mode(&out.join("key.pem"), 0o640);
    let files = ["cert", "key", "ca"].map(|file| out.join(format!("{file}.pem")));
    let mut node = rumormill();
    node.args(["node", "--name", "alice", "--listen", "127.0.0.1:0", "--store", "memory", "--state"]).arg(&state);
    for (flag, file) in ["--cert", "--key", "--ca"].iter().zip(&files) {
        node.arg(flag).arg(file);
    }
    let mut child = node.stderr(Stdio::null()).spawn().unwrap();
    until("it runs", || state.join("node.sock").exists() || child.try_wait().unwrap().is_some());
    assert!(child.try_wait().unwrap().is_none(), "it was refused");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
#[ignore = "needs root: nobody else can give a file away"]
fn a_node_uses_no_certificate_of_another_user() {
    let net = Net::new();
    let (out, state) = (net.dir.path().join("out"), net.dir.path().join("state"));
    assert!(net.try_certs(&["issue", "alice", "--out", out.to_str().unwrap()]).status.success());
    for path in [out.clone(), out.join("cert.pem"), out.join("key.pem"), out.join("ca.pem")] {
        chown(&path, Some(61_234), None).unwrap();
        not_used(&out, &state, &path, "belongs to another user (uid 61234");
        chown(&path, Some(0), None).unwrap();
    }
}

#[test]
#[ignore = "needs root: nobody else can give a file away"]
fn a_key_of_another_user_is_not_certified() {
    let net = Net::new();
    let out = net.dir.path().join("out");
    assert!(net.try_certs(&["issue", "alice", "--out", out.to_str().unwrap()]).status.success());
    chown(out.join("key.pem"), Some(61_234), None).unwrap();
    let done = net.try_certs(&["issue", "alice", "--out", out.to_str().unwrap()]);
    assert!(done.status.code() == Some(1) && said(&done).contains("another user"), "{}", said(&done));
}

#[test]
fn a_fifo_in_a_file_s_place_is_said_and_waited_for_by_nobody() {
    let net = Net::new();
    let mut alice = net.start("alice", &[]);
    alice.send("one");
    assert_eq!(alice.term(), Some(0));
    for name in ["log.mark", "log.db-wal", "log.db-lock", "letters.jsonl"] {
        let file = alice.state.join(name);
        let aside = fs::rename(&file, alice.state.with_extension("aside"));
        assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
        alice.spawn();
        let mut child = alice.child.take().unwrap();
        until("it does not start", || child.try_wait().unwrap().is_some());
        assert_eq!(child.wait().unwrap().code(), Some(1));
        alice.says(&format!("{name} is no regular file; take it away"));
        fs::remove_file(&file).unwrap();
        if aside.is_ok() {
            fs::rename(alice.state.with_extension("aside"), &file).unwrap();
        }
    }
    alice.start();
    assert_eq!(alice.texts(), ["one"]);
}

#[test]
fn a_file_where_a_directory_should_be_is_asked_wrongly() {
    let net = Net::new();
    let file = net.dir.path().join("a.log");
    fs::write(&file, "x").unwrap();
    let below = file.join("below");
    let home = net.home();
    for (place, reason) in [(&file, "it is a file, not a directory"), (&below, "above it, is a file")] {
        let mut node = rumormill();
        node.args(["node", "--name", "alice", "--listen", "127.0.0.1:0", "--state"]).arg(place);
        let done = node.arg("--home").arg(&home).output().unwrap();
        let told = said(&done);
        assert_eq!(done.status.code(), Some(2), "{told}");
        assert!(told.starts_with("error: ") && told.contains("\n  next: "), "one form of errors: {told}");
        assert!(told.contains("a.log") && told.contains(reason) && !told.contains("os error"), "{told}");
        let mut node = rumormill();
        node.args(["node", "--name", "alice", "--listen", "127.0.0.1:0", "--store", "memory", "--home"]).arg(place);
        let mut out = rumormill();
        out.args(["certs", "issue", "alice", "--home"]).arg(&home).arg("--out").arg(place);
        let mut init = rumormill();
        init.args(["certs", "init", "--home"]).arg(place);
        for mut command in [node, out, init] {
            let done = command.output().unwrap();
            assert_eq!(done.status.code(), Some(2), "{command:?}: {}", said(&done));
            assert!(said(&done).contains(reason), "{command:?}: {}", said(&done));
        }
    }
    assert_eq!(fs::read(&file).unwrap(), b"x");
}
