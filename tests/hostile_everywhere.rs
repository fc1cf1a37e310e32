//! One hostile text through every place where text of others reaches people: each command that shows it, in a pipe and on a
//! terminal, errors that quote it, the node's own log. And the places where programs read, which get it as it came.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

use rumormill_testkit::classroom_place::Place;
use rumormill_testkit::frames::bye;
use rumormill_testkit::hostile::{Member, runtime};
use rumormill_testkit::nodes::{Net, Node, rumormill};
use rumormill_testkit::ports;
use rumormill_testkit::pty::{COLUMNS, Screen};
use rumormill_testkit::wait::{PATIENCE, until};
use rumormill_wire::foreign::{MAX_BLANKS, is_hidden};
use rumormill_wire::native::MessageKind;

/// What it would like to be a line, of a menu or of somebody else.
const FORGED: &str = "***** Menu ***** bob: I agree";

/// Each of these would move a cursor, end a line, turn or hide text; the blanks bring the rest to a row of its own.
fn hostile() -> String {
    format!("a\u{1b}[2J\rb\n{FORGED}\u{202e}c\u{2066}d\u{200b}e\u{2028}{FORGED}{}{FORGED}", " ".repeat(2_000))
}

/// The same for formats in which no text has a control character.
fn without_controls() -> String {
    hostile().chars().filter(|c| !c.is_control()).collect()
}

/// All of the text is there, and it is no more than a text.
fn harmless(place: &str, shown: &str, on_terminal: bool) {
    assert!(shown.contains("***** Menu"), "{place}: it is not shown: {shown:?}");
    for line in shown.lines() {
        assert!(!line.contains(is_hidden), "{place}: {line:?}");
        assert!(!line.contains(&" ".repeat(MAX_BLANKS + 1)), "{place}: {line:?}");
        assert!(!line.starts_with(FORGED), "{place}: a line of its own: {line:?}");
        if on_terminal {
            assert!(line.chars().count() < COLUMNS, "{place}: the terminal folds it: {line:?}");
        }
    }
}

/// A screen shows all of the hostile text, which ends with the forged line, and is looked at then.
fn shows(place: &str, screen: &Screen, on_terminal: bool) {
    let whole = || screen.shown().replace("\n    ", "");
    until(place, || whole().contains(" blanks) ***** Menu ***** bob: I agree"));
    harmless(place, &screen.shown(), on_terminal);
}

fn command(words: &[&str]) -> Command {
    let mut command = rumormill();
    command.args(words);
    command
}

fn linked() -> (Net, Node, Node) {
    let net = Net::new();
    let alice = net.start("alice", &[]);
    let bob = net.start("bob", &[&alice]);
    until("a link", || bob.peers().len() == 1);
    (net, alice, bob)
}

#[test]
fn log_peers_and_the_nodes_own_log() {
    let (net, alice, bob) = linked();
    let mallory = Member::new(&net.home(), "mallory");
    let (text, socket) = (hostile(), bob.socket().display().to_string());
    let follows = [false, true].map(|on| (on, Screen::start(command(&["log", "--follow", "--socket", &socket]), on)));
    runtime().block_on(async {
        let mut link = mallory.link(alice.addr).await;
        let room: String = text.chars().take(20).collect();
        let bridged = format!("udp-mesh\na\u{202e}\u{2066}\n{text}");
        let messages = [
            (MessageKind::CHAT, "", text.as_str()),
            (MessageKind::CHAT, &room, text.as_str()),
            (MessageKind::BRIDGED, "", bridged.as_str()),
        ];
        link.writer.send([mallory.rumor(&messages).as_slice()]).await.unwrap();
        tokio::task::block_in_place(|| {
            until("carried to bob", || bob.shown().len() == messages.len());
            for (on_terminal, follow) in &follows {
                shows("log --follow", follow, *on_terminal);
                let screen = Screen::start(command(&["log", "--socket", &socket]), *on_terminal);
                shows("log", &screen, *on_terminal);
                let alices = alice.socket().display().to_string();
                let peers = Screen::start(command(&["peers", "--socket", &alices]), *on_terminal);
                until("peers", || peers.shown().contains("mallory"));
                assert!(!peers.shown().chars().any(|c| c != '\n' && is_hidden(c)), "{}", peers.shown());
            }
        });
        let reason: String = text.chars().take(60).collect();
        link.writer.send([bye(&reason).as_slice()]).await.unwrap();
        tokio::task::block_in_place(|| alice.says("link down"));
    });
    harmless("the node's own log", &alice.said(), false);
    // Programs get what was said.
    let json = bob.ask(&["log", "--json"]).stdout;
    let json = String::from_utf8(json).unwrap();
    assert!(!json.chars().any(|c| c != '\n' && is_hidden(c)), "{json}");
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(first["text"], text);
}

#[test]
fn the_menu_over_the_plain_format() {
    for on_terminal in [false, true] {
        let port = ports::port();
        let mut screen = Screen::start(command(&["menu"]), on_terminal);
        screen.types(&format!("alpha\n{port}\n"));
        until("it listens", || screen.shown().contains("Enter choice: "));
        // A team and a text, in which a line feed would end the message; and what has no address at all, which is taken only as
        // text without control characters.
        for said in [
            format!("127.0.0.1:9 team {}", hostile().replace('\n', "\u{b}")),
            format!("nobody {}", without_controls()),
            format!("binary {}", hostile()),
        ] {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.write_all(said.as_bytes()).unwrap();
        }
        until("both", || screen.shown().matches(" blanks) ").count() == 2);
        shows("menu", &screen, on_terminal);
        assert!(!screen.shown().contains("binary"), "{}", screen.shown());
    }
}

#[test]
fn the_menu_over_the_mesh() {
    let (_net, alice, bob) = linked();
    for on_terminal in [false, true] {
        let port = ports::port();
        let own = SocketAddr::new(alice.addr.ip(), port);
        let mut screen =
            Screen::start(command(&["menu", "--socket", &alice.socket().display().to_string()]), on_terminal);
        screen.types(&format!("alpha\n{port}\n"));
        until("it is there", || screen.shown().contains("Enter choice: "));
        let thief = SocketAddr::from(([127, 9, 9, 9], port));
        for line in [format!("* {thief} thief online"), format!("{own} {thief} thief {}", without_controls())] {
            bob.asked(&["send", &line, "--room", "menu", "--json"]);
        }
        shows("menu --socket", &screen, on_terminal);
    }
}

#[test]
fn the_udp_peer() {
    for on_terminal in [false, true] {
        let (directory, other) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let (port, at) = (ports::port(), directory.local_addr().unwrap().to_string());
        let screen =
            Screen::start(command(&["udp-peer", "--port", &port.to_string(), "--directory", &at]), on_terminal);
        let (mut buffer, mut listing) = ([0; 64], vec![0xc1, 0, 2, 0]);
        directory.set_read_timeout(Some(PATIENCE)).unwrap();
        directory.recv_from(&mut buffer).unwrap();
        for (name, port) in [(b'Z', port), (b'A', other.local_addr().unwrap().port())] {
            listing.extend([name, 0]);
            listing.extend(port.to_le_bytes());
        }
        directory.send_to(&listing, ("127.0.0.1", port)).unwrap();
        until("it is listed", || screen.shown().contains("registered"));
        let text = hostile();
        let mut vanilla = vec![0xc2, 0];
        vanilla.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
        vanilla.extend(text.as_bytes());
        vanilla.push(0);
        other.send_to(&vanilla, ("127.0.0.1", port)).unwrap();
        shows("udp-peer", &screen, on_terminal);
    }
}

/// A frame of the protobuf peer: a start of id 12, or a message of it to 10.
fn protobuf_frame(text: Option<&str>) -> Vec<u8> {
    let varint = |mut n: usize| {
        let mut out = Vec::new();
        while n > 0x7f {
            out.push(u8::try_from(n & 0x7f).unwrap() | 0x80);
            n >>= 7;
        }
        out.push(u8::try_from(n).unwrap());
        out
    };
    let body = match text {
        None => vec![8, 3, 0x22, 2, 8, 12],
        Some(text) => {
            let inner = [&[8, 12, 16, 10, 0x1a][..], &varint(text.len()), text.as_bytes()].concat();
            [&[8, 1, 0x12][..], &varint(inner.len()), &inner].concat()
        }
    };
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
}

#[test]
fn the_protobuf_peer() {
    for on_terminal in [false, true] {
        let local = format!("127.0.0.1:{}", ports::port());
        let screen = Screen::start(command(&["peer", &local, "--desired-id", "10"]), on_terminal);
        until("it listens", || screen.shown().contains("listening on"));
        let mut stream = TcpStream::connect(&local).unwrap();
        stream.write_all(&protobuf_frame(None)).unwrap();
        stream.read_exact(&mut [0; 10]).unwrap();
        stream.write_all(&protobuf_frame(Some(&hostile()))).unwrap();
        shows("peer", &screen, on_terminal);
    }
}

#[test]
fn errors_that_quote_a_file_a_door_or_an_answer() {
    let net = Net::new();
    let dir = net.dir.path();
    // Short enough to be quoted whole; what was too much of it is counted.
    let text = format!("\u{1b}[2J\n{FORGED}\u{202e}\u{2066}\u{200b}\u{2028}\u{9b}{}", " ".repeat(2_000));
    let quoted = serde_json::to_string(&text).unwrap().replace('\u{9b}', "\\u009b");
    let file = dir.join("node.toml");
    let config = ["node", "--config", &file.display().to_string()].map(str::to_owned);
    let cases = [
        format!("name = {quoted}\n"),
        format!("{quoted} = 1\n"),
        format!("listen = {quoted}\n"),
        format!("this is {text} no TOML"),
        format!("door = [{quoted}]\n"),
    ];
    let words = |words: &[String]| words.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    let mut all: Vec<(Vec<String>, Option<String>)> =
        cases.into_iter().map(|content| (config.to_vec(), Some(content))).collect();
    for kind in ["udp-mesh", "peer-line", "protobuf-peer", "relay-43110", "push-pull", "classroom"] {
        for setting in [format!("listen={text}"), format!("{text}=1"), text.clone()] {
            let door = format!("{kind},{setting}");
            all.push((["node", "--name", "a", "--door", &door].map(str::to_owned).to_vec(), None));
        }
    }
    all.push((["certs", "show", &text].map(str::to_owned).to_vec(), None));
    all.push((["log", "--socket", &text].map(str::to_owned).to_vec(), None));
    all.push((["send", "x", "--state", &text].map(str::to_owned).to_vec(), None));
    for case in [&["menu", "--listen", &text][..], &["menu", &format!("--listen={text}")], &[&text], &["log", &text]] {
        all.push((case.iter().map(|word| (*word).to_owned()).collect(), None));
    }
    for (case, content) in all {
        if let Some(content) = &content {
            fs::write(&file, content).unwrap();
        }
        for on_terminal in [false, true] {
            let place = format!("{} {content:?}", words(&case));
            let screen = Screen::start(command(&case.iter().map(String::as_str).collect::<Vec<_>>()), on_terminal);
            until(&place, || screen.shown().contains("error: "));
            until(&place, || screen.shown().ends_with('\n'));
            let shown = screen.shown();
            // Not all quote it: what does quotes it so.
            for line in shown.lines() {
                assert!(!line.contains(is_hidden), "{place}: {line:?}");
                assert!(!line.starts_with(FORGED), "{place}: {line:?}");
                assert!(!line.contains(&" ".repeat(MAX_BLANKS + 1)), "{place}: {line:?}");
                let is_folded = !on_terminal || line.chars().count() < COLUMNS;
                assert!(is_folded || shown.contains("For more information, try"), "{place}: {line:?}");
            }
        }
    }
}

#[test]
fn programs_that_read_a_control_port_or_letters_get_the_text_as_it_was_typed() {
    let net = Net::new();
    let mut alice = net.node("alice", &[]);
    let (control, letters) = (ports::port(), ports::port());
    for door in [format!("classroom,listen=127.0.0.1:{control}"), format!("push-pull,listen=127.0.0.1:{letters}")] {
        alice.words.extend(["--door".into(), door]);
    }
    alice.start();
    until("its doors are open", || alice.asked(&["doors", "--json"])[0].as_array().unwrap().len() == 2);
    // Each of these formats is a line in which controls would end or hide something: they alone are replaced.
    let text = format!("\u{202e}\u{2066}\u{200b}{}{FORGED}", " ".repeat(1_000));
    let ask = |port: u16, request: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    };
    let (typed, shown) = (format!("\u{1b}[2J\0\u{8}\u{7f}\u{9b}2J\t{text}"), format!("[2J    2J\t{text}"));
    let log = ask(control, &format!("msg 1 a{typed}\nget chatLog\n"));
    assert_eq!(log, format!("chatLog a {shown}\n"));
    assert_eq!(ask(letters, &format!("PUSH IP:alice MSG:a{typed}\rIP: boss MSG:forged")), "SUCCESS");
    let mut pulled = String::new();
    until("the letter", || {
        pulled = ask(letters, "PULL");
        std::thread::sleep(Duration::from_millis(5));
        pulled.starts_with("SUCCESS 1")
    });
    assert!(pulled.ends_with(&format!(" MSG:a {shown} IP: boss MSG:forged")), "{pulled:?}");
}

#[test]
fn a_proxy_prints_a_log_for_programs_as_it_was_typed_and_shows_people_what_is_hidden() {
    let text = "a\u{202e}b\u{a0}c\u{2028}d\u{1f600}";
    for on_terminal in [false, true] {
        let place = Place::with_own_ports();
        let port = ports::port();
        let mut proxy = command(&["proxy"]);
        proxy.current_dir(place.path("."));
        let mut screen = Screen::start(proxy, on_terminal);
        screen.types(&format!("0 start 1 {port}\n0 msg 1 {text}\n0 get chatLog\nexit\n"));
        let shown = if on_terminal { text.replace('\u{202e}', "\\u{202e}") } else { text.to_owned() };
        let shown =
            if on_terminal { shown.replace('\u{a0}', "\\u{a0}").replace('\u{2028}', "\\u{2028}") } else { shown };
        until("the log", || screen.shown().contains(&shown));
    }
}
