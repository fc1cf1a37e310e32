//! The machine alone: what follows what, to the frame, and what holds whatever comes.

use proptest::prelude::*;

use super::super::link::{MAX_TEXTS_COST, MAX_WAITING};
use super::super::store_and_forward::{MAX_STORED, MAX_STORED_BYTES, STORED_FOR};
use super::*;

const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

struct Bench {
    hub: Hub<()>,
    now: Timestamp,
    next: LinkId,
}

/// What was done, with frames read back.
#[derive(Debug, PartialEq)]
enum Did {
    Sent(LinkId, Said),
    Closed(LinkId, Why),
    Joined(i64),
    Forged(LinkId, i64),
    Delivered(i64, String),
    Told(Sent),
    To(usize),
}

impl Bench {
    fn new(id: i64) -> Self {
        Self { hub: Hub::new(id, Arc::default()), now: Timestamp::ZERO, next: 0 }
    }

    /// Nothing that it rejects does anything.
    fn feed(&mut self, input: Input<'_, ()>) -> Vec<Did> {
        let taken = self.hub.handle(self.now, input);
        let outputs: Vec<_> = std::iter::from_fn(|| self.hub.poll_output()).collect();
        assert!(taken.is_ok() || outputs.is_empty(), "{taken:?}: {outputs:?}");
        let (mut outputs, mut did) = (VecDeque::from(outputs), Vec::new());
        while let Some(output) = outputs.pop_front() {
            if let Output::Send { link, frame, .. } = &output {
                // All of it is written at once, and what waited for that too.
                let _ = self.hub.handle(self.now, Input::Written { link: *link, bytes: frame.len() });
                outputs.extend(std::iter::from_fn(|| self.hub.poll_output()));
            }
            did.push(Self::did(output));
        }
        did
    }

    fn did(output: Output<()>) -> Did {
        match output {
            Output::Send { link, frame, .. } => Gave(link, Said::decode(&frame.whole()[4..]).unwrap()),
            Output::Close { link, why, .. } => Closed(link, why),
            Output::Joined(id) => Joined(id),
            Output::Forged { link, from } => Did::Forged(link, from),
            Output::Deliver { from, text } => Delivered(from, text),
            Output::Sent(sent) => Told(sent),
            Output::Receivers(count) => To(count),
        }
    }

    fn opened(&mut self, called: bool) -> (LinkId, Vec<Did>) {
        self.opened_from(LOCAL, called)
    }

    fn opened_from(&mut self, address: IpAddr, called: bool) -> (LinkId, Vec<Did>) {
        let link = self.next;
        self.next += 1;
        (link, self.feed(Input::Opened { link, address, called }))
    }

    fn hear(&mut self, link: LinkId, said: Said) -> Vec<Did> {
        self.feed(Input::Frame { link, said })
    }

    fn send(&mut self, to: i64, text: &str) -> Vec<Did> {
        self.feed(Input::Send { to, text: text.into() })
    }

    /// A peer dials in and says who it is.
    fn peer(&mut self, id: i64) -> (LinkId, Vec<Did>) {
        let (link, _) = self.opened(false);
        let did = self.hear(link, Said::Start { id });
        (link, did)
    }

    fn end(&mut self, link: LinkId) -> Vec<Did> {
        self.feed(Input::Closed { link })
    }
}

fn text(from: i64, to: i64, text: &str) -> Said {
    Said::Text { from, to, text: text.into() }
}

fn join(id: i64, via: i64) -> Said {
    Said::Join { id, via }
}

use Did::{Closed, Delivered, Joined, Sent as Gave, To, Told};

#[test]
fn a_newcomer_gets_the_answer_then_what_was_kept_then_who_is_there_and_the_others_hear_of_it() {
    let mut bench = Bench::new(10);
    let (a, _) = bench.peer(11);
    assert_eq!(bench.hear(a, text(11, 12, "one")), []);
    assert_eq!(bench.hear(a, text(11, 12, "two")), []);
    let (b, did) = bench.peer(12);
    let expected = [
        Gave(b, Said::Welcome { id: 10 }),
        Gave(b, text(11, 12, "one")),
        Gave(b, text(11, 12, "two")),
        Gave(b, join(11, 10)),
        Gave(a, join(12, 10)),
    ];
    assert_eq!(did, expected);
    assert_eq!(bench.hub.table(), [(11, 11), (12, 12)]);
    assert_eq!(bench.hub.buffer().count(), 0);
    assert_eq!(bench.end(b), [Gave(a, Said::Leave { id: 12 })]);
    assert_eq!(bench.hub.table(), [(11, 11)]);
}

#[test]
fn an_id_that_is_taken_or_none_is_refused_and_its_link_closed() {
    let mut bench = Bench::new(10);
    let (a, _) = bench.peer(11);
    bench.hear(a, join(21, 11));
    for id in [11, 10, 21, 0, -1, i64::MIN] {
        let (link, did) = bench.peer(id);
        assert_eq!(did, [Gave(link, Said::Refused), Closed(link, Why::Taken(id))]);
        assert!(!bench.hub.is_open(link));
        assert_eq!(bench.end(link), [], "nobody was told of it");
    }
    assert_eq!(bench.hub.table(), [(11, 11), (21, 11)]);
}

#[test]
fn nobody_writes_as_a_peer_that_has_a_link_of_its_own() {
    let mut bench = Bench::new(10);
    let (a, _) = bench.peer(12);
    let (b, _) = bench.peer(13);
    let (c, _) = bench.peer(15);
    let refused = |bench: &Bench| bench.hub.counters.refused_other.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(bench.hear(a, text(13, 10, "to the room")), [Did::Forged(a, 13)]);
    for to in [10, 15, 13, 99] {
        assert_eq!(bench.hear(a, text(13, to, "again")), [], "said once");
    }
    assert_eq!((refused(&bench), bench.hub.buffer().count()), (5, 0), "each is counted, and none is stored");
    assert!(!bench.hub.links[&a].spoke, "nor does it keep a place");
    assert_eq!(bench.hear(a, text(12, 10, "mine")), [Delivered(12, "mine".into())]);
    assert_eq!(bench.hear(b, text(13, 15, "mine")), [Gave(c, text(13, 15, "mine"))]);
    // What lies behind a peer writes by it, announced or not.
    bench.hear(a, join(21, 12));
    for from in [21, 22] {
        assert_eq!(bench.hear(a, text(from, 10, "far")), [Delivered(from, "far".into())]);
    }
    // The host that we dialled is no exception; once the link has gone, the id may come by another.
    let (host, _) = bench.opened(true);
    bench.hear(host, Said::Welcome { id: 1 });
    assert_eq!(bench.hear(host, text(13, 10, "x")), [Did::Forged(host, 13)]);
    assert_eq!(bench.hear(a, text(1, 10, "x")), []);
    bench.end(b);
    assert_eq!(bench.hear(a, text(13, 10, "moved")), [Delivered(13, "moved".into())]);
}

#[test]
fn a_joiner_says_who_it_is_and_nothing_when_its_host_goes() {
    let mut bench = Bench::new(10);
    let (a, _) = bench.peer(11);
    let (host, did) = bench.opened(true);
    assert_eq!(did, [Gave(host, Said::Start { id: 10 })]);
    assert_eq!(bench.hear(host, Said::Welcome { id: 1 }), [Joined(1)]);
    assert_eq!(bench.hear(host, join(2, 1)), []);
    assert_eq!(bench.hub.table(), [(1, 1), (2, 1), (11, 11)]);
    // What is behind the host is not announced to it, and it hears of who dials us.
    let (b, did) = bench.peer(12);
    let expected = [
        Gave(b, Said::Welcome { id: 10 }),
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
    assert_eq!(bench.hub.table(), [(11, 11), (12, 12)]);
}

#[test]
fn a_host_that_refuses_or_answers_nonsense_is_left() {
    for (said, why) in [
        (Said::Refused, Why::Refused),
        (Said::Welcome { id: 0 }, Why::Taken(0)),
        (Said::Welcome { id: -5 }, Why::Taken(-5)),
        (Said::Welcome { id: 10 }, Why::Taken(10)),
        (Said::Welcome { id: 11 }, Why::Taken(11)),
        (Said::Start { id: 4 }, Why::OutOfTurn),
        (join(2, 1), Why::OutOfTurn),
    ] {
        let mut bench = Bench::new(10);
        bench.peer(11);
        let (host, _) = bench.opened(true);
        assert_eq!(bench.hear(host, said), [Closed(host, why)]);
        assert_eq!(bench.hub.table(), [(11, 11)]);
    }
}

#[test]
fn frames_out_of_turn_close_the_link() {
    for said in [Said::Welcome { id: 4 }, Said::Refused, text(1, 2, "x"), join(1, 2), Said::Leave { id: 1 }] {
        let mut bench = Bench::new(10);
        let (link, _) = bench.opened(false);
        assert_eq!(bench.hear(link, said), [Closed(link, Why::OutOfTurn)]);
    }
    let mut bench = Bench::new(10);
    let (a, _) = bench.peer(11);
    let (b, _) = bench.peer(12);
    assert_eq!(bench.hear(b, Said::Start { id: 13 }), [Gave(a, Said::Leave { id: 12 }), Closed(b, Why::OutOfTurn)]);
}

#[test]
fn nobody_hears_that_one_left_of_whom_he_was_not_told() {
    let mut bench = Bench::new(10);
    let (a, _) = bench.peer(11);
    let (b, _) = bench.peer(12);
    assert_eq!(bench.end(a), [Gave(b, Said::Leave { id: 11 })]);
    let (c, _) = bench.peer(13);
    assert_eq!(bench.end(b), [Gave(c, Said::Leave { id: 12 })]);
    let (host, _) = bench.opened(true);
    bench.hear(host, Said::Welcome { id: 1 });
    assert_eq!(bench.end(c), [], "the host came later and was never told of 13");
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
    assert_eq!(bench.hub.buffer().count(), 1);
    for wrong in [text(0, 10, "x"), text(-1, 10, "x"), text(10, 10, "x"), text(11, 0, "x"), text(10, 12, "x")] {
        assert_eq!(bench.hear(a, wrong), [], "nobody writes in our name, and 0 is nobody");
    }
    assert_eq!(bench.hub.buffer().count(), 1);
}

#[test]
fn announcements_change_the_table_and_are_not_passed_on() {
    let mut bench = Bench::new(10);
    let (a, _) = bench.peer(11);
    let (b, _) = bench.peer(12);
    bench.hear(a, text(11, 21, "kept"));
    assert_eq!(bench.hear(b, join(21, 12)), [Gave(b, text(11, 21, "kept"))]);
    assert_eq!(bench.hear(a, join(21, 11)), [], "the later one has the route");
    assert_eq!(bench.hub.table(), [(11, 11), (12, 12), (21, 11)]);
    assert_eq!(bench.hear(b, Said::Leave { id: 21 }), [], "it is no longer behind 12");
    for id in [0, -1, 10, 11, 12] {
        assert_eq!(bench.hear(a, join(id, 11)), []);
        assert_eq!(bench.hear(a, Said::Leave { id }), []);
    }
    assert_eq!(bench.hub.table(), [(11, 11), (12, 12), (21, 11)], "a direct peer stays one");
    assert_eq!(bench.hear(a, Said::Leave { id: 21 }), []);
    assert_eq!(bench.hub.table(), [(11, 11), (12, 12)]);
}

#[test]
fn the_room_speaks_to_every_known_id_in_our_name() {
    let mut bench = Bench::new(10);
    let (a, _) = bench.peer(11);
    bench.hear(a, join(21, 11));
    let did = bench.feed(Input::Broadcast { author: None, text: "alice@c0de: hi", ticket: None });
    assert_eq!(did, [Gave(a, text(10, 11, "alice@c0de: hi")), Gave(a, text(10, 21, "alice@c0de: hi")), To(2)]);
    assert_eq!(bench.send(99, "later"), [Told(Sent::Stored)]);
    let (_, did) = bench.peer(99);
    assert!(did.contains(&Gave(1, text(10, 99, "later"))), "{did:?}");
}

#[test]
fn what_waits_too_long_is_dropped_and_who_says_nothing_is_closed() {
    let mut bench = Bench::new(10);
    bench.send(99, "later");
    let (new, _) = bench.opened(false);
    let (calling, _) = bench.opened(true);
    let (quiet, _) = bench.peer(11);
    bench.now = Timestamp::at(HANDSHAKE);
    assert_eq!(bench.hub.next_timeout(), Some(bench.now));
    let did = bench.feed(Input::Timeout);
    assert_eq!(did, [Closed(new, Why::Silent), Closed(calling, Why::Silent)]);
    assert!(bench.hub.is_open(quiet));
    bench.now = Timestamp::at(STORED_FOR);
    assert_eq!(bench.hub.next_timeout(), Some(bench.now));
    bench.feed(Input::Timeout);
    assert_eq!((bench.hub.buffer().count(), bench.hub.next_timeout()), (0, None));
}

#[test]
fn what_is_about_no_link_of_ours_or_for_nobody_is_rejected_and_changes_nothing() {
    let mut bench = Bench::new(10);
    let (a, _) = bench.peer(11);
    let said = || Said::Start { id: 12 };
    for (input, why) in [
        (Input::Opened { link: a, address: LOCAL, called: true }, Reject::KnownLink(a)),
        (Input::Frame { link: 7, said: said() }, Reject::UnknownLink(7)),
        (Input::Unreadable { link: 7, why: "x".into() }, Reject::UnknownLink(7)),
        (Input::Written { link: 7, bytes: 9 }, Reject::UnknownLink(7)),
        (Input::Closed { link: 7 }, Reject::UnknownLink(7)),
        (Input::Send { to: 10, text: "x".into() }, Reject::Nowhere(10)),
        (Input::Send { to: 0, text: "x".into() }, Reject::Nowhere(0)),
    ] {
        assert_eq!(bench.hub.handle(bench.now, input), Err(why));
    }
    assert_eq!((bench.hub.poll_output(), bench.hub.links(), bench.hub.table()), (None, 1, vec![(11, 11)]));
}

#[test]
fn a_thousand_who_only_connect_leave_room_for_one_who_talks() {
    let mut bench = Bench::new(10);
    let (talker, _) = bench.peer(11);
    bench.hear(talker, text(11, 10, "hello"));
    for n in 0..1_000 {
        bench.now = bench.now.plus(1_000);
        bench.opened(false);
        bench.peer(1_000 + n);
    }
    assert!(bench.hub.is_open(talker));
    assert!(bench.hub.links() <= MAX_NEW + MAX_PEERS, "{}", bench.hub.links());
    let (late, did) = bench.peer(12);
    assert!(did.contains(&Gave(late, Said::Welcome { id: 10 })));
}

#[test]
fn newcomers_who_each_speak_once_throw_out_nobody_who_was_there_and_leave_the_next_a_place() {
    let mut bench = Bench::new(10);
    let far = |n: i64| IpAddr::from([192, 0, 2, n.to_le_bytes()[0]]);
    let (link, _) = bench.opened_from(far(1), false);
    bench.hear(link, Said::Start { id: 11 });
    let (talker, _) = bench.peer(12);
    bench.hear(talker, text(12, 10, "hello"));
    let (listener, _) = bench.peer(13);
    let arrive = |bench: &mut Bench, address: IpAddr, id: i64| {
        bench.now = bench.now.plus(1_000);
        let (link, _) = bench.opened_from(address, false);
        bench.hear(link, Said::Start { id });
        bench.hear(link, text(id, 10, "hi"));
        link
    };
    (1_000..1_500).for_each(|id| _ = arrive(&mut bench, LOCAL, id));
    // One more that is honest has time to speak, and to stay while it does.
    let late = arrive(&mut bench, LOCAL, 14);
    for id in 2_000..2_200 {
        arrive(&mut bench, LOCAL, id);
        if id % 16 == 0 {
            bench.hear(late, text(14, 10, "still here"));
        }
    }
    let open = |bench: &Bench| [link, talker, listener, late].map(|link| bench.hub.is_open(link));
    assert_eq!(open(&bench), [true; 4]);
    // Another address finds a place too, and takes none of who has fewer.
    (3_000..3_500).for_each(|id| _ = arrive(&mut bench, far(2), id));
    assert_eq!(open(&bench)[..3], [true; 3]);
    let of = |owner: Owner| bench.hub.links.values().filter(|link| link.owner == owner).count();
    assert_eq!((of(Owner::of(LOCAL)), of(Owner::of(far(2)))), (63, 64));
    assert!(bench.hub.links() <= MAX_PEERS, "{}", bench.hub.links());
}

#[test]
fn one_who_reads_nothing_costs_a_bounded_queue() {
    let mut bench = Bench::new(10);
    let (a, _) = bench.peer(11);
    for _ in 0..2_000 {
        bench.hub.handle(bench.now, Input::Send { to: 11, text: "x".repeat(2_000) }).unwrap();
    }
    let frame = |output| if let Output::Send { frame, .. } = output { Some(frame.len()) } else { None };
    let frames: Vec<_> = std::iter::from_fn(|| bench.hub.poll_output()).filter_map(frame).collect();
    let bytes: usize = frames.iter().sum();
    assert!(frames.len() <= MAX_WAITING && bytes <= MAX_TEXTS_COST, "{} frames of {bytes} bytes", frames.len());
    assert!(bench.hub.is_open(a));
}

/// Bytes that are held, with what the writer was given, once `feed` has put more there than a peer that takes nothing may have.
fn held(bench: &mut Bench, mut feed: impl FnMut(&mut Bench)) -> i64 {
    let mut given = Vec::new();
    let most = 100_000;
    given.reserve(most);
    let all = allocation_counter::measure(|| {
        feed(bench);
        given.extend(
            std::iter::from_fn(|| bench.hub.poll_output()).filter(|output| matches!(output, Output::Send { .. })),
        );
        // What the queue of outputs keeps for the next is not the peer's.
        bench.hub.outputs.shrink_to_fit();
    });
    assert!(given.len() < most, "{}", given.len());
    all.bytes_current
}

#[test]
fn one_who_takes_nothing_costs_no_more_memory_than_is_said_whatever_the_texts_and_their_authors() {
    let node = |n: u32| Some(rumormill_wire::NodeId(std::array::from_fn(|at| n.to_le_bytes()[at % 4])));
    for len in [1, 300, 2_000, 8_000, 32_000, 50_000, 90_000] {
        for authors in [1, 2, 2_000_u32] {
            let mut bench = Bench::new(10);
            let _ = bench.peer(11);
            let texts = u32::try_from(3_000.min(4 * MAX_TEXTS_COST / len)).unwrap();
            let cost = held(&mut bench, |bench| {
                for n in 0..texts {
                    let text = format!("{n}{}", "x".repeat(len));
                    let input = Input::Broadcast { author: node(n % authors), text: &text, ticket: None };
                    bench.hub.handle(bench.now, input).unwrap();
                }
            });
            let most = i64::try_from(MAX_TEXTS_COST).unwrap();
            assert!(cost <= most && cost > most / 8, "{len} bytes, {authors} authors: {cost}");
            assert!(bench.hub.counters.dropped_out.load(std::sync::atomic::Ordering::Relaxed) > 0, "more was said");
        }
    }
}

#[test]
fn what_is_said_to_all_is_held_once_however_many_take_nothing() {
    let cost = |peers: i64| {
        let mut bench = Bench::new(1);
        (0..peers).for_each(|n| _ = bench.peer(100 + n));
        held(&mut bench, |bench| {
            for n in 0..100 {
                let text = format!("{n}{}", "x".repeat(32_000));
                bench.hub.handle(bench.now, Input::Broadcast { author: None, text: &text, ticket: None }).unwrap();
            }
        })
    };
    let (one, all) = (cost(1), cost(128));
    // Each frame has its own head and its places in queues.
    assert!(all < one + 127 * 8_192, "{one} for one, {all} for all");
}

/// The texts that have come out for a link, and how long their frames are.
fn texts_out(bench: &mut Bench, to: LinkId) -> (Vec<String>, Vec<usize>) {
    let sends = std::iter::from_fn(|| bench.hub.poll_output()).filter_map(|output| match output {
        Output::Send { link, frame, .. } if link == to => {
            Some((Said::decode(&frame.whole()[4..]).unwrap(), frame.len()))
        }
        _ => None,
    });
    sends.filter_map(|(said, len)| if let Said::Text { text, .. } = said { Some((text, len)) } else { None }).unzip()
}

#[test]
fn a_burst_of_one_takes_nothing_of_what_another_says_to_a_peer_that_takes_nothing_for_a_while() {
    let [honest, eve] = [1, 2].map(|n| Some(rumormill_wire::NodeId([n; 32])));
    let mut bench = Bench::new(10);
    let (slow, _) = bench.peer(11);
    let (flooder, _) = bench.peer(12);
    // From the room, and from another peer of the door.
    let say = |bench: &mut Bench, author, text: &str| {
        bench.hub.handle(bench.now, Input::Broadcast { author, text, ticket: None }).unwrap();
    };
    for n in 0..20 {
        for _ in 0..1_000 {
            say(&mut bench, eve, "x");
            let said = text(12, 11, "y");
            bench.hub.handle(bench.now, Input::Frame { link: flooder, said }).unwrap();
        }
        say(&mut bench, honest, &format!("honest {n:02}"));
    }
    bench.hub.handle(bench.now, Input::Closed { link: flooder }).unwrap();
    let (mut read, mut written) = texts_out(&mut bench, slow);
    while !written.is_empty() {
        for bytes in std::mem::take(&mut written) {
            bench.hub.handle(bench.now, Input::Written { link: slow, bytes }).unwrap();
        }
        let (more, lens) = texts_out(&mut bench, slow);
        read.extend(more);
        written = lens;
    }
    assert!(read.len() < MAX_WAITING + 100, "{}", read.len());
    let said: Vec<_> = read.iter().filter(|text| text.starts_with("honest")).cloned().collect();
    assert_eq!(said, (0..20).map(|n| format!("honest {n:02}")).collect::<Vec<_>>());
    assert!(read.iter().position(|text| text == "honest 19") < Some(100), "in turn");
    assert!(bench.hub.counters.dropped_out.load(std::sync::atomic::Ordering::Relaxed) > 30_000, "the rest is counted");
}

#[test]
fn a_door_that_closes_writes_what_waits() {
    let mut bench = Bench::new(10);
    let (link, _) = bench.peer(11);
    for n in 0..50 {
        bench.hub.handle(bench.now, Input::Send { to: 11, text: n.to_string() }).unwrap();
    }
    let before = texts_out(&mut bench, link).0.len();
    assert!(before < 50);
    bench.hub.handle(bench.now, Input::Finish).unwrap();
    assert_eq!(before + texts_out(&mut bench, link).0.len(), 50);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a few links say, in any order: nothing is unbounded, nobody is told that one left of whom he was not told,
    /// every route leads over a link that is there, and no frame has an id below 1.
    #[test]
    fn invariants(events in prop::collection::vec((0u8..12, 0u64..12, -1i64..24, 0i64..24), 0..300)) {
        let mut bench = Bench::new(10);
        let mut told = BTreeSet::new();
        for (kind, link, id, other) in events {
            bench.now = bench.now.plus(300_000);
            let did = match kind {
                0 => bench.opened(link == 0).1,
                1 | 2 => bench.hear(link, Said::Start { id }),
                3 => bench.hear(link, Said::Welcome { id }),
                4 | 5 => bench.hear(link, Said::Join { id, via: other }),
                6 => bench.hear(link, Said::Leave { id }),
                7 | 8 => bench.hear(link, text(id, other, "t")),
                9 => bench.end(link),
                10 => bench.feed(Input::Timeout),
                _ => bench.send(other + 1, "s"),
            };
            for one in did {
                if let Gave(link, said) = one {
                    match said {
                        Said::Join { id, via } => {
                            prop_assert!(id > 0 && via == 10 && id != 10);
                            told.insert((link, id));
                        }
                        Said::Leave { id } => prop_assert!(told.remove(&(link, id))),
                        Said::Text { from, to, .. } => prop_assert!(from > 0 && to > 0 && to != 10),
                        _ => {}
                    }
                }
            }
            prop_assert_eq!(bench.hub.table().len(), bench.hub.routes.len());
            for (id, state) in &bench.hub.links {
                let learned = bench.hub.routes.values().filter(|route| route.link == *id && !route.direct).count();
                prop_assert_eq!(learned, state.learned);
            }
            let strangers = bench.hub.links.iter().filter(|(_, state)| !matches!(state.stage, Stage::Peer(_)));
            let due: BTreeSet<_> = strangers.map(|(link, state)| (state.heard.after(HANDSHAKE), *link)).collect();
            prop_assert_eq!(&due, &bench.hub.handshakes, "who has not said who it is has a deadline, and nobody else");
            prop_assert!(bench.hub.buffer().count() <= MAX_STORED);
            prop_assert!(bench.hub.stored.bytes() <= MAX_STORED_BYTES);
            prop_assert!(bench.hub.buffer().all(|kept| kept.to > 0 && kept.to != 10));
        }
    }
}
