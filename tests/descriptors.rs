//! A node whose descriptors run short keeps some for its files, says so, and goes on.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::collections::VecDeque;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

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

#[test]
fn clients_of_the_doors_leave_descriptors_for_links() {
    let net = Net::new();
    let mut alice = net.node("alice", &[]);
    let doors: [(&str, u16); 4] =
        [("push-pull", 60_085), ("relay-43110", 43_110), ("protobuf-peer", 5_000), ("classroom", 10_000)];
    let ip = alice.addr.ip();
    for (kind, port) in doors {
        let id = if kind == "protobuf-peer" { ",id=10" } else { "" };
        alice.words.extend(["--door".to_owned(), format!("{kind},listen={ip}:{port}{id}")]);
    }
    start_limited(&mut alice);
    let over = Arc::new(AtomicBool::new(false));
    let crowd = thread::spawn({
        let over = Arc::clone(&over);
        move || {
            let mut held = VecDeque::new();
            for n in (0..).take_while(|_| !over.load(Ordering::Relaxed)) {
                held.extend(TcpStream::connect((ip, doors[n % doors.len()].1)));
                if held.len() > 3 * HARD {
                    held.pop_front();
                }
            }
        }
    });
    // An eighth of the limit is left to links; some descriptors are just being closed.
    let most = HARD - RESERVE - HARD / 8 + 8;
    let turned_away = |kind: &str| alice.metric(&format!("door_{}_refused_descriptors", kind.replace('-', "_")));
    until("doors turn clients away", || doors.iter().any(|(kind, _)| turned_away(kind) > 0));
    let open = open_descriptors(&alice);
    assert!(open <= most, "{open} descriptors");
    let bob = net.start("bob", &[&alice]);
    until("a neighbour is linked", || alice.peers().len() == 1);
    alice.send("still here");
    until("and hears", || bob.texts().contains(&"still here".to_owned()));
    over.store(true, Ordering::Relaxed);
    crowd.join().unwrap();
}
