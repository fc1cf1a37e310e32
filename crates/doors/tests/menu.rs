//! The menu by pipe: four of them in one process, and everything that each prints, byte for byte.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rumormill_doors::DoorError;
use rumormill_doors::peer_line::menu::{Plain, menu};
use rumormill_testkit::menu_person::{MENU, Person, SEND, SOON, left, work_plan};
use tokio::io::{AsyncWriteExt, BufReader, duplex};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

/// A loopback address that no other process of this test has, so that its ports are free.
fn host(n: u8) -> IpAddr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 + n, high, low.max(1)).into()
}

/// A menu in this process.
fn start(addr: SocketAddr) -> Person {
    let (input, their_input) = duplex(64 * 1_024);
    let (their_output, output) = duplex(64 * 1_024);
    let options = Plain { listen: addr.ip(), insecure_bind: false };
    let task = tokio::spawn(menu(options, BufReader::new(their_input), their_output));
    Person::new(addr, input, output, async { task.await.unwrap().is_ok() })
}

async fn person(host: IpAddr, name: &str, port: u16) -> Person {
    start(SocketAddr::new(host, port)).comes(name).await
}

#[tokio::test]
async fn the_work_plan_of_four_peers() {
    let host = host(0);
    work_plan([
        person(host, "alpha", 8_101).await,
        person(host, "beta", 8_102).await,
        person(host, "gamma", 8_103).await,
        person(host, "delta", 8_104).await,
    ])
    .await;
}

async fn run(host: IpAddr, input: &str) -> (String, Result<(), DoorError>) {
    let mut output = Vec::new();
    let done = timeout(SOON, menu(Plain { listen: host, insecure_bind: false }, input.as_bytes(), &mut output)).await;
    (String::from_utf8(output).unwrap(), done.unwrap())
}

#[tokio::test]
async fn a_whole_session_from_one_pipe() {
    let (host, hello) = (host(1), "Enter your name: Enter your port number: Server listening on port 8080\n");
    let (printed, done) = run(host, "blockchain\n8080\n2\n3\n0\n2\n").await;
    assert_eq!(printed, format!("{hello}{MENU}No connected Peers\n{MENU}No connected Peers\n{MENU}Exiting\n"));
    done.unwrap();
    // The end of the input is the choice to quit, wherever it comes.
    for (input, rest) in [
        ("a b\n8080\n", ""),
        ("ab\r\n8080\r\n2", &*format!("No connected Peers\n{MENU}")),
        ("ab\n8080\n1\n127.0.0.1\n9\n", SEND),
    ] {
        let (printed, done) = run(host, input).await;
        assert_eq!(printed, format!("{hello}{MENU}{rest}Exiting\n"), "{input:?}");
        done.unwrap();
    }
    assert_eq!(run(host, "").await.0, "Enter your name: Exiting\n");
}

#[tokio::test]
async fn what_is_wrong_is_said_and_the_menu_comes_again() {
    let host = host(2);
    let free = SocketAddr::new(host, 9);
    let long = "x".repeat(40);
    let input = format!(
        "\n{long}\nab\nport\n0\n65536\n8080\n7\n\n1\n10.103.45.601\n9090\nhello\n1\n127.0.0.1\n0\nhello\n1\n{host}\n9\n \n\
         1\n{host}\n9\nhello\nWho is online? x\nWho is online?\n0\n"
    );
    let name = "A name has 1 to 32 bytes\nEnter your name: ";
    let port = "A port is a number from 1 to 65535\nEnter your port number: ";
    let expected = format!(
        "Enter your name: {name}{name}Enter your port number: {port}{port}{port}Server listening on port 8080\n\
         {MENU}Invalid choice: give 1, 2, 3 or 0\n{MENU}Invalid choice: give 1, 2, 3 or 0\n\
         {MENU}{SEND}Invalid IP address: 10.103.45.601\n{MENU}{SEND}Invalid port number: 0\n\
         {MENU}{SEND}An empty message is not sent\n{MENU}{SEND}Could not send to {free}: nobody listens there\n\
         {MENU}Could not ask: x is no address with its port\n{MENU}Could not ask: no peer is known\n{MENU}Exiting\n"
    );
    let (printed, done) = run(host, &input).await;
    assert_eq!(printed, expected);
    done.unwrap();
}

#[tokio::test]
async fn a_port_that_is_taken_and_one_beyond_loopback_are_refused() {
    let host = host(3);
    let taken = TcpListener::bind((host, 8_080)).await.unwrap();
    let (printed, done) = run(host, "ab\n8080\n").await;
    assert_eq!(printed, "Enter your name: Enter your port number: ");
    assert!(done.unwrap_err().to_string().contains("cannot listen on"));
    drop(taken);
    let (_, done) = run([0, 0, 0, 0].into(), "ab\n8080\n").await;
    assert!(done.unwrap_err().to_string().contains("--insecure-bind"));
}

#[tokio::test]
async fn what_arrives_is_printed_at_once_also_between_two_questions() {
    let host = host(4);
    let mut a = person(host, "alpha", 8_101).await;
    let say = async |text: &'static [u8]| {
        let mut stream = TcpStream::connect((host, 8_101)).await.unwrap();
        stream.write_all(text).await.unwrap();
    };
    a.types("1\n").await;
    a.prints("Enter the recipient's IP address: ").await;
    say(b"127.0.0.1:9090 team \x1b[2Jhi\r\n").await;
    a.prints("\n127.0.0.1:9090 team \\u{1b}[2Jhi\nEnter the recipient's IP address: ").await;
    a.types(&format!("{host}\n8101\n{}\n", "é".repeat(600))).await;
    let rest = "é".repeat((1_024 - format!("{host}:8101 alpha \u{2026}").len()) / 2);
    let own = format!("{host}:8101 alpha {rest}\u{2026}");
    // To oneself: it arrives, and nobody is in the table for it.
    let (said, begin) = ("The message is longer than peers can read; it was cut\n", &SEND[34..]);
    a.expected.push_str(begin);
    let first = format!("{own}\n{said}{MENU}");
    a.prints(&first).await;
    a.lists(&["127.0.0.1:9090".parse().unwrap()]).await;
    say(b"10.103.45.601:8080 P1 hi").await;
    a.hears("10.103.45.601:8080 P1 hi").await;
    say(b"<127.0.0.1:8103> miners hi").await;
    let source = if host == IpAddr::from([127, 0, 0, 1]) { host } else { "127.0.0.1".parse().unwrap() };
    a.hears(&format!("{source}:8103 miners hi")).await;
    a.falls_silent().await;
    a.ends().await;
}

#[tokio::test]
async fn it_asks_who_is_online_and_believes_only_whom_it_asked() {
    let host = host(5);
    let mut a = person(host, "alpha", 8_101).await;
    let mut b = person(host, "beta", 8_102).await;
    let (at_a, at_b) = (a.addr, b.addr);
    a.sends(at_b, "hi").await;
    b.hears(&format!("{at_a} alpha hi")).await;
    let liar = UdpSocket::bind((host, 0)).await.unwrap();
    liar.send_to(b"10.0.0.1:1", at_a).await.unwrap();
    a.types("Who is online?\n").await;
    a.prints(MENU).await;
    a.hears(&format!("Online at {at_b}: {at_a}")).await;
    a.types(&format!("Who is online? {at_b}\n")).await;
    a.prints(MENU).await;
    a.hears(&format!("Online at {at_b}: {at_a}")).await;
    a.lists(&[]).await;
    a.types("0\n").await;
    a.ends().await;
    b.hears(&left(at_a, "alpha")).await;
    b.types("0\n").await;
    b.ends().await;
}
