//! TCP port 43110 through a real node: two nodes of which one has the door, and a node as it was as a process of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, missing_docs, reason = "a test")]

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::panic::{catch_unwind, resume_unwind};

use rumormill_testkit::counterpart::Counterpart;
use rumormill_testkit::nodes::{Net, Node};
use rumormill_testkit::ports::port;
use rumormill_testkit::wait::until;

/// It does not choose the address from which it dials.
const ITS_ADDRESS: &str = "127.0.0.1";
const PORT: u16 = 43_110;

/// The other program while it runs; its queues move every 300 ms.
struct Program {
    it: Counterpart,
    at: SocketAddr,
}

impl Program {
    fn start(listen: &str) -> Self {
        let it = Counterpart::start("relay_43110", &[listen, "300", &PORT.to_string()]);
        let at = it.next().strip_prefix("LISTENING ").unwrap().parse().unwrap();
        Self { it, at }
    }

    fn next(&self) -> String {
        let line = self.it.next();
        if let Some(read) = line.strip_prefix("GARBLED ").filter(|read| is_glued(read)) {
            std::panic::panic_any(Glued(read.to_owned()));
        }
        line
    }

    fn does(&mut self, command: &str) {
        self.it.types(command);
    }

    /// It shows a line of the room, whole and by itself.
    fn shows(&self, from: IpAddr, text: &str) {
        let line = self.next();
        let (start, end) = (format!("IP: {from} MSG:0002|bob@"), format!(": {text}"));
        assert!(line.starts_with(&start) && line.ends_with(&end), "{line}");
        assert_eq!(line.len(), start.len() + 4 + end.len(), "{line}");
    }

    fn kill(self) {
        self.it.kill();
    }
}

/// Whole frames that came in one read.
struct Glued(String);

fn is_glued(mut read: &str) -> bool {
    while !read.is_empty() {
        let frame = read.split_once('|').and_then(|(len, rest)| Some((len.parse().ok()?, rest)));
        match frame.and_then(|(len, rest)| rest.split_at_checked(len)) {
            Some((_, rest)) => read = rest,
            None => return false,
        }
    }
    true
}

/// Only pauses part what the old program reads, and on a busy machine it may read later than the next frame comes. So the
/// pauses grow: frames that we glue together would be glued with any.
fn with_growing_pauses(test: fn(&str)) {
    for pause in [",pause=20ms", ",pause=300ms", ",pause=3s"] {
        match catch_unwind(|| test(pause)).map_err(|why| why.downcast::<Glued>()) {
            Ok(()) => return,
            Err(Ok(glued)) => eprintln!("{pause} was too short for this machine: {}", glued.0),
            Err(Err(why)) => resume_unwind(why),
        }
    }
    panic!("frames are glued whatever the pauses");
}

/// Alice has the door, bob is her neighbour; the address of the door.
fn two_nodes(net: &Net, more: &str) -> (Node, Node, IpAddr) {
    let mut alice = net.node("alice", &[]);
    let own = alice.addr.ip();
    alice.words.extend(["--door".into(), format!("relay-43110,listen={own}:{PORT},period=1s{more}")]);
    alice.start();
    // Its socket is there before its door, and the old program does not dial again.
    alice.says("a door is open");
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
    with_growing_pauses(dialled_by_us);
}

fn dialled_by_us(pause: &str) {
    let net = Net::new();
    let mut dialled = Program::start(&format!("127.0.0.1:{}", port()));
    let (alice, bob, own) = two_nodes(&net, &format!(",dial={}{pause}", dialled.at));
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
    with_growing_pauses(dialling_us);
}

fn dialling_us(pause: &str) {
    let net = Net::new();
    let (_alice, bob, own) = two_nodes(&net, pause);
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
    with_growing_pauses(an_echo);
}

fn an_echo(pause: &str) {
    let net = Net::new();
    let mut parrot = Program::start(&format!("127.0.0.1:{}", port()));
    let (alice, bob, own) = two_nodes(&net, pause);
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

/// A line to the menu chat's door names the other door as a peer of that chat: it is told all that is said, with a name before it, and takes
/// it for what an old program says.
#[test]
fn what_one_door_says_to_another_does_not_go_round() {
    let net = Net::new();
    let mut alice = net.node("alice", &[]);
    let own = alice.addr.ip();
    let menu = SocketAddr::from(([127, 0, 0, 1], port()));
    for door in [format!("peer-line,listen={menu},name=room"), format!("relay-43110,listen={own}:{PORT},period=1s")] {
        alice.words.extend(["--door".into(), door]);
    }
    alice.start();
    alice.says("a door is open");
    alice.says("a door is open");
    let mut stranger = std::net::TcpStream::connect(menu).unwrap();
    stranger.write_all(format!("{own}:{PORT} x y\n").as_bytes()).unwrap();
    until("the line is in the room", || alice.texts().iter().any(|text| text == "y"));
    let echoes = || {
        alice.asked(&["doors", "--json"])[0]
            .as_array()
            .unwrap()
            .iter()
            .map(|door| door["counters"]["echoes"].as_u64().unwrap())
            .sum::<u64>()
    };
    for n in 1..=3 {
        alice.send(&format!("word {n}"));
        until("its echo is counted", || echoes() >= n);
        assert_eq!(alice.texts().iter().filter(|text| text.ends_with(&format!("word {n}"))).count(), 1);
    }
    assert_eq!(alice.texts().len(), 4, "{:?}", alice.texts());
}

#[test]
fn each_side_is_killed_and_comes_back() {
    with_growing_pauses(each_side_is_killed);
}

fn each_side_is_killed(pause: &str) {
    let net = Net::new();
    let program = Program::start(&format!("127.0.0.1:{}", port()));
    let at = program.at.to_string();
    let (mut alice, bob, own) = two_nodes(&net, &format!(",dial={at}{pause}"));
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
