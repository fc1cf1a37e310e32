//! How long a small commit takes beside large ones: what somebody says while another's bundles come in at a steady rate. The tail is
//! what counts, for the write-ahead log goes to the main file now and then.
//!
//! `cargo bench -p rumormill-store --bench beside`; without `--bench` it runs for a moment, to see that it works.

mod chain;

use std::io::{self, Write};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use chain::{BODY, Chain, Outcome};
use rumormill_store::{Durability, Job, Kind, OpenConfig, Record, Writer};

/// Between two small commits; the large ones stand between them.
const STEP: Duration = Duration::from_millis(20);
/// Messages in a small commit and in a large one.
const SMALL: u16 = 1;
const LARGE: u16 = 240;
/// Small commits of one run.
const COMMITS: usize = 1_000;

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
            records: vec![Record::Bundle(small.next(SMALL)?)],
            done: Box::new(move |result| drop(done.send(result.map(|()| asked.elapsed())))),
        };
        writer.try_submit(job).map_err(|_| "the queue is full")?;
        for part in (0..large).filter_map(|part| u32::try_from(part + 1).ok()) {
            let at = STEP * n + STEP * part / u32::try_from(large + 1)?;
            std::thread::sleep(at.saturating_sub(begun.elapsed()));
            let job = Job { records: vec![Record::Bundle(other.next(LARGE)?)], done: Box::new(drop) };
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
                large * usize::from(LARGE) * BODY / 1024 * 50,
                at(500),
                at(990),
                at(1_000)
            )?;
        }
    }
    Ok(())
}
