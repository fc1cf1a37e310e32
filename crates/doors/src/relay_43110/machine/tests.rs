//! The machine on a clock of its own.

mod driven;
mod random;

use super::super::config::Config;
use super::super::peer::PLACES;
use super::*;
use driven::DrivenMachine;

const PERIOD: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

fn ip(last: u8) -> IpAddr {
    [127, 0, 0, last].into()
}

fn machine(dial: &[u8]) -> DrivenMachine {
    let dial = dial.iter().map(|last| (ip(*last), 43_110).into()).collect();
    let listen = (ip(1), 43_110).into();
    DrivenMachine(Machine::new(&Config { listen, dial, period: PERIOD, pause: PAUSE }))
}

fn outputs(machine: &mut DrivenMachine) -> Vec<Output<u32>> {
    std::iter::from_fn(|| machine.0.poll_output()).collect()
}

fn write(link: RelayLinkId, text: &str) -> Output<u32> {
    Output::Write { link, bytes: text.into() }
}

fn dial(last: u8) -> Output<u32> {
    Output::Dial { ip: ip(last), port: 43_110 }
}

fn settled(ticket: u32, result: Result<(), Unsent>) -> Output<u32> {
    Output::Settled { ticket, result }
}

fn text(text: &str) -> Vec<Vec<u8>> {
    vec![text.into()]
}

fn at(ms: u64) -> Timestamp {
    Timestamp::ZERO.plus(ms * 1_000)
}

#[test]
fn a_peer_is_dialled_once_greeted_and_written_to_with_pauses() {
    let mut m = machine(&[2]);
    m.start();
    assert_eq!(outputs(&mut m), [dial(2)]);
    m.broadcast(b"one", at(0));
    m.send(ip(2), text("two"), Some(7), at(0));
    assert_eq!(outputs(&mut m), [], "one dial is enough");
    m.dialled(1, ip(2), at(10));
    assert_eq!(outputs(&mut m), [write(1, "14|0001|127.0.0.2")]);
    assert!(!m.written(1, at(11)), "a greeting is no message");
    assert_eq!((outputs(&mut m), m.next_timeout()), (vec![], Some(at(31))));
    m.timeout(at(31));
    assert_eq!(outputs(&mut m), [write(1, "one")]);
    m.timeout(at(90));
    assert_eq!(outputs(&mut m), [], "one write at a time");
    assert!(m.written(1, at(100)));
    m.timeout(at(120));
    assert_eq!(outputs(&mut m), [write(1, "two")]);
    assert!(m.written(1, at(121)));
    assert_eq!(outputs(&mut m), [settled(7, Ok(()))]);
    assert_eq!((m.next_timeout(), m.waiting()), (None, 0));
}

#[test]
fn nobody_is_dialled_again_with_nothing_to_say() {
    let mut m = machine(&[2, 3]);
    m.start();
    m.dialled(1, ip(2), at(0));
    m.dial_failed(ip(3), true, "refused", at(0));
    m.written(1, at(1));
    m.ended(1, true, at(60_000));
    outputs(&mut m);
    assert_eq!(m.next_timeout(), None);
    m.timeout(at(900_000));
    assert_eq!(outputs(&mut m), []);
    m.broadcast(b"x", at(900_000));
    assert_eq!(outputs(&mut m), [dial(2), dial(3)]);
}

#[test]
fn whether_somebody_is_there_is_known_from_a_link_or_a_dial() {
    let mut m = machine(&[2]);
    m.probe(ip(2), 1);
    assert_eq!(outputs(&mut m), [settled(1, Ok(()))], "it was named, and may come later");
    m.probe(ip(1), 2);
    assert_eq!(outputs(&mut m), [Output::Dropped(0), settled(2, Err(Unsent::Ourselves))]);
    m.probe(ip(3), 3);
    m.probe(ip(3), 4);
    assert_eq!(outputs(&mut m), [dial(3)]);
    m.dial_failed(ip(3), true, "refused", at(1));
    let refused = |ticket| settled(ticket, Err(Unsent::Dial("refused".to_owned())));
    assert_eq!(outputs(&mut m), [refused(3), refused(4)]);
    m.probe(ip(3), 5);
    assert_eq!(outputs(&mut m), [dial(3)], "it may be there by now");
    m.dialled(1, ip(3), at(3));
    assert_eq!(outputs(&mut m), [settled(5, Ok(())), write(1, "14|0001|127.0.0.3")]);
    m.probe(ip(3), 6);
    m.accepted(2, ip(4), at(4));
    m.probe(ip(4), 7);
    assert_eq!(outputs(&mut m), [settled(6, Ok(())), settled(7, Ok(()))], "by the links that are there");
    assert_eq!(m.next_timeout(), None);
}

#[test]
fn a_program_at_our_own_address_is_written_to_by_its_link_and_never_dialled() {
    let mut m = machine(&[]);
    m.accepted(1, ip(1), at(0));
    m.useful(1, at(1));
    m.broadcast(b"one", at(2));
    m.send(ip(1), text("two"), Some(1), at(2));
    assert_eq!(outputs(&mut m), [write(1, "one")]);
    m.ended(1, true, at(3));
    assert_eq!(outputs(&mut m), [Output::Dropped(1), Output::Dropped(1), settled(1, Err(Unsent::Ourselves))]);
    m.send(ip(1), text("x"), Some(2), at(4));
    assert_eq!(outputs(&mut m), [Output::Dropped(1), settled(2, Err(Unsent::Ourselves))]);
    for none in ["0.0.0.0", "::", "::ffff:0.0.0.0"] {
        m.send(none.parse().unwrap(), text("x"), Some(3), at(5));
        assert_eq!(outputs(&mut m), [Output::Dropped(1), settled(3, Err(Unsent::Ourselves))], "{none}");
        m.probe(none.parse().unwrap(), 4);
        assert_eq!(outputs(&mut m), [Output::Dropped(0), settled(4, Err(Unsent::Ourselves))], "{none}");
    }
}

#[test]
fn what_was_on_its_way_by_a_link_that_they_made_and_closed_is_not_lost() {
    let mut m = machine(&[]);
    m.accepted(1, ip(4), at(0));
    m.useful(1, at(0));
    m.send(ip(4), text("x"), Some(1), at(0));
    assert_eq!(outputs(&mut m), [write(1, "x")]);
    m.ended(1, true, at(1));
    assert_eq!(outputs(&mut m), [dial(4)]);
    m.dialled(2, ip(4), at(2));
    m.written(2, at(3));
    m.timeout(at(30));
    assert_eq!(outputs(&mut m), [write(2, "14|0001|127.0.0.4"), write(2, "x")]);
}

#[test]
fn tries_are_bounded_and_wait_ever_longer() {
    let mut m = machine(&[]);
    m.send(ip(2), text("x"), Some(1), at(0));
    let mut waits = Vec::new();
    let mut now = at(0);
    loop {
        match outputs(&mut m).as_slice() {
            [Output::Dial { .. }] => m.dial_failed(ip(2), true, "refused", now),
            [] => {
                let wake = m.next_timeout().unwrap();
                waits.push(wake.since(now) / 1_000_000);
                now = wake;
                m.timeout(now);
            }
            [Output::Dropped(1), Output::Settled { ticket: 1, result: Err(why) }] if why.to_string() == "refused" => {
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(waits, [5, 10, 20, 40]);
}

#[test]
fn an_older_program_takes_three_connections_and_no_more_are_tried() {
    let mut m = machine(&[2]);
    m.start();
    let (mut now, mut dials) = (at(0), 0);
    for id in 0..20 {
        for output in outputs(&mut m) {
            match output {
                Output::Dial { .. } => {
                    dials += 1;
                    m.dialled(id, ip(2), now);
                    m.ended(id, true, now.plus(1_000));
                }
                Output::Settled { result, .. } => assert!(result.is_err()),
                _ => {}
            }
        }
        now = now.plus(100_000_000);
        m.timeout(now);
        m.send(ip(2), text("x"), Some(1), now);
    }
    assert_eq!(dials, PLACES);
}

#[test]
fn a_peer_that_has_dialled_us_is_not_dialled() {
    let mut m = machine(&[]);
    m.accepted(1, ip(2), at(0));
    m.send(ip(2), text("x"), None, at(100));
    assert_eq!(
        (outputs(&mut m), m.next_timeout()),
        (vec![], Some(Timestamp::at(2 * PERIOD))),
        "it may be slow to greet"
    );
    m.useful(1, at(4_900));
    assert_eq!(outputs(&mut m), [write(1, "x")]);
    m.written(1, at(4_901));
    // One that never says anything is nobody.
    m.accepted(2, ip(3), at(5_000));
    m.send(ip(3), text("x"), None, at(6_000));
    m.timeout(at(15_000));
    assert_eq!(outputs(&mut m), [dial(3)]);
}

#[test]
fn the_rooms_lines_go_to_those_who_are_linked_or_named() {
    let mut m = machine(&[2]);
    m.accepted(1, ip(3), at(0));
    m.accepted(2, ip(4), at(0));
    m.useful(1, at(0));
    m.broadcast(b"x", at(0));
    assert_eq!(outputs(&mut m), [dial(2), write(1, "x")]);
    assert_eq!(m.waiting(), 1, "nothing is kept for who has said nothing");
}

#[test]
fn what_was_not_written_whole_is_written_again() {
    let mut m = machine(&[]);
    m.send(ip(2), vec![b"one".to_vec(), b"two".to_vec()], Some(1), at(0));
    m.dialled(1, ip(2), at(0));
    m.written(1, at(0));
    m.timeout(at(20));
    outputs(&mut m);
    m.ended(1, true, at(6_000));
    assert_eq!(outputs(&mut m), [dial(2)]);
    m.dialled(2, ip(2), at(6_000));
    m.written(2, at(6_000));
    m.timeout(at(6_020));
    assert!(outputs(&mut m).ends_with(&[write(2, "one")]));
    assert!(!m.written(2, at(6_021)));
    m.timeout(at(6_041));
    assert!(m.written(2, at(6_041)));
    assert_eq!(outputs(&mut m), [write(2, "two"), settled(1, Ok(()))]);
}

#[test]
fn what_waits_is_bounded_and_a_door_that_closes_says_so() {
    let mut m = machine(&[]);
    (0..=MAX_QUEUE).for_each(|n| m.send(ip(2), text("x"), u32::try_from(n).ok(), at(0)));
    let refused = outputs(&mut m);
    assert!(
        matches!(refused[..], [Output::Dial { .. }, Output::Dropped(1), Output::Settled { ticket: 0, result: Err(_) }]),
        "the oldest: {refused:?}"
    );
    m.send(ip(1), text("x"), Some(9), at(0));
    assert!(
        matches!(outputs(&mut m)[..], [Output::Dropped(1), Output::Settled { ticket: 9, result: Err(_) }]),
        "to itself"
    );
    m.stop();
    assert_eq!((outputs(&mut m).len(), m.waiting()), (MAX_QUEUE, 0));
}

/// What is written by a link that takes all from now on.
fn written_by(m: &mut DrivenMachine, link: RelayLinkId) -> Vec<String> {
    let (mut now, mut texts) = (at(0), Vec::new());
    loop {
        now = now.after(PAUSE);
        m.timeout(now);
        let writes: Vec<_> = outputs(m)
            .into_iter()
            .filter_map(|output| match output {
                Output::Write { link: to, bytes } if to == link => String::from_utf8(bytes).ok(),
                _ => None,
            })
            .collect();
        if writes.is_empty() {
            return texts;
        }
        texts.extend(writes);
        m.written(link, now);
    }
}

#[test]
fn a_burst_of_one_takes_nothing_of_what_another_says_to_an_address_that_takes_nothing_for_a_while() {
    let [honest, eve] = [1, 2].map(|n| Some(rumormill_wire::NodeId([n; 32])));
    // Nobody is at the other addresses: what waits for them leaves the places of one who reads again.
    let mut m = machine(&[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    m.accepted(1, ip(2), at(0));
    m.useful(1, at(0));
    m.broadcast_by(eve, b"is being written", at(0));
    for n in 0..20 {
        (0..1_000).for_each(|_| m.broadcast_by(eve, b"x", at(0)));
        m.broadcast_by(honest, format!("honest {n:02}").as_bytes(), at(0));
    }
    (0..1_000).for_each(|_| m.broadcast_by(eve, b"x", at(0)));
    assert!(m.waiting() <= MAX_WAITING, "{}", m.waiting());
    outputs(&mut m);
    m.written(1, at(0));
    let read = written_by(&mut m, 1);
    let said: Vec<_> = read.iter().filter(|text| text.starts_with("honest")).cloned().collect();
    assert_eq!(said, (0..20).map(|n| format!("honest {n:02}")).collect::<Vec<_>>());
    assert!(read.iter().position(|text| text == "honest 19") < Some(50), "in turn: {read:?}");
}

#[test]
fn frames_of_a_message_that_was_begun_go_before_those_of_others() {
    let mut m = machine(&[2]);
    m.accepted(1, ip(2), at(0));
    m.useful(1, at(0));
    m.send(ip(2), ["a", "b", "c"].map(|frame| frame.as_bytes().to_vec()).to_vec(), Some(1), at(0));
    m.broadcast_by(Some(rumormill_wire::NodeId([1; 32])), b"other", at(0));
    assert!(outputs(&mut m).contains(&write(1, "a")));
    m.written(1, at(0));
    assert_eq!(written_by(&mut m, 1), ["b", "c", "other"]);
}

#[test]
fn many_addresses_are_forgotten_again() {
    let mut m = machine(&[]);
    for n in 0..3 * u32::try_from(MAX_PEERS).unwrap() {
        let ip = IpAddr::from((0x7f01_0000 + n).to_be_bytes());
        m.send(ip, text("x"), Some(n), at(0));
        for _ in 0..MAX_TRIES {
            m.dial_failed(ip, true, "refused", at(0));
            m.timeout(at(1_000_000));
        }
        assert!(
            matches!(outputs(&mut m).last(), Some(Output::Settled { result: Err(why), .. }) if why.to_string() == "refused")
        );
    }
    assert!(m.0.peers.len() <= MAX_PEERS);
}

#[test]
fn what_was_being_written_when_its_link_ended_is_sent_by_another() {
    let mut m = machine(&[]);
    m.accepted(1, ip(5), at(0));
    m.useful(1, at(0));
    m.send(ip(5), text("one"), Some(7), at(0));
    assert_eq!(outputs(&mut m), [write(1, "one")]);
    m.ended(1, true, at(10));
    assert_eq!((m.waiting(), outputs(&mut m)), (1, vec![dial(5)]));
    m.stop();
    assert_eq!(outputs(&mut m), [settled(7, Err(Unsent::Closes))]);
}

#[test]
fn what_is_about_no_link_of_ours_is_rejected_and_changes_nothing() {
    let mut m = machine(&[]);
    m.accepted(1, ip(2), at(0));
    for (input, why) in [
        (Input::Accepted { link: 1, ip: ip(3) }, Reject::KnownLink(1)),
        (Input::Dialled { link: 1, ip: ip(3) }, Reject::KnownLink(1)),
        (Input::DialFailed { ip: ip(2), nobody_listens: true, why: "refused" }, Reject::NotDialled(ip(2))),
        (Input::Useful { link: 7 }, Reject::UnknownLink(7)),
        (Input::Written { link: 7 }, Reject::UnknownLink(7)),
        (Input::Ended { link: 7, by_them: true }, Reject::UnknownLink(7)),
    ] {
        assert_eq!(m.0.handle(at(1), input), Err(why));
    }
    assert_eq!((outputs(&mut m), m.next_timeout(), m.0.dials, m.0.links.0.len()), (vec![], None, 0, 1));
}
