//! Clocks that cannot be right: nothing is made by them, and whatever is made can be read.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, missing_docs)]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use common::{DAY, Net};
use rumormill_transport::clock::{Clock, EARLIEST_S, LATEST_S};
use rumormill_transport::{CaError, Identity, LocalCa, Trust};
use rumormill_wire::NodeId;

fn at(seconds: u64) -> Clock {
    Clock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Before the epoch, at it, in its first minutes, as machines without a clock of their own begin, and beyond all dates.
fn impossible() -> Vec<Clock> {
    let before = Clock::at(SystemTime::UNIX_EPOCH - DAY);
    let others = [0, 1, 299, 300, 301, 315_532_800, 946_684_800, EARLIEST_S - 1, LATEST_S + 1, 1 << 40, 1 << 62];
    [before].into_iter().chain(others.map(at)).collect()
}

/// All files below a directory, with their content.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(dir: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() {
                found.insert(path.clone(), Vec::new());
                walk(&path, found)?;
            } else {
                found.insert(path.clone(), fs::read(&path)?);
            }
        }
        Ok(())
    }
    let mut found = BTreeMap::new();
    walk(dir, &mut found).unwrap();
    found
}

#[track_caller]
fn is_refused<T: std::fmt::Debug>(clock: Clock, done: Result<T, CaError>) {
    let why = done.unwrap_err();
    assert!(matches!(why, CaError::Clock(_)), "{clock:?}: {why}");
    assert!(why.to_string().contains("nothing was made") && !why.is_asked_wrongly(), "{why}");
    assert!(why.way_out().unwrap().contains("set the clock"), "{why}");
}

#[test]
fn by_a_clock_that_cannot_be_right_nothing_is_made_or_written() {
    let dir = tempfile::tempdir().unwrap();
    let automatic = LocalCa::open_or_create(&dir.path().join("automatic")).unwrap();
    automatic.open_or_issue("old").unwrap();
    let made = LocalCa::init(&dir.path().join("made")).unwrap();
    made.issue("old", DAY, None).unwrap();
    let before = files(dir.path());
    for clock in impossible() {
        is_refused(clock, LocalCa::init_by(&dir.path().join("new"), clock));
        is_refused(clock, LocalCa::open_or_create_by(&dir.path().join("new"), clock));
        for home in ["automatic", "made"] {
            let home = dir.path().join(home);
            let ca = LocalCa::open_or_create_by(&home, clock).unwrap();
            is_refused(clock, ca.issue("old", DAY, None));
            is_refused(clock, ca.issue("new", DAY, None));
            is_refused(clock, ca.issue("new", DAY, Some(&dir.path().join("out"))));
            is_refused(clock, ca.issue_new_key("new", DAY, None));
            is_refused(clock, ca.open_or_issue("new"));
            is_refused(clock, ca.revoke(NodeId([1; 32]), None));
            if ca.is_automatic() {
                is_refused(clock, ca.open_or_issue("old"));
            } else {
                ca.open_or_issue("old").unwrap();
            }
        }
    }
    assert_eq!(files(dir.path()), before);
    // Once the clock is right, all goes on.
    automatic.issue("new", DAY, None).unwrap();
    made.issue("new", DAY, Some(&dir.path().join("out"))).unwrap();
}

#[test]
fn what_is_made_by_any_other_clock_is_read_and_renewed_and_revoked() {
    let year_2050 = 2_524_608_000;
    let last = LATEST_S - 21 * 366 * 86_400;
    for now in [EARLIEST_S, year_2050 - 1, year_2050, year_2050 + 300, 16_725_225_600, last] {
        let dir = tempfile::tempdir().unwrap();
        let ca = LocalCa::open_or_create_by(&dir.path().join("home"), at(now)).unwrap();
        let node = ca.open_or_issue("n").unwrap().node();
        assert_eq!(ca.issued("n").unwrap().node, node);
        let issued = ca.issue("n", DAY, None).unwrap();
        let (from, until) = Identity::load(&issued.certificate, &issued.key).unwrap().valid();
        let seconds = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!((seconds(from), seconds(until)), (now - 300, now + 86_400));
        let der = fs::read(&issued.certificate).unwrap();
        let der = rustls_pki_types::pem::PemObject::from_pem_slice(&der).unwrap();
        let then = rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(now));
        Trust::from_ca(ca.certificate()).unwrap().check_link(&der, then).unwrap();
        assert_eq!(ca.revoke(node, None).unwrap().list.issued(), now);
    }
    let net = Net::new();
    is_refused(at(LATEST_S), net.ca.by(at(LATEST_S)).issue("n", DAY, None));
}
