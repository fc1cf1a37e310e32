//! Files cut short anywhere and with bytes flipped anywhere: they open, show nothing that was not written, keep what is
//! healthy, say what they lost, and go on.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use common::{Chain, chain_of, commit, log, new_dir, open, sorted};
use proptest::prelude::*;
use rumormill_store::{BundleRow, Damage, Entry, Record};
use rumormill_wire::native::BundleView;
use rumormill_wire::{NodeId, Origin, Seq};

/// A store as its files, and what was written to it.
struct Written {
    files: Vec<(&'static str, Vec<u8>)>,
    chains: BTreeMap<Origin, Vec<BundleRow>>,
    entries: Vec<Entry>,
}

/// Sixty bundles of three chains. `closed`: all is in the main file; else the second half is in the log.
fn written(closed: bool) -> Written {
    let dir = new_dir();
    let path = dir.path().join("log.db");
    let rows = common::mingled(60);
    let mut store = open(&path);
    for n in 0..60_u8 {
        let member = Record::Member { node: NodeId([n; 32]), evidence: Bytes::from(vec![n; 700]) };
        store.commit(&[member]).unwrap();
    }
    for half in rows.chunks(30) {
        half.chunks(4).for_each(|some| commit(store.as_mut(), some));
        if closed || half[0] == rows[0] {
            store.close().unwrap();
            drop(store);
            store = open(&path);
        }
    }
    let read = |extra| fs::read(dir.path().join(format!("log.db{extra}"))).unwrap_or_default();
    let mut chains: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in &rows {
        chains.entry(BundleView::parse(&row.bytes).unwrap().header().origin).or_default().push(row.clone());
    }
    let files = ["", "-wal"].map(|extra| (extra, read(extra))).into();
    Written { files, chains, entries: sorted(&rows) }
}

/// What is left after damage.
struct Left {
    bundles: usize,
    damage: Vec<Damage>,
}

impl Written {
    /// Opens the store with these files and holds it to the promise.
    fn open(&self, dir: &Path, change: impl Fn(&mut [(&'static str, Vec<u8>)])) -> Left {
        let mut files = self.files.clone();
        change(&mut files);
        for (extra, bytes) in files.iter().filter(|(extra, bytes)| extra.is_empty() || !bytes.is_empty()) {
            fs::write(dir.join(format!("log.db{extra}")), bytes).unwrap();
        }
        let path = dir.join("log.db");
        let mut store = open(&path);
        let found = store.recover().unwrap();
        let mut reader = store.reader().unwrap();
        let mut rest = Vec::new();
        let mut bundles = 0;
        for (origin, rows) in &self.chains {
            let kept = chain_of(reader.as_mut(), *origin);
            assert_eq!(kept[..], rows[..kept.len()], "a chain keeps a beginning of what was written");
            let head = found.chains.iter().find(|chain| chain.origin == *origin);
            assert_eq!(head.is_some(), !kept.is_empty());
            let next = rows.get(kept.len()).map(|row| BundleView::parse(&row.bytes).unwrap().header().first);
            if let (Some(head), Some(next)) = (head, next) {
                assert_eq!(head.next, next);
            }
            bundles += kept.len();
            rest.extend_from_slice(&rows[kept.len()..]);
        }
        let kept: Vec<_> = self.chains.values().flatten().filter(|row| !rest.contains(row)).cloned().collect();
        assert_eq!(log(reader.as_mut(), 50), sorted(&kept), "what is kept is shown, and nothing else");
        for (node, evidence) in &found.members {
            assert_eq!(evidence[..], vec![node.0[0]; 700]);
        }
        // What was lost comes again from the neighbours, and all is as it was.
        commit(store.as_mut(), &rest);
        assert_eq!(log(reader.as_mut(), 1_000), self.entries);
        store.close().unwrap();
        drop((store, reader));
        let again = open(&path).recover().unwrap();
        assert!(again.clean && again.damage.is_empty() && again.chains.len() == self.chains.len());
        Left { bundles, damage: found.damage }
    }
}

#[test]
fn cut_short_anywhere() {
    let whole = written(true);
    let len = whole.files[0].1.len();
    let all: usize = whole.chains.values().map(Vec::len).sum();
    let mut best = 0;
    for cut in (0..len).step_by(4_096).chain([len - 1]) {
        let dir = new_dir();
        let left = whole.open(dir.path(), |files| files[0].1.truncate(cut));
        assert!(left.bundles < all || cut + 4_096 > len, "cut at {cut} of {len}");
        assert!(
            matches!(left.damage.first(), Some(Damage::File { quarantine, .. }) if quarantine.exists()),
            "cut at {cut} of {len}"
        );
        best = best.max(left.bundles);
        if cut > len * 3 / 4 {
            assert!(left.bundles > all / 2, "cut at {cut} of {len}: only {} of {all} were kept", left.bundles);
        }
    }
    assert!(best > all * 9 / 10);
}

#[test]
fn a_first_page_of_rubbish_costs_nothing_else() {
    let whole = written(true);
    let all: usize = whole.chains.values().map(Vec::len).sum();
    for (from, until) in [
        (0, 1),
        (18, 19),
        (19, 20),
        (21, 22),
        (28, 32),
        (44, 48),
        (56, 60),
        (68, 69),
        (0, 16),
        (16, 24),
        (0, 100),
        (60, 72),
        (100, 108),
        (100, 8_192),
        (0, 8_192),
    ] {
        let dir = new_dir();
        let left = whole.open(dir.path(), |files| files[0].1[from..until].fill(0x5a));
        assert_eq!(left.bundles, all, "bytes {from} to {until}");
        assert!(!left.damage.is_empty(), "bytes {from} to {until}");
    }
}

/// Whatever a bit of SQLite's header says: the store opens, is whole, and can be written.
#[test]
fn any_bit_of_the_header_may_fall_over() {
    let whole = written(true);
    let all: usize = whole.chains.values().map(Vec::len).sum();
    for at in 0..108 {
        let dir = new_dir();
        let left = whole.open(dir.path(), |files| files[0].1[at] ^= 1 << (at % 8));
        assert_eq!(left.bundles, all, "byte {at}");
    }
}

#[test]
fn a_page_of_rubbish_costs_what_was_on_it() {
    let whole = written(true);
    let all: usize = whole.chains.values().map(Vec::len).sum();
    let pages = whole.files[0].1.len() / 8_192;
    let mut kept = Vec::new();
    for page in 1..pages {
        let dir = new_dir();
        let left = whole.open(dir.path(), |files| files[0].1[page * 8_192..(page + 1) * 8_192].fill(0xa5));
        assert!(!left.damage.is_empty(), "page {page}");
        kept.push(left.bundles);
    }
    let mean = kept.iter().sum::<usize>() / kept.len();
    assert!(mean > all / 2, "{mean} of {all} on average: {kept:?}");
}

/// An index decides what is found, shown and sent; SQLite's quick check does not compare it with its table.
#[test]
fn an_index_that_says_something_else_is_not_believed() {
    let whole = written(true);
    let dir = new_dir();
    let path = dir.path().join("log.db");
    fs::write(&path, &whole.files[0].1).unwrap();
    let db = rusqlite::Connection::open(&path).unwrap();
    let mut roots = db.prepare("SELECT rootpage FROM sqlite_schema WHERE type = 'index' AND name LIKE 'by_%'").unwrap();
    let roots: Vec<u32> = roots.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(roots.len(), 2);
    // The cells of the sixty bundles fill the end of the one page that an index has.
    let all: usize = whole.chains.values().map(Vec::len).sum();
    let places: Vec<_> = roots.iter().flat_map(|root| (1..600).step_by(23).map(move |n| (*root, n))).collect();
    let mut said = 0;
    for (root, n) in &places {
        let dir = new_dir();
        let at = usize::try_from(*root).unwrap() * 8_192 - n;
        let left = whole.open(dir.path(), |files| files[0].1[at] ^= 0x04);
        assert_eq!(left.bundles, all, "byte {at}: nothing of the table is lost");
        said += usize::from(!left.damage.is_empty());
    }
    // A few of the bytes are between cells.
    assert!(said > places.len() * 3 / 4, "{said} of {}", places.len());
}

/// Where a byte is flipped: which file, how far in it, which bits.
fn flips() -> impl Strategy<Value = Vec<(usize, f64, u8)>> {
    prop::collection::vec((0_usize..2, 0.0..1.0, 1_u8..=255), 1..6)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a place in a small file"
)]
fn at(len: usize, part: f64) -> usize {
    (len as f64 * part) as usize
}

#[test]
fn flipped_anywhere() {
    let stores = [written(true), written(false)];
    assert!(stores[0].files[1].1.is_empty() && stores[1].files[1].1.len() > 100_000);
    let mut config = proptest::test_runner::Config::with_cases(64);
    config.failure_persistence = None;
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let run = runner.run(&(0_usize..2, flips()), |(which, flips)| {
        let whole = &stores[which];
        let all: usize = whole.chains.values().map(Vec::len).sum();
        let dir = new_dir();
        let only_main = flips.iter().all(|(file, ..)| *file == 0) || which == 0;
        let left = whole.open(dir.path(), |files| {
            for (file, part, bits) in &flips {
                let bytes = if files[*file].1.is_empty() { &mut files[0].1 } else { &mut files[*file].1 };
                let at = at(bytes.len(), *part);
                bytes[at] ^= bits;
            }
        });
        if only_main && left.bundles < all {
            prop_assert!(!left.damage.is_empty(), "{} of {all} and not a word", left.bundles);
        }
        Ok(())
    });
    run.unwrap();
}

/// Each byte of a small bundle's row is covered: not one can be flipped and shown, or sent, as if nothing was.
#[test]
fn each_byte_of_a_row_is_sealed() {
    let dir = new_dir();
    let path = dir.path().join("log.db");
    let row = Chain::new(9).bundle(&[77], 20);
    let mut store = open(&path);
    commit(store.as_mut(), std::slice::from_ref(&row));
    store.close().unwrap();
    drop(store);
    let file = fs::read(&path).unwrap();
    let start = file.windows(row.bytes.len()).position(|window| window == row.bytes).unwrap();
    for n in 0..row.bytes.len() {
        let dir = new_dir();
        let path = dir.path().join("log.db");
        let mut bytes = file.clone();
        bytes[start + n] ^= 1;
        fs::write(&path, bytes).unwrap();
        let mut store = open(&path);
        let found = store.recover().unwrap();
        assert!(found.chains.is_empty() && !found.damage.is_empty(), "byte {n}");
        assert_eq!(store.reader().unwrap().range(common::origin(9), Seq(1), Seq(9), 1).unwrap(), []);
    }
}
