//! The door of the menu chat against raw sockets that behave as its programs do, and worse.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use rumormill_doors::Outgoing;
use rumormill_doors::peer_line::Config;
use rumormill_testkit::ports::{self, port};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::{Instant, timeout};

mod peer_line_parts;

use peer_line_parts::*;

#[tokio::test]
async fn first_contact_and_both_ways() {
    let (mut yard, old) = (Yard::new("").await, Legacy::new().await);
    assert!(yard.says("to nobody").await.unwrap().is_err());
    say(yard.at, format!("{} blockchain hello", old.1)).await;
    yard.hears(&format!("blockchain {}", old.1), "hello").await;
    // Again, by another connection: it stays one entry.
    say(yard.at, format!("{} blockchain hello again", old.1)).await;
    yard.hears(&format!("blockchain {}", old.1), "hello again").await;
    let done = yard.says("hi");
    assert_eq!(old.takes().await.0, format!("{} team alice@c0de: hi", yard.at));
    done.await.unwrap().unwrap();
    for n in 0..20 {
        drop(yard.says(&n.to_string()));
    }
    for n in 0..20 {
        assert_eq!(old.takes().await.0, format!("{} team alice@c0de: {n}", yard.at), "each once, in order");
    }
    let lines = Outgoing {
        author: None,
        sender: "a".into(),
        text: "two\nlines".into(),
        line: "unused".into(),
        to: Some([127, 0, 0, 1].into()),
        done: None,
    };
    assert!(yard.room.way_out().give(lines));
    assert_eq!(old.takes().await.0, format!("{} team two lines", yard.at));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn messages_on_a_connection_each_stay_in_order() {
    let mut yard = Yard::new("").await;
    // One that says nothing keeps nobody waiting for long.
    let _silent = TcpStream::connect(yard.at).await.unwrap();
    let mut open = Vec::new();
    for n in 0..300 {
        let mut stream = TcpStream::connect(yard.at).await.unwrap();
        stream.write_all(format!("127.0.0.1:9 t {n}\n").as_bytes()).await.unwrap();
        if n % 50 == 0 {
            open.push(stream);
        }
    }
    for n in 0..300 {
        yard.hears("t 127.0.0.1:9", &n.to_string()).await;
    }
}

#[tokio::test]
async fn a_message_ends_with_the_stream_a_newline_or_a_pause() {
    let mut yard = Yard::new("").await;
    let mut stream = TcpStream::connect(yard.at).await.unwrap();
    let team = "t 127.0.0.1:9";
    // A pause, and the connection goes on.
    stream.write_all(b"127.0.0.1:9 t one").await.unwrap();
    yard.hears(team, "one").await;
    // Newlines, several at once, with white space and the NULs of a whole buffer around.
    stream.write_all(b"127.0.0.1:9 t two\n\r\n 127.0.0.1:9 t three \r\n\0\0\n127.0.0.1:9 t fo").await.unwrap();
    yard.hears(team, "two").await;
    yard.hears(team, "three").await;
    // The rest of a line that came in two parts; byte by byte.
    for byte in b"ur\n127.0.0.1:9 t five\n" {
        stream.write_all(&[*byte]).await.unwrap();
        stream.flush().await.unwrap();
    }
    yard.hears(team, "four").await;
    yard.hears(team, "five").await;
    stream.write_all(b"127.0.0.1:9 t six\0\0\0").await.unwrap();
    drop(stream);
    yard.hears(team, "six").await;
    // A reset after the message.
    let mut stream = TcpStream::connect(yard.at).await.unwrap();
    stream.write_all(b"127.0.0.1:9 t seven\n").await.unwrap();
    yard.hears(team, "seven").await;
    stream.write_all(b"127.0.0.1:9 t eight\n").await.unwrap();
    stream.set_zero_linger().unwrap();
    drop(stream);
    say(yard.at, "127.0.0.1:9 t nine").await;
    let mut heard = yard.heard().await.text;
    if heard == "eight" {
        heard = yard.heard().await.text;
    }
    assert_eq!(heard, "nine");
}

#[tokio::test]
async fn what_has_no_sender_is_shown_as_it_came() {
    let mut yard = Yard::new("").await;
    for text in ["10.103.45.601:8080 P1 hi", "hello", "42", "127.0.0.1:0 t hi"] {
        say(yard.at, text).await;
        yard.hears("127.0.0.1", text).await;
    }
    say(yard.at, b"127.0.0.1:9 t gr\xc3").await;
    yard.hears("t 127.0.0.1:9", "gr\u{fffd}").await;
    assert!(who(&yard, b"Who is online?").await == "127.0.0.1:9");
    let long = "n".repeat(200);
    say(yard.at, format!("127.0.0.1:9 {long} hi")).await;
    let claimed = yard.heard().await.claimed;
    assert!(claimed.len() <= 64 && claimed.ends_with("n\u{2026} 127.0.0.1:9"), "{claimed}");
}

#[tokio::test]
async fn brackets_hold_our_address_and_their_port() {
    let (mut yard, old) = (Yard::new("").await, Legacy::new().await);
    say(yard.at, format!("<127.0.0.77:{}> miners hi", old.1.port())).await;
    yard.hears(&format!("miners {}", old.1), "hi").await;
    drop(yard.says("you too"));
    // Answered in brackets: its address, our port.
    assert_eq!(old.takes().await.0, format!("<127.0.0.1:{}> team alice@c0de: you too", yard.at.port()));
    say(yard.at, format!("<127.0.0.77:{}> miners quit", old.1.port())).await;
    yard.hears(&format!("miners {}", old.1), "has left").await;
    assert_eq!(who(&yard, b"Who is online?").await, "");
}

#[tokio::test]
async fn an_exit_takes_out_its_sender_and_closes_nothing_more() {
    let (mut yard, old, other) = (Yard::new("").await, Legacy::new().await, Legacy::new().await);
    say(yard.at, format!("{} other hi", other.1)).await;
    yard.hears(&format!("other {}", other.1), "hi").await;
    let mut stream = TcpStream::connect(yard.at).await.unwrap();
    for word in ["exit", "EXIT", "Exit"] {
        stream.write_all(format!("{} t exit the room\n", old.1).as_bytes()).await.unwrap();
        yard.hears(&format!("t {}", old.1), "exit the room").await;
        stream.write_all(format!("{} t {word}", old.1).as_bytes()).await.unwrap();
        yard.hears(&format!("t {}", old.1), "has left").await;
        assert_eq!(who(&yard, b"Who is online?").await, other.1.to_string());
    }
    yard.says("hi").await.unwrap().unwrap();
    assert!(other.takes().await.0.ends_with("hi"));
    // One who was not there cannot leave.
    stream.write_all(format!("{} t exit\n", old.1).as_bytes()).await.unwrap();
    yard.hears(&format!("t {}", old.1), "exit").await;
}

#[tokio::test]
async fn one_program_opens_with_a_port_and_waits_for_answers() {
    let (mut yard, old) = (Yard::new("").await, Legacy::new().await);
    // It may wait for the first answer after the port already, or after both; then nothing may come before `CONNECT` is taken.
    let mut early = TcpStream::connect(yard.at).await.unwrap();
    early.write_all(b"8103").await.unwrap();
    assert!(timeout(SOON, early.read(&mut [0; 16])).await.expect("an answer").unwrap() > 0);
    early.write_all(b"CONNECT").await.unwrap();
    yard.hears("127.0.0.1:8103", "CONNECT").await;
    assert!(timeout(SOON, early.read(&mut [0; 16])).await.expect("another answer").unwrap() > 0);
    early.write_all(b"exit").await.unwrap();
    yard.hears("127.0.0.1:8103", "has left").await;
    let mut stream = TcpStream::connect(yard.at).await.unwrap();
    let mut answered = async |message: String| {
        stream.write_all(message.as_bytes()).await.unwrap();
        let bytes = timeout(SOON, stream.read(&mut [0; 1_024])).await.expect("an answer").unwrap();
        assert!(bytes > 0);
    };
    answered(format!("{}\nCONNECT", old.1.port())).await;
    yard.hears(&old.1.to_string(), "CONNECT").await;
    answered("hello".into()).await;
    yard.hears(&old.1.to_string(), "hello").await;
    answered(format!("{} t with a name\n", old.1)).await;
    yard.hears(&format!("t {}", old.1), "with a name").await;
    drop(yard.says("welcome"));
    assert!(old.takes().await.0.ends_with("welcome"));
    answered("exit".into()).await;
    yard.hears(&old.1.to_string(), "has left").await;
    // Others get no answer.
    let mut stream = TcpStream::connect(yard.at).await.unwrap();
    stream.write_all(format!("{} t connect\n", old.1).as_bytes()).await.unwrap();
    yard.hears(&format!("t {}", old.1), "connect").await;
    stream.shutdown().await.unwrap();
    assert_eq!(timeout(SOON, stream.read(&mut [0; 16])).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn a_message_fits_into_what_the_programs_read() {
    let (mut yard, old) = (Yard::new("").await, Legacy::new().await);
    say(yard.at, format!("{} t hi", old.1)).await;
    yard.heard().await;
    drop(yard.says(&"é".repeat(2_000)));
    let (line, _) = old.takes().await;
    assert!(line.len() <= 1_024 && line.len() > 1_018 && line.ends_with("é\u{2026}"), "{}", line.len());
    until("the cut is counted", || yard.count("cut") == 1).await;
    // What comes in may be longer, up to the bound.
    let long = "x".repeat(20_000);
    say(yard.at, format!("{} t {long}", old.1)).await;
    assert_eq!(yard.heard().await.text, long);
    let mut stream = TcpStream::connect(yard.at).await.unwrap();
    let _ = stream.write_all(&vec![b'x'; 200_000]).await;
    assert!(matches!(timeout(SOON, stream.read(&mut [0; 16])).await.unwrap(), Ok(0) | Err(_)));
    assert_eq!(yard.count("malformed"), 1);
}

#[tokio::test]
async fn who_is_gone_is_taken_out_and_comes_back_by_a_message() {
    let (mut yard, old) = (Yard::new("").await, Legacy::new().await);
    say(yard.at, format!("{} t hi", old.1)).await;
    yard.heard().await;
    let at = old.1;
    drop(old);
    for _ in 0..3 {
        assert!(yard.says("anybody?").await.unwrap().is_err());
    }
    assert_eq!(who(&yard, b"Who is online?").await, "");
    let old = Legacy(TcpListener::bind(at).await.unwrap(), at);
    say(yard.at, format!("{at} t back")).await;
    yard.heard().await;
    drop(yard.says("hello"));
    assert!(old.takes().await.0.ends_with("hello"));
}

#[tokio::test]
async fn nobody_makes_us_dial_a_third_party() {
    let mut yard = Yard::new("").await;
    // From loopback, so these would have to be reached over the network.
    for text in ["10.255.255.1:80 t hi", "[2001:db8::1]:80 t hi"] {
        say(yard.at, text).await;
        yard.heard().await;
    }
    let begun = Instant::now();
    assert!(yard.says("hi").await.unwrap().is_err());
    assert!(begun.elapsed() < Duration::from_secs(1), "nobody was dialled");
    assert_eq!(who(&yard, b"Who is online?").await, "10.255.255.1:80\n[2001:db8::1]:80");
}

async fn accepted(listener: &TcpListener) -> TcpStream {
    timeout(SOON, listener.accept()).await.expect("a connection").unwrap().0
}

#[tokio::test]
async fn a_contact_gets_one_message_and_one_connection_at_a_time() {
    let contact = Legacy::new().await;
    let yard = Yard::new(&format!(",contact={0},contact={0}", contact.1)).await;
    let mut first = accepted(&contact.0).await;
    let mut line = String::new();
    first.read_to_string(&mut line).await.unwrap();
    assert_eq!(line, format!("{} team connect", yard.at));
    // It keeps its end open: nothing else is opened, whatever the room says; that waits.
    while who(&yard, b"Who is online?").await != contact.1.to_string() {}
    let done = yard.says("one");
    let another = timeout(Duration::from_millis(700), contact.0.accept()).await;
    assert!(another.is_err(), "a second connection while the first is up");
    drop(first);
    let mut second = accepted(&contact.0).await;
    line.clear();
    second.read_to_string(&mut line).await.unwrap();
    assert!(line.ends_with("alice@c0de: one"), "{line}");
    drop(second);
    done.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_contact_is_tried_again_and_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    drop(listener);
    let yard = Yard::new(&format!(",contact={at}")).await;
    // It comes up between two tries.
    tokio::time::sleep(Duration::from_millis(60)).await;
    let contact = Legacy(TcpListener::bind(at).await.unwrap(), at);
    assert!(contact.takes().await.0.ends_with("team connect"));
    assert!(timeout(Duration::from_millis(300), contact.0.accept()).await.is_err(), "once");
    drop(yard.says("hi"));
    assert!(contact.takes().await.0.ends_with("hi"));
}

async fn who(yard: &Yard, question: &[u8]) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    ask(&socket, yard.at, question).await
}

async fn ask(socket: &UdpSocket, at: SocketAddr, question: &[u8]) -> String {
    let mut buffer = [0; 65_536];
    socket.send_to(question, at).await.unwrap();
    let (bytes, from) = timeout(SOON, socket.recv_from(&mut buffer)).await.expect("an answer").unwrap();
    assert_eq!(from, at);
    String::from_utf8(buffer[..bytes].to_vec()).unwrap()
}

#[tokio::test]
async fn who_is_online_is_answered_within_bounds() {
    let mut yard = Yard::new("").await;
    assert_eq!(who(&yard, b"Who is online?\r\n").await, "");
    let member = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    say(yard.at, format!("{} t hi", member.local_addr().unwrap())).await;
    yard.heard().await;
    let mut all = vec![member.local_addr().unwrap().to_string()];
    for port in 10_001..10_200 {
        say(yard.at, format!("127.0.0.1:{port} t hi")).await;
        yard.heard().await;
        all.push(format!("127.0.0.1:{port}"));
    }
    let stranger = who(&yard, b"Who is online?").await;
    assert!(stranger.len() <= 5 * b"Who is online?".len());
    assert_eq!(stranger, all[..4].join("\n"));
    let padded = [&b"Who is online?"[..], &[b' '; 86]].concat();
    let longer = who(&yard, &padded).await;
    assert!(longer.len() <= 500 && longer.lines().count() > 20);
    let known = ask(&member, yard.at, b"Who is online?").await;
    assert!(known.len() <= 1_200 && known.lines().count() > 60);
    assert!(known.lines().eq(all.iter().take(known.lines().count())), "whole lines, in order");
    // Something else gets no answer.
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for noise in [&b"who is online"[..], b"", b"Who is online? really", &[0xff; 1_500]] {
        socket.send_to(noise, yard.at).await.unwrap();
    }
    assert!(ask(&socket, yard.at, b"Who is online?").await.starts_with(&all[0]));
    assert!(timeout(Duration::from_millis(100), socket.recv(&mut [0; 16])).await.is_err());
}

#[tokio::test]
async fn over_its_share_an_answer_is_no_longer_than_its_question_and_counted() {
    let mut yard = Yard::new("").await;
    let member = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    say(yard.at, format!("{} t hi", member.local_addr().unwrap())).await;
    yard.heard().await;
    for port in 10_001..10_100 {
        say(yard.at, format!("127.0.0.1:{port} t hi")).await;
        yard.heard().await;
    }
    let (end, mut answers) = (Instant::now() + SOON, 0);
    loop {
        let before = yard.count("held_back");
        let len = ask(&member, yard.at, b"Who is online?").await.len();
        let held = yard.count("held_back") - before;
        assert!(matches!((held, len), (0, 1_101..=1_200) | (1, 0..=14)), "{held} were cut, {len} bytes");
        if held > 0 {
            break;
        }
        answers += 1;
        assert!(Instant::now() < end, "{answers} answers of any length");
    }
    assert!(answers >= 10, "{answers}");
}

#[tokio::test]
async fn a_fixed_source_port() {
    let port = port();
    let (mut yard, a, b) = (Yard::new(&format!(",source-port={port}")).await, Legacy::new().await, Legacy::new().await);
    for old in [&a, &b] {
        say(yard.at, format!("{} t hi", old.1)).await;
        yard.heard().await;
    }
    drop(yard.says("one"));
    assert_eq!((a.takes().await.1.port(), b.takes().await.1.port()), (port, port));
    // The same port to the same peer again: as soon as the system lets us, and in any case.
    drop(yard.says("two"));
    assert!(a.takes().await.0.ends_with("two"));

    // Dialling from the port it listens on.
    let listen = ports::port();
    let spec = format!("peer-line,listen=127.0.0.1:{listen},name=team,source-port={listen}");
    let mut yard = Yard::with(Config::from_spec(&spec.parse().unwrap()).unwrap()).await;
    say(yard.at, format!("{} t hi", a.1)).await;
    yard.heard().await;
    drop(yard.says("three"));
    let (line, from) = a.takes().await;
    assert!(line.ends_with("three") && from.port() == listen);
}

#[tokio::test]
async fn it_says_goodbye_and_the_port_is_free_for_the_next() {
    let (mut yard, a, b) = (Yard::new("").await, Legacy::new().await, Legacy::new().await);
    for old in [&a, &b] {
        say(yard.at, format!("{} t hi", old.1)).await;
        yard.heard().await;
    }
    // One that takes no connection does not hold it up: nothing listens here by then.
    say(yard.at, "127.0.0.1:1 t hi").await;
    yard.heard().await;
    let at = yard.at;
    let ((), a_heard, b_heard) = tokio::join!(yard.ends(), a.takes(), b.takes());
    assert_eq!((a_heard.0, b_heard.0), (format!("{at} team exit"), format!("{at} team exit")));
    let mut again = config("");
    again.listen = at;
    let mut yard = Yard::with(again).await;
    say(yard.at, format!("{} t hi", a.1)).await;
    yard.hears(&format!("t {}", a.1), "hi").await;
}
