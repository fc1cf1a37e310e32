//! A node whose descriptors run short keeps some for its files, says so, and goes on.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use rumormill_testkit::nodes::{Net, Node};
use rumormill_testkit::wait::until;

/// The limit that the system lets it have.
const HARD: usize = 160;
/// A quarter of it is for files.
const RESERVE: usize = HARD / 4;

fn start_limited(node: &mut Node) {
    let log = File::options().append(true).create(true).open(&node.log).unwrap();
    let script = format!("ulimit -Sn 64; ulimit -Hn {HARD}; exec \"$@\"");
    let mut command = Command::new("bash");
    command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_rumormill"), "node", "--name", &node.name]);
    command.args(["--listen", &node.addr.to_string(), "--state"]).arg(&node.state).args(&node.words);
    node.child = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
    node.says("a door is open");
}

fn open_descriptors(node: &Node) -> usize {
    fs::read_dir(format!("/proc/{}/fd", node.child.as_ref().unwrap().id())).unwrap().count()
}

#[test]
fn descriptors_for_files_are_kept_whoever_comes() {
    let net = Net::new();
    let mut alice = net.node("alice", &[]);
    let door: SocketAddr = (alice.addr.ip(), 8_080).into();
    let control: SocketAddr = (alice.addr.ip(), 8_081).into();
    let words = [
        "--door",
        &format!("peer-line,listen={door},name=room"),
        "--control",
        &control.to_string(),
        "--max-handshakes-per-prefix",
        "500",
        "--handshake-deadline",
        "60s",
    ];
    alice.words.extend(words.map(str::to_owned));
    start_limited(&mut alice);
    let limits = fs::read_to_string(format!("/proc/{}/limits", alice.child.as_ref().unwrap().id())).unwrap();
    let files: Vec<_> =
        limits.lines().find(|line| line.starts_with("Max open files")).unwrap().split_whitespace().collect();
    assert_eq!(files[3], HARD.to_string(), "the soft limit is raised to the hard one: {limits}");
    alice.says("the limit of descriptors is lower");
    let mut held = Vec::new();
    for n in 0..3 * HARD {
        let addr = [alice.addr, door, control][n % 3];
        held.extend(TcpStream::connect(addr));
        let open = open_descriptors(&alice);
        // Some are just being closed.
        assert!(open <= HARD - RESERVE + 8, "{open} descriptors after {n} connections");
    }
    until("what was not taken is closed", || open_descriptors(&alice) <= HARD - RESERVE + 4);
    alice.says("descriptors run short");
    until("it is counted", || alice.metric("transport_descriptors_short") > 0);
    // Its owner is answered, files are opened, and a neighbour is let in.
    alice.send("still here");
    net.certs(&["issue", "mallory"]);
    net.certs(&["revoke", "mallory", "--no-cut"]);
    until("the revocation list is read", || alice.metric("node_revocation_list") == 1);
    let bob = net.start("bob", &[&alice]);
    until("a neighbour is linked", || alice.peers().len() == 1);
    until("and hears", || bob.texts().contains(&"still here".to_owned()));
    let lines = alice.said().matches("descriptors run short").count();
    assert!(lines <= 5, "{lines} lines");
}
