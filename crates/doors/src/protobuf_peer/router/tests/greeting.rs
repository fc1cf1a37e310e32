//! Who comes, who is refused or says nothing, and who hears that one left.

use crate::protobuf_peer::store_and_forward::STORED_FOR;

use super::*;

#[test]
fn a_newcomer_gets_the_answer_then_what_was_kept_then_who_is_there_and_the_others_hear_of_it() {
    let mut bench = Bench::new(10);
    let (a, _) = bench.peer(11);
    assert_eq!(bench.hear(a, text(11, 12, "one")), []);
    assert_eq!(bench.hear(a, text(11, 12, "two")), []);
    let (b, did) = bench.peer(12);
    let expected = [
        Gave(b, ProtocolMessage::Welcome { id: 10 }),
        Gave(b, text(11, 12, "one")),
        Gave(b, text(11, 12, "two")),
        Gave(b, join(11, 10)),
        Gave(a, join(12, 10)),
    ];
    assert_eq!(did, expected);
    assert_eq!(bench.router.table(), [(11, 11), (12, 12)]);
    assert_eq!(bench.router.buffer().count(), 0);
    assert_eq!(bench.end(b), [Gave(a, ProtocolMessage::Leave { id: 12 })]);
    assert_eq!(bench.router.table(), [(11, 11)]);
}

#[test]
fn an_id_that_is_taken_or_none_is_refused_and_its_link_closed() {
    let mut bench = Bench::new(10);
    let (a, _) = bench.peer(11);
    bench.hear(a, join(21, 11));
    for id in [11, 10, 21, 0, -1, i64::MIN] {
        let (link, did) = bench.peer(id);
        assert_eq!(did, [Gave(link, ProtocolMessage::Refused), Closed(link, Why::Taken(id))]);
        assert!(!bench.router.is_open(link));
        assert_eq!(bench.end(link), [], "nobody was told of it");
    }
    assert_eq!(bench.router.table(), [(11, 11), (21, 11)]);
}

#[test]
fn a_joiner_says_who_it_is_and_nothing_when_its_host_goes() {
    let mut bench = Bench::new(10);
    let (a, _) = bench.peer(11);
    let (host, did) = bench.opened(true);
    assert_eq!(did, [Gave(host, ProtocolMessage::Start { id: 10 })]);
    assert_eq!(bench.hear(host, ProtocolMessage::Welcome { id: 1 }), [Joined(1)]);
    assert_eq!(bench.hear(host, join(2, 1)), []);
    assert_eq!(bench.router.table(), [(1, 1), (2, 1), (11, 11)]);
    // What is behind the host is not announced to it, and it hears of who dials us.
    let (b, did) = bench.peer(12);
    let expected = [
        Gave(b, ProtocolMessage::Welcome { id: 10 }),
        Gave(b, join(1, 10)),
        Gave(b, join(2, 10)),
        Gave(b, join(11, 10)),
        Gave(host, join(12, 10)),
        Gave(a, join(12, 10)),
    ];
    assert_eq!(did.len(), expected.len());
    assert!(expected.iter().all(|one| did.contains(one)), "{did:?}");
    assert_eq!(did[..4], expected[..4]);
    assert_eq!(bench.end(host), []);
    assert_eq!(bench.router.table(), [(11, 11), (12, 12)]);
}

#[test]
fn a_host_that_refuses_or_answers_nonsense_is_left() {
    for (said, why) in [
        (ProtocolMessage::Refused, Why::Refused),
        (ProtocolMessage::Welcome { id: 0 }, Why::Taken(0)),
        (ProtocolMessage::Welcome { id: -5 }, Why::Taken(-5)),
        (ProtocolMessage::Welcome { id: 10 }, Why::Taken(10)),
        (ProtocolMessage::Welcome { id: 11 }, Why::Taken(11)),
        (ProtocolMessage::Start { id: 4 }, Why::OutOfTurn),
        (join(2, 1), Why::OutOfTurn),
    ] {
        let mut bench = Bench::new(10);
        bench.peer(11);
        let (host, _) = bench.opened(true);
        assert_eq!(bench.hear(host, said), [Closed(host, why)]);
        assert_eq!(bench.router.table(), [(11, 11)]);
    }
}

#[test]
fn frames_out_of_turn_close_the_link() {
    for said in [
        ProtocolMessage::Welcome { id: 4 },
        ProtocolMessage::Refused,
        text(1, 2, "x"),
        join(1, 2),
        ProtocolMessage::Leave { id: 1 },
    ] {
        let mut bench = Bench::new(10);
        let (link, _) = bench.opened(false);
        assert_eq!(bench.hear(link, said), [Closed(link, Why::OutOfTurn)]);
    }
    let mut bench = Bench::new(10);
    let (a, _) = bench.peer(11);
    let (b, _) = bench.peer(12);
    assert_eq!(
        bench.hear(b, ProtocolMessage::Start { id: 13 }),
        [Gave(a, ProtocolMessage::Leave { id: 12 }), Closed(b, Why::OutOfTurn)]
    );
}

#[test]
fn nobody_hears_that_one_left_of_whom_he_was_not_told() {
    let mut bench = Bench::new(10);
    let (a, _) = bench.peer(11);
    let (b, _) = bench.peer(12);
    assert_eq!(bench.end(a), [Gave(b, ProtocolMessage::Leave { id: 11 })]);
    let (c, _) = bench.peer(13);
    assert_eq!(bench.end(b), [Gave(c, ProtocolMessage::Leave { id: 12 })]);
    let (host, _) = bench.opened(true);
    bench.hear(host, ProtocolMessage::Welcome { id: 1 });
    assert_eq!(bench.end(c), [], "the host came later and was never told of 13");
}

#[test]
fn what_waits_too_long_is_dropped_and_who_says_nothing_is_closed() {
    let mut bench = Bench::new(10);
    bench.send(99, "later");
    let (new, _) = bench.opened(false);
    let (calling, _) = bench.opened(true);
    let (quiet, _) = bench.peer(11);
    bench.now = Timestamp::at(HANDSHAKE);
    assert_eq!(bench.router.next_timeout(), Some(bench.now));
    let did = bench.feed(Input::Timeout);
    assert_eq!(did, [Closed(new, Why::Silent), Closed(calling, Why::Silent)]);
    assert!(bench.router.is_open(quiet));
    bench.now = Timestamp::at(STORED_FOR);
    assert_eq!(bench.router.next_timeout(), Some(bench.now));
    bench.feed(Input::Timeout);
    assert_eq!((bench.router.buffer().count(), bench.router.next_timeout()), (0, None));
}
