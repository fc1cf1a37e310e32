//! TCP port 43110 through a real node: two nodes of which one has the door, and a node as it was as a process of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test")]

#[path = "support/nodes.rs"]
mod nodes;
#[path = "support/ports.rs"]
mod ports;

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{LazyLock, Mutex};
use std::thread;

use nodes::{Net, Node, PATIENCE, until};
use ports::port;

/// The other program, built as an example so that it shares nothing with ours.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let name = "relay_43110_counterpart";
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--locked", "-p", "rumormill-client", "--example", name]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    assert!(build.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
    PathBuf::from(env!("CARGO_BIN_EXE_rumormill")).with_file_name("examples").join(name)
});

/// It does not choose the address from which it dials.
const ITS_ADDRESS: &str = "127.0.0.1";
const PORT: u16 = 43_110;

/// The other program while it runs; its queues move every 300 ms.
struct Program {
    child: Child,
    input: ChildStdin,
    lines: Mutex<Receiver<String>>,
    at: SocketAddr,
}

impl Program {
    fn start(listen: &str) -> Self {
        let mut command = Command::new(&*PROGRAM);
        command.args([listen, "300", &PORT.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (give, lines) = channel();
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| give.send(line))
        });
        let mut program = Self { child, input, lines: Mutex::new(lines), at: SocketAddr::from(([0; 4], 0)) };
        program.at = program.next().strip_prefix("LISTENING ").unwrap().parse().unwrap();
        program
    }

    fn next(&self) -> String {
        self.lines.lock().unwrap().recv_timeout(PATIENCE).expect("it prints a line")
    }

    fn does(&mut self, command: &str) {
        writeln!(self.input, "{command}").unwrap();
    }

    /// It shows a line of the room, whole and by itself.
    fn shows(&self, from: IpAddr, text: &str) {
        let line = self.next();
        let (start, end) = (format!("IP: {from} MSG:0002|bob@"), format!(": {text}"));
        assert!(line.starts_with(&start) && line.ends_with(&end), "{line}");
        assert_eq!(line.len(), start.len() + 4 + end.len(), "{line}");
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Alice has the door, bob is her neighbour; the address of the door.
fn two_nodes(net: &Net, more: &str) -> (Node, Node, IpAddr) {
    let mut alice = net.node("alice", &[]);
    let own = alice.addr.ip();
    alice.words.extend(["--door".into(), format!("relay-43110,listen={own}:{PORT},period=1s{more}")]);
    alice.start();
    let bob = net.start("bob", &[&alice]);
    (alice, bob, own)
}

/// Waits until a node shows a text that came through the door, by the address that sent it.
fn arrives(node: &Node, text: &str) {
    let find = || node.shown().into_iter().find(|line| line["text"] == text && line["door"] == "relay-43110");
    until(text, || find().is_some());
    assert_eq!(find().unwrap()["claimed"], ITS_ADDRESS);
}

fn counter(node: &Node, name: &str) -> u64 {
    node.asked(&["doors", "--json"])[0][0]["counters"][name].as_u64().unwrap()
}

#[test]
fn dialled_by_us_and_talking_both_ways() {
    let net = Net::new();
    let mut dialled = Program::start(&format!("127.0.0.1:{}", port()));
    let (alice, bob, own) = two_nodes(&net, &format!(",dial={}", dialled.at));
    assert_eq!(dialled.next(), format!("LINK {own}"));
    assert_eq!(dialled.next(), format!("IP: {own} MSG:0001|{ITS_ADDRESS}"));
    for n in 0..5 {
        bob.send(&format!("number {n}, grüße"));
    }
    (0..5).for_each(|n| dialled.shows(own, &format!("number {n}, grüße")));
    dialled.does(&format!("push {own} in a frame"));
    dialled.does(&format!("push {own} glued to it | and whole"));
    arrives(&bob, "in a frame");
    arrives(&bob, "glued to it | and whole");
    assert_eq!((counter(&alice, "opened"), counter(&alice, "malformed")), (1, 0), "one link is enough");
}

#[test]
fn dialling_us_with_a_first_text_without_a_frame() {
    let net = Net::new();
    let (_alice, bob, own) = two_nodes(&net, "");
    let mut dialling = Program::start(&format!("127.0.0.1:{}", port()));
    dialling.does(&format!("push {own} first"));
    dialling.does(&format!("push {own} second"));
    arrives(&bob, "first");
    arrives(&bob, "second");
    assert_eq!(dialling.next(), format!("LINK {own}"));
    bob.send("welcome");
    dialling.shows(own, "welcome");
}

#[test]
fn what_this_network_sent_does_not_come_in_again() {
    let net = Net::new();
    let mut parrot = Program::start(&format!("127.0.0.1:{}", port()));
    let (alice, bob, own) = two_nodes(&net, "");
    parrot.does(&format!("dial {own}"));
    parrot.does(&format!("push {own} hi"));
    arrives(&bob, "hi");
    bob.send("polly");
    assert_eq!(parrot.next(), format!("LINK {own}"));
    let line = parrot.next();
    let said = line.strip_prefix(&format!("IP: {own} MSG:0002|")).unwrap();
    parrot.does(&format!("push {own} {said}"));
    until("the echo is counted", || counter(&alice, "echoes") == 1);
}

#[test]
fn each_side_is_killed_and_comes_back() {
    let net = Net::new();
    let program = Program::start(&format!("127.0.0.1:{}", port()));
    let at = program.at.to_string();
    let (mut alice, bob, own) = two_nodes(&net, &format!(",dial={at}"));
    assert_eq!(program.next(), format!("LINK {own}"));
    program.kill();
    until("the link is gone", || counter(&alice, "open") == 0);
    bob.send("kept for you");
    let mut program = Program::start(&at);
    assert_eq!(program.next(), format!("LINK {own}"));
    assert_eq!(program.next(), format!("IP: {own} MSG:0001|{ITS_ADDRESS}"));
    program.shows(own, "kept for you");

    alice.kill();
    assert_eq!(program.next(), format!("GONE {own}"));
    alice.start();
    assert_eq!(program.next(), format!("LINK {own}"));
    assert_eq!(program.next(), format!("IP: {own} MSG:0001|{ITS_ADDRESS}"));
    program.does(&format!("push {own} you too"));
    arrives(&bob, "you too");
    // What was said before is not said again.
    bob.send("and now");
    program.shows(own, "and now");
}
