//! What goes where, and in whose name.

use super::*;

#[test]
fn nobody_writes_as_a_peer_that_has_a_link_of_its_own() {
    let mut bench = Bench::new(10);
    let (a, _) = bench.peer(12);
    let (b, _) = bench.peer(13);
    let (c, _) = bench.peer(15);
    let refused = |bench: &Bench| bench.router.counters.refused_other.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(bench.hear(a, text(13, 10, "to the room")), [Did::Forged(a, 13)]);
    for to in [10, 15, 13, 99] {
        assert_eq!(bench.hear(a, text(13, to, "again")), [], "said once");
    }
    assert_eq!((refused(&bench), bench.router.buffer().count()), (5, 0), "each is counted, and none is stored");
    assert!(!bench.router.links[&a].spoke, "nor does it keep a place");
    assert_eq!(bench.hear(a, text(12, 10, "mine")), [Delivered(12, "mine".into())]);
    assert_eq!(bench.hear(b, text(13, 15, "mine")), [Gave(c, text(13, 15, "mine"))]);
    // What lies behind a peer writes by it, announced or not.
    bench.hear(a, join(21, 12));
    for from in [21, 22] {
        assert_eq!(bench.hear(a, text(from, 10, "far")), [Delivered(from, "far".into())]);
    }
    // The host that we dialled is no exception; once the link has gone, the id may come by another.
    let (host, _) = bench.opened(true);
    bench.hear(host, ProtocolMessage::Welcome { id: 1 });
    assert_eq!(bench.hear(host, text(13, 10, "x")), [Did::Forged(host, 13)]);
    assert_eq!(bench.hear(a, text(1, 10, "x")), []);
    bench.end(b);
    assert_eq!(bench.hear(a, text(13, 10, "moved")), [Delivered(13, "moved".into())]);
}

#[test]
fn messages_go_by_the_table_and_never_back() {
    let mut bench = Bench::new(10);
    let (a, _) = bench.peer(11);
    let (b, _) = bench.peer(12);
    assert_eq!(bench.hear(a, text(11, 10, "to you")), [Delivered(11, "to you".into())]);
    assert_eq!(bench.hear(a, text(11, 12, "past you")), [Gave(b, text(11, 12, "past you"))]);
    bench.hear(b, join(21, 12));
    assert_eq!(bench.hear(a, text(11, 21, "far")), [Gave(b, text(11, 21, "far"))]);
    assert_eq!(bench.hear(b, text(5, 21, "back")), [], "kept, and not sent back to where it came from");
    assert_eq!(bench.router.buffer().count(), 1);
    for wrong in [text(0, 10, "x"), text(-1, 10, "x"), text(10, 10, "x"), text(11, 0, "x"), text(10, 12, "x")] {
        assert_eq!(bench.hear(a, wrong), [], "nobody writes in our name, and 0 is nobody");
    }
    assert_eq!(bench.router.buffer().count(), 1);
}

#[test]
fn announcements_change_the_table_and_are_not_passed_on() {
    let mut bench = Bench::new(10);
    let (a, _) = bench.peer(11);
    let (b, _) = bench.peer(12);
    bench.hear(a, text(11, 21, "kept"));
    assert_eq!(bench.hear(b, join(21, 12)), [Gave(b, text(11, 21, "kept"))]);
    assert_eq!(bench.hear(a, join(21, 11)), [], "the later one has the route");
    assert_eq!(bench.router.table(), [(11, 11), (12, 12), (21, 11)]);
    assert_eq!(bench.hear(b, ProtocolMessage::Leave { id: 21 }), [], "it is no longer behind 12");
    for id in [0, -1, 10, 11, 12] {
        assert_eq!(bench.hear(a, join(id, 11)), []);
        assert_eq!(bench.hear(a, ProtocolMessage::Leave { id }), []);
    }
    assert_eq!(bench.router.table(), [(11, 11), (12, 12), (21, 11)], "a direct peer stays one");
    assert_eq!(bench.hear(a, ProtocolMessage::Leave { id: 21 }), []);
    assert_eq!(bench.router.table(), [(11, 11), (12, 12)]);
}

#[test]
fn the_room_speaks_to_every_known_id_in_our_name() {
    let mut bench = Bench::new(10);
    let (a, _) = bench.peer(11);
    bench.hear(a, join(21, 11));
    let did = bench.feed(Input::Broadcast { author: None, text: "alice@c0de: hi", ticket: None });
    assert_eq!(did, [Gave(a, text(10, 11, "alice@c0de: hi")), Gave(a, text(10, 21, "alice@c0de: hi")), To(2)]);
    assert_eq!(bench.send(99, "later"), [Told(SendOutcome::Stored)]);
    let (_, did) = bench.peer(99);
    assert!(did.contains(&Gave(1, text(10, 99, "later"))), "{did:?}");
}

#[test]
fn what_is_about_no_link_of_ours_or_for_nobody_is_rejected_and_changes_nothing() {
    let mut bench = Bench::new(10);
    let (a, _) = bench.peer(11);
    let said = || ProtocolMessage::Start { id: 12 };
    for (input, why) in [
        (Input::Opened { link: a, address: LOCAL, called: true }, Reject::KnownLink(a)),
        (Input::Frame { link: 7, said: said() }, Reject::UnknownLink(7)),
        (Input::Unreadable { link: 7, why: "x".into() }, Reject::UnknownLink(7)),
        (Input::Written { link: 7, bytes: 9 }, Reject::UnknownLink(7)),
        (Input::Closed { link: 7 }, Reject::UnknownLink(7)),
        (Input::Send { to: 10, text: "x".into() }, Reject::Nowhere(10)),
        (Input::Send { to: 0, text: "x".into() }, Reject::Nowhere(0)),
    ] {
        assert_eq!(bench.router.handle(bench.now, input), Err(why));
    }
    assert_eq!((bench.router.poll_output(), bench.router.links(), bench.router.table()), (None, 1, vec![(11, 11)]));
}
