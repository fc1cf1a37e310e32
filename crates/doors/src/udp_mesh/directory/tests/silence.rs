//! Who is dropped, and who is heard first, while more comes than can be read.

use super::*;

fn pair() -> DrivenDirectory {
    let mut directory = directory();
    directory.birth(ms(0), at(9_001), character('A'), 3_001);
    directory.birth(ms(0), at(9_002), character('B'), 3_002);
    directory
}

/// Time passes with a queue that may have been full at each look; nobody of the two is heard.
fn drop_in_doubt(directory: &mut DrivenDirectory) -> Duration {
    let dropped = (500..60_000).step_by(500).map(ms).find(|now| {
        directory.came(*now, TOO_MANY);
        directory.look(*now);
        directory.is_empty()
    });
    dropped.expect("not for ever")
}

#[test]
fn nobody_is_dropped_while_what_has_come_is_not_read() {
    let mut directory = pair();
    for now in (500..=30_000).step_by(500).map(ms) {
        directory.came(now, 1);
        // It is never seen empty.
        assert_eq!(directory.feed(now, Input::Timeout, |_| true), (Ok(()), vec![]));
        assert_eq!(directory.len(), 2, "{now:?}");
    }
    // What stands in the queue behind a flood counts when it is read.
    assert!(directory.keepalive(ms(30_100), at(9_001), character('A')));
    directory.look(ms(30_500));
    directory.look(ms(31_000));
    assert_eq!((directory.len(), directory.gone.clone()), (1, vec![at(3_002)]));
}

#[test]
fn a_process_that_was_stopped_drops_nobody_whose_heartbeats_wait() {
    let mut directory = pair();
    directory.look(ms(500));
    // A minute later all is read that has come meanwhile.
    directory.came(ms(60_000), 60);
    assert!(directory.keepalive(ms(60_000), at(9_001), character('A')));
    directory.look(ms(60_000));
    assert_eq!(directory.len(), 2, "a pause of ours is no silence of theirs");
    for now in [60_500, 61_000, 61_500].map(ms) {
        assert!(directory.keepalive(now, at(9_001), character('A')));
        directory.look(now);
    }
    assert_eq!(directory.gone, [at(3_002)]);
}

#[test]
fn an_old_peer_that_was_dropped_in_doubt_comes_back_with_its_heartbeat() {
    let mut directory = pair();
    let now = drop_in_doubt(&mut directory);
    assert_eq!(now, ms(1_500) * PATIENCE + ms(500));
    assert!(!directory.keepalive(now, at(9_009), character('A')), "only from where its BIRTH came");
    assert!(!directory.keepalive(now, at(9_001), character('B')), "and under its character");
    let back = |directory: &mut DrivenDirectory, now| {
        directory.verdict(now, Input::KeepAlive { from: at(9_001), character: character('A') }, |_| true)
    };
    assert_eq!(back(&mut directory, now), Verdict::Taken);
    assert_eq!(sent(&mut directory, now + ms(100)).len(), 1, "and it is told who is there");
    // Another has taken the place of the second meanwhile.
    assert_eq!(directory.birth(now, at(9_010), character('B'), 3_010), Verdict::Taken);
    assert!(!directory.keepalive(now, at(9_002), character('B')));
    // Silence while all was heard is silence: then it has to send BIRTH.
    for later in (500..4_000).step_by(500).map(ms) {
        directory.look(now + later);
    }
    assert!(directory.is_empty() && directory.is_sound());
    assert!(matches!(back(&mut directory, now + ms(4_000)), Verdict::Refused { .. }));
}

#[test]
fn those_who_may_come_back_are_bounded() {
    let mut directory = DrivenDirectory::new(Limits { silence: ms(1), look: ms(1), ..limits() }, 1);
    let mut now = ms(0);
    for n in 0..1_500_u16 {
        directory.birth(now, at(10_000 + n), character('A'), 3_001);
        while !directory.is_empty() {
            now += ms(1);
            directory.came(now, TOO_MANY);
            directory.look(now);
        }
    }
    assert_eq!(directory.dropped.len(), MAX_DROPPED);
}

#[test]
fn a_flood_from_one_address_or_from_many_takes_nothing_of_what_members_have() {
    let mut directory = pair();
    directory.claim(ms(0), at(9_003), Claim { time: 1, key: [3; 32], addr: at(3_003), name: "anna" }, || true);
    let mut admit = |now: u64, from: SocketAddr| directory.directory.admit(Timestamp::at(ms(now)), from);
    let one = (0..10_000).filter(|_| admit(0, at(1)) != Admit::Over).count();
    assert_eq!(one, 256, "one address has a share");
    assert_eq!(admit(0, at(2)), Admit::Newcomer, "and others theirs");
    let far = |n: u32| SocketAddr::from((n.to_be_bytes(), 7));
    let many = (0..50_000).filter(|n| admit(0, far(*n)) != Admit::Over).count();
    assert_eq!(many, 4_096 - 257);
    assert_eq!(admit(0, at(2)), Admit::Over, "all of them together are bounded");
    for member in [9_001, 9_002, 9_003] {
        assert_eq!(admit(0, at(member)), Admit::Member);
    }
    // Nor does a member that floods take anything of another.
    assert_eq!((0..10_000).filter(|_| admit(0, at(9_001)) == Admit::Member).count(), 255);
    assert_eq!((admit(0, at(9_001)), admit(0, at(9_002))), (Admit::Over, Admit::Member));
    // What was too much is heard a moment later.
    assert_eq!(admit(1_000, at(2)), Admit::Newcomer);
}
