use super::*;
use crate::peer_line::table::{AddressForm, MAX_FAILURES};
use proptest::prelude::*;

const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const NOW: Timestamp = Timestamp::ZERO;
const RETRY: Duration = Duration::from_secs(1);

fn at(port: u16) -> SocketAddr {
    SocketAddr::new(LOCAL, port)
}

fn table(ports: impl IntoIterator<Item = u16>) -> PeerTable {
    let mut table = PeerTable::new(at(1));
    for port in ports {
        table.name(at(port), AddressForm::Plain, LOCAL, LOCAL, true);
    }
    table
}

/// An outbox and its table, joined as the door joins them.
struct Joined {
    outbox: Outbox,
    table: PeerTable,
    next: u64,
    settled: Vec<(u64, bool)>,
    dropped: usize,
    gave_up: bool,
    taken_out: bool,
    aborted: Vec<SocketAddr>,
}

impl Joined {
    fn new(table: PeerTable, contacts: &[SocketAddr]) -> Self {
        let outbox = Outbox::new(contacts, "connect", RETRY);
        Self { outbox, table, next: 0, settled: vec![], dropped: 0, gave_up: false, taken_out: false, aborted: vec![] }
    }

    fn drain(&mut self) -> Vec<Dial> {
        let mut dials = Vec::new();
        while let Some(output) = self.outbox.poll_output() {
            match output {
                Output::Dial(dial) => dials.push(dial),
                Output::Settled { id, reached } => self.settled.push((id, reached)),
                Output::Dropped(messages) => self.dropped += messages,
                Output::Reached(addr) if self.table.get(addr).is_some() => self.table.reached(addr, true),
                Output::Reached(_) => {}
                Output::Failed(addr) => self.taken_out |= self.table.failed(addr),
                Output::GaveUp(_) => self.gave_up = true,
                Output::Abort(addr) => self.aborted.push(addr),
            }
        }
        dials
    }

    fn post(&mut self, only: Option<IpAddr>, text: &str) -> u64 {
        self.post_by(None, only, text)
    }

    fn post_by(&mut self, author: Author, only: Option<IpAddr>, text: &str) -> u64 {
        let id = self.next;
        self.next += 1;
        self.outbox.handle(NOW, Input::Send { id, author, only, text, table: &self.table }).unwrap();
        assert_eq!(self.drain(), []);
        id
    }

    fn dials(&mut self, now: Timestamp) -> Vec<Dial> {
        self.outbox.handle(now, Input::Ready { table: &self.table }).unwrap();
        self.drain()
    }

    /// The one connection that is to be made.
    fn dial(&mut self, now: Timestamp) -> Option<Dial> {
        let mut dials = self.dials(now);
        assert!(dials.len() <= 1, "{dials:?}");
        dials.pop()
    }

    fn dialled(&mut self, addr: SocketAddr, delivered: bool, now: Timestamp) {
        self.outbox.handle(now, Input::Dialled { addr, delivered }).unwrap();
        assert_eq!(self.drain(), []);
    }

    fn clear(&mut self) {
        self.outbox.handle(NOW, Input::Clear).unwrap();
        assert_eq!(self.drain(), []);
    }
}

#[test]
fn one_connection_to_a_peer_at_a_time_and_in_order() {
    let mut joined = Joined::new(table([5]), &[]);
    let ids: Vec<_> = ["a", "b"].map(|text| joined.post(None, text)).into();
    assert_eq!(&*joined.dial(NOW).unwrap().text, "a");
    assert_eq!(joined.dial(NOW), None);
    joined.dialled(at(5), true, NOW);
    assert_eq!(&*joined.dial(NOW).unwrap().text, "b");
    joined.dialled(at(5), false, NOW);
    assert_eq!(joined.settled, [(ids[0], true), (ids[1], false)]);
    assert!(joined.outbox.is_idle() && joined.dropped == 1);
    let unknown = joined.outbox.handle(NOW, Input::Dialled { addr: at(5), delivered: true });
    assert_eq!((unknown, joined.drain()), (Err(Reject::NotDialled(at(5))), vec![]));
}

#[test]
fn a_message_to_nobody_and_to_one_address() {
    let mut joined = Joined::new(table([5]), &[]);
    joined.table.name("10.0.0.1:7".parse().unwrap(), AddressForm::Bracketed, [10, 0, 0, 1].into(), LOCAL, true);
    let id = joined.post(Some([10, 0, 0, 2].into()), "a");
    assert_eq!(joined.settled, [(id, false)]);
    joined.post(Some([10, 0, 0, 1].into()), "b");
    let dial = joined.dial(NOW).unwrap();
    assert_eq!((dial.addr.port(), dial.form), (7, AddressForm::Bracketed));
    assert_eq!(joined.dial(NOW), None);
}

#[test]
fn those_who_answer_never_wait_for_those_who_do_not() {
    let mut table = table(10..200);
    table.reached(at(199), true);
    let mut joined = Joined::new(table, &[]);
    joined.post(None, "a");
    let dialled: Vec<_> = joined.dials(NOW).iter().map(|dial| dial.addr.port()).collect();
    assert_eq!(dialled.len(), MAX_DOUBTFUL + 1);
    assert!(dialled.contains(&199));
}

#[test]
fn who_takes_nothing_gives_up_its_place_where_others_wait() {
    // All of them answered before, and take nothing now.
    let mut table = table(10..310);
    (10..310).for_each(|port| table.reached(at(port), true));
    let mut joined = Joined::new(table, &[]);
    joined.post(None, "a");
    let first = joined.dials(NOW);
    assert_eq!(first.len(), MAX_DIALS);
    let held = NOW.after(HELD);
    assert_eq!(joined.outbox.next_timeout(), Some(held));
    joined.table.name(at(400), AddressForm::Plain, LOCAL, LOCAL, true);
    joined.post(None, "b");
    assert_eq!(joined.dials(NOW.after(HELD / 2)), [], "they have their time");
    let (mut now, mut reached) = (held, false);
    for _ in 0..10 {
        let dials = joined.dials(now);
        reached |= dials.iter().any(|dial| dial.addr == at(400));
        now = now.after(HELD);
    }
    assert!(reached, "a newcomer is reached within seconds");
    assert!(joined.aborted.len() >= MAX_DIALS && first.iter().all(|dial| joined.aborted.contains(&dial.addr)));
    assert!(joined.outbox.busy.len() <= MAX_DIALS);
}

#[test]
fn nobody_gives_up_its_place_where_nobody_waits() {
    let mut joined = Joined::new(table([5, 6]), &[]);
    joined.post(None, "a");
    assert_eq!(joined.dials(NOW).len(), 2);
    assert_eq!(joined.outbox.next_timeout(), None);
    assert_eq!((joined.dials(NOW.after(10 * HELD)), joined.aborted.len()), (vec![], 0));
}

#[test]
fn a_newcomer_goes_before_those_that_took_nothing_and_came_again() {
    let mut joined = Joined::new(table(10..800), &[]);
    for port in 10..800 {
        (0..MAX_FAILURES).for_each(|n| assert_eq!(joined.table.failed(at(port)), n == MAX_FAILURES - 1));
        joined.table.name(at(port), AddressForm::Plain, LOCAL, LOCAL, true);
    }
    joined.table.name(at(900), AddressForm::Plain, LOCAL, LOCAL, true);
    joined.post(None, "a");
    let first = joined.dials(NOW).first().map(|dial| dial.addr);
    assert_eq!(first, Some(at(900)));
    joined.table.reached(at(10), true);
    assert_eq!(joined.table.get(at(10)).unwrap().failures, 0, "one that takes something again is like any other");
}

#[test]
fn who_fails_too_often_is_taken_out_and_what_waits_for_it_dropped() {
    let mut joined = Joined::new(table([5]), &[]);
    for text in ["a", "b", "c", "d", "e"] {
        joined.post(None, text);
    }
    for n in 1..=MAX_FAILURES {
        joined.dial(NOW).unwrap();
        joined.dialled(at(5), false, NOW);
        assert_eq!(joined.taken_out, n == MAX_FAILURES);
    }
    assert_eq!(joined.dial(NOW), None);
    assert!(joined.outbox.is_idle() && joined.table.is_empty());
    assert_eq!((joined.settled.len(), joined.dropped), (5, 5));
}

#[test]
fn a_contact_is_tried_a_few_times_and_never_twice_at_once() {
    let mut joined = Joined::new(table([]), &[at(5)]);
    let mut now = NOW;
    for n in 0..MAX_TRIES {
        assert_eq!(joined.outbox.next_timeout(), Some(now));
        let dial = joined.dial(now).unwrap();
        assert!(dial.contact && &*dial.text == "connect");
        assert_eq!((joined.dial(now), joined.outbox.next_timeout()), (None, None), "one at a time");
        joined.dialled(at(5), false, now);
        assert_eq!(joined.gave_up, n + 1 == MAX_TRIES);
        assert_eq!(joined.dial(now), None, "not at once");
        now = now.after(RETRY * 2u32.pow(n));
    }
    assert_eq!((joined.dial(now), joined.outbox.next_timeout()), (None, None));

    joined.outbox = Outbox::new(&[at(5)], "connect", RETRY);
    joined.dial(NOW).unwrap();
    joined.table.name(at(5), AddressForm::Bracketed, LOCAL, LOCAL, true);
    joined.post(None, "a");
    assert_eq!(joined.dial(NOW), None, "the first is still up");
    joined.dialled(at(5), true, NOW);
    assert_eq!(&*joined.dial(NOW).unwrap().text, "a");
    joined.dialled(at(5), true, NOW);
    assert!(joined.outbox.is_idle() && joined.outbox.next_timeout().is_none() && joined.table.listed() == [at(5)]);
}

#[test]
fn a_slow_peer_costs_a_queue_and_no_more() {
    let mut joined = Joined::new(table([5]), &[]);
    for _ in 0..3 * MAX_QUEUE {
        joined.post(None, "a");
    }
    assert_eq!((joined.outbox.waiting(), joined.dropped), (MAX_QUEUE, 2 * MAX_QUEUE));
    joined.clear();
    assert!(joined.outbox.is_idle() && joined.settled.len() == 3 * MAX_QUEUE);
}

/// All that the peer at 5 is sent from now on.
fn read_all(joined: &mut Joined) -> Vec<String> {
    let mut read = Vec::new();
    while let Some(dial) = joined.dial(NOW) {
        read.push(dial.text.to_string());
        joined.dialled(at(5), true, NOW);
    }
    read
}

#[test]
fn a_burst_of_one_takes_nothing_of_what_another_says_to_a_peer_that_takes_nothing_for_a_while() {
    let [honest, eve] = [1, 2].map(|n| Some(rumormill_wire::NodeId([n; 32])));
    let mut joined = Joined::new(table([5]), &[]);
    joined.post_by(honest, None, "honest, at first");
    joined.dial(NOW).unwrap();
    // It takes none of this, and the burst goes on all the while.
    for n in 0..20 {
        (0..1_000).for_each(|_| _ = joined.post_by(eve, None, "x"));
        joined.post_by(honest, None, &format!("honest {n:02}"));
    }
    (0..1_000).for_each(|_| _ = joined.post_by(eve, None, "x"));
    assert_eq!((joined.outbox.waiting(), joined.dropped), (MAX_QUEUE, 21_020 - MAX_QUEUE));
    joined.dialled(at(5), true, NOW);
    let read = read_all(&mut joined);
    let said: Vec<_> = read.iter().filter(|text| text.starts_with("honest")).collect();
    assert!(said.iter().map(|text| text.as_str()).eq((0..20).map(|n| format!("honest {n:02}"))), "{read:?}");
    assert_eq!(joined.settled.len(), 21_021, "everybody is told");
}

#[test]
fn peers_that_take_nothing_leave_places_for_those_who_do() {
    let [honest, eve] = [1, 2].map(|n| Some(rumormill_wire::NodeId([n; 32])));
    let mut joined = Joined::new(table(5..405), &[]);
    for _ in 0..3 * MAX_QUEUE {
        joined.post_by(eve, None, "x");
    }
    joined.post_by(honest, None, "honest");
    assert!(joined.outbox.waiting() <= MAX_WAITING, "{}", joined.outbox.waiting());
    let queues = joined.outbox.queues.values();
    assert_eq!(queues.filter(|queue| queue.first_of(&honest).is_some()).count(), 400);
    // All but one leave; what waits for them is not kept from those who come.
    let gone: Vec<_> = (6..405).collect();
    gone.iter().for_each(|port| _ = joined.table.exit(at(*port), LOCAL));
    for _ in 0..3 * MAX_QUEUE {
        joined.post_by(eve, None, "x");
    }
    joined.post_by(honest, None, "honest too");
    assert!(joined.outbox.waiting() <= MAX_WAITING);
    assert_eq!(joined.outbox.queues[&at(5)].len(), MAX_QUEUE);
    assert!(read_all(&mut joined).ends_with(&["x".to_owned()]));
}

#[test]
fn long_texts_that_wait_have_a_bound_in_bytes_for_a_peer_and_for_all() {
    let long = "x".repeat(32_000);
    for peers in [1, 100] {
        let mut joined = Joined::new(table(5..5 + peers), &[]);
        for n in 0..2 * MAX_QUEUE {
            joined.post_by(None, None, &format!("{n}{long}"));
            let sizes: Vec<_> = joined.outbox.queues.values().map(PeerQueue::size).collect();
            assert!(
                sizes.iter().all(|size| *size <= MAX_QUEUE_BYTES) && sizes.iter().sum::<usize>() <= MAX_WAITING_BYTES
            );
        }
        let fits = (MAX_WAITING_BYTES / usize::from(peers)).min(MAX_QUEUE_BYTES) / 33_000;
        assert!(joined.outbox.queues.values().all(|queue| queue.len() >= fits), "an even part each");
        let waiting = joined.outbox.queues.values().map(|queue| queue.len()).sum::<usize>();
        assert_eq!(joined.outbox.waiting(), waiting);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_message_settles_once(steps in proptest::collection::vec((0u8..5, 2u16..12, any::<bool>()), 0..400)) {
        let contacts = [at(3), at(11)];
        let mut joined = Joined::new(table([]), &contacts);
        let mut on_their_way = Vec::<SocketAddr>::new();
        let mut now = NOW;
        for (what, port, good) in steps {
            now = now.plus(300_000);
            match what {
                0 => drop(joined.table.name(at(port), AddressForm::Plain, LOCAL, LOCAL, true)),
                1 => drop(joined.table.exit(at(port), LOCAL)),
                2 => drop(joined.post(None, "a")),
                3 => {
                    if let Some(addr) = on_their_way.pop() {
                        joined.dialled(addr, good, now);
                    }
                }
                _ => for dial in joined.dials(now) {
                    prop_assert!(!on_their_way.contains(&dial.addr), "two connections to {}", dial.addr);
                    on_their_way.push(dial.addr);
                },
            }
            prop_assert!(on_their_way.len() <= MAX_DIALS);
        }
        for _ in 0..10_000 {
            on_their_way.extend(joined.dials(now).iter().map(|dial| dial.addr));
            let Some(addr) = on_their_way.pop() else { break };
            joined.dialled(addr, true, now);
        }
        prop_assert!(joined.outbox.is_idle());
        joined.settled.sort_unstable();
        prop_assert_eq!(joined.settled.iter().map(|(id, _)| *id).collect::<Vec<_>>(), (0..joined.next).collect::<Vec<_>>());
    }
}
