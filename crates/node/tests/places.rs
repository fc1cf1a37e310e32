//! Each neighbour that is named has a place among the links, whoever else sits on all the others.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod support;

use std::net::SocketAddr;

use rumormill_node::{NodeHandle, start};
use rumormill_testkit::frames::hello;
use rumormill_testkit::ports::port;
use rumormill_transport::Expect;
use rumormill_transport::endpoint::Opened;
use rumormill_wire::native::{ByeCode, Frame};
use support::{Net, PATIENCE, count, say, until, until_log};
use tokio::task::JoinHandle;

/// Code, reason and patience of a BYE.
type Told = Option<(ByeCode, String, u16)>;

/// A member that dials and greets, and keeps its link while it may. What it was told at the end is what is left of it.
async fn sits(net: &Net, name: &str, at: SocketAddr) -> JoinHandle<Told> {
    let endpoint = net.endpoint(name);
    let mut opened = endpoint.dial(at, Expect::Any).await.unwrap();
    opened.writer.send([hello(endpoint.network(), name).as_slice()]).await.unwrap();
    tokio::spawn(async move { told(&mut opened).await })
}

async fn told(opened: &mut Opened) -> Told {
    let mut told = None;
    while let Ok(Some(frame)) = opened.reader.next_frame().await {
        match Frame::decode(&frame) {
            Ok(Frame::Bye(bye)) => told = Some((bye.code, bye.reason.as_raw().to_owned(), bye.retry_after_s)),
            Ok(Frame::Ping(nonce)) => {
                let mut pong = Vec::new();
                Frame::Pong(nonce).encode(&mut pong).unwrap();
                let _ = opened.writer.send([pong.as_slice()]).await;
            }
            _ => {}
        }
    }
    told
}

fn names(node: &NodeHandle) -> Vec<String> {
    node.peers().into_iter().map(|peer| peer.name).collect()
}

/// An address at which nobody listens yet.
fn nobody() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port()))
}

/// A node with three places, of which one is for a neighbour that is not there yet, and members on the two others.
async fn crowded(net: &Net, neighbour: Option<&str>, at: SocketAddr) -> (NodeHandle, Vec<JoinHandle<Told>>) {
    let mut config = net.config("a", &[("b", at)]);
    config.neighbours[0].name = neighbour.map(str::to_owned);
    config.limits.links = 3;
    let a = start(config).await.unwrap();
    let mut members = Vec::new();
    for name in ["m1", "m2"] {
        members.push(sits(net, name, a.local_addr()).await);
        until("it is linked", async || names(&a).iter().any(|up| up == name)).await;
    }
    // Same host as the neighbour, and a certificate: no claim to its place.
    for name in ["m3", "m4"] {
        let told = tokio::time::timeout(PATIENCE, sits(net, name, a.local_addr()).await).await.unwrap().unwrap();
        let (code, reason, _) = told.unwrap();
        assert_eq!(code, ByeCode::OVERLOAD);
        assert!(reason.contains("kept for named neighbours"), "{reason}");
    }
    assert_eq!((names(&a), count(&a, "links_refused_kept")), (vec!["m1".to_owned(), "m2".to_owned()], 2));
    assert_eq!(a.unlinked().len(), 1, "the neighbour is not there yet");
    (a, members)
}

async fn ends_with(a: NodeHandle, b: NodeHandle, members: Vec<JoinHandle<Told>>) {
    until("it is linked", async || names(&a) == ["b", "m1", "m2"]).await;
    until("nobody is missing", async || a.unlinked().is_empty()).await;
    say(&b, "here").await;
    until_log(&a, 1).await;
    assert!(members.iter().all(|member| !member.is_finished()), "nobody lost a link");
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_neighbour_that_we_dial_has_its_place() {
    let (net, at) = (Net::new(), nobody());
    let (a, members) = crowded(&net, Some("b"), at).await;
    let mut config = net.config("b", &[]);
    config.listen = at;
    let b = start(config).await.unwrap();
    ends_with(a, b, members).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_neighbour_that_dials_us_has_its_place() {
    let net = Net::new();
    let (a, members) = crowded(&net, Some("b"), nobody()).await;
    // Not where it was named: its certificate says who it is.
    let b = net.start("b", &[("a", a.local_addr())]).await;
    ends_with(a, b, members).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_named_by_its_address_is_whoever_answered_there() {
    let (net, at) = (Net::new(), nobody());
    let (a, members) = crowded(&net, None, at).await;
    let mut config = net.config("b", &[]);
    config.listen = at;
    let b = start(config.clone()).await.unwrap();
    until("it is linked where we dial it", async || names(&a) == ["b", "m1", "m2"]).await;
    b.shutdown().await.unwrap();
    until("it is gone", async || names(&a) == ["m1", "m2"]).await;
    let told = tokio::time::timeout(PATIENCE, sits(&net, "m5", a.local_addr()).await).await.unwrap().unwrap();
    assert!(told.unwrap().1.contains("kept for named neighbours"), "its place waits for it");
    let b = net.start("b", &[("a", a.local_addr())]).await;
    ends_with(a, b, members).await;
}

/// Answers at an address as this member, until it is let go. Each link is ended when `cut` changes.
fn answers(
    net: &Net,
    name: &'static str,
    socket: std::net::TcpListener,
    cut: &tokio::sync::watch::Sender<u32>,
) -> JoinHandle<()> {
    let endpoint = net.endpoint(name);
    socket.set_nonblocking(true).unwrap();
    let mut listener = endpoint.listen(tokio::net::TcpListener::from_std(socket).unwrap());
    let mut cut = cut.subscribe();
    tokio::spawn(async move {
        while let Some(mut opened) = listener.accept().await {
            opened.writer.send([hello(endpoint.network(), name).as_slice()]).await.unwrap();
            let mut cut = cut.clone();
            cut.borrow_and_update();
            tokio::spawn(async move {
                tokio::select! {
                    _ = told(&mut opened) => {}
                    _ = cut.changed() => {}
                }
            });
        }
        cut.borrow_and_update();
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_two_turn_out_to_be_needed_the_youngest_other_makes_room_and_is_told() {
    let net = Net::new();
    let socket = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (first, second) = (socket(), socket());
    let (at, also) = (first.local_addr().unwrap(), second.local_addr().unwrap());
    let cut = tokio::sync::watch::Sender::new(0);
    let x = answers(&net, "x", first, &cut);
    let x_too = answers(&net, "x", second, &cut);
    let mut config = net.config("a", &[("", at), ("", also)]);
    config.neighbours.iter_mut().for_each(|neighbour| neighbour.name = None);
    config.limits.links = 2;
    let a = start(config).await.unwrap();
    until("one member answers at both", async || names(&a) == ["x"] && a.unlinked().is_empty()).await;
    // So there is a place for another.
    let m = net.start("m", &[("a", a.local_addr())]).await;
    until("it is linked", async || names(&a) == ["m", "x"]).await;
    // Another member answers at the second address from now on, and the first one comes back a little later.
    x.abort();
    x_too.abort();
    for at in [at, also] {
        until("the port is free", async || std::net::TcpListener::bind(at).is_ok()).await;
    }
    let _y = answers(&net, "y", std::net::TcpListener::bind(also).unwrap(), &cut);
    cut.send_modify(|n| *n += 1);
    until("it has its place", async || names(&a) == ["m", "y"]).await;
    let _x = answers(&net, "x", std::net::TcpListener::bind(at).unwrap(), &cut);
    until("both have their places", async || names(&a) == ["x", "y"]).await;
    assert_eq!(count(&a, "links_displaced"), 1);
    // Who lost its link knows why, and is patient.
    until("it knows", async || m.unlinked().first().is_some_and(|a| a.said.is_some())).await;
    let told = m.unlinked().remove(0);
    assert_eq!(told.said.unwrap().to_string(), "a named neighbour takes this place");
    assert!((30..=60).contains(&told.next_s.unwrap()) && told.tries == 1, "{} in {:?}", told.tries, told.next_s);
    for node in [a, m] {
        node.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn fewer_places_than_neighbours_are_refused_at_the_start() {
    let net = Net::new();
    let mut config = net.config("a", &[("b", nobody()), ("c", nobody())]);
    config.limits.links = 1;
    let Err(refused) = start(config).await else { panic!("it started") };
    let refused = refused.to_string();
    assert!(refused.contains("max-links") && refused.contains("2 or more"), "{refused}");
}
