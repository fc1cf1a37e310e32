//! What every store does, in a file or in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod common;

use bytes::Bytes;
use common::{Chain, chain_of, commit, log, mingled, new_dir, open, origin, sorted};
use proptest::prelude::*;
use rumormill_store::{BundleRow, EVIDENCE_RESERVE, MemoryStore, OrderKey, Record, Store, StoreError};
use rumormill_wire::native::BundleView;
use rumormill_wire::{Clock, Incarnation, NodeId, Origin, Seq};

/// Makes stores of one kind with a bound.
type Make<'a> = &'a dyn Fn(u64) -> Box<dyn Store>;

fn with_memory(test: impl Fn(Make<'_>)) {
    test(&|max_bytes| Box::new(MemoryStore::new(max_bytes)));
}

fn with_sqlite(test: impl Fn(Make<'_>)) {
    let dir = new_dir();
    let count = std::cell::Cell::new(0);
    test(&|max_bytes| {
        count.set(count.get() + 1);
        let path = dir.path().join(format!("{}.db", count.get()));
        rumormill_store::open(&rumormill_store::OpenConfig { max_bytes, ..common::config(&path) }).unwrap()
    });
}

macro_rules! suite {
    ($($name:ident),* $(,)?) => {
        mod memory { $(#[test] fn $name() { super::with_memory(super::$name); })* }
        mod sqlite { $(#[test] fn $name() { super::with_sqlite(super::$name); })* }
    };
}

suite!(
    a_new_store_is_empty,
    what_is_committed_is_recovered,
    a_refused_batch_changes_nothing,
    a_range_begins_with_the_bundle_that_holds_its_start,
    a_full_store_takes_only_what_is_vital,
    a_reader_sees_each_commit,
    a_closed_store_takes_nothing,
    clocks_at_the_ends_keep_their_order,
    pages_are_the_one_order,
    a_page_goes_on_from_anywhere,
    late_bundles_are_not_passed_over,
);

fn a_new_store_is_empty(make: Make<'_>) {
    let mut store = make(0);
    let found = store.recover().unwrap();
    assert!(found.chains.is_empty() && found.damage.is_empty() && found.clean && !found.boot_changed);
    let mut reader = store.reader().unwrap();
    assert_eq!(reader.page(None, 10).unwrap(), []);
    assert_eq!(chain_of(reader.as_mut(), origin(1)), []);
}

fn what_is_committed_is_recovered(make: Make<'_>) {
    let mut store = make(0);
    let rows = mingled(20);
    commit(store.as_mut(), &rows[..11]);
    commit(store.as_mut(), &rows[11..]);
    let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
    let member = |text| Record::Member { node: NodeId([7; 32]), evidence: bytes(text) };
    let proof = |text| Record::Proof { origin: origin(7), bytes: bytes(text) };
    let meta = |key: &str, text| Record::Meta { key: key.into(), value: bytes(text) };
    let part = |place, text| Record::Revocations { place, bytes: bytes(text) };
    store.commit(&[member("a"), proof("b"), part(1, "c"), part(0, "z"), meta("d", "e"), meta("x", "")]).unwrap();
    store.commit(&[member("A"), proof("B"), part(1, "C"), meta("d", "E")]).unwrap();

    let found = store.recover().unwrap();
    let total: usize = rows.iter().map(|row| row.bytes.len()).sum();
    assert_eq!(found.bytes, u64::try_from(total).unwrap());
    assert_eq!(found.members, [(NodeId([7; 32]), bytes("A"))]);
    assert_eq!(found.proofs, [(origin(7), bytes("B"))]);
    assert_eq!(found.revocations, [bytes("z"), bytes("C")]);
    assert_eq!(found.meta, [("d".to_owned(), bytes("E")), ("x".to_owned(), bytes(""))]);
    assert_eq!(found.meta("d"), Some(&bytes("E")));
    assert_eq!(found.chains.iter().map(|chain| chain.origin).collect::<Vec<_>>(), [1, 2, 3].map(origin));
    for head in &found.chains {
        let last = rows.iter().rfind(|row| BundleView::parse(&row.bytes).unwrap().header().origin == head.origin);
        let view = BundleView::parse(&last.unwrap().bytes).unwrap();
        assert_eq!((head.next, head.last_clock), (view.header().next(), view.last_clock()));
        assert_eq!((head.head_signed.header, head.head_signed.signature), (*view.header(), *view.signature()));
        assert_eq!(head.kept, Seq::FIRST);
        let body = blake3::hash(view.message_bytes());
        assert_eq!(head.head_signed.body.as_bytes(), body.as_bytes());
        let digest = blake3::hash(&[view.header_bytes(), body.as_bytes()].concat());
        assert_eq!(head.head.as_bytes(), digest.as_bytes(), "P-B6");
    }
    store.commit(&[Record::DropProof(origin(8)), Record::DropProof(origin(7))]).unwrap();
    assert_eq!(store.recover().unwrap().proofs, []);
}

fn a_refused_batch_changes_nothing(make: Make<'_>) {
    let mut store = make(0);
    let (mut chain, mut other) = (Chain::new(1), Chain::new(2));
    let first = chain.bundle(&[1, 2], 9);
    commit(store.as_mut(), std::slice::from_ref(&first));
    let before = format!("{:?}", store.recover().unwrap());

    let mut fork = chain.clone();
    fork.digest.0[0] ^= 1;
    let mut gap = chain.clone();
    gap.bundle(&[5], 9);
    let mut cut = other.clone().bundle(&[6], 9);
    cut.bytes.truncate(cut.bytes.len() - 1);
    let bad = [first.clone(), fork.bundle(&[5], 9), gap.bundle(&[6], 9), cut];
    let member = Record::Member { node: NodeId([7; 32]), evidence: Bytes::from_static(b"a") };
    let good = other.bundle(&[7], 9);
    for bundle in bad {
        let batch = [member.clone(), Record::Bundle(good.clone()), Record::Bundle(bundle)];
        let why = store.commit(&batch).unwrap_err();
        assert!(matches!(why, StoreError::NotNext { .. } | StoreError::NotABundle), "{why}");
        assert_eq!(format!("{:?}", store.recover().unwrap()), before);
    }
    let both = [good.clone(), good.clone()].map(Record::Bundle);
    assert!(matches!(store.commit(&both), Err(StoreError::NotNext { .. })), "twice in one batch");
    assert_eq!(log(store.reader().unwrap().as_mut(), 9), sorted(std::slice::from_ref(&first)));
    commit(store.as_mut(), &[good, chain.bundle(&[8], 9)]);
}

fn a_range_begins_with_the_bundle_that_holds_its_start(make: Make<'_>) {
    let mut store = make(0);
    let mut chain = Chain::new(1);
    let rows = [&[1, 2, 3][..], &[4], &[5, 6], &[7, 8, 9]].map(|clocks| chain.bundle(clocks, 100));
    commit(store.as_mut(), &[Chain::new(2).bundle(&[1], 9)]);
    commit(store.as_mut(), &rows);
    let mut reader = store.reader().unwrap();
    let mut range = |from, until, max| reader.range(origin(1), Seq(from), Seq(until), max).unwrap();
    let all = usize::MAX;
    assert_eq!(range(1, 10, all), rows);
    assert_eq!(range(3, u64::MAX, all), rows);
    assert_eq!(range(4, 10, all), rows[1..]);
    assert_eq!(range(6, 7, all), rows[2..3]);
    assert_eq!(range(3, 5, all), rows[..2]);
    assert_eq!(range(9, 3, all), rows[3..], "an end before the start asks for one bundle");
    assert_eq!(range(1, 10, 0), rows[..1], "at least one");
    assert_eq!(range(1, 10, rows[0].bytes.len() + 1), rows[..2]);
    for beyond in [10, 11, i64::MAX.unsigned_abs(), u64::MAX - 1, u64::MAX] {
        assert_eq!(range(beyond, u64::MAX, all), []);
    }
    assert_eq!(range(0, 2, all), [], "no chain has a number 0");
    assert_eq!(reader.range(origin(3), Seq(1), Seq(9), all).unwrap(), []);
    assert_eq!(reader.range(Origin::MAX, Seq(1), Seq(9), all).unwrap(), []);
}

fn a_full_store_takes_only_what_is_vital(make: Make<'_>) {
    let bound: u64 = 1 << 20;
    for part in ["bundles", "members", "proofs"] {
        let mut store = make(bound);
        let mut chain = Chain::new(1);
        // Proofs have some room of their own, less than what is vital.
        let most = if part == "proofs" { bound + EVIDENCE_RESERVE } else { bound };
        let (mut taken, mut n) = (Vec::new(), 0);
        let found = loop {
            n += 1;
            assert!(n < 5_000, "{part}: never full");
            let node = NodeId([u8::try_from(n % 251).unwrap(); 32]);
            let (origin, bytes) = (Origin { node, incarnation: Incarnation(n) }, Bytes::from(vec![1; 4_000]));
            let mut node = node;
            node.0[..8].copy_from_slice(&n.to_be_bytes());
            let record = match part {
                "bundles" => Record::Bundle(chain.bundle(&[n], 4_000)),
                "members" => Record::Member { node, evidence: bytes },
                _ => Record::Proof { origin, bytes },
            };
            match store.commit(std::slice::from_ref(&record)) {
                Ok(()) => taken.push(record),
                Err(StoreError::Full { used, most }) if most == bound => break used,
                other => panic!("{part}: {other:?}"),
            }
        };
        assert!(found <= most && found > most / 2, "{part}: {found} of {most} bytes");
        for n in 0..20_u8 {
            let list = Record::Revocations { place: 0, bytes: Bytes::from(vec![n; 65_000]) };
            let value = Record::Meta { key: "incarnation".into(), value: Bytes::from(vec![n; 8]) };
            store.commit(&[list, value]).unwrap();
        }
        if part == "bundles" {
            let proof = Record::Proof { origin: origin(1), bytes: Bytes::from(vec![7; 356]) };
            store.commit(&[proof]).unwrap();
            assert_eq!(store.recover().unwrap().proofs, [(origin(1), Bytes::from(vec![7; 356]))]);
        }
        let recovered = store.recover().unwrap();
        assert_eq!(recovered.revocations, [Bytes::from(vec![19; 65_000])]);
        assert_eq!(recovered.meta("incarnation"), Some(&Bytes::from(vec![19; 8])));
        let rows: Vec<_> =
            taken.iter().filter_map(|r| if let Record::Bundle(row) = r { Some(row.clone()) } else { None }).collect();
        assert_eq!(log(store.reader().unwrap().as_mut(), 5), sorted(&rows));
    }
}

fn a_reader_sees_each_commit(make: Make<'_>) {
    let mut store = make(0);
    let mut reader = store.reader().unwrap();
    let rows = mingled(9);
    for n in 0..rows.len() {
        commit(store.as_mut(), &rows[n..=n]);
        assert_eq!(log(reader.as_mut(), 3), sorted(&rows[..=n]));
    }
    // Used from another thread while the writer goes on.
    let found = std::thread::spawn(move || log(reader.as_mut(), 4)).join().unwrap();
    assert_eq!(found, sorted(&rows));
}

fn a_closed_store_takes_nothing(make: Make<'_>) {
    let mut store = make(0);
    let mut chain = Chain::new(1);
    commit(store.as_mut(), &[chain.bundle(&[1], 9)]);
    store.close().unwrap();
    store.close().unwrap();
    let refused = store.commit(&[Record::Bundle(chain.bundle(&[2], 9))]);
    assert!(matches!(refused, Err(StoreError::Closed)));
}

fn clocks_at_the_ends_keep_their_order(make: Make<'_>) {
    let mut store = make(0);
    let middle = 1 << 63;
    let rows = [
        Chain::new(1).bundle(&[0, middle - 1, middle, u64::MAX], 9),
        Chain::new(2).bundle(&[middle, u64::MAX - 1], 9),
        Chain::new(3).bundle(&[u64::MAX], 9),
        Chain::new(4).bundle(&[0], 9),
    ];
    commit(store.as_mut(), &rows);
    for page in 1..5 {
        assert_eq!(log(store.reader().unwrap().as_mut(), page), sorted(&rows));
    }
    let end = OrderKey { clock: Clock(u64::MAX), origin: Origin::MAX, seq: Seq(u64::MAX) };
    assert_eq!(store.reader().unwrap().page(Some(end), 5).unwrap(), []);
}

/// For each bundle its origin and the steps between its clocks; clocks of different origins meet often.
fn worlds() -> impl Strategy<Value = Vec<BundleRow>> {
    let bundle = (0_usize..4, prop::collection::vec(1_u64..6, 1..6));
    prop::collection::vec(bundle, 1..60).prop_map(|bundles| {
        let mut chains: Vec<_> = (1..=4).map(|n| (Chain::new(n), 0)).collect();
        let rows = bundles.into_iter().map(|(of, steps)| {
            let (chain, clock) = &mut chains[of];
            let clocks: Vec<u64> = steps
                .iter()
                .map(|step| {
                    *clock += step;
                    *clock
                })
                .collect();
            chain.bundle(&clocks, 0)
        });
        rows.collect()
    })
}

fn cases(test: impl Fn(&mut proptest::test_runner::TestRunner)) {
    let mut config = proptest::test_runner::Config::with_cases(48);
    config.failure_persistence = None;
    test(&mut proptest::test_runner::TestRunner::new(config));
}

fn pages_are_the_one_order(make: Make<'_>) {
    cases(|runner| {
        let run = runner.run(&(worlds(), 1_usize..40), |(rows, page)| {
            let mut store = make(0);
            commit(store.as_mut(), &rows);
            prop_assert_eq!(log(store.reader().unwrap().as_mut(), page), sorted(&rows));
            Ok(())
        });
        run.unwrap();
    });
}

fn a_page_goes_on_from_anywhere(make: Make<'_>) {
    cases(|runner| {
        let places = prop::collection::vec((0_u64..200, 0_u8..6, 0_u64..40, 1_usize..9), 1..8);
        let run = runner.run(&(worlds(), places), |(rows, places)| {
            let mut store = make(0);
            commit(store.as_mut(), &rows);
            let mut reader = store.reader().unwrap();
            for (clock, of, seq, max) in places {
                let after = OrderKey { clock: Clock(clock), origin: origin(of), seq: Seq(seq) };
                let expected: Vec<_> = sorted(&rows).into_iter().filter(|entry| entry.key > after).take(max).collect();
                prop_assert_eq!(reader.page(Some(after), max).unwrap(), expected);
            }
            Ok(())
        });
        run.unwrap();
    });
}

/// A reader that follows the log while it grows sees at each call exactly what is behind its place by then.
fn late_bundles_are_not_passed_over(make: Make<'_>) {
    cases(|runner| {
        let sizes = prop::collection::vec((1_usize..6, 1_usize..12), 1..30);
        let run = runner.run(&(worlds(), sizes), |(rows, sizes)| {
            let mut store = make(0);
            let mut reader = store.reader().unwrap();
            let (mut done, mut after) = (0, None);
            for (more, max) in sizes.into_iter().cycle() {
                let end = rows.len().min(done + more);
                if end > done {
                    commit(store.as_mut(), &rows[done..end]);
                }
                let behind = sorted(&rows[..end]).into_iter().filter(|entry| Some(entry.key) > after);
                let expected: Vec<_> = behind.take(max).collect();
                let page = reader.page(after, max).unwrap();
                prop_assert_eq!(&page, &expected);
                after = page.last().map(|entry| entry.key).or(after);
                if done == rows.len() && page.is_empty() {
                    break;
                }
                done = end;
            }
            Ok(())
        });
        run.unwrap();
    });
}

#[test]
fn the_two_kinds_give_the_same_answers() {
    let dir = new_dir();
    let rows = mingled(60);
    let (mut file, mut memory) = (open(&dir.path().join("a.db")), MemoryStore::new(0));
    commit(file.as_mut(), &rows);
    commit(&mut memory, &rows);
    let (one, two) = (file.recover().unwrap(), memory.recover().unwrap());
    assert_eq!((one.chains, one.bytes), (two.chains, two.bytes));
    let (mut one, mut two) = (file.reader().unwrap(), memory.reader().unwrap());
    for from in 0..60 {
        for max in [0, 500, 40_000] {
            let ask =
                |reader: &mut dyn rumormill_store::Reader| reader.range(origin(2), Seq(from), Seq(50), max).unwrap();
            assert_eq!(ask(one.as_mut()), ask(two.as_mut()), "from {from}, at most {max}");
        }
    }
}
