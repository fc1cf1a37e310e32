//! The machine alone.

mod properties;
mod shell;

use core::time::Duration;

use rumormill_wire::native::{Bye, ByeCode};
use shell::{HELLO_DEADLINE, ME, NETWORK, Shell, hello, node};

use crate::{Close, Ended, HelloError, Input, LinkId, NeighbourId, Output, Refusal};

const SECOND: Duration = Duration::from_secs(1);
const A: NeighbourId = NeighbourId(0);
const B: NeighbourId = NeighbourId(1);

fn refused(outputs: &[Output]) -> Option<&Refusal> {
    outputs.iter().find_map(|output| match output {
        Output::Refused { why, .. } => Some(why),
        _ => None,
    })
}

fn is_up(outputs: &[Output], link: LinkId) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Up { link: up, .. } if *up == link))
}

fn nobody() -> Ended {
    Ended::passing("connection refused")
}

fn said(code: ByeCode, retry_after_s: u16) -> Ended {
    Ended::by(Bye { code, retry_after_s, reason: "no".into() })
}

#[test]
fn a_first_frame_makes_a_link_or_is_told_why_not() {
    let mut shell = Shell::new(4, &[], 1);
    let (link, outputs) = shell.greet(1);
    assert_eq!(outputs, [Output::SendHello { link }, Output::Up { link, named: false }]);
    let (link, _) = shell.open(2, None);
    let outputs = shell.feed(Input::Hello { link, frame: &hello(rumormill_wire::NetworkId([8; 32])) });
    assert_eq!(refused(&outputs), Some(&Refusal::Hello(HelloError::Network)));
    let (link, _) = shell.open(3, None);
    assert!(refused(&shell.feed(Input::Hello { link, frame: b"\x01junk" })).is_some());
    assert!(matches!(refused(&shell.open(3, None).1), Some(Refusal::Banned(_))), "not even our HELLO");
    assert_eq!(refused(&shell.greet(ME).1), Some(&Refusal::Ourselves));
    let (link, _) = shell.open(4, None);
    assert_eq!(shell.pass(HELLO_DEADLINE), [Output::Refused { link, why: Refusal::NoHello(HELLO_DEADLINE) }]);
    assert_eq!(shell.feed(Input::Hello { link, frame: &hello(NETWORK) }), [], "too late");
}

#[test]
fn a_second_link_takes_the_place_of_one_that_does_not_answer() {
    let mut shell = Shell::new(4, &[], 1);
    let (old, _) = shell.greet(1);
    let (new, outputs) = shell.greet(1);
    assert_eq!(outputs[1..], [Output::SendPing { link: old }]);
    shell.now = shell.now.plus(1);
    assert_eq!(refused(&shell.feed(Input::Heard { link: old, at: shell.now })), Some(&Refusal::Duplicate));
    shell.down(new);
    let (new, _) = shell.greet(1);
    let outputs = shell.pass(SECOND);
    let close = Output::Close { link: old, why: Close::Duplicate };
    assert_eq!(outputs, [close, Output::Down { link: old }, Output::Up { link: new, named: false }]);
    let (third, _) = shell.greet(1);
    assert!(is_up(&shell.down(new), third), "at once where the old one has ended");
}

#[test]
fn a_neighbour_is_dialled_again_until_there_is_a_link_and_after_it() {
    let mut shell = Shell::new(4, &[Some("n1")], 1);
    assert_eq!(shell.pass(Duration::ZERO), [Output::Dial { neighbour: A }]);
    let outputs = shell.dial_ended(A, nobody(), Duration::ZERO);
    assert!(matches!(&outputs[..], [Output::NoLink { neighbour: A, .. }]), "{outputs:?}");
    assert_eq!(shell.pass(SECOND), [Output::Dial { neighbour: A }]);
    assert_eq!(shell.dial_ended(A, nobody(), Duration::ZERO), [], "the same is told once");
    let (link, _) = shell.greet(1);
    assert_eq!(shell.peering.neighbours().filter(|standing| standing.linked).count(), 1);
    shell.pass(Duration::from_secs(10));
    assert!(!shell.dialled.contains(&A), "there is a link");
    assert_eq!(shell.down(link), [Output::Dial { neighbour: A }]);
    assert_eq!(shell.peering.neighbours().next().unwrap().tries, 0, "it lived");
}

#[test]
fn who_asked_to_be_left_alone_is_whatever_changes_here_and_others_are_tried_at_once() {
    let mut shell = Shell::new(4, &[Some("n1"), Some("n2")], 1);
    shell.pass(Duration::ZERO);
    shell.dial_ended(A, said(ByeCode::OVERLOAD, 300), Duration::ZERO);
    shell.dial_ended(B, said(ByeCode::REVOKED, 0), Duration::ZERO);
    assert_eq!(shell.feed(Input::Changed), [Output::Dial { neighbour: B }]);
    shell.feed(Input::Changed);
    let outputs = shell.dial_ended(B, said(ByeCode::REVOKED, 0), Duration::ZERO);
    assert_eq!(outputs, [Output::Dial { neighbour: B }], "what changes during a try is not lost");
    assert!(!shell.pass(Duration::from_secs(299)).contains(&Output::Dial { neighbour: A }));
    assert!(shell.pass(Duration::from_secs(2)).contains(&Output::Dial { neighbour: A }));
}

#[test]
fn one_that_is_banned_here_is_not_dialled_until_the_ban_ends() {
    let mut shell = Shell::new(4, &[Some("n1"), None], 1);
    shell.pass(Duration::ZERO);
    let (at_b, _) = shell.open(2, Some(B));
    for (link, neighbour) in [(shell.greet(1).0, A), (at_b, B)] {
        shell.feed(Input::Ban { link, lasts: 60 * SECOND });
        shell.down(link);
        shell.dial_ended(neighbour, said(ByeCode::MISBEHAVIOUR, 0), Duration::ZERO);
    }
    assert_eq!(shell.pass(59 * SECOND), []);
    let reasons: Vec<_> = shell.peering.neighbours().map(|standing| standing.last.unwrap().0.reason.clone()).collect();
    assert!(reasons.iter().all(|reason| reason.starts_with("banned here")), "{reasons:?}");
    assert_eq!(shell.pass(SECOND), [A, B].map(|neighbour| Output::Dial { neighbour }));
}

#[test]
fn one_that_is_not_there_is_settled_once_a_try_has_ended_and_one_that_is_linked_at_once() {
    let mut shell = Shell::new(4, &[Some("n1"), Some("n2")], 1);
    shell.pass(Duration::ZERO);
    shell.dial_ended(A, nobody(), Duration::ZERO);
    let (before, (link, _)) = (shell.peering.ended(), shell.greet(2));
    assert!(!shell.peering.settled(&before), "that try was before");
    shell.pass(SECOND);
    assert!(!shell.peering.settled(&before), "it is on its way");
    shell.dial_ended(A, nobody(), Duration::ZERO);
    assert!(shell.peering.settled(&before));
    shell.down(link);
    assert!(!shell.peering.settled(&before));
    shell.dial_ended(B, Ended { duplicate: true, ..Ended::refused("kept") }, Duration::ZERO);
    assert!(!shell.peering.settled(&before), "another link with it is about to be up");
    shell.pass(SECOND);
    shell.dial_ended(B, said(ByeCode::OVERLOAD, 300), Duration::ZERO);
    assert!(shell.peering.settled(&before), "it is not tried");
    assert!(Shell::new(4, &[], 1).peering.settled(&[]), "there are none");
}

#[test]
fn who_was_told_all_waits_and_is_no_neighbour_that_is_missing() {
    let mut shell = Shell::new(4, &[Some("n1")], 1);
    let (old, _) = shell.greet(1);
    let (before, (greets, _)) = (shell.peering.ended(), shell.open(1, None));
    shell.feed(Input::ToldAll { node: node(1), name: "n1" });
    shell.down(old);
    assert!(shell.peering.settled(&before) && shell.peering.is_told(&node(1)));
    assert_eq!(shell.feed(Input::Hello { link: greets, frame: &hello(NETWORK) }), []);
    let (held, outputs) = shell.open(1, None);
    assert_eq!(outputs, [], "no HELLO, and no refusal");
    let outputs = shell.feed(Input::NotTold { node: node(1) });
    assert!(is_up(&outputs, greets) && outputs.contains(&Output::SendHello { link: held }), "{outputs:?}");
}

#[test]
fn who_stops_dials_nobody_and_takes_only_the_link_that_a_peer_keeps() {
    let mut shell = Shell::new(4, &[Some("n9")], 1);
    let (old, _) = shell.greet(1);
    shell.feed(Input::Stopping);
    assert_eq!(refused(&shell.greet(2).1), Some(&Refusal::Leaving));
    shell.open.remove(&old);
    shell.up.remove(&old);
    shell.feed(Input::LinkDown { link: old, replaced: true });
    assert_eq!(shell.peering.rejoining(), 1);
    let (new, outputs) = shell.greet(1);
    assert!(is_up(&outputs, new) && shell.peering.rejoining() == 0);
    assert_eq!((shell.pass(60 * SECOND), shell.peering.next_timeout()), (vec![], None));
}

#[test]
fn one_that_is_silent_is_pinged_told_and_dropped() {
    let mut shell = Shell::new(4, &[], 1);
    let (link, _) = shell.greet(1);
    assert_eq!(shell.pass(5 * SECOND), []);
    assert!(shell.pass(10 * SECOND).iter().all(|output| *output == Output::SendPing { link }));
    shell.feed(Input::Heard { link, at: shell.now });
    assert_eq!(shell.pass(5 * SECOND), []);
    let outputs = shell.pass(21 * SECOND);
    assert!(matches!(outputs.last(), Some(Output::Drop { .. })), "{outputs:?}");
    assert!(outputs.iter().any(|output| matches!(output, Output::Close { why: Close::Silent(_), .. })));
}

#[test]
fn who_answered_once_at_addresses_holds_nobody_off_who_is_there_later() {
    let mut shell = Shell::new(2, &[None, None], 1);
    shell.pass(Duration::ZERO);
    // The same member answers at both, leaves, and dials in.
    for neighbour in [A, B] {
        let (link, _) = shell.open(9, Some(neighbour));
        shell.down(link);
        shell.dial_ended(neighbour, said(ByeCode::LEAVING, 0), Duration::ZERO);
    }
    let (elsewhere, _) = shell.greet(9);
    shell.pass(SECOND);
    assert!(shell.dialled.is_empty(), "it may be there still");
    assert!(shell.peering.neighbours().all(|standing| standing.linked));
    let heard = |shell: &mut Shell, link| shell.feed(Input::Heard { link, at: shell.now });
    for _ in 0..60 {
        shell.pass(SECOND);
        heard(&mut shell, elsewhere);
    }
    assert_eq!(shell.dialled.iter().copied().collect::<Vec<_>>(), [A, B]);
    // Nobody is at the one, and another at the other, which has a place of its own.
    shell.dial_ended(A, nobody(), Duration::ZERO);
    let (link, _) = shell.open(3, Some(B));
    assert!(is_up(&shell.feed(Input::Hello { link, frame: &hello(NETWORK) }), link));
    for _ in 0..20 {
        shell.pass(SECOND);
        heard(&mut shell, elsewhere);
        heard(&mut shell, link);
    }
    let linked: Vec<_> = shell.peering.neighbours().map(|standing| standing.linked).collect();
    assert_eq!(linked, [false, true], "people hear that nobody is there");
}

#[test]
fn a_neighbour_by_address_that_is_linked_the_other_way_is_looked_at_once_a_minute_and_keeps_its_link() {
    let mut shell = Shell::new(4, &[None], 1);
    shell.pass(Duration::ZERO);
    let (link, _) = shell.open(1, Some(A));
    shell.down(link);
    shell.dial_ended(A, nobody(), Duration::ZERO);
    let (kept, _) = shell.greet(1);
    let mut looked = 0;
    for _ in 0..600 {
        shell.pass(SECOND);
        shell.feed(Input::Heard { link: kept, at: shell.now });
        if shell.dialled.contains(&A) {
            looked += 1;
            let (link, _) = shell.open(1, Some(A));
            shell.feed(Input::Hello { link, frame: &hello(NETWORK) });
            shell.now = shell.now.plus(1);
            let outputs = shell.feed(Input::Heard { link: kept, at: shell.now });
            assert_eq!(refused(&outputs), Some(&Refusal::Duplicate));
            shell.down(link);
            let ended = Ended::by(Bye { code: ByeCode::DUPLICATE, retry_after_s: 0, reason: "".into() });
            assert_eq!(shell.dial_ended(A, ended, Duration::ZERO), [], "nothing is told");
        }
        assert!(shell.up.contains(&kept) && shell.peering.neighbours().all(|standing| standing.linked));
    }
    assert!((9..=10).contains(&looked), "{looked}");
}
