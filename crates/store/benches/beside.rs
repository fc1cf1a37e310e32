//! How long a small commit takes beside large ones: what somebody says while another's bundles come in at a steady rate. The tail is
//! what counts, for the write-ahead log goes to the main file now and then.
//!
//! `cargo bench -p rumormill-store --bench beside`; without `--bench` it runs for a moment, to see that it works.

use std::error::Error;
use std::io::{self, Write};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rumormill_store::{BundleRow, Durability, Job, Kind, OpenConfig, Record, Writer};
use rumormill_wire::native::{BundleBuilder, MessageKind};
use rumormill_wire::{Clock, Digest, Incarnation, NodeId, Origin, Seq, Signature};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Between two small commits; the large ones stand between them.
const STEP: Duration = Duration::from_millis(20);
const SMALL: usize = 256;
const LARGE: usize = 60 * 1024;
/// Small commits of one run.
const COMMITS: usize = 1_000;

struct Chain {
    builder: BundleBuilder,
    clock: u64,
}

impl Chain {
    fn new(n: u8) -> Self {
        let origin = Origin { node: NodeId([n; 32]), incarnation: Incarnation(1) };
        Self { builder: BundleBuilder::new(origin, Seq::FIRST, Digest::ZERO), clock: 0 }
    }

    /// The next bundle, of messages with so many bytes in all.
    fn next(&mut self, bytes: usize) -> Outcome<Record> {
        for _ in 0..bytes.div_ceil(SMALL) {
            self.clock += 1;
            self.builder.push(Clock(self.clock), MessageKind::CHAT, "", &[b'x'; SMALL])?;
        }
        let header = self.builder.header();
        let body = blake3::hash(self.builder.message_bytes());
        let digest = blake3::hash(&[&header.to_bytes()[..], body.as_bytes()].concat());
        let next = BundleBuilder::new(header.origin, header.next(), Digest(*digest.as_bytes()));
        let done = core::mem::replace(&mut self.builder, next);
        Ok(Record::Bundle(BundleRow { bytes: Bytes::from(done.seal(Signature([1; 64]))), received_us: self.clock }))
    }
}

/// The times of the small commits, with so many large ones between two of them.
fn times(durability: Durability, large: usize, commits: usize) -> Outcome<Vec<Duration>> {
    let dir = tempfile::tempdir()?;
    let kind = Kind::Sqlite { path: dir.path().join("log.db") };
    let mut store = rumormill_store::open(&OpenConfig { kind, durability, max_bytes: 0 })?;
    store.recover()?;
    let writer = Writer::start(store)?;
    let (mut small, mut other) = (Chain::new(1), Chain::new(2));
    let (done, ended) = channel();
    let begun = Instant::now();
    for n in (0..commits).filter_map(|n| u32::try_from(n).ok()) {
        std::thread::sleep((STEP * n).saturating_sub(begun.elapsed()));
        let (done, asked) = (done.clone(), Instant::now());
        let job = Job {
            records: vec![small.next(SMALL)?],
            done: Box::new(move |result| drop(done.send(result.map(|()| asked.elapsed())))),
        };
        writer.try_submit(job).map_err(|_| "the queue is full")?;
        for part in (0..large).filter_map(|part| u32::try_from(part + 1).ok()) {
            let at = STEP * n + STEP * part / u32::try_from(large + 1)?;
            std::thread::sleep(at.saturating_sub(begun.elapsed()));
            let job = Job { records: vec![other.next(LARGE)?], done: Box::new(drop) };
            writer.try_submit(job).map_err(|_| "the queue is full")?;
        }
    }
    drop(done);
    writer.close()?;
    let mut times: Vec<_> = ended.into_iter().collect::<Result<_, _>>()?;
    times.sort();
    Ok(times)
}

fn main() -> Outcome<()> {
    let long = std::env::args().any(|arg| arg == "--bench");
    let commits = if long { COMMITS } else { 3 };
    for (name, durability) in [("full", Durability::Full), ("normal", Durability::Normal)] {
        for large in [0, 1, 4] {
            let times = times(durability, large, commits)?;
            let at =
                |part: usize| times.get((times.len() * part / 1_000).min(times.len() - 1)).copied().unwrap_or_default();
            writeln!(
                io::stdout(),
                "{name}, {:>5} KiB/s beside it: p50 {:>8.2?}, p99 {:>8.2?}, most {:>8.2?}",
                large * LARGE / 1024 * 50,
                at(500),
                at(990),
                at(1_000)
            )?;
        }
    }
    Ok(())
}
