//! A store that fills while people wait at all doors of a node: each message is either kept or counted as dropped, each door says
//! the true reason, and whoever gets an answer gets it at once.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rumormill_testkit::legacy::{menu, protobuf, relay, udp};
use rumormill_testkit::nodes::{Net, Node, rumormill};
use rumormill_testkit::wait::{PATIENCE, until};
use serde_json::Value;

const FULL: &str = "the store is full";
const MENU_PORT: u16 = 8_085;

fn frank(net: &Net, alice: &Node) -> Node {
    let mut frank = net.node("frank", &[alice]);
    frank.words.extend(["--store-max".into(), "1MiB".into()]);
    let ip = frank.addr.ip().to_string();
    for door in [
        "udp-mesh,listen=IP:3000,name=Z",
        "peer-line,listen=IP:8080,name=room",
        "protobuf-peer,listen=IP:5000,id=10",
        "relay-43110,listen=IP:43110",
        "push-pull,listen=IP:60085,idle=20ms",
        "classroom,listen=IP:10000",
    ] {
        frank.words.extend(["--door".into(), door.replace("IP", &ip)]);
    }
    frank.words.extend(["--control".into(), format!("{ip}:10001")]);
    frank.start();
    until("all doors", || doors(&frank).as_array().unwrap().len() == 7);
    frank
}

fn doors(node: &Node) -> Value {
    node.asked(&["doors", "--json"]).remove(0)
}

fn counts(node: &Node, door: &str, counter: &str) -> u64 {
    let doors = doors(node);
    let door = doors.as_array().unwrap().iter().find(|one| one["door"] == door).unwrap();
    door["counters"][counter].as_u64().unwrap()
}

/// Says what is long at the local socket until it is told no.
fn fill(node: &Node, who: usize) -> String {
    let mut talk = node.talk().unwrap();
    for n in 0.. {
        if let Err(why) = talk.send(&format!("filler {who} {n} {}", "x".repeat(1_500))) {
            return why.to_string();
        }
    }
    unreachable!()
}

/// Pushes until it is told no; how many were taken.
fn push(node: &Node) -> u64 {
    for n in 0.. {
        let mut stream = TcpStream::connect((node.addr.ip(), 60_085)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "PUSH IP:frank MSG:{n} {}", "y".repeat(300)).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        match answer.as_str() {
            "SUCCESS" => {}
            "FAIL" => return n,
            other => panic!("{other:?}"),
        }
    }
    unreachable!()
}

/// A program at a control port: says so many and asks for the log; how many of them it shows.
struct Control {
    stream: TcpStream,
    said: u64,
}

impl Control {
    fn new(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, said: 0 }
    }

    fn say(&mut self, text: &str) {
        self.stream.write_all(format!("msg 1 {text}\n").as_bytes()).unwrap();
        self.said += 1;
    }

    fn log(&mut self) -> String {
        self.stream.write_all(b"get chatLog\n").unwrap();
        self.stream.shutdown(Shutdown::Write).unwrap();
        let mut log = String::new();
        self.stream.read_to_string(&mut log).unwrap();
        log
    }
}

/// Somebody at a menu over the mesh who says much to himself.
fn at_the_menu(node: &Node, says: usize) -> Output {
    let mut command = rumormill();
    command.args(["menu", "--state"]).arg(&node.state);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let (ip, text) = (node.addr.ip(), "z".repeat(1_400));
    let words = format!("1\n{ip}\n{MENU_PORT}\n{text}\n").repeat(says);
    // One that ends at once does not read all of it.
    let typing = thread::spawn(move || drop(input.write_all(format!("alpha\n{MENU_PORT}\n{words}0\n").as_bytes())));
    let output = child.wait_with_output().unwrap();
    typing.join().unwrap();
    output
}

#[test]
fn whoever_waits_at_a_door_when_the_store_fills_hears_why_and_nothing_is_lost_uncounted() {
    let net = Net::new();
    let alice = net.start("alice", &[]);
    let mut frank = frank(&net, &alice);
    until("linked", || frank.peers().len() == 1);
    let ip = frank.addr.ip();
    let mut users = [udp(ip), menu(ip), protobuf(ip), relay(ip)];
    let mut controls = [10_000, 10_001].map(|port| Control::new(SocketAddr::new(ip, port)));
    let (ended, mut said) = (AtomicBool::new(false), 0);
    let (fillers, pushed, shown) = thread::scope(|all| {
        let (frank, ended) = (&frank, &ended);
        let fillers: Vec<_> = (0..4).map(|who| all.spawn(move || fill(frank, who))).collect();
        let pushers: Vec<_> = (0..2).map(|_| all.spawn(|| push(frank))).collect();
        let person = all.spawn(|| at_the_menu(frank, 300));
        let others = all.spawn(move || {
            let fillers: Vec<_> = fillers.into_iter().map(|filler| filler.join().unwrap()).collect();
            let pushed: Vec<_> = pushers.into_iter().map(|pusher| pusher.join().unwrap()).collect();
            let shown = person.join().unwrap();
            ended.store(true, Ordering::Relaxed);
            (fillers, pushed, shown)
        });
        // Some more than fit: what comes when it is full already is told as well.
        let mut more = 5;
        while more > 0 {
            more -= usize::from(ended.load(Ordering::Relaxed));
            for old in &mut users {
                (old.say)(&format!("old {} {said}", old.name));
            }
            for control in &mut controls {
                control.say(&format!("control {said}"));
            }
            said += 1;
            thread::sleep(Duration::from_millis(10));
        }
        others.join().unwrap()
    });
    assert!(fillers.iter().all(|why| why.contains(FULL)), "{fillers:?}");
    let screen = String::from_utf8(shown.stdout).unwrap();
    assert!(screen.contains(&format!("Could not send to {ip}:{MENU_PORT}: {FULL}")), "{screen}");
    assert!(screen.ends_with("Exiting\n") && shown.status.success());
    let texts = frank.texts();
    let kept = |words: &str| texts.iter().filter(|text| text.starts_with(words)).count() as u64;
    // Whether or not its client ever asks for the log.
    until("what a control port took in vain is counted", || {
        counts(&frank, "classroom", "dropped_in") + counts(&frank, "control", "dropped_in") + kept("control ")
            == 2 * said
    });
    for old in &users {
        let kept = kept(&format!("old {} ", old.name));
        assert!(kept > 0, "{}", old.name);
        until(&format!("{}: {kept} of {said} are kept, {}", old.door, doors(&frank)), || {
            kept + counts(&frank, old.door, "dropped_in") == said
        });
    }
    assert!(controls.iter().all(|control| control.said == said));
    for log in controls.each_mut().map(Control::log) {
        let entries = log.strip_prefix("chatLog ").unwrap().trim_end().split(',');
        assert_eq!(entries.filter(|entry| entry.starts_with("control ")).count() as u64, kept("control "));
    }
    let letters = frank.shown().iter().filter(|line| line["kind"] == "sealed").count() as u64;
    println!("{said} said, {pushed:?} letters pushed, {letters} shown");
    assert_eq!(counts(&frank, "push-pull", "messages_in"), pushed.iter().sum::<u64>());
    assert_eq!(counts(&frank, "push-pull", "dropped_in"), 2);
    let log = frank.said();
    for words in [
        "=udp-mesh ",
        "=peer-line ",
        "=protobuf-peer ",
        "=relay-43110 ",
        "push-pull: a PUSH",
        "control port: a message",
    ] {
        let lines = log.lines().filter(|line| line.contains(words) && line.contains(FULL)).count();
        assert!((1..=4).contains(&lines), "{words} {lines} times:\n{log}");
    }
    assert!(!log.contains("the node is stopping") && !log.contains("too slow"), "{log}");
    // Who comes now is told too.
    let late = at_the_menu(&frank, 1);
    let why = String::from_utf8(late.stderr).unwrap();
    assert!(late.status.code() == Some(1) && why.contains(FULL), "{why}");
    assert_eq!(push(&frank), 0);
    assert_eq!(frank.term(), Some(0));
}
