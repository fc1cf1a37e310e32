//! Whatever comes in whatever order.

use core::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use rumormill_wire::NetworkId;

use super::shell::{ME, NETWORK, Shell, hello, node};
use crate::{Ended, Input, LinkId, NeighbourId, Output, Refusal};

/// Two of four neighbours have names, which are those of nodes 1 and 2. Members 1 to 9 come.
const NAMES: [Option<&str>; 4] = [Some("n1"), Some("n2"), None, None];

#[derive(Debug, Clone)]
enum Op {
    Open(u8),
    OpenAs { node: u8, name: u8 },
    Dialled { which: usize, by: u8 },
    Hello { which: usize, how: u8 },
    Heard(usize),
    Ban(usize),
    Closing(usize),
    Down { which: usize, replaced: bool },
    DialEnded { which: usize, how: u8 },
    Changed,
    ToldAll(u8),
    NotTold(u8),
    Pass(u32),
}

fn op() -> impl Strategy<Value = Op> {
    let member = || prop_oneof![8 => 1..10_u8, 1 => Just(ME)];
    prop_oneof![
        6 => member().prop_map(Op::Open),
        2 => (3..10_u8, 3..10_u8).prop_map(|(node, name)| Op::OpenAs { node, name }),
        3 => (0..4_usize, member()).prop_map(|(which, by)| Op::Dialled { which, by }),
        8 => (any::<usize>(), 0..10_u8).prop_map(|(which, how)| Op::Hello { which, how }),
        2 => any::<usize>().prop_map(Op::Heard),
        1 => any::<usize>().prop_map(Op::Ban),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(which, replaced)| Op::Down { which, replaced }),
        1 => any::<usize>().prop_map(Op::Closing),
        3 => (0..4_usize, 0..5_u8).prop_map(|(which, how)| Op::DialEnded { which, how }),
        1 => Just(Op::Changed),
        1 => (1..10_u8).prop_map(Op::ToldAll),
        1 => (1..10_u8).prop_map(Op::NotTold),
        4 => (0..3_000_000_u32).prop_map(Op::Pass),
    ]
}

fn ended(how: u8) -> (Ended, Duration) {
    match how {
        0 => (Ended::passing("nobody"), Duration::ZERO),
        1 => (Ended::refused("no"), Duration::ZERO),
        2 => (Ended { duplicate: true, ..Ended::refused("kept") }, Duration::ZERO),
        3 => (Ended { unproven: true, ..Ended::refused("who?") }, Duration::ZERO),
        _ => (Ended::passing("closed"), Duration::from_secs(9)),
    }
}

fn which(shell: &Shell, which: usize) -> LinkId {
    // Now and then one that is not there.
    let all: Vec<_> = shell.open.keys().copied().chain([LinkId(0)]).collect();
    all[which % all.len()]
}

fn apply(shell: &mut Shell, op: &Op) {
    match *op {
        Op::Open(n) => drop(shell.open(n, None)),
        Op::OpenAs { node, name } => drop(shell.open_as(node, name, None)),
        Op::Dialled { which, by } if shell.dialled.contains(&NeighbourId(which)) => {
            // Who is dialled by name has that name.
            let by = [1, 2].get(which).copied().unwrap_or(by);
            drop(shell.open(by, Some(NeighbourId(which))));
        }
        Op::Hello { which: n, how } => {
            let (link, frame) = (which(shell, n), hello(if how == 0 { NetworkId([8; 32]) } else { NETWORK }));
            drop(shell.feed(Input::Hello { link, frame: if how == 1 { b"\x01junk" } else { &frame } }));
        }
        Op::Heard(n) => drop(shell.feed(Input::Heard { link: which(shell, n), at: shell.now })),
        Op::Ban(n) => drop(shell.feed(Input::Ban { link: which(shell, n), lasts: Duration::from_secs(3) })),
        Op::Closing(n) => {
            let link = which(shell, n);
            shell.closing.insert(link);
            drop(shell.feed(Input::Closing { link }));
        }
        Op::Down { which: n, replaced } => {
            let link = which(shell, n);
            shell.open.remove(&link);
            shell.up.remove(&link);
            drop(shell.feed(Input::LinkDown { link, replaced }));
        }
        Op::DialEnded { which, how } => {
            let (ended, lived) = ended(how);
            drop(shell.dial_ended(NeighbourId(which), ended, lived));
        }
        Op::Changed => drop(shell.feed(Input::Changed)),
        Op::ToldAll(n) => drop(shell.feed(Input::ToldAll { node: node(n), name: &format!("n{n}") })),
        Op::NotTold(n) => drop(shell.feed(Input::NotTold { node: node(n) })),
        Op::Pass(us) => drop(shell.pass(Duration::from_micros(us.into()))),
        Op::Dialled { .. } => {}
    }
}

fn run(ops: &[Op], max_links: usize, seed: u64) -> Shell {
    let mut shell = Shell::new(max_links, &NAMES, seed);
    shell.pass(Duration::ZERO);
    ops.iter().for_each(|op| apply(&mut shell, op));
    shell
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Places, one link a node, two that greet: see `Shell`. And a named neighbour gets its place, whoever came before it.
    #[test]
    fn every_bound_holds_and_a_named_neighbour_has_its_place(ops in vec(op(), 0..200), max_links in 4_usize..9) {
        let mut shell = run(&ops, max_links, 1);
        for n in [1, 2] {
            shell.feed(Input::NotTold { node: node(n) });
        }
        shell.closing.clone().into_iter().for_each(|link| drop(shell.down(link)));
        // Bans end.
        shell.pass(Duration::from_secs(61));
        for n in [1, 2] {
            let (link, mut outputs) = shell.greet(n);
            outputs.extend(shell.pass(Duration::from_secs(1)));
            let up = outputs.iter().any(|output| matches!(output, Output::Up { link: up, .. } if *up == link));
            prop_assert!(up, "{outputs:?}");
        }
    }

    /// The places of neighbours that have no link are left to them.
    #[test]
    fn others_leave_the_places_of_named_neighbours(comes in vec(3_u8..40, 0..60), max_links in 4_usize..9) {
        let mut shell = Shell::new(max_links, &NAMES, 1);
        for n in comes {
            let (_, outputs) = shell.greet(n);
            let full = outputs.iter().any(|output| matches!(output, Output::Refused { why: Refusal::Full, .. }));
            prop_assert!(!full && shell.up.len() <= max_links - NAMES.len());
        }
    }

    #[test]
    fn the_same_inputs_with_the_same_seed_give_the_same_outputs(ops in vec(op(), 0..200), seed in any::<u64>()) {
        prop_assert_eq!(run(&ops, 5, seed).outputs, run(&ops, 5, seed).outputs);
    }
}
