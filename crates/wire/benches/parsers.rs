//! Each parser beside a straightforward baseline that does the same work: `serde_json` into owned values for the native
//! formats, `str::split` for the plain ones. Rounds of the two alternate, so that a busy moment hits both; medians count.
//!
//! `cargo bench -p rumormill-wire --bench parsers`; without `--bench` every case runs once, to see that it still works.
#![allow(clippy::disallowed_types, reason = "a test and a bench are outside the walls")]

use std::{
    hint::black_box,
    io::{self, Write},
    time::{Duration, Instant},
};

use rumormill_wire::classroom::{ProcessLine, ProxyLine};
use rumormill_wire::native::{
    BundleBuilder, BundleView, Coverage, Cut, EntryState, Frame, Hello, LENGTH_LEN, MessageKind, RevocationEntry,
    RevocationPart, Status, StatusEntry,
};
use rumormill_wire::push_pull::{Request, relay::RelayFrame};
use rumormill_wire::{Clock, Digest, HeadHash, Incarnation, NetworkId, NodeId, Origin, Seq, Signature};
use serde::{Deserialize, Serialize};

const ROUNDS: usize = 25;
const ROUND: Duration = Duration::from_millis(20);

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// One parser and its baseline over the same content.
struct Case {
    name: &'static str,
    /// Messages, entries or frames that one call reads.
    items: usize,
    ours: Side,
    baseline: Side,
}

struct Side {
    bytes: usize,
    /// Reads it all once; gives something that depends on what was read.
    run: Box<dyn Fn() -> Option<usize>>,
}

fn side(input: Vec<u8>, read: impl Fn(&[u8]) -> Option<usize> + 'static) -> Side {
    Side { bytes: input.len(), run: Box::new(move || read(black_box(&input))) }
}

#[derive(Serialize, Deserialize)]
struct JsonHello {
    min: u16,
    max: u16,
    network: String,
    features: u32,
    name: String,
    agent: String,
}

fn hello() -> Outcome<Case> {
    let hello = Hello {
        min: 1,
        max: 1,
        network: NetworkId([7; 32]),
        features: 1,
        name: "anna".into(),
        agent: "rumormill/0.1.0".into(),
    };
    let json = serde_json::to_vec(&JsonHello {
        min: hello.min,
        max: hello.max,
        network: hello.network.to_string(),
        features: hello.features,
        name: hello.name.as_raw().to_owned(),
        agent: hello.agent.as_raw().to_owned(),
    })?;
    Ok(Case {
        name: "hello frame",
        items: 1,
        ours: side(frame(&Frame::Hello(hello))?, |bytes| match Frame::decode(bytes) {
            Ok(Frame::Hello(hello)) => Some(hello.name.as_raw().len()),
            _ => None,
        }),
        baseline: side(json, |bytes| {
            let hello: JsonHello = serde_json::from_slice(bytes).ok()?;
            hello.network.parse::<NetworkId>().ok()?;
            Some(hello.name.len())
        }),
    })
}

fn frame(frame: &Frame<'_>) -> Outcome<Vec<u8>> {
    let mut out = Vec::new();
    frame.encode(&mut out)?;
    Ok(out.split_off(LENGTH_LEN))
}

#[derive(Serialize, Deserialize)]
struct JsonMessage {
    clock: u64,
    kind: u8,
    room: String,
    body: String,
}

#[derive(Serialize, Deserialize)]
struct JsonBundle {
    node: String,
    incarnation: u64,
    first: u64,
    previous: String,
    signature: String,
    messages: Vec<JsonMessage>,
}

/// A bundle of so many messages with bodies of 256 bytes.
fn bundle(name: &'static str, count: u64) -> Outcome<Case> {
    let origin = Origin { node: NodeId([1; 32]), incarnation: Incarnation(1_763_700_000) };
    let body = "the quick brown fox jumps over the lazy dog, again and ag\"in. ".repeat(5);
    let body = &body[..256];
    let mut builder = BundleBuilder::new(origin, Seq(1), Digest::ZERO);
    let mut messages = Vec::new();
    for i in 0..count {
        let clock = 1_763_700_000_000_000 + i * 150;
        builder.push(Clock(clock), MessageKind::CHAT, "", body.as_bytes())?;
        messages.push(JsonMessage { clock, kind: 1, room: String::new(), body: body.to_owned() });
    }
    let json = serde_json::to_vec(&JsonBundle {
        node: origin.node.to_string(),
        incarnation: origin.incarnation.0,
        first: 1,
        previous: Digest::ZERO.to_string(),
        signature: Signature([2; 64]).to_string(),
        messages,
    })?;
    Ok(Case {
        name,
        items: usize::try_from(count)?,
        ours: side(builder.seal(Signature([2; 64])), |bytes| {
            let view = BundleView::parse(bytes).ok()?;
            Some(view.messages().map(|m| m.body.len() ^ usize::from(m.clock.0 == 0)).sum())
        }),
        baseline: side(json, |bytes| {
            let bundle: JsonBundle = serde_json::from_slice(bytes).ok()?;
            bundle.node.parse::<NodeId>().ok()?;
            bundle.signature.parse::<Signature>().ok()?;
            Some(bundle.messages.iter().map(|m| m.body.len() ^ usize::from(m.clock == 0)).sum())
        }),
    })
}

#[derive(Serialize, Deserialize)]
struct JsonEntry {
    node: String,
    incarnation: u64,
    next: u64,
    head: String,
    kept: u64,
    state: u8,
}

fn status() -> Outcome<Case> {
    let entry = |i: u8| StatusEntry {
        origin: Origin { node: NodeId([i; 32]), incarnation: Incarnation(1_763_700_000) },
        next: Seq(u64::from(i) * 1000 + 1),
        head: HeadHash([i; 16]),
        kept: Seq(1),
        state: EntryState::Normal,
    };
    let entries: Vec<_> = (0..100).map(entry).collect();
    let json: Vec<_> = entries
        .iter()
        .map(|e| JsonEntry {
            node: e.origin.node.to_string(),
            incarnation: e.origin.incarnation.0,
            next: e.next.0,
            head: e.head.to_string(),
            kept: e.kept.0,
            state: 0,
        })
        .collect();
    let status = Status {
        want_status: true,
        hold: false,
        heard: 1000,
        fingerprint: [3; 16],
        origins: 100,
        coverage: Coverage::Range { low: Origin::MIN, high: Origin::MAX },
        entries: entries.as_slice().into(),
    };
    let sum = |entries: &mut dyn Iterator<Item = u64>| usize::try_from(entries.fold(0, u64::wrapping_add)).ok();
    Ok(Case {
        name: "status, 100 entries",
        items: entries.len(),
        ours: side(frame(&Frame::Status(status))?, move |bytes| match Frame::decode(bytes) {
            Ok(Frame::Status(status)) => sum(&mut status.entries.iter().map(|e| e.next.0)),
            _ => None,
        }),
        baseline: side(serde_json::to_vec(&json)?, move |bytes| {
            let entries: Vec<JsonEntry> = serde_json::from_slice(bytes).ok()?;
            let known = entries.iter().all(|e| e.node.parse::<NodeId>().is_ok() && e.head.parse::<HeadHash>().is_ok());
            if known { sum(&mut entries.iter().map(|e| e.next)) } else { None }
        }),
    })
}

fn revocation() -> Outcome<Case> {
    let lasts: Vec<_> = (1..4).map(|i| (Incarnation(i), Seq(i * 100))).collect();
    let node = |i: u8| {
        let mut node = [i; 32];
        node[0] = 1;
        NodeId(node)
    };
    let entry = |i: u8| RevocationEntry { node: node(i), not_after: u64::MAX, cut: Cut::Last(lasts.as_slice().into()) };
    let entries: Vec<_> = (0..100).map(entry).collect();
    let signed = RevocationPart::encode(1, 3, 1_763_700_000, &entries)?;
    let json: Vec<_> = entries.iter().map(|e| (e.node.to_string(), vec![(1u64, 100u64), (2, 200), (3, 300)])).collect();
    Ok(Case {
        name: "revocation list, 100 nodes",
        items: entries.len(),
        ours: side(RevocationPart::seal(signed, &Signature([2; 64])), |bytes| {
            let list = RevocationPart::parse(bytes).ok()?;
            Some(list.entries().map(|e| if let Cut::Last(lasts) = e.cut { lasts.iter().count() } else { 0 }).sum())
        }),
        baseline: side(serde_json::to_vec(&json)?, |bytes| {
            let list: Vec<(String, Vec<(u64, u64)>)> = serde_json::from_slice(bytes).ok()?;
            list.iter().map(|(node, lasts)| node.parse::<NodeId>().ok().map(|_| lasts.len())).sum()
        }),
    })
}

fn push() -> Outcome<Case> {
    let mut bytes = Vec::new();
    Request::Push { destination: "127.0.0.5", contents: &"hello there ".repeat(12) }.encode(&mut bytes)?;
    Ok(Case {
        name: "PUSH request",
        items: 1,
        ours: side(bytes.clone(), |bytes| match Request::parse(bytes) {
            Ok(Request::Push { destination, contents }) => Some(destination.len() + contents.len()),
            _ => None,
        }),
        baseline: side(bytes, |bytes| {
            let text = String::from_utf8(bytes.to_vec()).ok()?;
            let mut halves = text.splitn(2, " MSG:");
            let destination = halves.next()?.split("PUSH IP:").nth(1)?.to_owned();
            let contents = halves.next()?.to_owned();
            Some(destination.len() + contents.len())
        }),
    })
}

fn relay() -> Outcome<Case> {
    let mut bytes = Vec::new();
    RelayFrame::Message(&"hello there ".repeat(12)).encode(&mut bytes)?;
    Ok(Case {
        name: "43110 frame",
        items: 1,
        ours: side(bytes.clone(), |bytes| match RelayFrame::decode(bytes) {
            Ok(RelayFrame::Message(text)) => Some(text.len()),
            _ => None,
        }),
        baseline: side(bytes, |bytes| {
            let text = String::from_utf8(bytes.to_vec()).ok()?;
            let parts: Vec<&str> = text.splitn(3, '|').collect();
            let &[len, code, payload] = parts.as_slice() else { return None };
            let whole = len.parse::<usize>().ok()? == code.len() + 1 + payload.len();
            (whole && code == "0002").then(|| payload.to_owned().len())
        }),
    })
}

fn proxy_line() -> Outcome<Case> {
    let line = format!("3 msg 17 {}", "hello there ".repeat(12).trim_end()).into_bytes();
    Ok(Case {
        name: "classroom msg line",
        items: 1,
        ours: side(line.clone(), |line| match ProxyLine::parse(line) {
            Ok(ProxyLine::To { id, line: ProcessLine::Msg { text, .. } }) => {
                Some(usize::try_from(id).ok()? + text.len())
            }
            _ => None,
        }),
        baseline: side(line, |line| {
            let line = String::from_utf8(line.to_vec()).ok()?;
            let words: Vec<&str> = line.splitn(4, ' ').collect();
            let &[id, "msg", message_id, text] = words.as_slice() else { return None };
            message_id.parse::<i64>().ok()?;
            Some(id.parse::<usize>().ok()? + text.to_owned().len())
        }),
    })
}

/// Seconds of one call, from as many calls as a round takes.
fn time(side: &Side, calls: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        black_box((side.run)());
    }
    start.elapsed().as_secs_f64() / f64::from(calls)
}

fn calls_per_round(side: &Side) -> u32 {
    let mut calls = 1;
    while calls < 1 << 24 && time(side, calls) * f64::from(calls) < ROUND.as_secs_f64() {
        calls *= 2;
    }
    calls
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

fn measure(case: &Case) -> (f64, f64) {
    let (ours, baseline) = (calls_per_round(&case.ours), calls_per_round(&case.baseline));
    let rounds = (0..ROUNDS).map(|_| (time(&case.ours, ours), time(&case.baseline, baseline)));
    let (a, b) = rounds.unzip();
    (median(a), median(b))
}

fn main() -> Outcome<()> {
    let cases = [
        hello()?,
        bundle("bundle of 1, 256 bytes", 1)?,
        bundle("bundle of 200, 256 bytes", 200)?,
        status()?,
        revocation()?,
        push()?,
        relay()?,
        proxy_line()?,
    ];
    let measured = std::env::args().any(|arg| arg == "--bench");
    let mut out = io::stdout().lock();
    if measured {
        let columns = ["parser", "MB/s", "items/s", "baseline MB/s", "items/s", "ratio"];
        let [a, b, c, d, e, f] = columns;
        writeln!(out, "{a:<28}{b:>10}{c:>14}{d:>15}{e:>14}{f:>8}")?;
    }
    for case in cases {
        let same = (case.ours.run)().is_some() && (case.ours.run)() == (case.baseline.run)();
        if !same {
            return Err(format!("{}: the two do not read the same", case.name).into());
        }
        if !measured {
            continue;
        }
        let (ours, baseline) = measure(&case);
        let rate = |bytes: usize, seconds: f64| f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / seconds;
        writeln!(
            out,
            "{:<28}{:>10.0}{:>14.0}{:>15.0}{:>14.0}{:>8.1}",
            case.name,
            rate(case.ours.bytes, ours) / 1e6,
            rate(case.items, ours),
            rate(case.baseline.bytes, baseline) / 1e6,
            rate(case.items, baseline),
            baseline / ours
        )?;
    }
    Ok(())
}
