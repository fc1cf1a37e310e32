//! The directory of the UDP mesh as a means to flood others, and under floods itself: by real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::net::UdpSocket as StdSocket;
use std::time::Duration;

use rumormill_wire::udp_mesh::Datagram;
use rumormill_wire::udp_mesh::extended::Extended;

mod udp_mesh_parts;

use udp_mesh_parts::signed::{keys, received, signed, signed_birth, socket, time, version};
use udp_mesh_parts::{Legacy, Running, birth, keepalive, next, until};

#[tokio::test]
async fn who_has_not_shown_that_it_receives_gets_a_page_and_who_has_gets_all() {
    // P-U10
    let door = Running::start("udp-mesh,listen=127.0.0.1:0,name=R,heartbeat=50ms,reap=60s").await;
    let (victim, forger) = (socket(), socket());
    let others: Vec<_> = (0..100).map(|_| (socket(), socket())).collect();
    for (n, (own, speak)) in others.iter().enumerate() {
        let birth = signed_birth(&keys(), &format!("member {n}"), own.local_addr().unwrap());
        speak.send_to(&birth, door.addr).unwrap();
    }
    until("all are members", || door.count(|c| &c.open) == 101).await;
    let birth = signed_birth(&keys(), "forged", victim.local_addr().unwrap());
    let mut sent = birth.len();
    forger.send_to(&birth, door.addr).unwrap();
    let mut got = Vec::new();
    // Heartbeats that ask for the whole, until several pages have come: they are asked for once a second at most.
    until("pages", || {
        forger.send_to(&version(0), door.addr).unwrap();
        sent += 10;
        got.extend(received(&victim));
        got.len() >= 3
    })
    .await;
    let bytes: usize = got.iter().map(Vec::len).sum();
    assert!(bytes <= 3 * sent && got.iter().all(|page| page.len() < birth.len()), "{bytes} for {sent}");
    // It is told nothing that is said in the room either: those who can show that they receive are told once they have.
    assert!(door.give("hello").await.unwrap().is_err());
    let Ok(Datagram::Extended(Extended::Part(page))) = Datagram::parse(&got[0]) else { panic!("no page") };
    assert_eq!((page.total, page.iter().count()), (1, 1));
    forger.send_to(&version(page.version), door.addr).unwrap();
    let mut whole = 0;
    until("the whole", || {
        for bytes in received(&victim) {
            if let Ok(Datagram::Extended(Extended::Part(part))) = Datagram::parse(&bytes) {
                whole = part.total;
            }
        }
        whole == 102
    })
    .await;
    let told = door.give("hello");
    assert_eq!(told.await.unwrap(), Ok(()));
    door.stop().await;
}

#[tokio::test]
async fn a_peer_of_ours_is_told_of_a_hundred_others_at_once() {
    let door = Running::start("udp-mesh,listen=127.0.0.1:0,name=R").await;
    let others: Vec<_> = (0..100).map(|_| (socket(), socket())).collect();
    for (n, (own, speak)) in others.iter().enumerate() {
        speak.send_to(&signed_birth(&keys(), &format!("member {n}"), own.local_addr().unwrap()), door.addr).unwrap();
    }
    until("all are members", || door.count(|c| &c.open) == 101).await;
    let anna = Running::start(&format!("udp-mesh,listen=127.0.0.1:0,join={},name=anna", door.addr)).await;
    until("it knows them", || anna.count(|c| &c.open) >= 90).await;
    anna.stop().await;
    door.stop().await;
}

#[tokio::test]
async fn births_in_the_names_of_old_peers_are_answered_within_a_share() {
    let door = Running::start("udp-mesh,listen=127.0.0.1:0,name=R,reap=60s").await;
    let (victims, forger): (Vec<_>, _) = ((0..90).map(|_| socket()).collect(), socket());
    let forge = || {
        for (letter, victim) in (b'!'..).filter(|letter| *letter != b'R').zip(&victims) {
            let birth = birth(char::from(letter), victim.local_addr().unwrap().port());
            forger.send_to(&birth, door.addr).unwrap();
        }
    };
    let begin = tokio::time::Instant::now();
    until("it holds back", || {
        forge();
        door.count(|c| &c.held_back) > 100
    })
    .await;
    // A real old peer that comes now is told whole, once, though it sends BIRTH once only.
    let mut last = Legacy::join('~', door.addr).await;
    let names = last.listing(|_| true).await;
    assert_eq!(names.len(), 92);
    let seconds = usize::try_from(begin.elapsed().as_secs()).unwrap() + 1;
    let bytes: usize = victims.iter().flat_map(received).map(|datagram| datagram.len()).sum();
    assert!(bytes > 0 && bytes <= 196_608 + seconds * 49_152, "{bytes} in {seconds} s");
    door.stop().await;
}

/// The runtime of these tests has one thread: what is sent without waiting stands in the queue of the door, which does not run
/// meanwhile.
fn burst(door: &Running, from: &StdSocket, datagrams: usize, bytes: usize) {
    for _ in 0..datagrams {
        let _ = from.send_to(&vec![0xc9; bytes], door.addr);
    }
}

#[tokio::test]
async fn what_stands_in_the_queue_behind_a_flood_is_read_before_anybody_is_dropped() {
    let door = Running::start("udp-mesh,listen=127.0.0.1:0,name=R,heartbeat=20ms,reap=100ms").await;
    let (own, speak, flood, asks) = (socket(), socket(), socket(), socket());
    speak.send_to(&birth('A', own.local_addr().unwrap().port()), door.addr).unwrap();
    until("listed", || door.count(|c| &c.opened) == 1).await;
    for datagrams in [300, 10_000, 300, 300, 10_000] {
        // A queue may be as long, or else it has room for the first heartbeat at least. The door does not run for longer than a
        // member may be silent, and does not read all at once.
        speak.send_to(&keepalive('A'), door.addr).unwrap();
        burst(&door, &flood, datagrams, 4);
        speak.send_to(&keepalive('A'), door.addr).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        until("all before this is read", || {
            asks.send_to(&version(0), door.addr).unwrap();
            !received(&asks).is_empty()
        })
        .await;
        assert_eq!((door.count(|c| &c.open), door.count(|c| &c.opened)), (2, 1), "it was dropped unheard");
    }
    // Nothing holds it when it falls silent while all is heard.
    until("dropped", || door.count(|c| &c.open) == 1).await;
    assert_eq!(door.count(|c| &c.opened), 1);
    door.stop().await;
}

#[tokio::test]
async fn an_old_peer_that_was_dropped_while_a_flood_may_have_hidden_it_comes_back() {
    let door = Running::start("udp-mesh,listen=127.0.0.1:0,name=R,heartbeat=10ms,reap=60ms").await;
    let (flood, stranger) = (socket(), socket());
    let mut a = Legacy::join('A', door.addr).await;
    a.quiet();
    until("dropped at last", || {
        // Long ones fill any queue.
        burst(&door, &flood, 100, 60_000);
        door.count(|c| &c.opened) == 1 && door.count(|c| &c.open) == 1
    })
    .await;
    let refused = door.count(|c| &c.refused_other);
    stranger.send_to(&keepalive('A'), door.addr).unwrap();
    until("a stranger is not taken for it", || door.count(|c| &c.refused_other) > refused).await;
    let listings = a.drain().await.1.len();
    assert!(listings > 0);
    a.beat();
    assert_eq!(a.listing(|_| true).await.len(), 2);
    assert!(door.count(|c| &c.opened) >= 2);
    door.stop().await;
}

#[tokio::test]
async fn of_what_has_come_members_are_heard_first() {
    let door = Running::start("udp-mesh,listen=127.0.0.1:0,name=R").await;
    let (own, speak, pair) = (socket(), socket(), keys());
    speak.send_to(&signed_birth(&pair, "anna", own.local_addr().unwrap()), door.addr).unwrap();
    until("a member", || door.count(|c| &c.opened) == 1).await;
    // Somebody else asks for the name, and then the member leaves: both stand in the queue.
    let (other, asks) = (socket(), socket());
    asks.send_to(&signed_birth(&keys(), "anna", other.local_addr().unwrap()), door.addr).unwrap();
    speak.send_to(&signed(&pair, Extended::Leave { time: time(), signature: [0; 64] }), door.addr).unwrap();
    until("the name is free again", || door.count(|c| &c.opened) == 2).await;
    assert_eq!((door.count(|c| &c.open), received(&asks)), (2, vec![]));
    door.stop().await;
}

#[tokio::test]
async fn members_are_heard_while_one_address_sends_without_end() {
    let door = Running::start("udp-mesh,listen=127.0.0.1:0,name=R,heartbeat=50ms,reap=400ms").await;
    let flood = socket();
    let mut a = Legacy::join('A', door.addr).await;
    a.listing(|names| names.len() == 2).await;
    let end = tokio::time::Instant::now() + Duration::from_secs(2);
    while tokio::time::Instant::now() < end {
        // As much as the queue takes beside a heartbeat.
        for _ in 0..200 {
            let _ = flood.send_to(&birth('A', 9), door.addr);
        }
        tokio::task::yield_now().await;
        assert_eq!(door.count(|c| &c.open), 2);
    }
    assert!(door.count(|c| &c.refused_rate) > 1_000, "most of it costs nothing");
    let b = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    b.send_to(&birth('B', b.local_addr().unwrap().port()), door.addr).await.unwrap();
    assert_eq!(next(&b).await.0[2], 3, "and a newcomer is taken");
    door.stop().await;
}
