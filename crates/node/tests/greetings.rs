//! A member that ends its handshake and says no HELLO, or breaks the form below the frames, costs little and harms nobody.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod support;

use std::time::Duration;

use rumormill_node::NodeHandle;
use rumormill_node::handle::SHUTDOWN_DEADLINE;
use rumormill_testkit::frames::{encoded, hello};
use rumormill_transport::endpoint::Opened;
use rumormill_transport::{Endpoint, Expect, LinkReader};
use rumormill_wire::Origin;
use rumormill_wire::native::{Bye, ByeCode, Coverage, Frame, MAX_FRAME_LEN, Status, StatusEntries};
use support::{Net, PATIENCE, count, has, say, until, until_log};

struct Member {
    endpoint: Endpoint,
    name: &'static str,
}

impl Member {
    fn new(net: &Net, name: &'static str) -> Self {
        Self { endpoint: net.endpoint(name), name }
    }

    async fn dial(&self, victim: &NodeHandle) -> Opened {
        self.endpoint.dial(victim.local_addr(), Expect::Any).await.unwrap()
    }

    fn hello(&self) -> Vec<u8> {
        hello(self.endpoint.network(), self.name)
    }
}

/// Reads until the link ends; gives the code of the BYE, if there was one.
async fn end(opened: &mut Opened) -> Option<ByeCode> {
    told(&mut opened.reader).await.1
}

/// Reads until the link ends: what all bundles held, as text, and the code of the BYE, if there was one.
async fn told(reader: &mut LinkReader) -> (String, Option<ByeCode>) {
    let (mut heard, mut code) = (Vec::new(), None);
    while let Ok(Some(frame)) = reader.next_frame().await {
        match Frame::decode(&frame) {
            Ok(Frame::Rumor(rumor)) => heard.extend_from_slice(rumor.bundle),
            Ok(Frame::Bye(bye)) => code = Some(bye.code),
            _ => {}
        }
    }
    (String::from_utf8_lossy(&heard).into_owned(), code)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_says_no_hello_holds_two_links_and_keeps_nobody_out() {
    const LINKS: usize = 60;
    let net = Net::new();
    let mut config = net.config("a", &[]);
    // Nothing here ends by its deadline.
    config.limits.handshake_deadline = Duration::from_secs(60);
    config.limits.links = 10;
    let a = rumormill_node::start(config).await.unwrap();
    let mallory = Member::new(&net, "mallory");
    let mut reading = tokio::task::JoinSet::new();
    for _ in 0..LINKS {
        let mut opened = mallory.dial(&a).await;
        reading.spawn(async move { end(&mut opened).await });
    }
    for _ in 0..LINKS - 2 {
        tokio::time::timeout(PATIENCE, reading.join_next()).await.expect("all but two are ended").unwrap().unwrap();
    }
    until("each is counted", async || count(&a, "greetings_evicted") == u64::try_from(LINKS - 2).unwrap()).await;
    assert!(reading.try_join_next().is_none(), "two are left to greet");
    let b = net.start("b", &[("a", a.local_addr())]).await;
    until("an honest one is linked meanwhile", async || has(&a, "b")).await;
    say(&b, "hello").await;
    until_log(&a, 1).await;
    // It may still greet, as the newest of its own.
    let mut opened = mallory.dial(&a).await;
    opened.writer.send([mallory.hello().as_slice()]).await.unwrap();
    until("it is linked once it greets", async || has(&a, "mallory")).await;
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_that_greet_count_with_those_that_are_up() {
    let net = Net::new();
    let mut config = net.config("a", &[]);
    config.limits.handshake_deadline = Duration::from_secs(60);
    config.limits.links = 12;
    let a = rumormill_node::start(config).await.unwrap();
    let names = ["m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9", "m10"];
    let members: Vec<_> = names.into_iter().map(|name| Member::new(&net, name)).collect();
    let mut reading = tokio::task::JoinSet::new();
    for member in members.iter().chain(&members) {
        let mut opened = member.dial(&a).await;
        reading.spawn(async move { end(&mut opened).await });
    }
    // Each has two, and twelve are let greet.
    until("eight are ended", async || count(&a, "greetings_evicted") == 8).await;
    let late = Member::new(&net, "late");
    let mut opened = late.dial(&a).await;
    opened.writer.send([late.hello().as_slice()]).await.unwrap();
    until("who greets is linked", async || has(&a, "late")).await;
    a.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_is_known_at_two_addresses_and_at_none_once_it_is_revoked() {
    let net = Net::new();
    let a = net.start("a", &[]).await;
    let known = || a.metrics().into_iter().find(|(name, _)| name == "known_addresses").map(|(_, n)| n).unwrap();
    let mallory = Member::new(&net, "mallory");
    for last in 1..=8 {
        let from = Some([127, 0, 7, last].into());
        let mut opened = mallory.endpoint.dial_from(from, a.local_addr(), Expect::Any).await.unwrap();
        opened.writer.send([mallory.hello().as_slice()]).await.unwrap();
        until("it is linked from there", async || {
            a.peers().iter().any(|peer| peer.addr.to_string().starts_with(&format!("127.0.7.{last}:")))
        })
        .await;
        let expected = u64::from(last).min(2);
        until("it is known there", async || known() == expected).await;
        drop(opened);
        until("it is gone", async || !has(&a, "mallory")).await;
    }
    let ca = net.ca();
    ca.revoke(mallory.endpoint.identity().node(), None).unwrap();
    until("it is known nowhere", async || known() == 0).await;
    a.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_that_no_frame_has_is_banned_before_and_after_hello() {
    let net = Net::new();
    let a = net.start("a", &[]).await;
    let length = u32::try_from(MAX_FRAME_LEN + 1).unwrap().to_be_bytes();
    for (name, greets) in [("mallory", true), ("marvin", false)] {
        let member = Member::new(&net, name);
        let mut opened = member.dial(&a).await;
        if greets {
            opened.writer.send([member.hello().as_slice()]).await.unwrap();
            until("it is linked", async || has(&a, name)).await;
        }
        opened.writer.send([length.as_slice()]).await.unwrap();
        assert_eq!(end(&mut opened).await, Some(ByeCode::PROTOCOL), "{name}");
        // Whatever it says next, or if it says nothing: it is told so and no more.
        for words in [Some(member.hello()), Some(length.to_vec()), None] {
            let mut again = member.dial(&a).await;
            if let Some(words) = &words {
                let _ = again.writer.send([words.as_slice()]).await;
            }
            let first = tokio::time::timeout(PATIENCE, again.reader.next_frame()).await.unwrap();
            let Ok(Some(first)) = first else { panic!("{name}, {words:?}: {first:?}") };
            let Ok(Frame::Bye(Bye { code, retry_after_s, .. })) = Frame::decode(&first) else { panic!("{first:?}") };
            assert_eq!(code, ByeCode::MISBEHAVIOUR, "{name} is banned");
            assert!((1..=60).contains(&retry_after_s), "{retry_after_s}");
        }
    }
    assert_eq!(count(&a, "breaches"), 2);
    a.shutdown().await.unwrap();
}

/// One that asks for the whole log and reads nothing of it does not hold up a stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_that_takes_nothing_is_not_waited_for_at_the_end() {
    let net = Net::new();
    let a = net.start("a", &[]).await;
    for n in 0..200 {
        say(&a, &format!("{n} {}", "x".repeat(30_000))).await;
    }
    let mallory = Member::new(&net, "mallory");
    let mut opened = mallory.dial(&a).await;
    opened.writer.send([mallory.hello().as_slice(), &everything_is_missing()]).await.unwrap();
    let stands = async || {
        let before = a.peers().first().map(|peer| (peer.lag, peer.bytes_out));
        tokio::time::sleep(Duration::from_millis(300)).await;
        before.is_some_and(|(lag, _)| lag > 0) && before == a.peers().first().map(|peer| (peer.lag, peer.bytes_out))
    };
    until("nothing more goes out", stands).await;
    let begun = std::time::Instant::now();
    a.shutdown().await.unwrap();
    assert!(begun.elapsed() < SHUTDOWN_DEADLINE, "{:?}", begun.elapsed());
}

/// What is unread when a node closes makes the system send a reset, and drop what has not left yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_that_still_sends_reads_the_last_words_of_a_node_that_ends() {
    let net = Net::new();
    let a = net.start("a", &[]).await;
    let mallory = Member::new(&net, "mallory");
    let Opened { mut reader, mut writer, .. } = mallory.dial(&a).await;
    writer.send([mallory.hello().as_slice(), &everything_is_missing()]).await.unwrap();
    until("it has a link", async || has(&a, "mallory")).await;
    let pours = tokio::spawn(async move {
        let mut ping = Vec::new();
        Frame::Ping(1).encode(&mut ping).unwrap();
        while writer.send([ping.as_slice()]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    for n in 0..20 {
        say(&a, &format!("{} last words {n}.", "x".repeat(8_000))).await;
    }
    let ended = tokio::spawn(async move { a.shutdown().await });
    // It is busy meanwhile: nothing is read before the node would have gone.
    tokio::time::sleep(Duration::from_millis(250)).await;
    let (heard, code) = told(&mut reader).await;
    let missing: Vec<_> = (0..20).filter(|n| !heard.contains(&format!("last words {n}."))).collect();
    assert_eq!((missing, code), (vec![], Some(ByeCode::LEAVING)));
    drop(reader);
    pours.abort();
    ended.await.unwrap().unwrap();
}

/// Both had dialled, and the other end keeps another link than the one by which it was given all: what it had not read of that is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_that_keeps_another_link_is_given_the_last_words_over_that() {
    let net = Net::new();
    let a = net.start("a", &[]).await;
    let mallory = Member::new(&net, "mallory");
    let mut first = mallory.dial(&a).await;
    first.writer.send([mallory.hello().as_slice(), &everything_is_missing()]).await.unwrap();
    until("it has a link", async || has(&a, "mallory")).await;
    say(&a, "last words").await;
    let mut second = mallory.dial(&a).await;
    // Our HELLO shows that the link is being greeted there.
    let greeted = second.reader.next_frame().await.unwrap().unwrap();
    assert!(matches!(Frame::decode(&greeted), Ok(Frame::Hello(_))));
    let ended = tokio::spawn(async move { a.shutdown().await });
    let mut code = None;
    while code.is_none() {
        let frame = first.reader.next_frame().await.unwrap().unwrap();
        code = if let Ok(Frame::Bye(bye)) = Frame::decode(&frame) { Some(bye.code) } else { None };
    }
    assert_eq!(code, Some(ByeCode::LEAVING));
    let code = ByeCode::DUPLICATE;
    let bye = encoded(&Frame::Bye(Bye { code, retry_after_s: 0, reason: "another link is kept".into() }));
    first.writer.send([bye.as_slice()]).await.unwrap();
    while let Ok(Some(_)) = first.reader.next_frame().await {}
    // It has no link now: one that does not wait would be gone before this is over.
    tokio::time::sleep(Duration::from_millis(50)).await;
    second.writer.send([mallory.hello().as_slice(), &everything_is_missing()]).await.unwrap();
    let (heard, code) = told(&mut second.reader).await;
    assert!(heard.contains("last words"), "{code:?}");
    assert_eq!(code, Some(ByeCode::LEAVING));
    ended.await.unwrap().unwrap();
}

/// One that does not read its farewell either, and one that lies about our chain, hold up a stop for little more than a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_that_reads_nothing_and_closes_nothing_is_left() {
    let net = Net::new();
    let a = net.start("a", &[]).await;
    let mallory = Member::new(&net, "mallory");
    let mut opened = mallory.dial(&a).await;
    opened.writer.send([mallory.hello().as_slice(), &everything_is_missing()]).await.unwrap();
    until("it has a link", async || has(&a, "mallory")).await;
    let begun = std::time::Instant::now();
    a.shutdown().await.unwrap();
    assert!(begun.elapsed() < SHUTDOWN_DEADLINE, "{:?}", begun.elapsed());
    assert_eq!(count(&a, "left_behind"), 0, "it said nothing");
    drop(opened);
}

/// What was written waits in our system or in its: nothing shows that it was read but that it ends the link, or has said so before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_ends_knows_whether_what_it_said_last_was_read() {
    for (reads, left_behind) in [(false, 1), (true, 0)] {
        let net = Net::new();
        let a = net.start("a", &[]).await;
        let mallory = Member::new(&net, "mallory");
        let Opened { mut reader, mut writer, .. } = mallory.dial(&a).await;
        writer.send([mallory.hello().as_slice(), &everything_is_missing()]).await.unwrap();
        until("it has a link", async || has(&a, "mallory")).await;
        say(&a, "last words").await;
        until("they are written", async || a.peers().first().is_some_and(|peer| peer.lag > 0)).await;
        let reading = tokio::spawn(async move {
            if reads {
                told(&mut reader).await;
                return None;
            }
            Some((reader, writer))
        });
        a.shutdown().await.unwrap();
        assert_eq!(count(&a, "left_behind"), left_behind);
        drop(reading.await);
    }
}

fn everything_is_missing() -> Vec<u8> {
    let status = Status {
        want_status: false,
        hold: false,
        heard: 0,
        fingerprint: [9; 16],
        origins: 0,
        coverage: Coverage::Range { low: Origin::MIN, high: Origin::MAX },
        entries: StatusEntries::from(&[][..]),
    };
    encoded(&Frame::Status(status))
}
