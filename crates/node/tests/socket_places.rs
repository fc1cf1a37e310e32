//! The local socket when many follow, when clients stand still, and when a node does.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod support;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use rumormill_api::{Client, ClientError, LogQuery, LogReader, Patience, Step};
use rumormill_node::NodeHandle;
use rumormill_node::socket::{MAX_ASKING, MAX_FOLLOWERS, Server, SocketError, Times};
use support::{Net, PATIENCE, count, say, until};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

const SHORT: Duration = Duration::from_millis(200);
const IMPATIENT: Patience = Patience { answer: SHORT, slow: SHORT };

fn followed() -> LogQuery {
    LogQuery { follow: true, ..LogQuery::default() }
}

async fn served(net: &Net, times: Times) -> (NodeHandle, PathBuf) {
    let path = net.dir.path().join("alice").join("node.sock");
    let node = net.start("alice", &[]).await;
    tokio::spawn(Server::bind(&path).unwrap().with_times(times).serve(node.clone()));
    (node, path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_requests_have_places_while_all_followers_stand() {
    let net = Net::new();
    let (node, path) = served(&net, Times::default()).await;
    let mut followers = Vec::new();
    for _ in 0..MAX_FOLLOWERS {
        let mut follower = Client::connect(&path).await.unwrap().log(followed()).await.unwrap();
        assert_eq!(follower.next().await.unwrap(), Step::Current);
        followers.push(follower);
    }
    let mut asking = Vec::new();
    for n in 0..MAX_ASKING {
        let mut client = Client::connect(&path).await.unwrap();
        client.send(&format!("{n}"), "").await.unwrap();
        asking.push(client);
    }
    for follower in &mut followers {
        assert!(matches!(follower.next().await.unwrap(), Step::Line(_)), "followers are served");
    }
    // One too many of those that ask is told so in words.
    let refused = async {
        let mut client = Client::connect(&path).await?;
        client.info().await
    };
    let why = refused.await.unwrap_err();
    assert!(matches!(&why, ClientError::Refused(why) if why.contains("too many clients")), "{why}");
    // So is one too many of those that follow, and its connection goes on.
    asking.pop();
    let mut stream = until_connected(&path).await;
    stream.write_all(b"{\"do\":\"log\",\"follow\":true}\n{\"do\":\"info\"}\n").await.unwrap();
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    assert!(line.contains("too many followers"), "{line}");
    line.clear();
    stream.read_line(&mut line).await.unwrap();
    assert!(line.contains("alice"), "{line}");
    assert!(count(&node, "socket_refused") >= 2);
    // A follower that goes gives its place back.
    asking.clear();
    followers.pop();
    until("there is a place to follow", async || {
        let follower = async { Client::connect(&path).await?.log(followed()).await?.next().await };
        follower.await.is_ok()
    })
    .await;
    node.shutdown().await.unwrap();
}

/// A place may be given back a moment after its client has gone.
async fn until_connected(path: &std::path::Path) -> BufReader<UnixStream> {
    let mut stream = BufReader::new(UnixStream::connect(path).await.unwrap());
    until("there is a place to ask", async || {
        let mut line = String::new();
        let asked = stream.write_all(b"{\"do\":\"info\"}\n").await;
        let told = stream.read_line(&mut line).await;
        let served = asked.is_ok() && told.is_ok() && line.contains("alice");
        if !served {
            stream = BufReader::new(UnixStream::connect(path).await.unwrap());
        }
        served
    })
    .await;
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_stand_still_are_let_go_and_counted() {
    let net = Net::new();
    let (node, path) = served(&net, Times { write: SHORT, request: SHORT }).await;
    for _ in 0..200 {
        say(&node, &"x".repeat(8_000)).await;
    }
    let begins: [&[u8]; 3] = [b"", b"{\"do\":\"in", b"{\"do\":\"log\",\"follow\":true}\n"];
    for (n, begin) in begins.into_iter().enumerate() {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(begin).await.unwrap();
        until("it is let go", async || count(&node, "socket_dropped") == u64::try_from(n).unwrap() + 1).await;
        // What was written before is there to read, and then the end.
        let ended = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.unwrap();
        assert!(ended.is_ok() || ended.is_err_and(|why| why.kind() == ErrorKind::ConnectionReset), "{n}");
    }
    // One that has asked may be silent for as long as it likes.
    let mut quiet = Client::connect(&path).await.unwrap();
    quiet.info().await.unwrap();
    tokio::time::sleep(SHORT * 3).await;
    quiet.info().await.unwrap();
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_let_go_is_told_that_the_node_goes_on_and_another_that_it_went_away() {
    let net = Net::new();
    let (node, path) = served(&net, Times { write: SHORT, ..Times::default() }).await;
    for _ in 0..200 {
        say(&node, &"x".repeat(8_000)).await;
    }
    let end = async |reader: &mut LogReader| loop {
        if let Err(why) = reader.next().await {
            return reader.why_ended(why).await;
        }
    };
    for follow in [true, false] {
        let mut slow =
            Client::connect(&path).await.unwrap().log(LogQuery { follow, ..LogQuery::default() }).await.unwrap();
        let before = count(&node, "socket_dropped");
        until("it is let go", async || count(&node, "socket_dropped") == before + 1).await;
        let why = timeout(PATIENCE, end(&mut slow)).await.unwrap();
        assert!(matches!(&why, ClientError::LetGo { path: at } if *at == path), "{why}");
        assert!(
            why.to_string().contains("runs, and let this reader go") && !why.to_string().contains("went away"),
            "{why}"
        );
    }
    let mut reader = Client::connect(&path).await.unwrap().log(followed()).await.unwrap();
    // Whoever is not heard yet when the node ends is not told.
    while reader.next().await.unwrap() != Step::Current {}
    node.shutdown().await.unwrap();
    // It said so itself.
    while reader.next().await.unwrap() != Step::End {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_went_away_is_not_said_to_have_let_anybody_go() {
    let net = Net::new();
    let path = net.dir.path().join("dead.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let mut reader = Client::connect(&path).await.unwrap().log(followed()).await.unwrap();
    drop(listener.accept().await.unwrap());
    drop(listener);
    let why = timeout(PATIENCE, reader.next()).await.unwrap().unwrap_err();
    let why = reader.why_ended(why).await;
    assert!(matches!(&why, ClientError::Io(_)) && why.to_string().contains("went away"), "{why}");
}

fn hangs<T>(done: Result<T, ClientError>, what: &str) {
    let Err(why) = done else { panic!("{what}: it answered") };
    assert!(matches!(why, ClientError::Hangs { .. }), "{what}: {why}");
    assert!(why.to_string().contains("hangs"), "{what}: {why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_does_not_answer_is_said_to_hang() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let connect = async || Client::connect_with(&path, IMPATIENT).await.unwrap();
    hangs(connect().await.info().await, "nothing is answered");
    hangs(connect().await.log(LogQuery::default()).await.unwrap().next().await, "no log");
    hangs(connect().await.log(followed()).await.unwrap().next().await.map(drop), "no log to follow");
    let why = connect().await.send("text", "").await.unwrap_err();
    assert!(matches!(why, ClientError::Unanswered { .. }) && why.to_string().contains("may be written"), "{why}");
    // A request that does not fit in what the system keeps, to one that does not read.
    let long = connect().await.send(&"x".repeat(4 << 20), "").await;
    hangs(long, "a long request");
    // Half an answer.
    let answering = tokio::spawn(async move {
        for _ in 0..5 {
            drop(listener.accept().await.unwrap());
        }
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"{\"info\":{\"name\":\"a").await.unwrap();
        (listener, stream)
    });
    hangs(connect().await.info().await, "half an answer");
    let (listener, _stream) = answering.await.unwrap();
    // Nobody takes connections, and no more fit.
    let mut waiting = Vec::new();
    let full = loop {
        match UnixStream::connect(&path).await {
            Ok(stream) => waiting.push(stream),
            Err(why) => break why,
        }
        assert!(waiting.len() < 100_000);
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    hangs(Client::connect_with(&path, IMPATIENT).await, "no connection is taken");
    // The next node that starts there does not wait for it either.
    let bound = tokio::task::spawn_blocking({
        let path = path.clone();
        move || Server::bind(&path).map(drop)
    });
    let bound = timeout(PATIENCE, bound).await.expect("it does not hang").unwrap();
    assert!(matches!(bound, Err(SocketError::InUse(_))));
    drop(listener);
    assert!(matches!(Client::connect_with(&path, IMPATIENT).await, Err(ClientError::Connect { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_messages_come_in_short_pages_and_the_last_of_them_are_found() {
    let net = Net::new();
    let (node, path) = served(&net, Times::default()).await;
    let text = |n: usize| format!("{n} {}", "x".repeat(30_000));
    for n in 0..40 {
        say(&node, &text(n)).await;
    }
    let following = node.follow().await;
    let (mut after, mut shown) = (None, Vec::new());
    loop {
        let (page, next) = following.page(after).await.unwrap();
        let bytes: usize = page.iter().map(|message| message.text.as_raw().len()).sum();
        assert!(bytes <= 640 * 1024, "a follower that takes nothing holds {bytes} bytes");
        shown.extend(page.into_iter().map(|message| message.text.as_raw().to_owned()));
        let Some(next) = next else { break };
        after = Some(next);
    }
    assert!(shown.into_iter().eq((0..40).map(text)), "all, in order");
    for last in [0, 1, 17, 40, 41] {
        let query = LogQuery { last: Some(last), ..LogQuery::default() };
        let mut lines = Client::connect(&path).await.unwrap().log(query).await.unwrap();
        let mut given = Vec::new();
        while let Step::Line(line) = lines.next().await.unwrap() {
            given.push(line.text.as_raw().split(' ').next().unwrap().parse::<usize>().unwrap());
        }
        assert!(given.into_iter().eq(40_usize.saturating_sub(last)..40), "the last {last}");
    }
    node.shutdown().await.unwrap();
}
