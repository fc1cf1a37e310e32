//! The machine alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

use std::collections::BTreeMap as Map;

use proptest::prelude::*;
use rumormill_wire::native::Revoked;
use rumormill_wire::{NodeId, Signature};

use super::*;

const A: LinkId = LinkId(1);
const B: LinkId = LinkId(2);

/// The part of one place with this number, that names one node.
fn part(place: u8, number: u64) -> (Bytes, Arc<ListPart>) {
    let node = NodeId([place; 32]);
    let nodes = Map::from([(node, Revoked { not_after: u64::MAX, cut: None })]);
    let bytes = RevocationPart::seal(ListPart::encode(place, number, number, &nodes).unwrap(), &Signature([0; 64]));
    let part = ListPart::decode(&bytes).unwrap();
    (bytes.into(), Arc::new(part))
}

/// The machine with its list and a store that answers at once.
#[derive(Default)]
struct Driven {
    machine: Revocation,
    list: Revocations,
    /// What a link was sent: numbers of parts.
    sent: Map<LinkId, Vec<(u8, u64)>>,
    said: Vec<(LinkId, Vec<(u8, u64)>)>,
    other: Vec<Output>,
}

impl Driven {
    fn give(&mut self, input: Input) {
        self.machine.handle(&self.list, input);
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Persist(part) => self.machine.handle(&self.list, Input::Kept(part)),
                Output::InForce(part) => {
                    assert!(self.list.take(Arc::clone(&part)));
                    self.machine.handle(&self.list, Input::InForce(part));
                }
                Output::Owed(link) => {
                    assert!(self.machine.owes(link));
                    self.machine.handle(&self.list, Input::Room(link));
                    if self.machine.owes(link) {
                        self.machine.handle(&self.list, Input::Room(link));
                    }
                }
                Output::Send(link, part) => self.sent.entry(link).or_default().push((part.place(), part.number())),
                Output::Ours(link, ours) => self.said.push((link, ours)),
                other => self.other.push(other),
            }
        }
    }
}

#[test]
fn a_part_is_passed_on_once_it_is_durable_and_once_to_each() {
    let mut driven = Driven::default();
    [A, B].into_iter().for_each(|link| driven.give(Input::LinkUp(link)));
    [A, B].into_iter().for_each(|link| driven.give(Input::Theirs(link, Vec::new())));
    let (bytes, first) = part(3, 1);
    driven.give(Input::Part(A, bytes.clone()));
    assert_eq!(std::mem::take(&mut driven.other), [Output::Check(A, bytes.clone())]);
    assert!(driven.sent.is_empty(), "nothing is known of its signature");
    driven.give(Input::Holds(Some(A), first));
    assert_eq!(driven.sent, Map::from([(B, vec![(3, 1)])]), "whoever brought it has it");
    assert_eq!(driven.said.last(), Some(&(A, vec![(3, 1)])), "and hears that we do, too");
    driven.give(Input::Part(B, bytes));
    assert_eq!(driven.other, [Output::Known]);
    driven.give(Input::Theirs(B, Vec::new()));
    assert_eq!(driven.sent[&B].len(), 1, "whatever it says later");
}

#[test]
fn while_a_part_is_on_its_way_to_the_store_it_is_neither_checked_again_nor_in_force() {
    let (mut machine, list) = (Revocation::default(), Revocations::default());
    machine.handle(&list, Input::LinkUp(A));
    let (bytes, one) = part(3, 7);
    machine.handle(&list, Input::Holds(None, Arc::clone(&one)));
    machine.handle(&list, Input::Holds(Some(A), Arc::clone(&one)));
    machine.handle(&list, Input::Part(A, bytes));
    machine.handle(&list, Input::Part(A, part(3, 6).0));
    let outputs: Vec<_> = std::iter::from_fn(|| machine.poll_output()).collect();
    assert_eq!(outputs, [Output::Ours(A, Vec::new()), Output::Persist(one), Output::Known, Output::Known]);
}

#[test]
fn what_breaks_the_form_is_nobody_honests() {
    let mut driven = Driven::default();
    driven.give(Input::LinkUp(A));
    driven.give(Input::Part(A, Bytes::from_static(b"no part")));
    assert!(matches!(driven.other[..], [Output::Misbehaved(A, _)]));
}

proptest! {
    #[test]
    fn neighbours_end_with_the_newest_of_all_parts(
        steps in prop::collection::vec((0_u8..3, 1_u64..9, 0_u8..3), 1..40),
    ) {
        let mut driven = Driven::default();
        driven.give(Input::LinkUp(A));
        driven.give(Input::Theirs(A, Vec::new()));
        let mut newest = Map::new();
        for (place, number, what) in steps {
            let (_, part) = part(place, number);
            match what {
                0 => driven.give(Input::Holds(Some(B), part)),
                1 => driven.give(Input::Holds(None, part)),
                _ => { driven.give(Input::LinkDown(B)); continue }
            }
            let held = newest.entry(place).or_insert(number);
            *held = number.max(*held);
        }
        for (place, number) in &newest {
            prop_assert_eq!(driven.list.number_of(*place), *number);
            let sent = driven.sent[&A].iter().filter(|(at, _)| at == place).map(|(_, number)| *number).collect::<Vec<_>>();
            prop_assert!(sent.is_sorted_by(|a, b| a < b), "each once: {:?}", sent);
            prop_assert_eq!(sent.last(), Some(number));
        }
        prop_assert!(driven.machine.keeping.is_empty());
    }
}
