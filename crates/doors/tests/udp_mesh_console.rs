//! The console of a UDP peer, and the extended form, which only ours speak.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::net::SocketAddr;

use rumormill_doors::udp_mesh::console::{MeshConsoleOptions, console};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::timeout;

mod udp_mesh_parts;

use udp_mesh_parts::{LONG, Legacy, Running, until};

/// A console and what it says.
struct Terminal {
    input: DuplexStream,
    output: BufReader<DuplexStream>,
    task: JoinHandle<()>,
}

impl Terminal {
    fn start(directory: SocketAddr, name: &str) -> Self {
        let (input, stdin) = tokio::io::duplex(1 << 16);
        let (stdout, output) = tokio::io::duplex(1 << 16);
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = MeshConsoleOptions { directory, name: name.into(), listen, broadcast: false };
        let task = tokio::spawn(async move { console(options, BufReader::new(stdin), stdout).await.unwrap() });
        Self { input, output: BufReader::new(output), task }
    }

    async fn line(&mut self, begins: &str) -> String {
        let mut seen = Vec::new();
        loop {
            let mut line = String::new();
            let read = timeout(LONG, self.output.read_line(&mut line)).await;
            assert!(matches!(read, Ok(Ok(1..))), "no {begins:?} after {seen:?}");
            if line.starts_with(begins) {
                return line.trim_end().to_owned();
            }
            seen.push(line);
        }
    }

    async fn type_in(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_piped_into_the_console_has_somebody_to_go_to() {
    let mut door = Running::start("udp-mesh,listen=127.0.0.1:0,name=R").await;
    let mut z = Terminal::start(door.addr, "Z");
    for line in ["send hello", "disconnect", "connect", "send again", "quit"] {
        z.type_in(line).await;
    }
    assert_eq!(door.heard().await, ("Z".into(), "hello".into()));
    assert_eq!(door.heard().await, ("Z".into(), "again".into()));
    timeout(LONG, z.task).await.unwrap().unwrap();
    // With nobody there it goes on after two seconds.
    let nowhere = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut z = Terminal::start(nowhere.local_addr().unwrap(), "Z");
    z.type_in("send hello").await;
    z.line("Z is in no directory").await;
    assert_eq!(z.line("nobody").await, "nobody is there");
    door.stop().await;
}

#[tokio::test]
async fn the_console_registers_sends_and_is_told_when_it_is_rejected() {
    let mut door = Running::start("udp-mesh,listen=127.0.0.1:0,name=R").await;
    let mut a = Legacy::join('A', door.addr).await;
    a.listing(|names| names.len() == 2).await;
    let mut z = Terminal::start(door.addr, "Z");
    assert_eq!(z.line("registered").await, "registered as Z; 2 others are listed");
    z.type_in("send hello").await;
    assert_eq!(z.line("sent").await, "sent to all, 2");
    assert_eq!(a.text().await.1, "hello");
    assert_eq!(door.heard().await, ("Z".into(), "hello".into()));
    z.type_in("send A only you").await;
    assert_eq!(a.text().await.1, "only you");
    z.type_in("peers").await;
    assert_eq!(z.line("A ").await, format!("A 127.0.0.1:{}", a.port()));
    door.give("to the outside");
    assert_eq!(z.line("R:").await, "R: alice@c0de: to the outside");
    assert_eq!(a.text().await.1, "alice@c0de: to the outside");
    // Another of ours under the same name.
    let mut second = Terminal::start(door.addr, "Z");
    second.line("Z is in no directory").await;
    assert_eq!(second.line("not taken").await, "not taken: the name is taken");
    z.type_in("nonsense").await;
    assert!(z.line("no such command").await.contains("send NAME TEXT"));
    z.type_in("broadcast on").await;
    z.line("broadcast on").await;
    assert_eq!(a.text().await.1, "peerZ_broadcast_0");
    drop(second);
    z.type_in("disconnect").await;
    a.listing(|names| !names.iter().any(|(name, _)| *name == 'Z')).await;
    z.type_in("connect").await;
    z.line("registered").await;
    z.type_in("quit").await;
    timeout(LONG, z.task).await.unwrap().unwrap();
    door.stop().await;
}

#[tokio::test]
async fn long_names_speak_the_extended_form_and_meet_the_old_ones() {
    let mut door = Running::start("udp-mesh,listen=127.0.0.1:0,name=R,heartbeat=50ms,reap=10m").await;
    let mut a = Legacy::join('A', door.addr).await;
    a.listing(|names| names.len() == 2).await;
    let mut anna = Terminal::start(door.addr, "anna the first");
    anna.line("registered as anna the first; 2").await;
    let names = a.listing(|names| names.len() == 3).await;
    let (character, port) = names.into_iter().find(|(name, _)| !['A', 'R'].contains(name)).unwrap();
    assert_eq!(character, 'a', "legacy peers see one character");
    let mut bert = Terminal::start(door.addr, "bert");
    bert.line("registered as bert; 3").await;
    a.say(([127, 0, 0, 1], port).into(), "peerA_broadcast_0").await;
    assert_eq!(anna.line("A:").await, "A: peerA_broadcast_0");
    a.listing(|names| names.len() == 4).await;
    bert.type_in("send grüße").await;
    assert_eq!(anna.line("bert:").await, "bert: grüße");
    assert_eq!(a.text().await.1, "grüße");
    assert_eq!(door.heard().await, ("bert".into(), "grüße".into()));
    door.give("signed");
    assert_eq!(anna.line("alice:").await, "alice: alice@c0de: signed");
    let mut other = Terminal::start(door.addr, "bert");
    assert_eq!(other.line("not taken").await, "not taken: the name is taken");
    // It says goodbye, and needs not fall silent.
    bert.type_in("quit").await;
    a.listing(|names| names.len() == 3).await;
    door.stop().await;
}

#[tokio::test]
async fn an_extended_peer_finds_a_restarted_directory_and_its_letter_again() {
    let door = Running::start("udp-mesh,listen=127.0.0.1:0").await;
    let mut anna = Terminal::start(door.addr, "anna");
    anna.line("registered").await;
    let addr = door.addr;
    door.task.abort();
    let _ = door.task.await;
    // Without a file: it knows nobody, and says so to whoever beats.
    let door = Running::start(&format!("udp-mesh,listen={addr}")).await;
    anna.line("no longer").await;
    anna.line("registered").await;
    door.stop().await;
}

#[tokio::test]
async fn a_forged_text_of_the_extended_form_is_dropped() {
    // P-U7
    let mut door = Running::start("udp-mesh,listen=127.0.0.1:0,name=R").await;
    let mut a = Legacy::join('A', door.addr).await;
    a.listing(|names| names.len() == 2).await;
    let forged = [&b"\xe2\x52"[..], &[1; 8], b"\x02\0hi", &[7; 64]].concat();
    a.raw(door.peer, &forged).await;
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    stranger.send_to(&forged, door.peer).await.unwrap();
    until("dropped", || door.count(|c| &c.refused_other) == 2).await;
    a.say(door.peer, "plain").await;
    assert_eq!(door.heard().await.1, "plain");
    door.stop().await;
}
