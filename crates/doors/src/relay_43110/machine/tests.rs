//! The machine on a clock of its own.

use proptest::prelude::*;

use super::super::peer::PLACES;
use super::*;

const PERIOD: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

fn ip(last: u8) -> IpAddr {
    [127, 0, 0, last].into()
}

fn machine(dial: &[u8]) -> Machine<u32> {
    let dial = dial.iter().map(|last| (ip(*last), 43_110).into()).collect();
    let listen = (ip(1), 43_110).into();
    Machine::new(&config::Config { listen, dial, period: PERIOD, pause: PAUSE })
}

fn actions(machine: &mut Machine<u32>) -> Vec<Action<u32>> {
    std::iter::from_fn(|| machine.action()).collect()
}

fn write(id: LinkId, text: &str) -> Action<u32> {
    Action::Write(id, text.into())
}

fn text(text: &str) -> Vec<Vec<u8>> {
    vec![text.into()]
}

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn a_peer_is_dialled_once_greeted_and_written_to_with_pauses() {
    let mut m = machine(&[2]);
    m.start();
    assert_eq!(actions(&mut m), [Action::Dial(ip(2), 43_110)]);
    m.say(b"one", at(0));
    m.tell(ip(2), text("two"), Some(7), at(0));
    assert_eq!(actions(&mut m), [], "one dial is enough");
    m.dialled(1, ip(2), at(10));
    assert_eq!(actions(&mut m), [write(1, "14|0001|127.0.0.2")]);
    assert!(!m.written(1, at(11)), "a greeting is no message");
    assert_eq!((actions(&mut m), m.next_tick()), (vec![], Some(at(31))));
    m.tick(at(31));
    assert_eq!(actions(&mut m), [write(1, "one")]);
    m.tick(at(90));
    assert_eq!(actions(&mut m), [], "one write at a time");
    assert!(m.written(1, at(100)));
    m.tick(at(120));
    assert_eq!(actions(&mut m), [write(1, "two")]);
    assert!(m.written(1, at(121)));
    assert_eq!(actions(&mut m), [Action::Done(7, Ok(()))]);
    assert_eq!((m.next_tick(), m.waiting()), (None, 0));
}

#[test]
fn nobody_is_dialled_again_with_nothing_to_say() {
    let mut m = machine(&[2, 3]);
    m.start();
    m.dialled(1, ip(2), at(0));
    m.dial_failed(ip(3), true, "refused", at(0));
    m.written(1, at(1));
    m.ended(1, true, at(60_000));
    actions(&mut m);
    assert_eq!(m.next_tick(), None);
    m.tick(at(900_000));
    assert_eq!(actions(&mut m), []);
    m.say(b"x", at(900_000));
    assert_eq!(actions(&mut m), [Action::Dial(ip(2), 43_110), Action::Dial(ip(3), 43_110)]);
}

#[test]
fn whether_somebody_is_there_is_known_from_a_link_or_a_dial() {
    let mut m = machine(&[2]);
    m.ask(ip(2), 1);
    assert_eq!(actions(&mut m), [Action::Done(1, Ok(()))], "it was named, and may come later");
    m.ask(ip(1), 2);
    assert_eq!(actions(&mut m), [Action::Dropped(0), Action::Done(2, Err(OURSELVES.into()))]);
    m.ask(ip(3), 3);
    m.ask(ip(3), 4);
    assert_eq!(actions(&mut m), [Action::Dial(ip(3), 43_110)]);
    m.dial_failed(ip(3), true, "refused", at(1));
    let refused = |ticket| Action::Done(ticket, Err("refused".into()));
    assert_eq!(actions(&mut m), [refused(3), refused(4)]);
    m.ask(ip(3), 5);
    assert_eq!(actions(&mut m), [Action::Dial(ip(3), 43_110)], "it may be there by now");
    m.dialled(1, ip(3), at(3));
    assert_eq!(actions(&mut m), [Action::Done(5, Ok(())), write(1, "14|0001|127.0.0.3")]);
    m.ask(ip(3), 6);
    m.accepted(2, ip(4), at(4));
    m.ask(ip(4), 7);
    assert_eq!(actions(&mut m), [Action::Done(6, Ok(())), Action::Done(7, Ok(()))], "by the links that are there");
    assert_eq!(m.next_tick(), None);
}

#[test]
fn a_program_at_our_own_address_is_written_to_by_its_link_and_never_dialled() {
    let mut m = machine(&[]);
    m.accepted(1, ip(1), at(0));
    m.heard(1, at(1));
    m.say(b"one", at(2));
    m.tell(ip(1), text("two"), Some(1), at(2));
    assert_eq!(actions(&mut m), [write(1, "one")]);
    m.ended(1, true, at(3));
    assert_eq!(actions(&mut m), [Action::Dropped(1), Action::Dropped(1), Action::Done(1, Err(OURSELVES.into()))]);
    m.tell(ip(1), text("x"), Some(2), at(4));
    assert_eq!(actions(&mut m), [Action::Dropped(1), Action::Done(2, Err(OURSELVES.into()))]);
}

#[test]
fn what_was_on_its_way_by_a_link_that_they_made_and_closed_is_not_lost() {
    let mut m = machine(&[]);
    m.accepted(1, ip(4), at(0));
    m.heard(1, at(0));
    m.tell(ip(4), text("x"), Some(1), at(0));
    assert_eq!(actions(&mut m), [write(1, "x")]);
    m.ended(1, true, at(1));
    assert_eq!(actions(&mut m), [Action::Dial(ip(4), 43_110)]);
    m.dialled(2, ip(4), at(2));
    m.written(2, at(3));
    m.tick(at(30));
    assert_eq!(actions(&mut m), [write(2, "14|0001|127.0.0.4"), write(2, "x")]);
}

#[test]
fn tries_are_bounded_and_wait_ever_longer() {
    let mut m = machine(&[]);
    m.tell(ip(2), text("x"), Some(1), at(0));
    let mut waits = Vec::new();
    let mut now = at(0);
    loop {
        match actions(&mut m).as_slice() {
            [Action::Dial(..)] => m.dial_failed(ip(2), true, "refused", now),
            [] => {
                let wake = m.next_tick().unwrap();
                waits.push((wake - now).as_secs());
                now = wake;
                m.tick(now);
            }
            [Action::Dropped(1), Action::Done(1, Err(why))] if why == "refused" => break,
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
        for action in actions(&mut m) {
            match action {
                Action::Dial(..) => {
                    dials += 1;
                    m.dialled(id, ip(2), now);
                    m.ended(id, true, now + at(1));
                }
                Action::Done(_, result) => assert!(result.is_err()),
                _ => {}
            }
        }
        now += at(100_000);
        m.tick(now);
        m.tell(ip(2), text("x"), Some(1), now);
    }
    assert_eq!(dials, PLACES);
}

#[test]
fn a_peer_that_has_dialled_us_is_not_dialled() {
    let mut m = machine(&[]);
    m.accepted(1, ip(2), at(0));
    m.tell(ip(2), text("x"), None, at(100));
    assert_eq!((actions(&mut m), m.next_tick()), (vec![], Some(2 * PERIOD)), "it may be slow to greet");
    m.heard(1, at(4_900));
    assert_eq!(actions(&mut m), [write(1, "x")]);
    m.written(1, at(4_901));
    // One that never says anything is nobody.
    m.accepted(2, ip(3), at(5_000));
    m.tell(ip(3), text("x"), None, at(6_000));
    m.tick(at(15_000));
    assert_eq!(actions(&mut m), [Action::Dial(ip(3), 43_110)]);
}

#[test]
fn the_rooms_lines_go_to_those_who_are_linked_or_named() {
    let mut m = machine(&[2]);
    m.accepted(1, ip(3), at(0));
    m.accepted(2, ip(4), at(0));
    m.heard(1, at(0));
    m.say(b"x", at(0));
    assert_eq!(actions(&mut m), [Action::Dial(ip(2), 43_110), write(1, "x")]);
    assert_eq!(m.waiting(), 1, "nothing is kept for who has said nothing");
}

#[test]
fn what_was_not_written_whole_is_written_again() {
    let mut m = machine(&[]);
    m.tell(ip(2), vec![b"one".to_vec(), b"two".to_vec()], Some(1), at(0));
    m.dialled(1, ip(2), at(0));
    m.written(1, at(0));
    m.tick(at(20));
    actions(&mut m);
    m.ended(1, true, at(6_000));
    assert_eq!(actions(&mut m), [Action::Dial(ip(2), 43_110)]);
    m.dialled(2, ip(2), at(6_000));
    m.written(2, at(6_000));
    m.tick(at(6_020));
    assert!(actions(&mut m).ends_with(&[write(2, "one")]));
    assert!(!m.written(2, at(6_021)));
    m.tick(at(6_041));
    assert!(m.written(2, at(6_041)));
    assert_eq!(actions(&mut m), [write(2, "two"), Action::Done(1, Ok(()))]);
}

#[test]
fn what_waits_is_bounded_and_a_door_that_closes_says_so() {
    let mut m = machine(&[]);
    (0..=MAX_QUEUE).for_each(|n| m.tell(ip(2), text("x"), u32::try_from(n).ok(), at(0)));
    let refused = actions(&mut m);
    assert!(matches!(refused[..], [Action::Dial(..), Action::Dropped(1), Action::Done(1_024, Err(_))]), "{refused:?}");
    m.tell(ip(1), text("x"), Some(9), at(0));
    assert!(matches!(actions(&mut m)[..], [Action::Dropped(1), Action::Done(9, Err(_))]), "to itself");
    m.close();
    assert_eq!((actions(&mut m).len(), m.waiting()), (MAX_QUEUE, 0));
}

#[test]
fn many_addresses_are_forgotten_again() {
    let mut m = machine(&[]);
    for n in 0..3 * u32::try_from(MAX_PEERS).unwrap() {
        let ip = IpAddr::from((0x7f01_0000 + n).to_be_bytes());
        m.tell(ip, text("x"), Some(n), at(0));
        for _ in 0..MAX_TRIES {
            m.dial_failed(ip, true, "refused", at(0));
            m.tick(at(1_000_000));
        }
        assert!(matches!(actions(&mut m).last(), Some(Action::Done(_, Err(why))) if why == "refused"));
    }
    assert!(m.peers.len() <= MAX_PEERS);
}

#[test]
fn what_was_being_written_when_its_link_ended_is_sent_by_another() {
    let mut m = machine(&[]);
    m.accepted(1, ip(5), at(0));
    m.heard(1, at(0));
    m.tell(ip(5), text("one"), Some(7), at(0));
    assert_eq!(actions(&mut m), [write(1, "one")]);
    m.ended(1, true, at(10));
    assert_eq!((m.waiting(), actions(&mut m)), (1, vec![Action::Dial(ip(5), 43_110)]));
    m.close();
    assert_eq!(actions(&mut m), [Action::Done(7, Err("the door closes".into()))]);
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Accept(u8),
    Heard(usize),
    End(usize, bool),
    Say,
    Tell(u8, usize),
    Ask(u8),
    /// What the next dials come to: through, refused, or nothing.
    Dials(u8),
    /// Whether writes are done.
    Writes(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..20_000_u64).prop_map(Step::Wait),
        2 => (1..6_u8).prop_map(Step::Accept),
        2 => any::<usize>().prop_map(Step::Heard),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(n, by_them)| Step::End(n, by_them)),
        2 => Just(Step::Say),
        4 => (1..6_u8, 1..4_usize).prop_map(|(n, frames)| Step::Tell(n, frames)),
        1 => (1..6_u8).prop_map(Step::Ask),
        1 => (0..3_u8).prop_map(Step::Dials),
        1 => any::<bool>().prop_map(Step::Writes),
    ]
}

/// What has been seen of one run.
#[derive(Default)]
struct Seen {
    given: u32,
    done: BTreeMap<u32, Result<(), String>>,
    live: BTreeMap<LinkId, IpAddr>,
    next: LinkId,
    /// When the last write by a link was done.
    free: BTreeMap<LinkId, Duration>,
    writing: BTreeSet<LinkId>,
    /// Connections since nobody listened or a link that had lasted ended.
    used: BTreeMap<IpAddr, u32>,
    since: BTreeMap<LinkId, Duration>,
}

fn settle(m: &mut Machine<u32>, seen: &mut Seen, now: Duration, dials: u8, writes: bool) {
    while let Some(action) = m.action() {
        match action {
            Action::Dial(ip, _) if dials == 0 => {
                let used = seen.used.entry(ip).or_default();
                *used += 1;
                assert!(*used <= PLACES, "{ip} is dialled too often");
                seen.next += 1;
                seen.live.insert(seen.next, ip);
                seen.since.insert(seen.next, now);
                m.dialled(seen.next, ip, now);
            }
            Action::Dial(ip, _) => {
                if dials == 1 {
                    seen.used.remove(&ip);
                }
                m.dial_failed(ip, dials == 1, "no", now);
            }
            Action::Write(id, _) => {
                assert!(seen.live.contains_key(&id) && seen.writing.insert(id), "one write at a time, to a link");
                let free = seen.free.get(&id).copied();
                assert!(free.is_none_or(|free| now >= free + PAUSE), "written too soon");
                if writes {
                    seen.writing.remove(&id);
                    seen.free.insert(id, now);
                    m.written(id, now);
                }
            }
            Action::Close(id) => drop(seen.live.remove(&id)),
            Action::Done(ticket, result) => assert!(seen.done.insert(ticket, result).is_none(), "told twice"),
            Action::Dropped(_) => {}
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens(steps in proptest::collection::vec(step(), 1..200)) {
        let mut m = machine(&[2, 3]);
        let (mut seen, mut now, mut dials, mut writes) = (Seen::default(), at(0), 0, true);
        m.start();
        for step in steps {
            match step {
                Step::Wait(ms) => now += at(ms),
                Step::Accept(n) => {
                    seen.next += 1;
                    seen.live.insert(seen.next, ip(n));
                    m.accepted(seen.next, ip(n), now);
                }
                Step::Heard(n) => if let Some((id, _)) = seen.live.iter().nth(n % seen.live.len().max(1)) {
                    m.heard(*id, now);
                },
                Step::End(n, by_them) => {
                    let found = seen.live.iter().nth(n % seen.live.len().max(1)).map(|(id, ip)| (*id, *ip));
                    if let Some((id, ip)) = found {
                        seen.live.remove(&id);
                        let dialled = seen.since.get(&id).is_some_and(|since| now - *since >= PERIOD);
                        if dialled && by_them {
                            let used = seen.used.entry(ip).or_default();
                            *used = used.saturating_sub(1);
                        }
                        m.ended(id, by_them, now);
                    }
                }
                Step::Say => m.say(b"x", now),
                Step::Tell(n, frames) => {
                    seen.given += 1;
                    m.tell(ip(n), vec![b"x".to_vec(); frames], Some(seen.given), now);
                }
                Step::Ask(n) => {
                    seen.given += 1;
                    m.ask(ip(n), seen.given);
                }
                Step::Dials(n) => dials = n,
                Step::Writes(done) => {
                    writes = done;
                    for id in std::mem::take(&mut seen.writing) {
                        seen.free.insert(id, now);
                        m.written(id, now);
                    }
                }
            }
            settle(&mut m, &mut seen, now, dials, writes);
            m.tick(now);
            settle(&mut m, &mut seen, now, dials, writes);
            prop_assert!(m.next_tick().is_none_or(|next| next > now));
            let queued: usize = m.peers.values().map(|peer| peer.queue.len()).sum();
            prop_assert_eq!(queued, m.waiting());
        }
        m.close();
        settle(&mut m, &mut seen, now, dials, writes);
        prop_assert_eq!(seen.done.len(), usize::try_from(seen.given).unwrap(), "everyone is told");
    }
}
