//! PUSH at one node and PULL at another: the letter waits as long as it has to, comes once, and nobody else reads it.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod support;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rumormill_node::config::Durability;
use rumormill_node::{NodeConfig, NodeHandle, start};
use support::{Net, ask, has, say, until, until_log};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn state(net: &Net, name: &str) -> PathBuf {
    net.dir.path().join(format!("state-{name}"))
}

fn on_disk(net: &Net, name: &str, neighbours: &[(&str, SocketAddr)]) -> NodeConfig {
    let mut config = net.on_disk(name, neighbours);
    config.durability = Durability::Full;
    config.doors = vec!["push-pull,listen=127.0.0.1:0,gap=1ms,idle=20ms".parse().unwrap()];
    config
}

/// A key has to be known before something can be sealed to it.
async fn until_pushed(node: &NodeHandle, request: &str) {
    until(request, async || ask(node, request).await == "SUCCESS").await;
}

/// Pulls until so many letters have come; those that came.
async fn until_pulled(node: &NodeHandle, count: usize) -> String {
    let mut all = String::new();
    until("letters", async || {
        let answer = ask(node, "PULL").await;
        let items = answer.strip_prefix("SUCCESS ").unwrap().trim_start_matches(|c: char| c.is_ascii_digit());
        all.push_str(items);
        all.matches("IP: ").count() >= count
    })
    .await;
    all
}

fn holds(dir: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        let bytes = if path.is_file() { std::fs::read(path).unwrap() } else { Vec::new() };
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_goes_through_a_node_that_cannot_read_it_and_waits_over_a_restart() {
    let net = Net::new();
    let b = start(on_disk(&net, "b", &[])).await.unwrap();
    let a = start(on_disk(&net, "a", &[("b", b.local_addr())])).await.unwrap();
    let c = start(on_disk(&net, "c", &[("b", b.local_addr())])).await.unwrap();
    assert_eq!(ask(&a, "PUSH IP:nobody MSG:hello").await, "FAIL");
    until_pushed(&a, "PUSH IP:c MSG:first plaintext-that-is-found MSG: é").await;
    assert_eq!(ask(&a, &format!("PUSH IP:{} MSG:second", c.node_id())).await, "SUCCESS");
    // What everybody may read comes after, so it is all there.
    say(&a, "sentinel-in-the-log").await;
    until_log(&c, 1).await;
    assert_eq!(until_log(&b, 1).await, ["sentinel-in-the-log"], "letters are not shown");
    assert_eq!(ask(&b, "PULL").await, "SUCCESS 0");
    c.shutdown().await.unwrap();
    drop(c);
    let c = start(on_disk(&net, "c", &[("b", b.local_addr())])).await.unwrap();
    let letters = until_pulled(&c, 2).await;
    assert_eq!(letters, "IP: a MSG:first plaintext-that-is-found MSG: éIP: a MSG:second");
    assert_eq!(ask(&c, "PULL").await, "SUCCESS 0");
    c.shutdown().await.unwrap();
    drop(c);
    let c = start(on_disk(&net, "c", &[("b", b.local_addr())])).await.unwrap();
    say(&c, "once more").await;
    assert_eq!(ask(&c, "PULL").await, "SUCCESS 0", "handed over is handed over");
    until_log(&b, 2).await;
    for node in [a, b, c] {
        node.shutdown().await.unwrap();
    }
    assert!(holds(&state(&net, "b"), b"sentinel-in-the-log"), "this is where it would be");
    assert!(!holds(&state(&net, "b"), b"plaintext-that-is-found"));
    assert!(!holds(&state(&net, "a"), b"plaintext-that-is-found"), "nor does its author keep it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_go_to_oneself_to_neighbours_by_address_and_to_one_who_was_away() {
    let net = Net::new();
    let b = start(on_disk(&net, "b", &[])).await.unwrap();
    let a = start(on_disk(&net, "a", &[("b", b.local_addr())])).await.unwrap();
    assert_eq!(ask(&a, "PUSH IP:a MSG:note").await, "SUCCESS");
    assert_eq!(until_pulled(&a, 1).await, "IP: a MSG:note");
    until_pushed(&a, &format!("PUSH IP:{} MSG:by address and port", b.local_addr())).await;
    assert_eq!(until_pulled(&b, 1).await, "IP: a MSG:by address and port");
    until_pushed(&b, "PUSH IP:127.0.0.1 MSG:by address").await;
    assert_eq!(until_pulled(&a, 1).await, "IP: b MSG:by address");
    assert_eq!(ask(&a, "PUSH IP:127.0.0.77 MSG:x").await, "FAIL");
    assert_eq!(ask(&a, "PUSH IP:127.0.0.1:9 MSG:x").await, "FAIL");
    // B is away when the letter is written, and A when B comes back; C, who has no such door, carries it.
    let c = start(net.config("c", &[("a", a.local_addr())])).await.unwrap();
    b.shutdown().await.unwrap();
    drop(b);
    until("c linked", async || has(&a, "c")).await;
    assert_eq!(ask(&a, "PUSH IP:b MSG:for later").await, "SUCCESS");
    assert_eq!(ask(&a, "PUSH IP:c MSG:x").await, "FAIL", "it has no such door");
    until("carried", async || c.frontier_of(&a.node_id()) == a.frontier_of(&a.node_id())).await;
    a.shutdown().await.unwrap();
    let b = start(on_disk(&net, "b", &[("c", c.local_addr())])).await.unwrap();
    assert_eq!(until_pulled(&b, 1).await, "IP: a MSG:for later");
    for node in [b, c] {
        node.shutdown().await.unwrap();
    }
}

/// What a PULL was given to the end is not given again, whatever others do to the file of letters while the node runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_file_of_letters_put_in_place_of_a_running_nodes_brings_nothing_back() {
    let net = Net::new();
    let a = start(on_disk(&net, "a", &[])).await.unwrap();
    assert_eq!(ask(&a, "PUSH IP:a MSG:note").await, "SUCCESS");
    let (file, copy) = (state(&net, "a").join("letters.jsonl"), net.dir.path().join("copy"));
    until("it waits", async || a.doors()[0].counters["waiting_out"] == 1).await;
    std::fs::copy(&file, &copy).unwrap();
    assert_eq!(until_pulled(&a, 1).await, "IP: a MSG:note");
    std::fs::rename(&copy, &file).unwrap();
    a.shutdown().await.unwrap();
    drop(a);
    let a = start(on_disk(&net, "a", &[])).await.unwrap();
    assert_eq!(ask(&a, "PULL").await, "SUCCESS 0");
    std::fs::remove_file(&file).unwrap();
    until("the node sees it", async || file.exists()).await;
    a.shutdown().await.unwrap();
}

/// A neighbour of the configuration is the one at its address, whichever end dialled, and while it is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_go_to_a_neighbour_by_its_address_where_it_has_dialled_and_while_it_is_away() {
    let net = Net::new();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = free.local_addr().unwrap();
    // A's tries fail until B dials, and A does not try while B has a link.
    let a = start(on_disk(&net, "a", &[("b", at)])).await.unwrap();
    drop(free);
    let mut config = on_disk(&net, "b", &[("a", a.local_addr())]);
    config.listen = at;
    let b = start(config).await.unwrap();
    until_pushed(&a, "PUSH IP:b MSG:by name").await;
    assert_eq!(ask(&a, &format!("PUSH IP:{at} MSG:by address and port")).await, "SUCCESS");
    assert_eq!(ask(&a, "PUSH IP:127.0.0.1 MSG:by address").await, "SUCCESS");
    until_pulled(&b, 3).await;
    // C knows B by its address alone: by who answered there.
    let mut config = on_disk(&net, "c", &[("b", at)]);
    config.neighbours[0].name = None;
    let c = start(config).await.unwrap();
    until_pushed(&c, &format!("PUSH IP:{at} MSG:from c")).await;
    b.shutdown().await.unwrap();
    drop(b);
    until("b is away", async || a.peers().is_empty() && c.peers().is_empty()).await;
    for (node, to) in [(&a, at.to_string()), (&a, "127.0.0.1".into()), (&c, at.to_string()), (&c, "127.0.0.1".into())] {
        assert_eq!(ask(node, &format!("PUSH IP:{to} MSG:for later")).await, "SUCCESS", "{} to {to}", node.name());
    }
    assert_eq!(ask(&a, "PUSH IP:127.0.0.1:9 MSG:x").await, "FAIL");
    for node in [a, c] {
        node.shutdown().await.unwrap();
    }
}

/// More letters of one member than may wait at the receiver's door.
const FLOOD: usize = 620;

/// So many letters to c, several at once.
async fn flood(node: &NodeHandle) {
    for first in (0..FLOOD).step_by(20) {
        let asked = (first..first + 20).map(|n| {
            let node = node.clone();
            tokio::spawn(async move { ask(&node, &format!("PUSH IP:c MSG:flood {n}")).await })
        });
        for answer in asked.collect::<Vec<_>>() {
            assert_eq!(answer.await.unwrap(), "SUCCESS");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_of_one_do_not_wait_behind_those_of_another_and_none_is_lost() {
    let net = Net::new();
    let door = |node: &NodeHandle, name| node.doors()[0].counters[name];
    let c = start(on_disk(&net, "c", &[])).await.unwrap();
    let a = start(on_disk(&net, "a", &[("c", c.local_addr())])).await.unwrap();
    let eve = start(on_disk(&net, "eve", &[("c", c.local_addr())])).await.unwrap();
    until_pushed(&eve, "PUSH IP:c MSG:flood, the first").await;
    until_pushed(&a, "PUSH IP:c MSG:honest 0").await;
    flood(&eve).await;
    until("its share is full", async || door(&c, "letters_held_back") == 1).await;
    for n in 1..4 {
        assert_eq!(ask(&a, &format!("PUSH IP:c MSG:honest {n}")).await, "SUCCESS");
    }
    until("all are there that may be", async || door(&c, "waiting_out") == 504).await;
    // What may not wait here is in the log, and is read from there after a restart too.
    let restarted = on_disk(&net, "c", &[("a", a.local_addr()), ("eve", eve.local_addr())]);
    c.shutdown().await.unwrap();
    drop(c);
    let c = start(restarted).await.unwrap();
    until("held back again", async || door(&c, "letters_held_back") == 1 && door(&c, "waiting_out") == 504).await;
    let all = until_pulled(&c, FLOOD + 5).await;
    let texts: Vec<_> = all.split("IP: ").skip(1).map(|item| item.split_once(" MSG:").unwrap()).collect();
    let places = |who: &str| texts.iter().enumerate().filter(|(_, (from, _))| *from == who).collect::<Vec<_>>();
    let honest = places("a");
    assert!(honest.iter().map(|(_, (_, text))| (*text).to_owned()).eq((0..4).map(|n| format!("honest {n}"))));
    assert!(honest[3].0 <= 8, "in its turn: {honest:?}");
    let mut flooded: Vec<_> = places("eve").into_iter().map(|(_, (_, text))| *text).collect();
    assert_eq!((flooded.len(), flooded[0]), (FLOOD + 1, "flood, the first"));
    flooded.sort_unstable();
    flooded.dedup();
    assert_eq!(flooded.len(), FLOOD + 1, "each once");
    until("nothing waits", async || door(&c, "letters_held_back") == 0 && door(&c, "waiting_out") == 0).await;
    for node in [a, c, eve] {
        node.shutdown().await.unwrap();
    }
}

/// Reads until the text is there.
async fn until_heard(stream: &mut TcpStream, text: &str) {
    let (mut heard, mut piece) = (Vec::new(), [0; 512]);
    while !String::from_utf8_lossy(&heard).contains(text) {
        let n = tokio::time::timeout(support::PATIENCE, stream.read(&mut piece)).await.unwrap().unwrap();
        assert_ne!(n, 0, "{text}");
        heard.extend_from_slice(&piece[..n]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_go_to_older_nodes_and_come_from_them() {
    let net = Net::new();
    // The older node; its address is of this test alone.
    let old = TcpListener::bind("127.0.67.2:0").await.unwrap();
    let relay = |dial: SocketAddr| format!("relay-43110,listen=127.0.67.1:0,dial={dial},period=100ms").parse().unwrap();
    let gone = { TcpListener::bind("127.0.67.2:0").await.unwrap().local_addr().unwrap() };
    let mut config = on_disk(&net, "a", &[]);
    config.doors.push(relay(gone));
    let a = start(config.clone()).await.unwrap();
    assert_eq!(ask(&a, "PUSH IP:127.0.67.2 MSG:kept over a restart").await, "SUCCESS");
    a.shutdown().await.unwrap();
    drop(a);
    config.doors.pop();
    config.doors.push(relay(old.local_addr().unwrap()));
    let a = start(config.clone()).await.unwrap();
    let (mut stream, _) = tokio::time::timeout(support::PATIENCE, old.accept()).await.unwrap().unwrap();
    until_heard(&mut stream, "24|0002|kept over a restart").await;
    assert_eq!(ask(&a, "PUSH IP:127.0.67.2 MSG:and now").await, "SUCCESS");
    until_heard(&mut stream, "12|0002|and now").await;
    assert_eq!(ask(&a, "PUSH IP:127.0.67.3 MSG:nobody listens there").await, "FAIL");
    assert_eq!(ask(&a, "PUSH IP:127.0.67.1 MSG:to ourselves").await, "FAIL");
    stream.write_all(b"13|0002|hi there").await.unwrap();
    assert_eq!(until_pulled(&a, 1).await, "IP: 127.0.67.2 MSG:hi there");
    until("in the room too", async || a.chat_log().await.unwrap().iter().any(|text| text.ends_with("hi_there"))).await;
    until("noted as sent", async || {
        std::fs::read_to_string(state(&net, "a").join("letters.jsonl")).unwrap().matches("gone").count() >= 3
    })
    .await;
    a.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_an_older_node_goes_out_as_soon_as_it_says_something() {
    let net = Net::new();
    let gone = { TcpListener::bind("127.0.67.12:0").await.unwrap().local_addr().unwrap() };
    let at = { TcpListener::bind("127.0.67.11:0").await.unwrap().local_addr().unwrap() };
    let mut config = on_disk(&net, "a", &[]);
    config.doors.push(format!("relay-43110,listen={at},dial={gone},period=100ms").parse().unwrap());
    let a = start(config).await.unwrap();
    assert_eq!(ask(&a, "PUSH IP:127.0.67.12 MSG:waits").await, "SUCCESS");
    until("given up for now", async || a.doors().iter().any(|door| door.counters["dropped_out"] > 0)).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.67.12:0".parse().unwrap()).unwrap();
    let mut stream = socket.connect(at).await.unwrap();
    let begin = std::time::Instant::now();
    stream.write_all(b"13|0002|hi there").await.unwrap();
    until_heard(&mut stream, "10|0002|waits").await;
    assert!(
        begin.elapsed() < std::time::Duration::from_secs(4),
        "it did not wait for its next time: {:?}",
        begin.elapsed()
    );
    a.shutdown().await.unwrap();
}

/// Letters, lines and messages of so many bytes, and so many of each: more than a door brings in a day.
const LONG: usize = 30_000;
const POURED: usize = 600;
/// With three doors open: a third of what all of them bring in a day.
const SHARE: u64 = (32 << 20) / 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_have_the_share_of_their_door_and_the_owners_words_do_not_wait_behind_what_doors_bring() {
    let net = Net::new();
    let mut config = net.config("b", &[]);
    config.doors = vec!["push-pull,listen=127.0.0.1:0,gap=1ms,idle=20ms".parse().unwrap()];
    let b = start(config.clone()).await.unwrap();
    let doors = ["peer-line,listen=127.0.0.1:0,name=room", "classroom,listen=127.0.0.1:0"];
    let mut doors: Vec<_> = doors.iter().map(|door| door.parse().unwrap()).collect();
    doors.append(&mut config.doors);
    let mut config = net.config("a", &[("b", b.local_addr())]);
    config.doors = doors;
    let a = start(config).await.unwrap();
    let listens = |kind: &str| a.doors().into_iter().find(|door| door.door == kind).unwrap().listen;
    let count =
        |kind: &str, counter: &str| a.doors().into_iter().find(|door| door.door == kind).unwrap().counters[counter];
    until_pushed(&a, "PUSH IP:b MSG:first").await;

    // All three are poured into at once.
    let long = "x".repeat(LONG);
    for (kind, line) in [("peer-line", format!("127.0.0.1:9 t {long}\n")), ("classroom", format!("msg 1 {long}\n"))] {
        let mut stream = TcpStream::connect(listens(kind)).await.unwrap();
        tokio::spawn(async move {
            for _ in 0..POURED {
                stream.write_all(line.as_bytes()).await.unwrap();
            }
            // Until the door has dealt with all of it.
            let _ = stream.read(&mut [0]).await;
        });
    }
    let pouring = (0..10).map(|_| {
        let (a, request) = (a.clone(), format!("PUSH IP:b MSG:{long}"));
        tokio::spawn(async move {
            let mut taken = 0;
            for _ in 0..POURED / 10 {
                taken += u64::from(ask(&a, &request).await == "SUCCESS");
            }
            taken
        })
    });
    let mut taken = 0;
    for pours in pouring.collect::<Vec<_>>() {
        taken += pours.await.unwrap();
    }
    let (long, poured) = (u64::try_from(LONG).unwrap(), u64::try_from(POURED).unwrap());
    assert!(taken * long < SHARE && taken * long > SHARE / 2, "{taken} letters were taken");
    assert_eq!((count("push-pull", "over_share"), count("push-pull", "messages_in")), (poured - taken, taken + 1));
    assert!(count("push-pull", "dropped_in") >= poured - taken, "what is over is told to its client and counted");
    for kind in ["peer-line", "classroom"] {
        let all = async || count(kind, "messages_in") + count(kind, "dropped_in") >= poured;
        until(kind, all).await;
        let brought = count(kind, "messages_in") * long;
        assert!(brought < SHARE && count(kind, "over_share") > 0, "{kind} brought {brought}");
    }

    // Together that is half of what others take of a node in a day, so this comes.
    say(&a, "the owner's own word").await;
    until("the owner is heard", async || b.chat_log().await.unwrap().iter().any(|text| text == "the owner's own word"))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_that_wait_when_their_author_is_revoked_with_a_cut_are_not_handed_out() {
    revoked_while_letters_wait(false).await;
}

/// The list was put beside the CA's certificate then: it counts before the door answers anybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_are_those_of_one_that_was_revoked_while_the_node_was_down() {
    revoked_while_letters_wait(true).await;
}

async fn revoked_while_letters_wait(down: bool) {
    let net = Net::new();
    let door = |node: &NodeHandle, name| node.doors()[0].counters[name];
    let c = start(on_disk(&net, "c", &[])).await.unwrap();
    let a = start(on_disk(&net, "a", &[("c", c.local_addr())])).await.unwrap();
    let mallory = start(on_disk(&net, "mallory", &[("c", c.local_addr())])).await.unwrap();
    let chain = mallory.me();
    until_pushed(&mallory, "PUSH IP:c MSG:before the cut").await;
    until("it waits", async || door(&c, "waiting_out") == 1).await;
    let last = mallory.frontier_of(&mallory.node_id()).0[0].1;
    assert_eq!(ask(&mallory, "PUSH IP:c MSG:behind it").await, "SUCCESS");
    until_pushed(&a, "PUSH IP:c MSG:an honest one").await;
    until("all three wait", async || door(&c, "waiting_out") == 3).await;
    // They wait over a restart, and so does what was known of them.
    let again = on_disk(&net, "c", &[("a", a.local_addr()), ("mallory", mallory.local_addr())]);
    c.shutdown().await.unwrap();
    drop(c);
    let revoke = || drop(net.ca().revoke(mallory.node_id(), Some([(chain.incarnation, last)].into())).unwrap());
    if down {
        revoke();
    }
    let c = start(again).await.unwrap();
    assert_eq!(c.rules().limits.contains_key(&chain), down, "before anybody is answered");
    if !down {
        revoke();
        until("the revocation", async || c.rules().limits.contains_key(&chain)).await;
    }
    let letters = ask(&c, "PULL").await;
    assert!(letters.contains("before the cut") && letters.contains("an honest one"), "{letters}");
    assert!(letters.starts_with("SUCCESS 2") && !letters.contains("behind it"), "{letters}");
    assert_eq!((door(&c, "letters_withdrawn"), door(&c, "waiting_out")), (1, 0));
    for node in [a, c, mallory] {
        node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_was_given_and_has_not_read_is_given_again_after_a_restart() {
    let net = Net::new();
    let a = start(on_disk(&net, "a", &[])).await.unwrap();
    let given = |node: &NodeHandle| node.doors()[0].counters["letters_given"];
    until_pushed(&a, "PUSH IP:a MSG:to be read").await;
    until("it waits", async || a.doors()[0].counters["waiting_out"] == 1).await;
    let mut still = TcpStream::connect(a.doors()[0].listen).await.unwrap();
    still.write_all(b"PULL").await.unwrap();
    until("it is given", async || given(&a) == 1).await;
    a.shutdown().await.unwrap();
    drop(a);
    let a = start(on_disk(&net, "a", &[])).await.unwrap();
    assert_eq!(ask(&a, "PULL").await, "SUCCESS 1IP: a MSG:to be read");
    until("it was read", async || given(&a) == 0).await;
    assert_eq!(ask(&a, "PULL").await, "SUCCESS 0");
    a.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_doors_of_a_node_never_give_the_same_letter_at_once() {
    let net = Net::new();
    let mut config = on_disk(&net, "a", &[]);
    let door = |gap| format!("push-pull,listen=127.0.0.1:0,gap={gap},idle=20ms").parse().unwrap();
    config.doors = vec![door("5s"), door("1ms")];
    let a = start(config).await.unwrap();
    let doors = a.doors();
    until_pushed(&a, "PUSH IP:a MSG:one").await;
    until("it waits", async || a.doors()[0].counters["waiting_out"] == 1).await;
    let pull = async |at| {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(b"PULL").await.unwrap();
        let mut count = [0; 9];
        stream.read_exact(&mut count).await.unwrap();
        (stream, String::from_utf8(count.to_vec()).unwrap())
    };
    let (first, count) = pull(doors[0].listen).await;
    assert_eq!(count, "SUCCESS 1");
    assert_eq!(pull(doors[1].listen).await.1, "SUCCESS 0", "the other door is giving it");
    drop(first);
    until("the other has died", async || pull(doors[1].listen).await.1 == "SUCCESS 1").await;
    a.shutdown().await.unwrap();
}
