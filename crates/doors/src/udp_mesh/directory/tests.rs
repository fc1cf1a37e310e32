//! The machine on a clock of its own.

mod driven;
mod extended;
mod reflector;
mod silence;

use std::collections::BTreeSet;

use rumormill_wire::udp_mesh::extended::Refusal;
use rumormill_wire::udp_mesh::{Datagram, NameChar};

use super::attention::PATIENCE;
use super::*;
use driven::{DrivenDirectory, Verdict};

fn limits() -> Limits {
    let home = [127, 0, 0, 1].into();
    Limits { members: 200, by_address: 150, look: ms(500), silence: ms(1_500), home, queue: 400_000 }
}

/// So many datagrams at once, and the queue may have been full.
const TOO_MANY: usize = 150;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn at(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn character(c: char) -> NameChar {
    NameChar::new(c).unwrap()
}

fn directory() -> DrivenDirectory {
    DrivenDirectory::new(limits(), 1)
}

fn sent(directory: &mut DrivenDirectory, now: Duration) -> Vec<(SocketAddr, Vec<u8>)> {
    directory.sent(now)
}

fn listed(bytes: &[u8]) -> String {
    let Ok(Datagram::Directory(entries)) = Datagram::parse(bytes) else { panic!("{bytes:02x?}") };
    let mut names: Vec<_> = entries.iter().map(|(name, _)| name.get()).collect();
    names.sort_unstable();
    names.into_iter().collect()
}

const TAKEN: Refusal = Refusal::Name;

#[test]
fn a_birth_is_taken_if_name_and_port_are_free_and_everyone_is_told_either_way() {
    let mut directory = directory();
    assert_eq!(directory.birth(ms(0), at(9_001), character('A'), 3_001), Verdict::Taken);
    assert_eq!(
        sent(&mut directory, ms(0)).iter().map(|(to, b)| (*to, listed(b))).collect::<Vec<_>>(),
        [(at(3_001), "A".into())]
    );
    let refused = |why| Verdict::Refused { why, tell: false };
    assert_eq!(directory.birth(ms(200), at(9_002), character('A'), 3_002), refused(TAKEN));
    assert_eq!(sent(&mut directory, ms(200)).len(), 1, "the members get the directory again");
    assert_eq!(directory.birth(ms(400), at(9_003), character('B'), 3_001), refused(Refusal::Port));
    assert_eq!(directory.birth(ms(400), at(9_005), character('B'), 3_002), Verdict::Taken);
    let all = sent(&mut directory, ms(400));
    assert_eq!(all.iter().map(|(_, b)| listed(b)).collect::<Vec<_>>(), ["AB", "AB"]);
    assert_eq!(directory.birth(ms(900), at(9_005), character('B'), 3_002), Verdict::Known);
    assert_eq!(sent(&mut directory, ms(900)).len(), 2);
}

#[test]
fn who_asks_twice_is_one_of_ours_and_is_told() {
    let mut directory = directory();
    directory.birth(ms(0), at(9_001), character('A'), 3_001);
    assert_eq!(directory.birth(ms(0), at(9_002), character('A'), 3_002), Verdict::Refused { why: TAKEN, tell: false });
    assert_eq!(directory.birth(ms(9), at(9_002), character('A'), 3_002), Verdict::Refused { why: TAKEN, tell: true });
}

#[test]
fn the_silent_are_dropped_and_a_heartbeat_does_not_bring_them_back() {
    let mut directory = directory();
    directory.birth(ms(0), at(9_001), character('A'), 3_001);
    directory.birth(ms(0), at(9_002), character('B'), 3_002);
    let mut dropped = None;
    for now in (0..4_000).step_by(100).map(ms) {
        if now.as_millis() % 500 == 0 {
            assert!(directory.keepalive(now, at(9_002), character('B')));
        }
        directory.look(now);
        if directory.len() == 1 && dropped.is_none() {
            dropped = Some(now);
        }
    }
    assert_eq!(dropped, Some(ms(2_000)), "the first look after 1,500 ms");
    assert_eq!(directory.gone, [at(3_001)]);
    assert!(!directory.keepalive(ms(4_000), at(9_001), character('A')));
    assert_eq!(directory.len(), 1);
    assert_eq!(directory.birth(ms(4_000), at(9_001), character('A'), 3_001), Verdict::Taken);
}

#[test]
fn a_heartbeat_under_a_foreign_name_keeps_nobody_alive() {
    let mut directory = directory();
    directory.birth(ms(0), at(9_001), character('A'), 3_001);
    for now in (0..4_000).step_by(500).map(ms) {
        assert!(!directory.keepalive(now, at(9_009), character('A')));
        directory.look(now);
    }
    assert!(directory.is_empty());
}

#[test]
fn who_was_started_again_before_it_was_missed_lives_on_and_a_double_does_not() {
    let lives = |first_beats: bool| {
        let mut directory = directory();
        directory.birth(ms(0), at(9_001), character('A'), 3_001);
        assert_eq!(directory.birth(ms(300), at(9_002), character('A'), 3_001), Verdict::Known);
        assert_eq!(sent(&mut directory, ms(300)).len(), 1, "the members get the directory again");
        for now in (500..6_000).step_by(500).map(ms) {
            // The first is silent from the third second on in any case.
            if first_beats && now < ms(3_000) {
                assert!(directory.keepalive(now, at(9_001), character('A')));
            }
            directory.keepalive(now + ms(300), at(9_002), character('A'));
            assert!(!directory.keepalive(now, at(9_003), character('A')));
            directory.look(now + ms(400));
        }
        !directory.is_empty()
    };
    assert!(lives(false) && !lives(true));
}

#[test]
fn after_a_restart_members_are_listed_until_they_fall_silent() {
    let mut before = directory();
    before.birth(ms(0), at(9_001), character('A'), 3_001);
    before.birth(ms(0), at(9_002), character('B'), 3_002);
    let mut saved = before.saved();
    // Of one we do not know where its BIRTH came from: the first heartbeat tells.
    saved[1].birth = None;
    let mut after = DrivenDirectory::new(limits(), before.version() + 1);
    assert!(saved.into_iter().all(|member| after.restore(ms(0), member)));
    assert_eq!(sent(&mut after, ms(0)).len(), 2, "and they are told");
    assert!(!after.keepalive(ms(500), at(9_009), character('A')));
    assert!(
        after.keepalive(ms(500), at(9_008), character('B')) && !after.keepalive(ms(600), at(9_007), character('B'))
    );
    after.look(ms(600));
    after.look(ms(1_900));
    assert_eq!(after.saved().iter().map(|m| m.character).collect::<Vec<_>>(), [Some(character('B'))]);
}

#[test]
fn while_more_comes_than_can_be_heard_silence_proves_little() {
    let mut directory = directory();
    directory.birth(ms(0), at(9_001), character('A'), 3_001);
    for now in (0..=60_000).step_by(500).map(ms) {
        directory.came(now, TOO_MANY);
        directory.look(now);
        let patient = now <= ms(1_500) * PATIENCE;
        assert_eq!(directory.len(), usize::from(patient), "{now:?}");
    }
    directory.birth(ms(60_000), at(9_001), character('A'), 3_001);
    for now in (60_500..65_000).step_by(500).map(ms) {
        directory.look(now);
    }
    assert!(directory.is_empty(), "no flood, no patience");
}

#[test]
fn members_are_bounded_by_address_and_in_all() {
    let few = Limits { members: 5, by_address: 3, ..limits() };
    let mut directory = DrivenDirectory::new(few, 1);
    let from = |host: u8, port| SocketAddr::from(([127, 0, 0, host], port));
    let full = Verdict::Refused { why: Refusal::Full, tell: false };
    let characters: Vec<_> = NameChar::all().collect();
    let verdicts: Vec<_> = (0..8u16)
        .map(|n| directory.birth(ms(0), from(1 + u8::from(n > 3), n), characters[usize::from(n)], 3_000 + n))
        .collect();
    assert_eq!(verdicts.iter().filter(|v| **v == Verdict::Taken).count(), 5);
    assert_eq!((verdicts[3], verdicts[6], verdicts[7]), (full, full, full));
}

#[test]
fn a_burst_of_births_is_told_in_few_datagrams_and_a_single_one_at_once() {
    let mut directory = directory();
    let mut datagrams = 0;
    for (n, name) in (0..80u16).zip(NameChar::all()) {
        directory.birth(ms(u64::from(n)), at(9_000 + n), name, 3_000 + n);
        datagrams += sent(&mut directory, ms(u64::from(n))).len();
    }
    datagrams += sent(&mut directory, ms(200)).len();
    assert!((81..=300).contains(&datagrams), "{datagrams}");
    assert!(directory.is_sound());
    directory.birth(ms(500), at(9_500), character('~'), 3_500);
    assert_eq!(sent(&mut directory, ms(500)).len(), 81);
    // Whoever makes changes all the time does not use up what a legacy peer can take, nor more bytes than its network has: each
    // second two directories of 82 to each of 82.
    let busy = (1_000..6_000).map(|now| {
        directory.birth(ms(now), at(9_501), character('A'), 3_501);
        sent(&mut directory, ms(now)).iter().filter(|(to, _)| *to == at(3_500)).count()
    });
    let busy = busy.sum::<usize>();
    assert!((6..=20).contains(&busy), "{busy}");
}
