//! Peers that take nothing of what is said to them.

use crate::protobuf_peer::link::{MAX_TEXTS_COST, MAX_WAITING};

use super::*;

#[test]
fn one_who_reads_nothing_costs_a_bounded_queue() {
    let mut bench = Bench::new(10);
    let (a, _) = bench.peer(11);
    for _ in 0..2_000 {
        bench.router.handle(bench.now, Input::Send { to: 11, text: "x".repeat(2_000) }).unwrap();
    }
    let frame = |output| if let Output::Send { frame, .. } = output { Some(frame.len()) } else { None };
    let frames: Vec<_> = std::iter::from_fn(|| bench.router.poll_output()).filter_map(frame).collect();
    let bytes: usize = frames.iter().sum();
    assert!(frames.len() <= MAX_WAITING && bytes <= MAX_TEXTS_COST, "{} frames of {bytes} bytes", frames.len());
    assert!(bench.router.is_open(a));
}

/// Bytes that are held, with what the writer was given, once `feed` has put more there than a peer that takes nothing may have.
fn held(bench: &mut Bench, mut feed: impl FnMut(&mut Bench)) -> i64 {
    let mut given = Vec::new();
    let most = 100_000;
    given.reserve(most);
    let all = allocation_counter::measure(|| {
        feed(bench);
        given.extend(
            std::iter::from_fn(|| bench.router.poll_output()).filter(|output| matches!(output, Output::Send { .. })),
        );
        // What the queue of outputs keeps for the next is not the peer's.
        bench.router.outputs.shrink_to_fit();
    });
    assert!(given.len() < most, "{}", given.len());
    all.bytes_current
}

#[test]
fn one_who_takes_nothing_costs_no_more_memory_than_is_said_whatever_the_texts_and_their_authors() {
    let node = |n: u32| Some(rumormill_wire::NodeId(std::array::from_fn(|at| n.to_le_bytes()[at % 4])));
    for len in [1, 300, 2_000, 8_000, 32_000, 50_000, 90_000] {
        for authors in [1, 2, 2_000_u32] {
            let mut bench = Bench::new(10);
            let _ = bench.peer(11);
            let texts = u32::try_from(3_000.min(4 * MAX_TEXTS_COST / len)).unwrap();
            let cost = held(&mut bench, |bench| {
                for n in 0..texts {
                    let text = format!("{n}{}", "x".repeat(len));
                    let input = Input::Broadcast { author: node(n % authors), text: &text, ticket: None };
                    bench.router.handle(bench.now, input).unwrap();
                }
            });
            let most = i64::try_from(MAX_TEXTS_COST).unwrap();
            assert!(cost <= most && cost > most / 8, "{len} bytes, {authors} authors: {cost}");
            assert!(bench.router.counters.dropped_out.load(std::sync::atomic::Ordering::Relaxed) > 0, "more was said");
        }
    }
}

#[test]
fn what_is_said_to_all_is_held_once_however_many_take_nothing() {
    let cost = |peers: i64| {
        let mut bench = Bench::new(1);
        (0..peers).for_each(|n| _ = bench.peer(100 + n));
        held(&mut bench, |bench| {
            for n in 0..100 {
                let text = format!("{n}{}", "x".repeat(32_000));
                bench.router.handle(bench.now, Input::Broadcast { author: None, text: &text, ticket: None }).unwrap();
            }
        })
    };
    let (one, all) = (cost(1), cost(128));
    // Each frame has its own head and its places in queues.
    assert!(all < one + 127 * 8_192, "{one} for one, {all} for all");
}

/// The texts that have come out for a link, and how long their frames are.
fn texts_out(bench: &mut Bench, to: LinkId) -> (Vec<String>, Vec<usize>) {
    let sends = std::iter::from_fn(|| bench.router.poll_output()).filter_map(|output| match output {
        Output::Send { link, frame, .. } if link == to => {
            Some((ProtocolMessage::decode(&frame.whole()[4..]).unwrap(), frame.len()))
        }
        _ => None,
    });
    sends
        .filter_map(|(said, len)| if let ProtocolMessage::Text { text, .. } = said { Some((text, len)) } else { None })
        .unzip()
}

#[test]
fn a_burst_of_one_takes_nothing_of_what_another_says_to_a_peer_that_takes_nothing_for_a_while() {
    let [honest, eve] = [1, 2].map(|n| Some(rumormill_wire::NodeId([n; 32])));
    let mut bench = Bench::new(10);
    let (slow, _) = bench.peer(11);
    let (flooder, _) = bench.peer(12);
    // From the room, and from another peer of the door.
    let say = |bench: &mut Bench, author, text: &str| {
        bench.router.handle(bench.now, Input::Broadcast { author, text, ticket: None }).unwrap();
    };
    for n in 0..20 {
        for _ in 0..1_000 {
            say(&mut bench, eve, "x");
            let said = text(12, 11, "y");
            bench.router.handle(bench.now, Input::Frame { link: flooder, said }).unwrap();
        }
        say(&mut bench, honest, &format!("honest {n:02}"));
    }
    bench.router.handle(bench.now, Input::Closed { link: flooder }).unwrap();
    let (mut read, mut written) = texts_out(&mut bench, slow);
    while !written.is_empty() {
        for bytes in std::mem::take(&mut written) {
            bench.router.handle(bench.now, Input::Written { link: slow, bytes }).unwrap();
        }
        let (more, lens) = texts_out(&mut bench, slow);
        read.extend(more);
        written = lens;
    }
    assert!(read.len() < MAX_WAITING + 100, "{}", read.len());
    let said: Vec<_> = read.iter().filter(|text| text.starts_with("honest")).cloned().collect();
    assert_eq!(said, (0..20).map(|n| format!("honest {n:02}")).collect::<Vec<_>>());
    assert!(read.iter().position(|text| text == "honest 19") < Some(100), "in turn");
    assert!(
        bench.router.counters.dropped_out.load(std::sync::atomic::Ordering::Relaxed) > 30_000,
        "the rest is counted"
    );
}

#[test]
fn a_door_that_closes_writes_what_waits() {
    let mut bench = Bench::new(10);
    let (link, _) = bench.peer(11);
    for n in 0..50 {
        bench.router.handle(bench.now, Input::Send { to: 11, text: n.to_string() }).unwrap();
    }
    let before = texts_out(&mut bench, link).0.len();
    assert!(before < 50);
    bench.router.handle(bench.now, Input::Finish).unwrap();
    assert_eq!(before + texts_out(&mut bench, link).0.len(), 50);
}
