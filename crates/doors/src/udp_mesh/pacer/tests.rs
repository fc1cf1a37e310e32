use proptest::prelude::*;

use super::*;

fn to(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn bytes() -> Arc<[u8]> {
    [1][..].into()
}

/// A pacer whose outputs are sorted.
struct Sorted<D> {
    pacer: Pacer<D>,
    settled: Vec<(D, usize)>,
    dropped: usize,
}

impl<D> Sorted<D> {
    fn new() -> Self {
        Self { pacer: Pacer::default(), settled: Vec::new(), dropped: 0 }
    }

    fn feed(&mut self, now: Timestamp, input: Input<D>) -> Option<Datagram> {
        self.pacer.handle(now, input).unwrap();
        let mut datagram = None;
        while let Some(output) = self.pacer.poll_output() {
            match output {
                Output::Datagram(one) => assert!(datagram.replace(one).is_none(), "one, as there is room for one"),
                Output::Settled { done, sent } => self.settled.push((done, sent)),
                Output::Dropped(datagrams) => self.dropped += datagrams,
            }
        }
        datagram
    }

    fn push_by(&mut self, author: Author, to: impl IntoIterator<Item = SocketAddr>, done: D) {
        let receivers = to.into_iter().map(|to| (to, bytes())).collect();
        assert!(self.feed(Timestamp::ZERO, Input::Send { author, receivers, done }).is_none());
    }

    fn push(&mut self, now: Timestamp, receivers: impl IntoIterator<Item = (SocketAddr, Arc<[u8]>)>, done: D) {
        assert!(
            self.feed(now, Input::Send { author: None, receivers: receivers.into_iter().collect(), done }).is_none()
        );
    }

    fn next(&mut self, now: Timestamp) -> Option<Datagram> {
        self.feed(now, Input::Writable)
    }

    fn sent(&mut self, message: u64) {
        assert!(self.feed(Timestamp::ZERO, Input::Sent { message, sent: true }).is_none());
    }

    fn gone(&mut self, to: SocketAddr) {
        assert!(self.feed(Timestamp::ZERO, Input::Gone { to }).is_none());
    }
}

#[test]
fn a_receiver_gets_eighty_a_second_and_no_burst() {
    let mut pacer = Sorted::new();
    for n in 0..MAX_QUEUE + 10 {
        pacer.push(Timestamp::ZERO, [(to(1), bytes())], n);
    }
    assert_eq!(pacer.dropped, 10);
    let mut times = Vec::new();
    for ms in 0..1_000 {
        while let Some(datagram) = pacer.next(Timestamp(ms * 1_000)) {
            times.push(ms);
            pacer.sent(datagram.message);
        }
    }
    assert!((70..=80).contains(&times.len()), "{}", times.len());
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 12), "{times:?}");
    let done = pacer.settled;
    assert_eq!(done.iter().filter(|(_, sent)| *sent == 1).count(), times.len());
}

#[test]
fn a_slow_receiver_delays_nobody_else_and_one_that_went_is_forgotten() {
    let mut pacer = Sorted::new();
    pacer.push(Timestamp::ZERO, [(to(1), bytes()), (to(2), bytes())], "both");
    pacer.push(Timestamp::ZERO, [(to(1), bytes())], "one");
    assert!(pacer.feed(Timestamp::ZERO, Input::Other { to: to(2) }).is_none());
    let first = pacer.next(Timestamp::ZERO).unwrap();
    assert_eq!((first.to, pacer.next(Timestamp::ZERO).map(|p| p.to)), (to(1), None));
    pacer.sent(first.message);
    let second = pacer.next(Timestamp::at(GAP)).unwrap();
    pacer.sent(second.message);
    pacer.gone(to(1));
    pacer.gone(to(2));
    assert_eq!(pacer.settled.len(), 2);
    assert_eq!((pacer.pacer.next_timeout(), pacer.pacer.waiting()), (None, 0));
    let unknown = pacer.pacer.handle(Timestamp::ZERO, Input::Sent { message: first.message, sent: true });
    assert_eq!((unknown, pacer.pacer.poll_output()), (Err(Reject::UnknownMessage(first.message)), None));
}

#[test]
fn a_burst_of_one_takes_nothing_of_what_another_says_while_the_socket_takes_nothing() {
    let [honest, eve] = [1, 2].map(|n| Some(rumormill_wire::NodeId([n; 32])));
    // To all of them, or to one each: then it is the messages that are too many.
    for each in [false, true] {
        let mut pacer = Sorted::new();
        pacer.push_by(eve, (0..40).map(to), (eve, 0));
        let held = pacer.next(Timestamp::ZERO).unwrap();
        for n in 0..20 {
            for one in 0..1_000 {
                if each {
                    pacer.push_by(eve, [to(one % 40)], (eve, 0));
                } else {
                    pacer.push_by(eve, (0..40).map(to), (eve, 0));
                }
            }
            pacer.push_by(honest, (0..40).map(to), (honest, n));
        }
        let messages = pacer.pacer.messages.len();
        assert!(messages <= MAX_MESSAGES && pacer.pacer.waiting() <= 40 * MAX_QUEUE, "{messages}");
        pacer.sent(held.message);
        let mut now = Timestamp::ZERO;
        while pacer.pacer.waiting() > 0 {
            now = now.after(GAP);
            while let Some(datagram) = pacer.next(now) {
                pacer.sent(datagram.message);
            }
        }
        let said = pacer.settled.iter().filter(|((author, _), sent)| *author == honest && *sent == 40);
        assert_eq!(said.map(|((_, n), _)| *n).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
        assert_eq!(pacer.settled.len(), 20_021, "everybody is told");
        assert!(pacer.pacer.messages.is_empty() && pacer.pacer.authors.is_empty());
    }
}

proptest! {
    #[test]
    fn every_message_is_accounted_for_and_lanes_keep_their_gap(
        ops in proptest::collection::vec((0u8..5, 0u16..4, 0u64..30), 1..200)
    ) {
        let (mut pacer, mut now, mut pushed) = (Sorted::new(), Timestamp::ZERO, 0usize);
        let mut last: BTreeMap<SocketAddr, Timestamp> = BTreeMap::new();
        let mut forgotten = BTreeSet::new();
        for (op, port, ms) in ops {
            now = now.plus(ms * 1_000);
            match op {
                0 | 1 => { pacer.push(now, (0..=port).map(|p| (to(p), bytes())), ()); pushed += 1; }
                2 => { pacer.gone(to(port)); forgotten.insert(to(port)); }
                3 => drop(pacer.feed(now, Input::Other { to: to(port) })),
                _ => while let Some(datagram) = pacer.next(now) {
                    let before = last.insert(datagram.to, now);
                    let fresh = forgotten.remove(&datagram.to);
                    prop_assert!(fresh || before.is_none_or(|before| now.elapsed(before) >= GAP));
                    pacer.sent(datagram.message);
                }
            }
        }
        for port in 0..4 { pacer.gone(to(port)); }
        prop_assert_eq!(pushed, pacer.settled.len());
        prop_assert!(pacer.pacer.waiting() == 0 && pacer.pacer.messages.is_empty() && pacer.pacer.authors.is_empty() && pacer.pacer.agenda.is_empty());
    }
}
