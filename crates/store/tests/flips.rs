//! A larger store than that of the other tests, with bundles of many pages, under one byte flipped at a time: it opens, shows
//! nothing that was not written, keeps the beginning of each chain, and says so when something is gone.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use common::{Chain, chain_of, commit, log, open, origin, sorted};
use rumormill_store::{BundleRow, Damage};
use rumormill_wire::native::BundleView;

/// Two hundred bundles of five chains: most are small, some fill eight pages.
fn large() -> Vec<BundleRow> {
    let mut chains = [1, 2, 3, 4, 5].map(Chain::new);
    let mut clock = 1_000;
    let rows = (0..200_usize).map(|n| {
        let chain = &mut chains[(n * 7 + n / 9) % 5];
        let count = if n % 10 == 3 { 2 } else { 1 + n % 3 };
        let clocks: Vec<u64> = (0..count)
            .map(|_| {
                clock += 3;
                clock
            })
            .collect();
        chain.bundle(&clocks, if n % 10 == 3 { 30_000 } else { 40 + n })
    });
    rows.collect()
}

/// Flips one byte at a time and holds the store to its promise; gives how often something was lost.
fn flip(cases: u64) -> usize {
    let rows = large();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    let mut store = open(&path);
    rows.chunks(7).for_each(|some| commit(store.as_mut(), some));
    store.close().unwrap();
    drop(store);
    let file = fs::read(&path).unwrap();
    assert!(file.len() > 1_200_000);
    let digests: BTreeSet<_> = sorted(&rows).iter().map(|entry| *blake3::hash(&entry.body).as_bytes()).collect();
    let mut written: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in &rows {
        written.entry(BundleView::parse(&row.bytes).unwrap().header().origin).or_default().push(row.clone());
    }
    let (mut seed, mut lost, mut kept_of_late) = (0x9e37_79b9_7f4a_7c15_u64, 0, 0);
    for case in 0..cases {
        // A plain xorshift: the same places every time.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let at = usize::try_from(seed % u64::try_from(file.len()).unwrap()).unwrap();
        let bits = u8::try_from(seed >> 56).unwrap() | 1;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.db");
        let mut bytes = file.clone();
        bytes[at] ^= bits;
        fs::write(&path, bytes).unwrap();
        let mut store = open(&path);
        let found = store.recover().unwrap();
        let mut reader = store.reader().unwrap();
        let mut bundles = 0;
        for n in 1..=5 {
            let kept = chain_of(reader.as_mut(), origin(n));
            assert_eq!(kept[..], written[&origin(n)][..kept.len()], "case {case}: a beginning of its chain");
            bundles += kept.len();
        }
        let shown = log(reader.as_mut(), 100);
        assert!(shown.iter().all(|entry| digests.contains(blake3::hash(&entry.body).as_bytes())), "case {case}");
        if bundles < rows.len() {
            lost += 1;
            assert!(matches!(found.damage[..], [Damage::File { .. }, ..]), "case {case}, byte {at}: not a word");
        }
        if at > file.len() * 3 / 4 {
            kept_of_late = kept_of_late.max(bundles);
            assert!(bundles > 0, "case {case}, byte {at}");
        }
    }
    assert!(kept_of_late > rows.len() / 2);
    lost
}

/// With `RUMORMILL_TEST_LONG=1` many more bytes, which takes minutes.
#[test]
fn one_byte_in_a_larger_store() {
    let (bytes, least) = if std::env::var_os("RUMORMILL_TEST_LONG").is_some() { (3_000, 500) } else { (200, 50) };
    assert!(flip(bytes) > least);
}
