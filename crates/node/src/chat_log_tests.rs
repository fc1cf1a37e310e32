use rumormill_wire::{Clock, Incarnation, NodeId};

use super::*;

fn place(clock: u64) -> Place {
    let origin = Origin { node: NodeId([1; 32]), incarnation: Incarnation(1) };
    Place { clock: Clock(clock), origin, seq: Seq(clock) }
}

fn rules(wall_us: u64) -> Rules {
    Rules { limits: Arc::default(), wall_us }
}

/// Reads a part from one clock to another, of a text of so many bytes.
fn read(log: &ChatLog, from: u64, to: u64, len: usize) {
    let mut part = Part::behind((from > 0).then(|| place(from)));
    let from = part.end;
    log.begin(&mut part);
    part.messages = Arc::new(["x".repeat(len).as_str()].into_iter().collect());
    (part.end, part.full) = (Some(place(to)), true);
    log.keep(&rules(100), from, part);
}

fn has(log: &ChatLog, from: u64) -> bool {
    log.find(&rules(100), (from > 0).then(|| place(from))).is_some_and(|(_, whole)| whole)
}

#[test]
fn a_bundle_drops_the_parts_that_it_touches_and_no_others() {
    let log = ChatLog::default();
    for from in [0, 10, 20, 30] {
        read(&log, from, from + 10, 5);
    }
    let all = |log: &ChatLog| [0, 10, 20, 30].map(|from| has(log, from));
    log.committed(place(41), place(50));
    assert_eq!(all(&log), [true; 4], "behind all");
    log.committed(place(15), place(20));
    assert_eq!(all(&log), [true, false, true, true]);
    log.committed(place(5), place(21));
    assert_eq!(all(&log), [false, false, false, true]);
    assert_eq!(log.bytes(), 6);
}

#[test]
fn a_part_that_was_overtaken_while_it_was_read_is_not_kept() {
    let log = ChatLog::default();
    let mut part = Part::behind(None);
    log.begin(&mut part);
    log.committed(place(5), place(5));
    (part.end, part.full) = (Some(place(10)), true);
    log.keep(&rules(100), None, part.clone());
    assert!(!has(&log, 0));
    log.begin(&mut part);
    log.committed(place(11), place(12));
    log.keep(&rules(100), None, part);
    assert!(has(&log, 0), "what was committed is behind it");
}

#[test]
fn the_end_of_the_log_is_read_on_once_something_was_committed_or_may_have_become_due() {
    let log = ChatLog::default();
    let mut part = Part { end: Some(place(10)), ..Part::default() };
    log.begin(&mut part);
    log.keep(&rules(100), None, part.clone());
    assert!(has(&log, 0));
    log.committed(place(11), place(11));
    let (found, whole) = log.find(&rules(100), None).unwrap();
    assert_eq!((found.end, whole), (Some(place(10)), false));
    log.begin(&mut part);
    log.keep(&rules(100), None, Part { waits: true, ..part });
    assert!(!has(&log, 0));
}

#[test]
fn what_is_withdrawn_drops_all_and_a_clock_that_was_put_back_hides() {
    let log = ChatLog::default();
    read(&log, 0, MAX_AHEAD_US + 10, 5);
    assert!(log.find(&rules(10), None).is_some() && log.find(&rules(9), None).is_none());
    let limits = || Arc::new(BTreeMap::from([(place(1).origin, Seq(3))]));
    let withdrawn = Rules { limits: limits(), wall_us: 100 };
    assert!(log.find(&withdrawn, None).is_none());
    assert_eq!(log.bytes(), 0);
    // Read by the rules of before.
    read(&log, 0, 10, 5);
    assert!(log.find(&withdrawn, None).is_none());
    log.keep(&Rules { limits: limits(), wall_us: 1 }, None, Part { full: true, ..Part::default() });
    assert!(log.find(&withdrawn, None).is_some(), "equal rules are the same");
}

#[test]
fn what_is_kept_is_bounded_in_bytes_and_parts_and_the_oldest_give_way() {
    let log = ChatLog::default();
    let parts = u64::try_from(MAX_KEPT / PART_BYTES).unwrap() + 8;
    for n in 0..parts {
        read(&log, n, n + 1, PART_BYTES);
        assert!(log.bytes() <= MAX_KEPT);
    }
    assert!(!has(&log, 0) && has(&log, parts - 1) && log.bytes() > MAX_KEPT / 2);
    for n in 0..2_000 {
        read(&log, n, n + 1, 1);
    }
    let kept = lock(&log.kept);
    assert_eq!((kept.parts.len(), kept.order.len()), (MAX_PARTS, MAX_PARTS));
    assert_eq!(kept.bytes, kept.parts.values().map(|part| part.messages.len()).sum::<usize>());
}
