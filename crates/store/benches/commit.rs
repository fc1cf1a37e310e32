//! What a commit costs: SQLite (normal, full), memory, and a plain file that the same bytes are appended to after BLAKE3
//! went over them, in turn, so that a busy moment hits all of them; medians count. Then what reading and opening cost.
//! The groups are those that the writer makes of what waits; larger ones show what it would gain by them.
//!
//! `cargo bench -p rumormill-store --bench commit`; without `--bench` every case runs once on little, to see that it works.

mod chain;

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use chain::{Chain, Outcome};
use rumormill_store::{Durability, Kind, MemoryStore, OpenConfig, Record, Store};
use rumormill_wire::Seq;
use rumormill_wire::native::BundleView;

/// Origins that write in turn.
const ORIGINS: usize = 10;
const ROUNDS: usize = 5;

/// How bundles look and how many go into one commit.
struct Shape {
    name: &'static str,
    messages: u16,
    group: usize,
    /// Commits in a round.
    commits: usize,
}

const SHAPES: [Shape; 6] = [
    Shape { name: "64 KiB bundles, 16 a commit", messages: 238, group: 16, commits: 128 },
    Shape { name: "64 KiB bundles, 128 a commit", messages: 238, group: 128, commits: 24 },
    Shape { name: "64 KiB bundles, 1 a commit", messages: 238, group: 1, commits: 500 },
    Shape { name: "1 message, 1,024 a commit", messages: 1, group: 1_024, commits: 64 },
    Shape { name: "1 message, 64 a commit", messages: 1, group: 64, commits: 500 },
    Shape { name: "1 message, 1 a commit", messages: 1, group: 1, commits: 2_000 },
];

fn chains() -> Vec<Chain> {
    (1..).take(ORIGINS).map(Chain::new).collect()
}

/// The batches of one round: each origin's bundles in turn.
fn batches(shape: &Shape, commits: usize) -> Outcome<Vec<Vec<Record>>> {
    let mut chains = chains();
    let mut turn = 0;
    let mut batches = Vec::new();
    for _ in 0..commits {
        let mut batch = Vec::new();
        for _ in 0..shape.group {
            let chain = chains.get_mut(turn % ORIGINS).ok_or("no origin")?;
            turn += 1;
            batch.push(Record::Bundle(chain.next(shape.messages)?));
        }
        batches.push(batch);
    }
    Ok(batches)
}

/// What can be measured.
#[derive(Clone, Copy)]
enum Side {
    Sqlite(Durability),
    Memory,
    Append(Durability),
}

const SIDES: [(&str, Side); 5] = [
    ("SQLite, normal", Side::Sqlite(Durability::Normal)),
    ("SQLite, full", Side::Sqlite(Durability::Full)),
    ("memory", Side::Memory),
    ("file, no sync", Side::Append(Durability::Normal)),
    ("file, synced", Side::Append(Durability::Full)),
];

/// The place of the plain file that is not synced.
const NOT_SYNCED: usize = 3;

fn open(dir: &Path, durability: Durability) -> Outcome<Box<dyn Store>> {
    let kind = Kind::Sqlite { path: dir.join("log.db") };
    Ok(rumormill_store::open(&OpenConfig { kind, durability, max_bytes: 0 })?)
}

fn commit_all(store: &mut dyn Store, batches: &[Vec<Record>]) -> Outcome<Duration> {
    store.recover()?;
    let start = Instant::now();
    for batch in batches {
        store.commit(batch)?;
    }
    Ok(start.elapsed())
}

fn append_all(path: &Path, batches: &[Vec<Record>], sync: bool) -> Outcome<Duration> {
    let mut file = File::create(path)?;
    let start = Instant::now();
    let mut group = Vec::new();
    for batch in batches {
        group.clear();
        for record in batch {
            if let Record::Bundle(row) = record {
                group.extend_from_slice(blake3::hash(&row.bytes).as_bytes());
                group.extend_from_slice(&row.bytes);
            }
        }
        file.write_all(&group)?;
        if sync {
            file.sync_data()?;
        }
    }
    Ok(start.elapsed())
}

fn run(side: Side, batches: &[Vec<Record>]) -> Outcome<Duration> {
    let dir = tempfile::tempdir()?;
    match side {
        Side::Sqlite(durability) => commit_all(open(dir.path(), durability)?.as_mut(), batches),
        Side::Memory => commit_all(&mut MemoryStore::new(0), batches),
        Side::Append(durability) => append_all(&dir.path().join("log"), batches, durability == Durability::Full),
    }
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(f64::NAN, Duration::as_secs_f64)
}

fn count(batches: &[Vec<Record>]) -> (f64, f64) {
    let rows =
        batches.iter().flatten().filter_map(|record| if let Record::Bundle(row) = record { Some(row) } else { None });
    let (mut bytes, mut number) = (0.0, 0.0);
    for row in rows {
        bytes += f64::from(u32::try_from(row.bytes.len()).unwrap_or(u32::MAX));
        number += 1.0;
    }
    (bytes, number)
}

fn compare(shape: &Shape, measured: bool, out: &mut impl Write) -> Outcome<()> {
    let (commits, rounds) = if measured { (shape.commits, ROUNDS) } else { (2, 1) };
    let batches = batches(shape, commits)?;
    let (bytes, rows) = count(&batches);
    let mut times = [const { Vec::new() }; SIDES.len()];
    for _ in 0..rounds {
        for ((_, side), times) in SIDES.iter().zip(&mut times) {
            times.push(run(*side, &batches)?);
        }
    }
    writeln!(out, "{}; times as long as the file that is not synced", shape.name)?;
    let medians = times.each_mut().map(|times| median(times));
    let floor = medians.get(NOT_SYNCED).copied().unwrap_or(f64::NAN);
    for ((name, _), s) in SIDES.iter().zip(medians) {
        let messages = rows * f64::from(shape.messages);
        writeln!(
            out,
            "  {name:<16}{:>9.1} MB/s {:>10.0} rows/s {:>11.0} messages/s {:>7.1}",
            bytes / s / 1e6,
            rows / s,
            messages / s,
            s / floor
        )?;
    }
    Ok(())
}

/// Opening after a crash and after a close, ranges, and the whole log in pages of 1,000.
fn read(shape: &Shape, measured: bool, out: &mut impl Write) -> Outcome<()> {
    let batches = batches(shape, if measured { shape.commits } else { 2 })?;
    let (bytes, rows) = count(&batches);
    let dir = tempfile::tempdir()?;
    commit_all(open(dir.path(), Durability::Normal)?.as_mut(), &batches)?;
    writeln!(out, "{}, {:.0} MB in SQLite", shape.name, bytes / 1e6)?;
    let mut say = |what: &str, start: Instant| {
        let s = start.elapsed().as_secs_f64();
        let messages = rows * f64::from(shape.messages);
        writeln!(out, "  {what:<22}{:>7.0} ms {:>9.1} MB/s {:>11.0} messages/s", s * 1e3, bytes / s / 1e6, messages / s)
    };
    let start = Instant::now();
    let mut store = open(dir.path(), Durability::Normal)?;
    say("open after a crash", start)?;
    let mut reader = store.reader()?;
    let start = Instant::now();
    for chain in store.recover()?.chains {
        let mut from = Seq::FIRST;
        while from < chain.next {
            let rows = reader.range(chain.origin, from, chain.next, 1 << 20)?;
            let last = rows.last().ok_or("a chain with a gap")?;
            from = BundleView::parse(&last.bytes)?.header().next();
        }
    }
    say("ranges of 1 MiB", start)?;
    let start = Instant::now();
    let mut after = None;
    while let Some(last) = reader.page(after, 1_000)?.last() {
        after = Some(last.key);
    }
    say("pages of 1,000", start)?;
    drop(reader);
    let start = Instant::now();
    store.close()?;
    drop(store);
    say("close", start)?;
    let start = Instant::now();
    open(dir.path(), Durability::Normal)?.recover()?;
    say("open after a close", start)?;
    Ok(())
}

fn main() -> Outcome<()> {
    let measured = std::env::args().any(|arg| arg == "--bench");
    let mut out = io::stdout().lock();
    for shape in &SHAPES {
        compare(shape, measured, &mut out)?;
    }
    for shape in [&SHAPES[1], &SHAPES[3]] {
        read(shape, measured, &mut out)?;
    }
    Ok(())
}
