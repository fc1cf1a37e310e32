use super::*;
use crate::peer_line::table::MAX_FAILURES;
use proptest::prelude::*;

const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const NOW: Duration = Duration::ZERO;
const RETRY: Duration = Duration::from_secs(1);

fn at(port: u16) -> SocketAddr {
    SocketAddr::new(LOCAL, port)
}

fn table(ports: impl IntoIterator<Item = u16>) -> Table {
    let mut table = Table::new(at(1));
    for port in ports {
        table.name(at(port), Form::Plain, LOCAL, LOCAL, true);
    }
    table
}

#[test]
fn one_connection_to_a_peer_at_a_time_and_in_order() {
    let (mut table, mut outbox) = (table([5]), Outbox::new(&[], "connect", RETRY));
    let ids: Vec<_> = ["a", "b"].map(|text| outbox.post(&table, None, text)).into();
    assert_eq!(&*outbox.dial(&table, NOW).unwrap().text, "a");
    assert_eq!(outbox.dial(&table, NOW), None);
    outbox.dialled(&mut table, at(5), true, NOW);
    assert_eq!(&*outbox.dial(&table, NOW).unwrap().text, "b");
    outbox.dialled(&mut table, at(5), false, NOW);
    let settled = outbox.settled();
    assert_eq!(settled, [Settled { id: ids[0], reached: true }, Settled { id: ids[1], reached: false }]);
    assert!(outbox.is_idle() && outbox.dropped() == 1);
}

#[test]
fn a_message_to_nobody_and_to_one_address() {
    let (mut table, mut outbox) = (table([5]), Outbox::new(&[], "connect", RETRY));
    table.name("10.0.0.1:7".parse().unwrap(), Form::Bracketed, [10, 0, 0, 1].into(), LOCAL, true);
    let id = outbox.post(&table, Some([10, 0, 0, 2].into()), "a");
    assert_eq!(outbox.settled(), [Settled { id, reached: false }]);
    outbox.post(&table, Some([10, 0, 0, 1].into()), "b");
    let dial = outbox.dial(&table, NOW).unwrap();
    assert_eq!((dial.addr.port(), dial.form), (7, Form::Bracketed));
    assert_eq!(outbox.dial(&table, NOW), None);
}

#[test]
fn those_who_answer_never_wait_for_those_who_do_not() {
    let mut table = table(10..200);
    table.reached(at(199), true);
    let mut outbox = Outbox::new(&[], "connect", RETRY);
    outbox.post(&table, None, "a");
    let dialled: Vec<_> = std::iter::from_fn(|| outbox.dial(&table, NOW)).map(|dial| dial.addr.port()).collect();
    assert_eq!(dialled.len(), MAX_DOUBTFUL + 1);
    assert!(dialled.contains(&199));
}

#[test]
fn who_fails_too_often_is_taken_out_and_what_waits_for_it_dropped() {
    let (mut table, mut outbox) = (table([5]), Outbox::new(&[], "connect", RETRY));
    for text in ["a", "b", "c", "d", "e"] {
        outbox.post(&table, None, text);
    }
    for n in 1..=MAX_FAILURES {
        outbox.dial(&table, NOW).unwrap();
        let after = outbox.dialled(&mut table, at(5), false, NOW);
        assert_eq!(after == After::TakenOut, n == MAX_FAILURES);
    }
    assert_eq!(outbox.dial(&table, NOW), None);
    assert!(outbox.is_idle() && table.is_empty());
    assert_eq!((outbox.settled().len(), outbox.dropped()), (5, 5));
}

#[test]
fn a_contact_is_tried_a_few_times_and_never_twice_at_once() {
    let (mut table, mut outbox) = (table([]), Outbox::new(&[at(5)], "connect", RETRY));
    let mut now = NOW;
    for n in 0..MAX_TRIES {
        assert_eq!(outbox.wake(), Some(now));
        let dial = outbox.dial(&table, now).unwrap();
        assert!(dial.contact && &*dial.text == "connect");
        assert_eq!((outbox.dial(&table, now), outbox.wake()), (None, None), "one at a time");
        let after = outbox.dialled(&mut table, at(5), false, now);
        assert_eq!(after == After::GaveUp, n + 1 == MAX_TRIES);
        assert_eq!(outbox.dial(&table, now), None, "not at once");
        now += RETRY * 2u32.pow(n);
    }
    assert_eq!((outbox.dial(&table, now), outbox.wake()), (None, None));

    let mut outbox = Outbox::new(&[at(5)], "connect", RETRY);
    outbox.dial(&table, NOW).unwrap();
    table.name(at(5), Form::Bracketed, LOCAL, LOCAL, true);
    outbox.post(&table, None, "a");
    assert_eq!(outbox.dial(&table, NOW), None, "the first is still up");
    outbox.dialled(&mut table, at(5), true, NOW);
    assert_eq!(&*outbox.dial(&table, NOW).unwrap().text, "a");
    outbox.dialled(&mut table, at(5), true, NOW);
    assert!(outbox.is_idle() && outbox.wake().is_none() && table.listed() == [at(5)]);
}

#[test]
fn a_slow_peer_costs_a_queue_and_no_more() {
    let (table, mut outbox) = (table([5]), Outbox::new(&[], "connect", RETRY));
    for _ in 0..3 * MAX_QUEUE {
        outbox.post(&table, None, "a");
    }
    assert_eq!((outbox.waiting(), outbox.dropped()), (MAX_QUEUE, 2 * MAX_QUEUE));
    outbox.clear();
    assert!(outbox.is_idle() && outbox.settled().len() == 3 * MAX_QUEUE);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_message_settles_once(steps in proptest::collection::vec((0u8..5, 2u16..12, any::<bool>()), 0..400)) {
        let contacts = [at(3), at(11)];
        let (mut table, mut outbox) = (table([]), Outbox::new(&contacts, "connect", RETRY));
        let (mut on_their_way, mut posted, mut settled) = (Vec::<SocketAddr>::new(), 0, Vec::new());
        let mut now = NOW;
        for (what, port, good) in steps {
            now += Duration::from_millis(300);
            match what {
                0 => drop(table.name(at(port), Form::Plain, LOCAL, LOCAL, true)),
                1 => drop(table.exit(at(port), LOCAL)),
                2 => {
                    outbox.post(&table, None, "a");
                    posted += 1;
                }
                3 => {
                    if let Some(addr) = on_their_way.pop() {
                        outbox.dialled(&mut table, addr, good, now);
                    }
                }
                _ => while let Some(dial) = outbox.dial(&table, now) {
                    prop_assert!(!on_their_way.contains(&dial.addr), "two connections to {}", dial.addr);
                    on_their_way.push(dial.addr);
                },
            }
            settled.extend(outbox.settled());
            prop_assert!(on_their_way.len() <= MAX_DIALS);
        }
        for _ in 0..10_000 {
            while let Some(dial) = outbox.dial(&table, now) {
                on_their_way.push(dial.addr);
            }
            let Some(addr) = on_their_way.pop() else { break };
            outbox.dialled(&mut table, addr, true, now);
        }
        settled.extend(outbox.settled());
        prop_assert!(outbox.is_idle());
        settled.sort_by_key(|settled| settled.id);
        prop_assert_eq!(settled.iter().map(|s| s.id).collect::<Vec<_>>(), (0..posted).collect::<Vec<_>>());
    }
}
