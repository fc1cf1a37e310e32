//! The mesh benchmark: many nodes in one process, over real TLS on loopback, every message signed by its author, checked
//! by every receiver before it is passed on, committed before it counts.
//!
//! ```text
//! cargo bench -p rumormill-node --bench mesh -- flood-one|flood-all|latency-one|latency-multi|late <nodes> <count>
//!     [--store sqlite|memory] [--durability full|normal] [--dissemination tree|mongering] [--topology tree4|ring|mesh]
//! ```
//!
//! The last line is one JSON object. A delivery is a message of another node made durable, so shown. Wire bytes are those
//! of frames given to TLS.

#![allow(clippy::expect_used, reason = "a run that cannot begin has nothing to report")]

mod measure;
mod net;

use std::io::Write;
use std::time::{Duration, Instant};

use measure::{Counts, Spread};
use net::{Net, Setup};
use rumormill_node::{Next, NodeHandle};
use rumormill_wire::native::MessageKind;

/// A message as the floor sends it.
const MESSAGE_BYTES: usize = 256;
/// Without progress for so long, a run has failed.
const STALL: Duration = Duration::from_secs(20);
/// Between two messages of a latency run.
const PAUSE: Duration = Duration::from_millis(20);

fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

fn message(n: u64) -> Vec<u8> {
    let mut text = format!("{n:016x} ").into_bytes();
    text.resize(MESSAGE_BYTES, b'x');
    text
}

async fn send(node: NodeHandle, count: u64) {
    for n in 0..count {
        if node.submit(MessageKind::CHAT, "", message(n)).await.is_err() {
            return;
        }
        if n % 64 == 63 {
            tokio::task::yield_now().await;
        }
    }
}

/// Waits until the nodes have made `expected` messages durable, their own among them, or nothing moves any more.
async fn until_committed(nodes: &[NodeHandle], expected: u64) {
    let mut last = (0, Instant::now());
    loop {
        let now: u64 = nodes.iter().map(NodeHandle::committed).sum();
        if now >= expected || last.1.elapsed() > STALL {
            return;
        }
        if now > last.0 {
            last = (now, Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn flood(net: &Net, senders: usize, count: u64) -> serde_json::Value {
    let nodes = &net.nodes;
    let each = count / u64::try_from(senders).unwrap_or(1);
    let sent = each * u64::try_from(senders).unwrap_or(1);
    let all = sent * u64::try_from(nodes.len()).unwrap_or(0);
    let before = Counts::now(nodes);
    let tasks: Vec<_> = nodes.iter().take(senders).map(|node| tokio::spawn(send(node.clone(), each))).collect();
    until_committed(nodes, all).await;
    let report = before.report(nodes, sent, &Spread::default());
    for task in tasks {
        task.abort();
    }
    report
}

async fn latency(net: &Net, rotate: bool, count: u64) -> serde_json::Value {
    let nodes = &net.nodes;
    let (seen, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    for (n, node) in nodes.iter().enumerate() {
        let (mut news, seen) = (node.follow().await, seen.clone());
        tokio::spawn(async move {
            while let Next::Messages(messages) = news.next().await {
                let origin = messages.first().map(|message| message.place.origin);
                let _ = seen.send((n, origin, Instant::now()));
            }
        });
    }
    let before = Counts::now(nodes);
    let mut spread = Spread::default();
    for n in 0..count {
        let sender = if rotate { usize::try_from(n).unwrap_or(0) % nodes.len() } else { 0 };
        let begun = Instant::now();
        let Ok(_pending) = nodes[sender].submit(MessageKind::CHAT, "", message(n)).await else { break };
        let mut missing = nodes.len() - 1;
        while missing > 0 {
            let Ok(Some((node, _, at))) = tokio::time::timeout(STALL, arrivals.recv()).await else {
                return before.report(nodes, n, &spread);
            };
            if node != sender {
                missing -= 1;
                spread.node(at.duration_since(begun), missing == 0);
            }
        }
        tokio::time::sleep(PAUSE).await;
        while arrivals.try_recv().is_ok() {}
    }
    before.report(nodes, count, &spread)
}

/// All but one node have the log; how long until the last one, just started, has it.
async fn late(net: &mut Net, count: u64) -> serde_json::Value {
    send(net.nodes[0].clone(), count).await;
    let present = u64::try_from(net.nodes.len()).unwrap_or(0);
    until_committed(&net.nodes, count * present).await;
    let begun = Instant::now();
    net.add().await;
    let joiner = [net.nodes[net.nodes.len() - 1].clone()];
    let before = Counts::none();
    until_committed(&joiner, count).await;
    let mut report = before.report(&joiner, count, &Spread::default());
    report["late_ms"] = measure::ms(begun.elapsed()).into();
    report["delivered"] = joiner[0].committed().into();
    report["expected"] = count.into();
    report
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let setup = match Setup::parse(&words) {
        Ok(Some(setup)) => setup,
        // `cargo test --benches` runs this without words.
        Ok(None) => return,
        Err(reason) => {
            say(&format!("mesh: {reason}"));
            std::process::exit(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let Ok(runtime) = runtime else { return say("mesh: no threads") };
    runtime.block_on(async {
        let mut net = Net::start(&setup).await;
        say(&format!("{} nodes linked", net.nodes.len()));
        let mut report = match setup.mode.as_str() {
            "flood-one" => flood(&net, 1, setup.count).await,
            "flood-all" => flood(&net, setup.nodes, setup.count).await,
            "latency-one" => latency(&net, false, setup.count).await,
            "latency-multi" => latency(&net, true, setup.count).await,
            _ => late(&mut net, setup.count).await,
        };
        report["mode"] = setup.mode.clone().into();
        report["nodes"] = setup.nodes.into();
        say(&report.to_string());
        net.stop().await;
    });
}
