//! The machine alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

use proptest::prelude::*;
use rumormill_wire::{Incarnation, NodeId};

use super::*;

const LINK: LinkId = LinkId(1);

fn origin(n: u64) -> Origin {
    Origin { node: NodeId([1; 32]), incarnation: Incarnation(n) }
}

fn machine() -> Acks {
    let mut machine = Acks::default();
    machine.handle(Timestamp(0), Input::LinkUp(LINK));
    machine
}

impl Acks {
    fn at(&mut self, now: u64, input: Input) {
        self.handle(Timestamp(now), input);
    }

    /// Frames come and wait for a verdict.
    fn receive(&mut self, frames: u64) {
        for _ in 0..frames {
            self.at(0, Input::Received(LINK));
            self.at(0, Input::InFlight(LINK, self.received(LINK)));
        }
    }

    fn verdict(&mut self, now: u64, ordinal: u64, ask: Option<u64>) {
        let ask = ask.map(Timestamp);
        self.at(now, Input::Verdict { link: LINK, ordinal, origin: origin(ordinal), ask });
    }

    /// Time comes, and what is due is sent; gives the lines.
    fn time(&mut self, now: u64, over: bool) -> Vec<Vec<u64>> {
        self.at(now, Input::Timeout);
        let mut lines = Vec::new();
        while let Some(output) = self.poll_output() {
            match output {
                Output::Due(link) => self.at(now, Input::Send { link, over }),
                Output::Lines { link, origins, .. } => {
                    self.at(now, Input::Told(link));
                    lines.push(origins.iter().map(|origin| origin.incarnation.0).collect());
                }
            }
        }
        lines
    }
}

#[test]
fn what_is_behind_a_frame_in_flight_is_not_acknowledged() {
    let mut machine = machine();
    machine.receive(3);
    assert_eq!(machine.verdicts(LINK), 0);
    machine.verdict(0, 2, None);
    assert_eq!(machine.verdicts(LINK), 0);
    machine.verdict(0, 1, None);
    assert_eq!(machine.verdicts(LINK), 2);
    machine.at(0, Input::Received(LINK));
    assert_eq!(machine.verdicts(LINK), 2, "the fourth has a verdict at once, the third does not");
}

#[test]
fn a_neighbour_is_told_of_verdicts_within_a_second_unless_it_was_told_meanwhile() {
    let mut machine = machine();
    machine.receive(2);
    machine.verdict(5, 1, None);
    machine.verdict(7, 2, None);
    assert_eq!(machine.next_timeout(), Some(Timestamp(5 + ACK_US)));
    assert_eq!(machine.time(4 + ACK_US, false), Vec::<Vec<u64>>::new());
    assert_eq!(machine.time(5 + ACK_US, false), [[1]]);
    assert_eq!(machine.next_timeout(), None, "all is told");
    machine.receive(1);
    machine.verdict(10 + ACK_US, 3, None);
    machine.at(11 + ACK_US, Input::Told(LINK));
    assert_eq!(machine.next_timeout(), None, "a summary said it");
}

#[test]
fn who_asks_is_answered_once_nothing_is_in_flight_or_when_the_time_has_come() {
    let mut machine = machine();
    machine.receive(2);
    machine.verdict(0, 1, Some(50));
    assert!(machine.time(0, false).is_empty(), "another may join");
    machine.verdict(1, 2, None);
    assert_eq!(machine.time(1, false), [[1]]);
    machine.receive(2);
    machine.verdict(2, 3, Some(50));
    assert_eq!(machine.time(50, false), [[3]], "the fourth takes long");
}

#[test]
fn who_has_had_its_share_is_answered_once_a_second() {
    let mut machine = machine();
    for n in 1..=5 {
        machine.receive(1);
        machine.verdict(SLOW_US + n, n, Some(SLOW_US + n));
        let lines = machine.time(SLOW_US + n, true);
        assert_eq!(lines.len(), usize::from(n == 1), "{n}");
    }
    assert_eq!(machine.time(2 * SLOW_US + 1, true), [[2, 3, 4, 5]]);
    machine.at(0, Input::SayLater(LINK, origin(9)));
    assert_eq!(machine.next_timeout(), Some(Timestamp(SLOW_US)));
}

#[test]
fn lines_have_a_bound_and_what_is_over_is_said() {
    let mut machine = machine();
    for n in 0..2 * u64::try_from(MAX_LINES).unwrap() {
        machine.at(0, Input::Say(LINK, origin(n), Timestamp(9)));
    }
    assert!(!machine.can_say(LINK, &origin(10_000)) && machine.can_say(LINK, &origin(3)));
    machine.at(9, Input::Timeout);
    assert_eq!(machine.poll_output(), Some(Output::Due(LINK)));
    machine.at(9, Input::Send { link: LINK, over: false });
    let Some(Output::Lines { origins, more: true, .. }) = machine.poll_output() else { panic!("there are more") };
    assert_eq!(origins.len(), MAX_LINES);
}

proptest! {
    #[test]
    fn all_is_acknowledged_in_the_end_and_never_more_than_came(
        steps in prop::collection::vec((0_u8..4, 1_u64..40, 0_u64..400_000), 0..200), over in any::<bool>(),
    ) {
        let (mut machine, mut now, mut told) = (machine(), 0, 0);
        for (what, ordinal, us) in steps {
            now += us;
            match what {
                0 => machine.receive(1),
                1 => machine.verdict(now, ordinal.min(machine.received(LINK)), None),
                2 => machine.verdict(now, ordinal.min(machine.received(LINK)), Some(now + 20_000)),
                _ => drop(machine.time(now, over)),
            }
            let verdicts = machine.verdicts(LINK);
            prop_assert!(verdicts >= told && verdicts <= machine.received(LINK));
            told = verdicts;
        }
        for ordinal in 1..=machine.received(LINK) {
            machine.verdict(now, ordinal, None);
        }
        while let Some(next) = machine.next_timeout() {
            prop_assert!(next.0 <= now.max(next.0));
            now = now.max(next.0);
            machine.time(now, over);
        }
        prop_assert_eq!(machine.verdicts(LINK), machine.received(LINK));
        prop_assert_eq!(machine.links[&LINK].acked, machine.received(LINK));
        prop_assert!(machine.links[&LINK].lines.is_empty());
        machine.at(now, Input::LinkDown(LINK));
        prop_assert!(machine.links.is_empty() && machine.touched.is_empty() && machine.next_timeout().is_none());
    }
}
