use rumormill_wire::{Clock, Incarnation, Origin, Seq};

use super::*;

const NODE: NodeId = NodeId([1; 32]);
const MINUTE: i64 = 60_000_000;

fn key(incarnation: u64, seq: u64, clock: u64) -> MemberKey {
    let origin = Origin { node: NODE, incarnation: Incarnation(incarnation) };
    MemberKey { clock: Clock(clock), origin, seq: Seq(seq), key: vec![u8::try_from(seq).unwrap(); 32] }
}

fn keys() -> (Keys, Wall, u64) {
    let wall = Wall::ahead_by(0);
    let now = wall.now_us();
    (Keys { wall: wall.clone(), ..Keys::default() }, wall, now)
}

#[test]
fn a_key_signed_near_the_end_of_time_does_not_hold_for_ever() {
    let (mut keys, _, now) = keys();
    let day = now / 1_000_000;
    keys.put(key(day, 1, u64::MAX));
    assert_eq!(keys.of(&NODE), None, "its time has not come");
    keys.put(key(day + 1, 1, now));
    assert_eq!(keys.of(&NODE), Some(&key(day + 1, 1, now)), "of a later chain, with a clock that was put right");
    assert!(!keys.is_news(&key(day, 9, now + 1)), "an older incarnation does not come back");
    // A chain begun far in the future, of which no store is left.
    keys.put(key(u64::MAX - 1, 5, now));
    assert_eq!(keys.of(&NODE), Some(&key(day + 1, 1, now)));
    let mut fresh = Keys::default();
    fresh.put(key(u64::MAX - 1, 5, now));
    assert_eq!(fresh.of(&NODE), Some(&key(u64::MAX - 1, 5, now)), "better than none");
    fresh.put(key(day, 1, now));
    assert_eq!(fresh.of(&NODE), Some(&key(day, 1, now)));
}

#[test]
fn the_newest_incarnation_counts_and_in_it_the_last_number_whatever_clocks_said() {
    let (mut keys, _, now) = keys();
    keys.put(key(7, 5, now - 10));
    keys.put(key(7, 4, now));
    assert_eq!(keys.of(&NODE).unwrap().seq, Seq(5));
    keys.put(key(8, 1, now - 60));
    assert_eq!(keys.of(&NODE).unwrap().origin.incarnation, Incarnation(8));
    assert!(!keys.is_news(&key(8, 1, now - 60)) && keys.is_news(&key(8, 2, now - 90)));
}

#[test]
fn a_key_from_ahead_counts_when_its_time_has_come() {
    let (mut keys, wall, now) = keys();
    let ahead = key(7, 2, now + 5 * 60_000_000);
    keys.put(key(7, 1, now));
    assert!(keys.is_news(&ahead));
    keys.put(ahead.clone());
    assert!(!keys.is_news(&ahead));
    assert_eq!(keys.of(&NODE).unwrap().seq, Seq(1));
    assert_eq!(keys.records().count(), 2, "it is in the file");
    wall.set(5 * MINUTE);
    assert_eq!(keys.of(&NODE), Some(&ahead));
    wall.set(0);
    assert_eq!(keys.of(&NODE), None, "it was our clock that was wrong");
}

#[test]
fn keys_from_ahead_cost_a_bounded_part_and_those_that_come_first_are_kept() {
    let (mut keys, wall, now) = keys();
    for seq in 1..=100 {
        keys.put(key(7, seq, now + (100 + seq) * 60_000_000));
    }
    keys.put(key(8, 7, now + 2 * 60_000_000));
    assert_eq!(keys.records().count(), MAX_AHEAD);
    wall.set(2 * MINUTE);
    assert_eq!(keys.of(&NODE).unwrap().seq, Seq(7));
}
