//! The local socket: what scripts and the command line ask of a running node.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rumormill_api::{Client, ClientError, LogLine, LogQuery, MAX_LINE, Step};
use rumormill_node::NodeHandle;
use rumormill_node::socket::{Server, SocketError};
use rumormill_wire::native::MessageKind;
use support::{Net, say, until};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

async fn served(net: &Net, name: &str) -> (NodeHandle, PathBuf) {
    let path = net.dir.path().join(name).join("node.sock");
    let node = net.start(name, &[]).await;
    tokio::spawn(Server::bind(&path).unwrap().serve(node.clone()));
    (node, path)
}

async fn lines(client: Client, room: Option<&str>, last: Option<usize>) -> (Vec<LogLine>, Client) {
    let query = LogQuery { room: room.map(str::to_owned), last, follow: false };
    let (mut lines, mut reader) = (Vec::new(), client.log(query).await.unwrap());
    loop {
        match reader.next().await.unwrap() {
            Step::Line(line) => lines.push(*line),
            Step::End => return (lines, reader.into_client()),
            other => panic!("{other:?}"),
        }
    }
}

fn followed(room: Option<&str>) -> LogQuery {
    LogQuery { room: room.map(str::to_owned), last: None, follow: true }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_is_in_the_log_with_its_place() {
    let net = Net::new();
    let (node, path) = served(&net, "alice").await;
    let mut client = Client::connect(&path).await.unwrap();
    let first = client.send("hello, \"world\"\n\u{1}", "").await.unwrap();
    let second = client.send("in a room", "tea").await.unwrap();
    assert_eq!((first.origin.as_str(), first.seq, second.seq), (node.node_id().to_string().as_str(), 1, 2));
    assert_eq!(first.incarnation, node.me().incarnation.0);
    let (all, client) = lines(client, None, None).await;
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].text.as_raw(), all[0].time.as_str()), ("hello, \"world\"\n\u{1}", first.time.as_str()));
    assert_eq!((all[0].kind.as_str(), all[0].verified, all[0].late), ("chat", true, false));
    assert_eq!(all[0].from.as_deref(), Some("alice"));
    let (tea, client) = lines(client, Some("tea"), None).await;
    assert_eq!(tea.len(), 1);
    assert_eq!(node.chat_log().await.unwrap(), ["hello, \"world\"\n\u{1}"], "the classroom interface has one room");
    let (last, mut client) = lines(client, None, Some(1)).await;
    assert_eq!((last.len(), last[0].seq), (1, 2));
    assert_eq!(client.info().await.unwrap().name, "alice");
    let has = client.frontier(&node.node_id()).await.unwrap();
    assert_eq!((has.chains, has.left_out), (vec![(first.incarnation, 2)], 0));
    assert_eq!(has.network, node.network().to_string());
    assert!(client.peers().await.unwrap().is_empty());
    assert_eq!(client.metrics().await.unwrap()["gossip_messages_own"], 2);
    let long = client.send(&"x".repeat(40_000), "").await.unwrap_err();
    assert!(matches!(&long, ClientError::Wrong(why) if why.contains("32768")), "{long}");
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_gets_all_once_and_then_what_comes() {
    let net = Net::new();
    let (node, path) = served(&net, "alice").await;
    for n in 0..50 {
        say(&node, &format!("before {n}")).await;
    }
    let (seen, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    let mut reader = Client::connect(&path).await.unwrap().log(followed(None)).await.unwrap();
    let follower = tokio::spawn(async move {
        loop {
            match reader.next().await.unwrap() {
                Step::Line(line) => seen.send(line.text.into_raw()).unwrap(),
                Step::Current => {}
                Step::Missed(_) => panic!("nothing was missed"),
                Step::End => return,
            }
        }
    });
    // Written while the log is being read: neither lost nor shown twice.
    for n in 0..50 {
        say(&node, &format!("after {n}")).await;
    }
    let mut texts = Vec::new();
    while texts.len() < 100 {
        texts.push(tokio::time::timeout(support::PATIENCE, arrived.recv()).await.unwrap().unwrap());
    }
    let expected: Vec<_> = ["before", "after"].iter().flat_map(|w| (0..50).map(move |n| format!("{w} {n}"))).collect();
    assert_eq!(texts, expected);
    node.shutdown().await.unwrap();
    // The end is said, not cut off.
    follower.await.unwrap();
    assert!(arrived.recv().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_may_be_told_where_the_log_so_far_ends() {
    let net = Net::new();
    let (node, path) = served(&net, "alice").await;
    let mut client = Client::connect(&path).await.unwrap();
    client.send("elsewhere", "").await.unwrap();
    client.send("one", "tea").await.unwrap();
    let mut follower = Client::connect(&path).await.unwrap().log(followed(Some("tea"))).await.unwrap();
    let text = |step| match step {
        Step::Line(line) => line.text.into_raw(),
        other => format!("{other:?}"),
    };
    assert_eq!(text(follower.next().await.unwrap()), "one");
    assert_eq!(follower.next().await.unwrap(), Step::Current);
    client.send("elsewhere", "").await.unwrap();
    client.send("two", "tea").await.unwrap();
    assert_eq!(text(follower.next().await.unwrap()), "two");
    node.shutdown().await.unwrap();
    assert_eq!(follower.next().await.unwrap(), Step::End);
}

#[tokio::test]
async fn the_socket_is_the_owners_alone_and_a_dead_one_is_replaced() {
    let net = Net::new();
    let (node, path) = served(&net, "alice").await;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(matches!(Server::bind(&path), Err(SocketError::InUse(_))), "a living node keeps its socket");
    node.shutdown().await.unwrap();
    until("the socket's file is gone", async || !path.exists()).await;
    // A node that was killed leaves its socket behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let replaced = Server::bind(&path).unwrap();
    drop(replaced);
    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(Server::bind(&path), Err(SocketError::NoSocket(_))));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    // What lies where the socket is made first is not ours either, nor what took its place since.
    std::fs::remove_file(&path).unwrap();
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    std::fs::write(&beside, "precious").unwrap();
    assert!(matches!(Server::bind(&path), Err(SocketError::NoSocket(taken)) if taken == beside));
    assert_eq!(std::fs::read_to_string(&beside).unwrap(), "precious");
    std::fs::remove_file(&beside).unwrap();
    let server = Server::bind(&path).unwrap();
    // Renamed over it, as a node's own socket would be: the old inode lives on in the listener and is not used again.
    let other = path.with_extension("other");
    std::fs::write(&other, "precious").unwrap();
    std::fs::rename(&other, &path).unwrap();
    drop(server);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    let long = net.dir.path().join("x".repeat(108));
    let error = Server::bind(&long).unwrap_err().to_string();
    assert!(error.contains("107"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_gets_an_error_and_an_endless_line_ends_the_connection() {
    let net = Net::new();
    let (node, path) = served(&net, "alice").await;
    let mut stream = BufReader::new(UnixStream::connect(&path).await.unwrap());
    stream.write_all(b"{\"do\":\"dance\"}\n{\"do\":\"info\"}\n").await.unwrap();
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    assert!(line.starts_with("{\"error\":"), "{line}");
    line.clear();
    stream.read_line(&mut line).await.unwrap();
    assert!(line.starts_with("{\"info\":"), "{line}");
    // More than a line may have, without an end.
    let _ = stream.write_all(&vec![b'x'; MAX_LINE + 1]).await;
    let mut rest = Vec::new();
    // The connection ends, whether the rest was read or not.
    let ended = tokio::time::timeout(support::PATIENCE, stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok() && rest.is_empty());
    let mut client = Client::connect(&path).await.unwrap();
    client.shutdown().await.unwrap();
    node.stopped().await;
    assert!(node.submit(MessageKind::CHAT, "", "too late").await.is_err());
    node.shutdown().await.unwrap();
}
