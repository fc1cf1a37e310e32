//! The menu chat through a real node: two nodes of which one has the door, and a program of that chat as a process of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use rumormill_testkit::counterpart::Counterpart;
use rumormill_testkit::nodes::{Net, Node};
use rumormill_testkit::ports::port;
use rumormill_testkit::wait::until;

/// The other program while it runs.
struct Program {
    it: Counterpart,
    at: SocketAddr,
}

impl Program {
    fn start(words: &[&str]) -> Self {
        let it = Counterpart::start("peer_line", words);
        let at = it.next().strip_prefix("LISTENING ").unwrap().parse().unwrap();
        Self { it, at }
    }

    fn next(&self) -> String {
        self.it.next()
    }

    /// Waits for a line; what is printed before it is not looked at.
    fn prints(&self, wanted: &str) {
        self.it.prints(|line| line == wanted);
    }

    fn does(&mut self, command: &str) {
        self.it.types(command);
        self.prints(&format!("DONE {}", command.split(' ').next().unwrap()));
    }

    fn kill(self) {
        self.it.kill();
    }
}

/// Alice has the door, bob is her neighbour; where the door is.
fn two_nodes(net: &Net, more: &str) -> (Node, Node, SocketAddr) {
    let mut alice = net.node("alice", &[]);
    let door = SocketAddr::new(alice.addr.ip(), 8_080);
    alice.words.extend(["--door".into(), format!("peer-line,listen={door},name=team{more}")]);
    alice.start();
    // Its socket is there before its door.
    alice.says("a door is open");
    let bob = net.start("bob", &[&alice]);
    (alice, bob, door)
}

/// Waits until a node shows a text that came through the door; who claimed to send it.
fn shows(node: &Node, text: &str) -> String {
    let find = || node.shown().into_iter().find(|line| line["text"] == text && line["door"] == "peer-line");
    until(text, || find().is_some());
    find().unwrap()["claimed"].as_str().unwrap().to_owned()
}

/// `bob@c0de: text` as it stands in a line to the program.
fn mark(program: &Program, start: &str, end: &str) {
    let line = program.next();
    assert!(line.starts_with(start) && line.ends_with(end), "{line}");
    let mark = &line[start.len()..line.len() - end.len()];
    assert!(mark.len() == 6 && mark.starts_with('@') && mark.ends_with(':'), "{mark} in {line}");
}

#[test]
fn both_ways_in_each_style() {
    let net = Net::new();
    let (alice, bob, door) = two_nodes(&net, "");
    for (style, reads, team, first) in [
        ("plain", "once", "blockchain ", format!("GOT {door} team bob")),
        ("plain", "end", "miners ", format!("GOT {door} team bob")),
        ("plain", "line", "late ", format!("GOT {door} team bob")),
        ("bracket", "once", "brackets ", "GOT <127.0.0.1:8080> team bob".to_owned()),
        ("opener", "once", "", format!("GOT {door} team bob")),
    ] {
        let mut program = Program::start(&["127.0.0.1:0", team.trim(), style, reads]);
        let hello = format!("hello from {style} {reads}, grüße");
        program.does(&format!("send {door} {hello}"));
        assert_eq!(shows(&bob, &hello), format!("{team}{}", program.at));
        bob.send(&format!("hello {style}"));
        mark(&program, &first, &format!(" hello {style}"));
        program.does(&format!("exit {door}"));
        let who = format!("{team}{}", program.at);
        let left = || bob.shown().iter().any(|line| line["text"] == "has left" && line["claimed"] == who.as_str());
        until("it has left", left);
    }
    let doors = alice.asked(&["doors", "--json"]).remove(0);
    assert_eq!((&doors[0]["door"], &doors[0]["counters"]["echoes"]), (&"peer-line".into(), &0.into()));
    // What this network sent does not come in again.
    let mut parrot = Program::start(&["127.0.0.1:0", "parrot"]);
    parrot.does(&format!("send {door} hi"));
    shows(&bob, "hi");
    bob.send("polly");
    let said = parrot.next();
    let said = said.strip_prefix(&format!("GOT {door} team ")).unwrap();
    parrot.does(&format!("send {door} {said}"));
    until("the echo is counted", || alice.asked(&["doors", "--json"])[0][0]["counters"]["echoes"] == 1);
}

#[test]
fn a_contact_who_is_online_and_a_goodbye() {
    let net = Net::new();
    let mut contact = Program::start(&[&format!("127.0.0.1:{}", port()), "contact"]);
    let (mut alice, bob, door) = two_nodes(&net, &format!(",contact={}", contact.at));
    contact.prints(&format!("GOT {door} team connect"));
    bob.send("good morning");
    mark(&contact, &format!("GOT {door} team bob"), " good morning");
    contact.does(&format!("raw {door} {} contact one\\n10.103.45.601:8080 P1 hi\\n\\0\\0", contact.at));
    shows(&bob, "one");
    shows(&bob, "10.103.45.601:8080 P1 hi");
    contact.it.types(&format!("who {door}"));
    contact.prints(&format!("ONLINE {}", contact.at));
    assert_eq!(alice.term(), Some(0));
    contact.prints(&format!("GOT {door} team exit"));
}

#[test]
fn a_node_that_stops_says_goodbye_to_all_who_wrote() {
    let net = Net::new();
    let (mut alice, _bob, door) = two_nodes(&net, "");
    let peers: Vec<_> = (0..30).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    for peer in &peers {
        let mut stream = TcpStream::connect(door).unwrap();
        write!(stream, "{} t hi", peer.local_addr().unwrap()).unwrap();
    }
    until("all were heard", || alice.shown().iter().filter(|line| line["text"] == "hi").count() == peers.len());
    assert_eq!(alice.term(), Some(0));
    for peer in peers {
        // Whoever was dialled before the node ended waits here to be taken.
        peer.set_nonblocking(true).unwrap();
        let mut line = String::new();
        peer.accept().unwrap().0.read_to_string(&mut line).unwrap();
        assert_eq!(line, format!("{door} team exit"));
    }
}

#[test]
fn each_side_is_killed_and_comes_back() {
    let net = Net::new();
    let program = Program::start(&[&format!("127.0.0.1:{}", port()), "contact"]);
    let at = program.at.to_string();
    let (mut alice, bob, door) = two_nodes(&net, &format!(",contact={at}"));
    program.prints(&format!("GOT {door} team connect"));
    program.kill();
    // Messages to nobody, until it is taken out of the table.
    for n in 0..3 {
        bob.send(&format!("is anybody there? {n}"));
    }
    alice.says("it is taken out");
    let mut program = Program::start(&[&at, "contact"]);
    program.does(&format!("send {door} here again"));
    shows(&bob, "here again");
    bob.send("welcome");
    mark(&program, &format!("GOT {door} team bob"), " welcome");

    alice.kill();
    alice.start();
    program.prints(&format!("GOT {door} team connect"));
    program.does(&format!("send {door} you too"));
    shows(&bob, "you too");
    // What was said before is not said again.
    bob.send("and now");
    mark(&program, &format!("GOT {door} team bob"), " and now");
}
