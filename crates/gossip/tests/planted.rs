//! A fuzz body that finds no planted bug proves nothing: each bug here, in what comes out of an engine, has to be found by
//! the seeds alone. The sound engine has to stand the same.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use bytes::Bytes;
use rumormill_gossip::fuzz::{Finding, Plant, Sound, run, seeds};
use rumormill_gossip::{Event, LinkId, Output, Ticket};
use rumormill_wire::NodeId;

/// Changes each output in one way.
struct Each<F: FnMut(usize, Output) -> Vec<Output>>(F);

impl<F: FnMut(usize, Output) -> Vec<Output>> Plant for Each<F> {
    fn output(&mut self, end: usize, output: Output) -> Vec<Output> {
        (self.0)(end, output)
    }
}

fn found(plant: &mut dyn Plant) -> Option<Finding> {
    seeds::seeds().iter().find_map(|seed| run(&seed.bytes, plant).err())
}

fn is_found(what: &str, bug: impl FnMut(usize, Output) -> Vec<Output>) {
    let finding = found(&mut Each(bug)).unwrap_or_else(|| panic!("not found: {what}"));
    assert!(finding.0.contains(what), "found {finding} instead of {what}");
}

#[test]
fn the_sound_engine_stands() {
    assert_eq!(found(&mut Sound), None);
}

#[test]
fn what_is_appended_twice_or_not_checked_is_found() {
    is_found("appended out of order", |_, output| match &output {
        Output::Append { .. } => vec![output.clone(), output],
        _ => vec![output],
    });
    // The verifier is never asked: what is appended then was checked by nobody.
    is_found("a check was left behind", |_, output| match &output {
        Output::Verify { .. } => vec![],
        _ => vec![output],
    });
}

#[test]
fn a_message_that_is_sent_before_it_is_durable_is_found() {
    let mut links: [Option<LinkId>; 2] = [None; 2];
    is_found("before it was durable", move |end, output| match &output {
        Output::Send { link, .. } => {
            links[end] = Some(*link);
            vec![output]
        }
        Output::Append { bundle } => {
            let early = links[end].map(|link| Output::SendBundle {
                link,
                bundle: rumormill_gossip::RawBundle::of(bundle),
                want_status: false,
                answers_range: false,
            });
            [Some(output), early].into_iter().flatten().collect()
        }
        _ => vec![output],
    });
}

#[test]
fn messages_that_are_lost_or_reported_twice_are_found() {
    is_found("were lost", |_, output| match &output {
        Output::Event(Event::Durable { .. }) => vec![],
        _ => vec![output],
    });
    is_found("durable twice", |_, output| match &output {
        Output::Event(Event::Durable { .. }) => vec![output.clone(), output],
        _ => vec![output],
    });
    is_found("durable twice, or what was not submitted", |_, output| match output {
        Output::Event(Event::Durable { origin, seq, clock, .. }) => {
            vec![Output::Event(Event::Durable { ticket: Ticket(u64::MAX), origin, seq, clock })]
        }
        output => vec![output],
    });
}

#[test]
fn a_node_that_passes_nothing_on_is_found() {
    is_found("do not agree", |end, output| match &output {
        Output::SendBundle { .. } | Output::ReadRange { .. } if end == 0 => vec![],
        _ => vec![output],
    });
    is_found("do not agree", |_, output| match &output {
        Output::Send { .. } => vec![],
        _ => vec![output],
    });
}

#[test]
fn a_reader_that_is_let_wait_or_let_go_on_too_early_is_found() {
    is_found("never judged", |_, output| match &output {
        Output::Credit { .. } => vec![],
        _ => vec![output],
    });
    is_found("released more", |_, output| match output {
        Output::Credit { link, bytes } => vec![Output::Credit { link, bytes: bytes + 1 }],
        output => vec![output],
    });
}

#[test]
fn honest_nodes_that_accuse_or_close_each_other_are_found() {
    let mut honest: Option<NodeId> = None;
    is_found("honest accused honest", move |_, output| match output {
        Output::Event(Event::Durable { origin, .. }) => {
            honest = Some(origin.node);
            vec![output]
        }
        Output::Event(Event::Misbehaviour { reason, peer }) => {
            let peer = honest.unwrap_or(peer);
            vec![Output::Event(Event::Misbehaviour { peer, reason })]
        }
        output => vec![output],
    });
    // The first link of all is that of the honest two.
    is_found("honest closed honest", |end, output| match output {
        Output::Close { code, reason, ban_us, .. } => {
            vec![Output::Close { link: LinkId(1 + u64::try_from(end).unwrap()), code, reason, ban_us }]
        }
        output => vec![output],
    });
}

#[test]
fn words_to_a_link_that_was_closed_are_found() {
    is_found("link that is down", |_, output| match &output {
        Output::Close { link, .. } => {
            let late = Output::Send { link: *link, frame: Bytes::from_static(b"\0\0\0\x01\x90") };
            vec![output.clone(), late]
        }
        _ => vec![output],
    });
    is_found("closed a link that is down", |_, output| match &output {
        Output::Close { .. } => vec![output.clone(), output],
        _ => vec![output],
    });
}

#[test]
fn answers_and_logs_that_grow_are_found() {
    is_found("bytes of answer", |_, output| match &output {
        Output::Send { .. } => vec![output; 64],
        _ => vec![output],
    });
    is_found("lines in the log", |_, output| match &output {
        Output::Event(Event::Durable { .. }) => vec![output],
        Output::Event(_) => vec![output; 9],
        _ => vec![output],
    });
}

#[test]
fn outputs_that_are_not_the_same_again_are_found() {
    // In the first of the two runs all is said twice at first.
    let mut sent = 0_u32;
    let mut bug = Each(move |_, output| match &output {
        Output::Send { .. } => {
            sent += 1;
            if sent <= 8 { vec![output.clone(), output] } else { vec![output] }
        }
        _ => vec![output],
    });
    let seed = seeds::seeds().into_iter().find(|seed| seed.name == "talk_twice").unwrap();
    let finding = run(&seed.bytes, &mut bug).unwrap_err();
    assert!(finding.0.contains("gave other outputs"), "{finding}");
}
