//! A store's file and what stands beside it: who may open it, how it is left, what a crash or an old copy does to it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use common::{Chain, chain_of, commit, config, log, mingled, new_dir, open, origin, sorted};
use rumormill_store::{Damage, Durability, OpenConfig, Record, StoreError};
use rumormill_wire::Seq;

fn refusal(path: &Path) -> StoreError {
    rumormill_store::open(&config(path)).err().expect("it must not open")
}

/// Names of damaged files kept beside a store.
fn aside(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(".damaged-") && !name.ends_with("-wal") && !name.ends_with("-shm")).collect()
}

/// What a crash leaves: the files as they are at this moment.
fn crash(from: &Path, to: &Path) -> PathBuf {
    fs::create_dir_all(to).unwrap();
    for extra in ["", "-wal"] {
        let name = |dir: &Path| dir.join(format!("log.db{extra}"));
        if name(from).exists() {
            fs::copy(name(from), name(to)).unwrap();
        }
    }
    to.join("log.db")
}

#[test]
fn a_store_is_open_once() {
    let dir = new_dir();
    let path = dir.path().join("state/log.db");
    let first = open(&path);
    let why = refusal(&path);
    assert!(matches!(&why, StoreError::InUse(found) if *found == path), "{why}");
    assert!(why.to_string().contains("in use by another node"));
    drop(first);
    open(&path);
}

#[test]
fn only_its_owner_reads_it() {
    let dir = new_dir();
    let mut store = open(&dir.path().join("log.db"));
    commit(store.as_mut(), &mingled(3));
    for entry in fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.file_name());
    }
}

#[test]
fn what_was_committed_is_there_again_however_the_store_was_left() {
    let dir = new_dir();
    let path = dir.path().join("log.db");
    let rows = mingled(30);
    for (n, close) in [true, false, true, false, false].into_iter().enumerate() {
        let mut store = open(&path);
        let found = store.recover().unwrap();
        assert_eq!(found.clean, n == 0 || [true, false, true, false, false][n - 1], "opening {n}");
        assert_eq!((found.damage, found.boot_changed), (Vec::new(), false));
        assert_eq!(log(store.reader().unwrap().as_mut(), 7), sorted(&rows[..n * 6]));
        commit(store.as_mut(), &rows[n * 6..(n + 1) * 6]);
        if close {
            store.close().unwrap();
        }
    }
    assert_eq!(log(open(&path).reader().unwrap().as_mut(), 7), sorted(&rows));
}

#[test]
fn an_open_reader_does_not_hinder_the_close() {
    let dir = new_dir();
    let path = dir.path().join("log.db");
    let mut store = open(&path);
    let rows = mingled(5);
    commit(store.as_mut(), &rows);
    let mut reader = store.reader().unwrap();
    assert_eq!(log(reader.as_mut(), 4), sorted(&rows));
    store.close().unwrap();
    assert_eq!(log(reader.as_mut(), 4), sorted(&rows));
    drop((store, reader));
    assert!(open(&path).recover().unwrap().clean);
}

#[test]
fn files_of_others_and_of_later_versions_are_left_alone() {
    let dir = new_dir();
    let path = dir.path().join("other.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE a(b)").unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(refusal(&path), StoreError::Foreign(found) if found == path));
    assert_eq!(fs::read(&path).unwrap(), before);

    let path = dir.path().join("newer.db");
    open(&path).close().unwrap();
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("PRAGMA user_version = 9; DELETE FROM kept WHERE key = x'666f726d6174'").unwrap();
    drop(db);
    let why = refusal(&path);
    assert!(matches!(&why, StoreError::Newer { found: 9, known: 1, .. }), "{why}");
    assert!(why.to_string().contains("newer version"));

    let path = dir.path().join("directory");
    fs::create_dir(&path).unwrap();
    let why = refusal(&path);
    assert!(matches!(why, StoreError::Io { .. }), "{why}");
    assert!(why.to_string().contains(path.to_str().unwrap()));
    assert!(aside(dir.path()).is_empty());
}

#[test]
fn a_crash_at_any_moment_keeps_what_was_committed() {
    for durability in [Durability::Full, Durability::Normal] {
        let dir = new_dir();
        let from = dir.path().join("live");
        let mut store = rumormill_store::open(&OpenConfig { durability, ..config(&from.join("log.db")) }).unwrap();
        let rows = mingled(24);
        for n in 0..rows.len() {
            commit(store.as_mut(), &rows[n..=n]);
            let copy = crash(&from, &dir.path().join(format!("crash{n}")));
            let mut copy = open(&copy);
            let found = copy.recover().unwrap();
            assert!(!found.clean && found.damage.is_empty(), "{:?}", found.damage);
            assert_eq!(log(copy.reader().unwrap().as_mut(), 9), sorted(&rows[..=n]));
        }
    }
}

/// The log is torn in the middle of its last commit: that one is gone, those before are there.
#[test]
fn a_torn_commit_is_gone_as_a_whole() {
    let dir = new_dir();
    let from = dir.path().join("live");
    let mut store = open(&from.join("log.db"));
    let rows = mingled(12);
    commit(store.as_mut(), &rows[..6]);
    let before = fs::metadata(from.join("log.db-wal")).unwrap().len();
    commit(store.as_mut(), &rows[6..]);
    let after = fs::metadata(from.join("log.db-wal")).unwrap().len();
    assert!(after > before + 20_000);
    for (n, len) in (before..after).step_by(2_741).enumerate() {
        let path = crash(&from, &dir.path().join(format!("torn{n}")));
        let wal = fs::OpenOptions::new().write(true).open(path.with_extension("db-wal")).unwrap();
        wal.set_len(len).unwrap();
        let mut store = open(&path);
        assert_eq!(store.recover().unwrap().damage, []);
        assert_eq!(log(store.reader().unwrap().as_mut(), 9), sorted(&rows[..6]));
        commit(store.as_mut(), &rows[6..]);
    }
}

#[test]
fn an_old_copy_put_back_is_an_earlier_store() {
    let dir = new_dir();
    let path = dir.path().join("log.db");
    let rows = mingled(30);
    let mut store = open(&path);
    commit(store.as_mut(), &rows[..10]);
    store.close().unwrap();
    drop(store);
    let old = fs::read(&path).unwrap();
    let mut store = open(&path);
    commit(store.as_mut(), &rows[10..]);
    // Once beside a log that is newer than it, once after an orderly close.
    for close in [false, true] {
        if close {
            store.close().unwrap();
        }
        drop(store);
        fs::write(&path, &old).unwrap();
        store = open(&path);
        let found = store.recover().unwrap();
        assert!(!found.clean);
        let shown = log(store.reader().unwrap().as_mut(), 50);
        assert_eq!(shown, sorted(&rows[..10]), "closed: {close}");
        commit(store.as_mut(), &rows[10..]);
    }
}

#[test]
fn a_byte_that_fell_over_in_a_closed_store_is_found() {
    let dir = new_dir();
    let path = dir.path().join("log.db");
    let mut store = open(&path);
    let mut chain = Chain::new(1);
    let rows: Vec<_> = (1..=30).map(|n| chain.bundle(&[n], 3_000)).collect();
    commit(store.as_mut(), &rows);
    store.close().unwrap();
    drop(store);
    let mut file = fs::read(&path).unwrap();
    let at = file.windows(5).rposition(|window| window == b"1 20 ").unwrap();
    file[at + 100] ^= 1;
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, &file).unwrap();

    // Somebody wrote to the file: all of it is looked at.
    let copy = crash(dir.path(), &dir.path().join("copy"));
    fs::copy(dir.path().join("log.db-lock"), copy.with_extension("db-lock")).unwrap();
    let mut store = open(&copy);
    let found = store.recover().unwrap();
    let cut = Damage::Chain { origin: origin(1), kept: Seq(20) };
    assert!(found.damage.contains(&cut) && !found.clean, "{:?}", found.damage);
    assert_eq!(chain_of(store.reader().unwrap().as_mut(), origin(1)), rows[..19]);

    // The disk let it fall over: the time is as it was. It is found by whoever reads it, and then looked for.
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_modified(time).unwrap();
    let mut store = open(&path);
    assert!(store.recover().unwrap().clean);
    let mut reader = store.reader().unwrap();
    assert_eq!(reader.range(origin(1), Seq(1), Seq(20), usize::MAX).unwrap(), rows[..19]);
    let why = reader.range(origin(1), Seq(5), Seq(25), usize::MAX).unwrap_err();
    assert!(matches!(why, StoreError::Damaged { seq: Seq(20), .. }), "{why}");
    let why = reader.page(None, 30).unwrap_err();
    assert!(matches!(why, StoreError::Damaged { seq: Seq(20), .. }), "{why}");
    assert_eq!(reader.page(None, 3).unwrap(), sorted(&rows[..3]), "what is before it is still shown");
    store.close().unwrap();
    drop((store, reader));
    let mut store = open(&path);
    assert!(store.recover().unwrap().damage.contains(&cut));
    commit(store.as_mut(), &rows[19..]);
    assert_eq!(log(store.reader().unwrap().as_mut(), 9), sorted(&rows));
}

#[test]
fn few_damaged_files_are_kept() {
    let dir = new_dir();
    let path = dir.path().join("log.db");
    for _ in 0..6 {
        open(&path);
        fs::write(&path, b"this is no database, and it is long enough to be seen as none").unwrap();
        let found = open(&path).recover().unwrap();
        assert!(
            matches!(&found.damage[..], [Damage::File { quarantine, .. }] if quarantine.exists()),
            "{:?}",
            found.damage
        );
        assert!(found.chains.is_empty());
    }
    assert_eq!(aside(dir.path()).len(), 3);
}

/// A node may end before it acted on what was lost; the next time it must hear of it too.
#[test]
fn damage_is_told_until_something_is_committed() {
    let dir = new_dir();
    let path = dir.path().join("log.db");
    let rows = mingled(30);
    let mut store = open(&path);
    commit(store.as_mut(), &rows);
    store.close().unwrap();
    drop(store);
    let mut file = fs::read(&path).unwrap();
    file.truncate(file.len() * 2 / 3);
    fs::write(&path, &file).unwrap();
    let first = open(&path).recover().unwrap().damage;
    assert!(matches!(&first[..], [Damage::File { .. }, ..]), "{first:?}");
    let mut store = open(&path);
    let again = store.recover().unwrap();
    assert_eq!((&again.damage, again.clean), (&first, false));
    assert_eq!(store.recover().unwrap().damage, first);
    store.close().unwrap();
    drop(store);
    let mut store = open(&path);
    assert_eq!(store.recover().unwrap().damage, first, "a close is no answer");
    let meta = Record::Meta { key: "incarnation".into(), value: Bytes::from_static(b"2") };
    store.commit(&[meta]).unwrap();
    assert_eq!(store.recover().unwrap().damage, []);
    drop(store);
    assert_eq!(open(&path).recover().unwrap().damage, []);
}

/// What is not a bundle is sealed as well: a named value that was written over is not believed, and that is said.
#[test]
fn a_value_that_was_written_over_is_damage() {
    let dir = new_dir();
    let path = dir.path().join("log.db");
    let rows = mingled(9);
    let record = |key: &str, value| Record::Meta { key: key.into(), value: Bytes::from_static(value) };
    let mut store = open(&path);
    commit(store.as_mut(), &rows);
    store.commit(&[record("a", b"ABCDEFGHIJ"), record("b", b"KLMNOPQRST")]).unwrap();
    store.close().unwrap();
    drop(store);
    let mut file = fs::read(&path).unwrap();
    let at = file.windows(10).position(|window| window == b"ABCDEFGHIJ").unwrap();
    file[at + 3] ^= 1;
    fs::write(&path, file).unwrap();
    let mut store = open(&path);
    let found = store.recover().unwrap();
    assert_eq!(found.meta, [("b".to_owned(), Bytes::from_static(b"KLMNOPQRST"))]);
    assert!(matches!(&found.damage[..], [Damage::File { .. }]), "{:?}", found.damage);
    assert_eq!(log(store.reader().unwrap().as_mut(), 9), sorted(&rows));
}

#[test]
fn a_file_that_is_put_aside_is_as_it_was_found() {
    let dir = new_dir();
    let rows = mingled(9);
    let good = dir.path().join("good.db");
    let mut store = open(&good);
    commit(store.as_mut(), &rows);
    store.close().unwrap();
    let mut header = fs::read(&good).unwrap();
    header[..200].fill(0x77);
    let mut middle = fs::read(&good).unwrap();
    let at = middle.len() / 2;
    middle[at..at + 500].fill(0x77);
    let notes = "what somebody else kept here ".repeat(1_000).into_bytes();
    for (n, bytes) in [notes, b"short".to_vec(), header, middle].into_iter().enumerate() {
        let path = dir.path().join(format!("{n}.db"));
        fs::write(&path, &bytes).unwrap();
        let found = open(&path).recover().unwrap();
        let [Damage::File { quarantine, .. }, ..] = &found.damage[..] else { panic!("{:?}", found.damage) };
        assert!(fs::read(quarantine).unwrap() == bytes, "file {n} was changed");
    }
}

#[test]
fn a_file_of_no_length_is_a_lost_store() {
    let dir = new_dir();
    let path = dir.path().join("log.db");
    commit(open(&path).as_mut(), &mingled(5));
    fs::write(&path, b"").unwrap();
    let found = open(&path).recover().unwrap();
    assert!(found.chains.is_empty() && !found.clean);
    assert!(matches!(&found.damage[..], [Damage::File { reason, .. }] if reason.contains("empty")));
}

#[test]
fn a_log_that_was_written_over_is_said() {
    let dir = new_dir();
    let from = dir.path().join("live");
    let mut store = open(&from.join("log.db"));
    let rows = mingled(12);
    for n in 0..rows.len() {
        commit(store.as_mut(), &rows[n..=n]);
    }
    let len = usize::try_from(fs::metadata(from.join("log.db-wal")).unwrap().len()).unwrap();
    for (n, at) in [0, 5, 9, 17, 25, 40, len / 3, len / 2].into_iter().enumerate() {
        let path = crash(&from, &dir.path().join(format!("bad{n}")));
        let wal = path.with_extension("db-wal");
        let mut bytes = fs::read(&wal).unwrap();
        bytes[at] ^= 0x40;
        fs::write(&wal, bytes).unwrap();
        let found = open(&path).recover().unwrap();
        assert!(matches!(&found.damage[..], [Damage::File { quarantine, .. }, ..] if quarantine.exists()), "byte {at}");
        let mut store = open(&path);
        let shown = log(store.reader().unwrap().as_mut(), 9);
        let kept = (0..rows.len()).find(|n| shown == sorted(&rows[..*n])).expect("a beginning of all commits");
        commit(store.as_mut(), &rows[kept..]);
        drop(store);
        assert_eq!(open(&path).recover().unwrap().damage, [], "byte {at}: it is not found again");
    }
}

#[test]
fn a_salvage_that_was_interrupted_is_ended() {
    let dir = new_dir();
    let path = dir.path().join("log.db");
    let rows = mingled(9);
    let mut store = open(&path);
    commit(store.as_mut(), &rows);
    store.commit(&[Record::Revocations { place: 0, bytes: Bytes::from_static(b"r") }]).unwrap();
    store.close().unwrap();
    drop(store);
    // The old file was put aside, its log was not yet, the new one stands ready.
    fs::rename(&path, dir.path().join("log.db.salvage")).unwrap();
    let other = dir.path().join("other/log.db");
    let mut old = open(&other);
    commit(old.as_mut(), &[Chain::new(9).bundle(&[1], 30_000)]);
    fs::copy(other.with_extension("db-wal"), path.with_extension("db-wal")).unwrap();
    let store = open(&path);
    assert_eq!(log(store.reader().unwrap().as_mut(), 9), sorted(&rows));
    drop(store);
    // One that was not yet ready is begun anew, and is nobody's store.
    fs::write(dir.path().join("log.db.salvage"), b"half").unwrap();
    let mut file = fs::read(&path).unwrap();
    let middle = file.len() / 2;
    file[middle..middle + 200].fill(0xee);
    fs::write(&path, file).unwrap();
    let mut store = open(&path);
    let found = store.recover().unwrap();
    assert!(!found.damage.is_empty() && found.revocations == [Bytes::from_static(b"r")]);
    assert!(!found.chains.is_empty());
    assert!(!dir.path().join("log.db.salvage").exists());
}
