//! Clocks that are off: what they date is told when its time has come, people hear whose clock it is, and a node whose clock
//! is put right goes on as one whose clock was always right.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something is not as it should be")]

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rumormill_api::{Client, LogQuery, Step, own_clock_suspected};
use rumormill_node::clock::Wall;
use rumormill_node::config::{Durability, StoreKind};
use rumormill_node::socket::Server;
use rumormill_node::{NodeConfig, NodeHandle, start};
use rumormill_transport::LocalCa;
use rumormill_wire::native::MessageKind;
use rumormill_wire::{Incarnation, Seq};
use support::{Net, say, until, until_log};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// A configuration with a clock that can be set.
fn with_clock(net: &Net, name: &str, neighbours: &[&NodeHandle], ahead_us: i64) -> (NodeConfig, Wall) {
    let neighbours: Vec<_> = neighbours.iter().map(|node| (node.name().to_owned(), node.local_addr())).collect();
    let neighbours: Vec<_> = neighbours.iter().map(|(name, addr)| (name.as_str(), *addr)).collect();
    let mut config = net.config(name, &neighbours);
    config.wall = Wall::ahead_by(ahead_us);
    let wall = config.wall.clone();
    (config, wall)
}

fn on_disk(mut config: NodeConfig, net: &Net) -> NodeConfig {
    config.store = StoreKind::Sqlite;
    config.durability = Durability::Normal;
    config.state = Some(net.dir.path().join(format!("state-{}", config.name)));
    config
}

async fn until_has(node: &NodeHandle, of: &NodeHandle, messages: u64) {
    let has = || node.frontier_of(&of.node_id()).0.iter().map(|(_, last)| last.0).sum::<u64>() >= messages;
    until("the messages are kept", async || has()).await;
}

/// What one who follows is told: menus and `log --follow` do it so.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    async fn by(path: PathBuf) -> Self {
        let told = Self::default();
        let followed = LogQuery { follow: true, ..LogQuery::default() };
        let mut follower = Client::connect(&path).await.unwrap().log(followed).await.unwrap();
        let (lines, current) = (told.clone(), Arc::new(tokio::sync::Notify::new()));
        let reached = Arc::clone(&current);
        tokio::spawn(async move {
            while let Ok(step) = follower.next().await {
                match step {
                    Step::Line(line) => lines.0.lock().unwrap().push(line.text.into_raw()),
                    Step::Current => reached.notify_one(),
                    Step::Missed(_) => lines.0.lock().unwrap().push("missed".to_owned()),
                    Step::End => return,
                }
            }
        });
        current.notified().await;
        told
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn serve(net: &Net, node: &NodeHandle) -> PathBuf {
    let path = net.dir.path().join(format!("{}.sock", node.name()));
    let server = Server::bind(&path).unwrap();
    tokio::spawn(server.serve(node.clone()));
    path
}

/// A program at the menu chat's door, and all that it was told.
async fn old_program() -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, told) = (listener.local_addr().unwrap().to_string(), Arc::<Mutex<String>>::default());
    let all = Arc::clone(&told);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let all = Arc::clone(&all);
            tokio::spawn(async move {
                let mut bytes = [0; 4_096];
                while let Ok(n @ 1..) = stream.read(&mut bytes).await {
                    all.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..n]));
                }
            });
        }
    });
    (addr, told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_from_ahead_is_told_to_everybody_once_when_its_time_has_come() {
    let net = Net::new();
    let (addr, door) = old_program().await;
    let (mut config, wall) = with_clock(&net, "a", &[], 0);
    config.doors = vec![format!("peer-line,listen=127.0.0.1:0,name=room,contact={addr}").parse().unwrap()];
    let a = start(config).await.unwrap();
    let (config, _) = with_clock(&net, "b", &[&a], 3_600 * SECOND);
    let b = start(config).await.unwrap();
    let path = serve(&net, &a);
    let early = Told::by(path.clone()).await;
    say(&b, "first").await;
    say(&b, "second").await;
    until_has(&a, &b, 2).await;
    say(&a, "of now").await;
    until("what is of now", async || early.lines() == ["of now"]).await;
    assert_eq!(a.chat_log().await.unwrap(), ["of now"]);
    let between = Told::by(path.clone()).await;
    assert_eq!(between.lines(), ["of now"]);
    // Not yet: nine minutes before.
    wall.set(3_000 * SECOND);
    say(&a, "of later").await;
    until("what is of later", async || early.lines().len() == 2).await;
    assert_eq!(a.chat_log().await.unwrap(), ["of now", "of later"]);
    wall.set(3_600 * SECOND);
    let all = ["of now", "of later", "first", "second"];
    until("its time has come", async || early.lines() == all && between.lines() == all).await;
    until("at the door too", async || door.lock().unwrap().contains("b@") && door.lock().unwrap().contains("second"))
        .await;
    say(&a, "at last").await;
    until("what comes behind it", async || early.lines().len() >= 5 && between.lines().len() >= 5).await;
    until("at the door too", async || door.lock().unwrap().contains("at last")).await;
    assert_eq!((early.lines().len(), between.lines().len()), (5, 5), "each once");
    for text in ["first", "second"] {
        assert_eq!(door.lock().unwrap().matches(text).count(), 1, "once at the door: {text}");
    }
    assert_eq!(a.chat_log().await.unwrap(), ["of now", "of later", "first", "second", "at last"]);
    assert_eq!(Told::by(path).await.lines().len(), 5, "to one who comes later as well");
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_ahead_survives_a_restart_and_what_is_withdrawn_meanwhile_is_not_told() {
    let net = Net::new();
    let a = start(on_disk(with_clock(&net, "a", &[], 0).0, &net)).await.unwrap();
    let b = start(with_clock(&net, "b", &[&a], 600 * SECOND).0).await.unwrap();
    let c = start(with_clock(&net, "c", &[&a], 600 * SECOND).0).await.unwrap();
    say(&b, "one").await;
    say(&b, "two").await;
    say(&c, "withdrawn").await;
    until_has(&a, &b, 2).await;
    until_has(&a, &c, 1).await;
    let (b_id, c_id, c_chain) = (b.node_id(), c.node_id(), c.me().incarnation);
    for node in [a, b, c] {
        node.shutdown().await.unwrap();
    }
    let (config, wall) = with_clock(&net, "a", &[], 0);
    let a = start(on_disk(config, &net)).await.unwrap();
    let told = Told::by(serve(&net, &a)).await;
    assert!(told.lines().is_empty(), "{:?}", told.lines());
    let ca = LocalCa::open(&net.dir.path().join("home")).unwrap();
    let cut: BTreeMap<Incarnation, Seq> = [(c_chain, Seq(0))].into();
    ca.revoke(c_id, Some(cut)).unwrap();
    until("the revocation", async || a.rules().limits.keys().any(|origin| origin.node == c_id)).await;
    wall.set(600 * SECOND);
    until("its time has come", async || told.lines().len() >= 2).await;
    say(&a, "behind it").await;
    until("what comes behind it", async || told.lines().len() >= 3).await;
    assert_eq!(told.lines(), ["one", "two", "behind it"]);
    assert_eq!(a.frontier_of(&b_id).0.len(), 1);
    a.shutdown().await.unwrap();
}

/// Many at one moment: in pages, while more of the same time comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_that_become_due_together_are_each_told_once_and_in_order() {
    let net = Net::new();
    let (config, wall) = with_clock(&net, "a", &[], 0);
    let a = start(config).await.unwrap();
    let b = start(with_clock(&net, "b", &[&a], 600 * SECOND).0).await.unwrap();
    let told = Told::by(serve(&net, &a)).await;
    let send = async |range: std::ops::Range<u32>| {
        let mut pending = Vec::new();
        for n in range {
            pending.push(b.submit(MessageKind::CHAT, "", format!("{n}")).await.unwrap());
        }
        for one in pending {
            one.await.unwrap();
        }
    };
    send(0..3_000).await;
    until_has(&a, &b, 3_000).await;
    let more = send(3_000..4_000);
    wall.set(610 * SECOND);
    more.await;
    until("all", async || told.lines().len() >= 4_000).await;
    let all: Vec<_> = (0..4_000).map(|n| n.to_string()).collect();
    assert_eq!(told.lines(), all);
    assert_eq!(until_log(&a, 4_000).await, all);
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_begin_to_follow_in_the_middle_are_told_each_message_once() {
    const ALL: usize = 900;
    let net = Net::new();
    let a = net.start("a", &[]).await;
    let b = net.start("b", &[("a", a.local_addr())]).await;
    let path = serve(&net, &a);
    until("they are linked", async || a.peers().len() == 1).await;
    let writing = [a.clone(), b.clone()].map(|node| {
        tokio::spawn(async move {
            for n in 0..ALL / 2 {
                node.submit(MessageKind::CHAT, "", format!("{} {n}", node.name())).await.unwrap();
                tokio::time::sleep(std::time::Duration::from_micros(500)).await;
            }
        })
    });
    let mut followers = Vec::new();
    for _ in 0..24 {
        followers.push(Told::by(path.clone()).await);
    }
    for one in writing {
        one.await.unwrap();
    }
    for told in followers {
        until("all", async || told.lines().len() >= ALL).await;
        for name in ["a", "b"] {
            let of: Vec<_> = told.lines().into_iter().filter(|line| line.starts_with(name)).collect();
            let expected: Vec<_> = (0..ALL / 2).map(|n| format!("{name} {n}")).collect();
            assert_eq!(of, expected, "each once, in order");
        }
    }
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_put_right_while_the_node_runs_begins_a_new_incarnation_then_and_there() {
    let net = Net::new();
    let b = net.start("b", &[]).await;
    let (config, wall) = with_clock(&net, "a", &[&b], DAY);
    let a = start(config).await.unwrap();
    say(&a, "tomorrow").await;
    until_has(&b, &a, 1).await;
    assert!(b.chat_log().await.unwrap().is_empty(), "nobody sees it");
    until("whose clock it is", async || b.peers().iter().any(|peer| peer.clock_off_s >= 86_000)).await;
    assert_eq!(own_clock_suspected(&b.peers()), None, "of two, nobody knows which");
    let before = a.me();
    wall.set(0);
    // At once: not only when somebody has looked.
    let receipt = a.submit(MessageKind::CHAT, "", "today").await.unwrap().await.unwrap();
    assert_ne!(receipt.origin, before);
    assert!(receipt.clock.0 <= Wall::default().now_us(), "dated by the right clock");
    assert_eq!(until_log(&b, 1).await, ["today"]);
    assert_eq!(a.me(), receipt.origin);
    until("both clocks agree", async || b.peers().iter().all(|peer| peer.clock_off_s == 0)).await;
    for node in [a, b] {
        assert_eq!(node.stats().proofs, 0, "nobody has signed two histories");
        node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_clock_is_suspected_when_most_neighbours_differ_from_it() {
    let net = Net::new();
    let (config, wall) = with_clock(&net, "a", &[], -600 * SECOND);
    let a = start(config).await.unwrap();
    let b = net.start("b", &[("a", a.local_addr())]).await;
    let c = net.start("c", &[("a", a.local_addr())]).await;
    say(&b, "hello").await;
    say(&c, "hello").await;
    until("both are ahead", async || own_clock_suspected(&a.peers()).is_some_and(|off| (500..=700).contains(&off)))
        .await;
    let suspected = || a.metrics().into_iter().any(|(name, n)| name == "node_own_clock_suspected" && n == 1);
    assert!(suspected(), "people are told, and a metric says so");
    assert!(a.chat_log().await.unwrap().is_empty());
    wall.set(0);
    assert_eq!(until_log(&a, 2).await.len(), 2, "all that was ahead is seen once the clock is right");
    until("nothing is known of the right one", async || own_clock_suspected(&a.peers()).is_none()).await;
    for node in [a, b, c] {
        node.shutdown().await.unwrap();
    }
}

/// A node with its log in memory sends out at its doors nothing that was written before it began, by whichever clock that was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_after_a_clock_was_put_right_goes_out_at_doors() {
    let net = Net::new();
    let (addr, door) = old_program().await;
    let (mut config, wall) = with_clock(&net, "a", &[], 3_600 * SECOND);
    config.doors = vec![format!("peer-line,listen=127.0.0.1:0,name=room,contact={addr}").parse().unwrap()];
    let a = start(config).await.unwrap();
    until("the door hears the room", async || {
        say(&a, "by the wrong clock").await;
        door.lock().unwrap().contains("by the wrong clock")
    })
    .await;
    wall.set(0);
    say(&a, "by the right one").await;
    until("at the door too", async || door.lock().unwrap().contains("by the right one")).await;
    a.shutdown().await.unwrap();
}

/// What is shown is decided by the clock of the moment at which it is read, whatever was shown before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_clock_put_right_leaves_ahead_is_shown_to_nobody_new_and_told_to_nobody_twice() {
    let net = Net::new();
    let (config, wall) = with_clock(&net, "a", &[], 3_600 * SECOND);
    let config = on_disk(config, &net);
    let a = start(config.clone()).await.unwrap();
    let (config_b, _) = with_clock(&net, "b", &[&a], 3_000 * SECOND);
    let b = start(config_b).await.unwrap();
    let path = serve(&net, &a);
    let early = Told::by(path.clone()).await;
    say(&b, "another's").await;
    until("another's is told", async || early.lines() == ["another's"]).await;
    say(&a, "ahead").await;
    until("told by the wrong clock", async || early.lines() == ["another's", "ahead"]).await;
    wall.set(0);
    assert!(Told::by(path.clone()).await.lines().is_empty(), "at once");
    say(&a, "of now").await;
    let later = Told::by(path.clone()).await;
    assert_eq!(later.lines(), ["of now"]);
    assert_eq!(a.chat_log().await.unwrap(), ["of now"], "as elsewhere");
    until("what is of now", async || early.lines() == ["another's", "ahead", "of now"]).await;
    // A part of the time passes, and then all of it.
    wall.set(3_050 * SECOND);
    until("another's time has come", async || later.lines() == ["of now", "another's"]).await;
    wall.set(2_000 * SECOND);
    assert_eq!(Told::by(path.clone()).await.lines(), ["of now"], "put back once more");
    wall.set(3_700 * SECOND);
    let all = ["of now", "another's", "ahead"];
    until("all have their time", async || later.lines() == all).await;
    say(&a, "behind it").await;
    until("what comes behind it", async || later.lines().len() >= 4 && early.lines().len() >= 4).await;
    assert_eq!(later.lines(), ["of now", "another's", "ahead", "behind it"]);
    assert_eq!(early.lines(), ["another's", "ahead", "of now", "behind it"], "each once");
    wall.set(0);
    assert_eq!(Told::by(path).await.lines(), ["of now"]);
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
    let a = start(config).await.unwrap();
    assert_eq!(a.chat_log().await.unwrap(), ["of now"], "and after a restart");
    assert_eq!(Told::by(serve(&net, &a)).await.lines(), ["of now"], "and after a restart");
    a.shutdown().await.unwrap();
}
