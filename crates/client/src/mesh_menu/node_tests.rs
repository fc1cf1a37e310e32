//! The menu against a node that is played: what it does when it was too slow, and when the node lets go of it.

use std::time::Duration;

use rumormill_doors::peer_line::menu::{Arrived, Open, Transport};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::{MeshMenu, MeshTransport};

const SOON: Duration = Duration::from_secs(10);
const OWN: &str = "127.0.0.1:8080";
const PEER: &str = "10.0.0.2:9090";

fn id(node: u8) -> String {
    format!("{node:02x}").repeat(32)
}

/// One connection to the node.
struct Seat(BufReader<UnixStream>);

impl Seat {
    async fn accept(listener: &UnixListener) -> Self {
        Self(BufReader::new(timeout(SOON, listener.accept()).await.unwrap().unwrap().0))
    }

    async fn asked(&mut self) -> Value {
        let mut line = String::new();
        timeout(SOON, self.0.read_line(&mut line)).await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap_or(Value::Null)
    }

    async fn say(&mut self, reply: Value) {
        self.0.write_all(format!("{reply}\n").as_bytes()).await.unwrap();
    }

    /// A message of the room.
    async fn line(&mut self, node: u8, seq: u64, text: &str) {
        let line = json!({"origin": id(node), "incarnation": 1, "seq": seq, "time": "", "kind": "chat", "room": "menu",
            "text": text, "verified": true, "late": false, "from": "bob"});
        self.say(json!({"line": line})).await;
    }

    /// It is asked to be followed.
    async fn is_followed(&mut self) {
        assert_eq!(
            self.asked().await,
            json!({"do": "log", "follow": true, "room": "menu", "last": null, "mark": true})
        );
    }
}

/// A menu at the played node, with the connection that is asked, the one that is followed, and where it comes again.
struct Stage {
    transport: MeshTransport,
    arrived: Arrived,
    asked: Seat,
    followed: Seat,
    listener: UnixListener,
    _dir: tempfile::TempDir,
}

/// The room has one other menu, which has written to us before.
async fn stage() -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("node.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let opening = tokio::spawn(async {
        let menu = MeshMenu::find(socket, None).await.unwrap();
        menu.open("alpha", 8_080).await.unwrap()
    });
    let mut asked = Seat::accept(&listener).await;
    assert_eq!(asked.asked().await, json!({"do": "info"}));
    let info = json!({"name": "alice", "node": id(1), "incarnation": 1, "listen": "0.0.0.0:20000", "fingerprint": ""});
    asked.say(json!({"info": info})).await;
    let mut followed = Seat::accept(&listener).await;
    followed.is_followed().await;
    followed.line(2, 1, &format!("* {PEER} beta online")).await;
    followed.line(2, 2, &format!("{OWN} {PEER} beta before")).await;
    followed.say(json!({"current": {}})).await;
    announced(&mut asked, "online").await;
    let (transport, arrived) = timeout(SOON, opening).await.unwrap().unwrap();
    Stage { transport, arrived, asked, followed, listener, _dir: dir }
}

async fn announced(asked: &mut Seat, word: &str) {
    let text = format!("* {OWN} alpha {word}");
    assert_eq!(asked.asked().await, json!({"do": "send", "text": text, "room": "menu", "kind": null}));
    asked.say(json!({"sent": {"origin": id(1), "incarnation": 1, "seq": 1, "time": ""}})).await;
}

async fn hears(arrived: &mut Arrived, text: &str) {
    let line = timeout(SOON, arrived.recv()).await.unwrap().unwrap();
    assert_eq!(line.unwrap(), format!("{PEER} beta {text}"));
}

async fn says(seat: &mut Seat, seq: u64, text: &str) {
    seat.line(2, seq, &format!("{OWN} {PEER} beta {text}")).await;
}

#[tokio::test]
async fn what_was_missed_is_read_again_and_shown_once() {
    let Stage { mut transport, mut arrived, mut asked, mut followed, listener, _dir } = stage().await;
    says(&mut followed, 3, "one").await;
    hears(&mut arrived, "one").await;
    followed.say(json!({"missed": {"messages": 1}})).await;
    let mut again = Seat::accept(&listener).await;
    again.is_followed().await;
    again.line(2, 1, &format!("* {PEER} beta online")).await;
    for (seq, text) in (2..).zip(["before", "one", "two", "three"]) {
        says(&mut again, seq, text).await;
    }
    again.say(json!({"current": {}})).await;
    hears(&mut arrived, "two").await;
    hears(&mut arrived, "three").await;
    assert_eq!(transport.peers().await, [PEER.parse().unwrap()]);
    // The node lets go of it, and is there again: nothing is lost, nothing comes twice.
    drop(again);
    let mut again = Seat::accept(&listener).await;
    again.is_followed().await;
    says(&mut again, 5, "three").await;
    says(&mut again, 6, "four").await;
    hears(&mut arrived, "four").await;
    let bye = tokio::spawn(async move { transport.leave().await });
    announced(&mut asked, "exit").await;
    timeout(SOON, bye).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_node_that_does_not_come_back_is_an_error_with_a_next_step() {
    // It lets go twice without a word; it is not there any more; it says that it stops.
    for end in 0..3 {
        let Stage { mut arrived, followed, listener, transport, _dir, .. } = stage().await;
        match end {
            0 => {
                drop(followed);
                drop(Seat::accept(&listener).await);
            }
            1 => {
                drop(listener);
                drop(followed);
            }
            _ => {
                let mut followed = followed;
                followed.say(json!({"end": {}})).await;
            }
        }
        let why = timeout(SOON, arrived.recv()).await.unwrap().unwrap().unwrap_err();
        assert!(why.next().contains("start the node"), "{why}");
        drop(transport);
    }
}

#[tokio::test]
async fn who_is_there_is_answered_by_the_menu_itself() {
    let Stage { mut transport, mut arrived, mut followed, asked: _asked, .. } = stage().await;
    let nobody = Err("nobody listens there".to_owned());
    assert_eq!(transport.ask(Some("10.0.0.3:1".parse().unwrap())).await, nobody);
    assert_eq!(transport.ask(None).await, Ok(()));
    let line = arrived.recv().await.unwrap().unwrap();
    assert_eq!(line, format!("Online at {OWN}: {PEER}"));
    // More than the plain answer holds are not named.
    for n in 0..64 {
        followed.line(3, n + 1, &format!("* 100.100.100.100:{} many online", 20_000 + n)).await;
    }
    says(&mut followed, 3, "hi").await;
    hears(&mut arrived, "hi").await;
    assert_eq!(transport.ask(Some("[::ffff:10.0.0.2]:9090".parse().unwrap())).await, Ok(()));
    let line = arrived.recv().await.unwrap().unwrap();
    assert!(line.starts_with(&format!("Online at {PEER}: {OWN} 100.100.100.100:20000 ")), "{line}");
    assert!((1_200..1_300).contains(&line.len()) && line.matches(PEER).count() == 1, "{line}");
}
