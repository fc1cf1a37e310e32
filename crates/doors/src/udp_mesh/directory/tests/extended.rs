//! The extended form, and whatever comes.

use proptest::prelude::*;
use rumormill_wire::udp_mesh::extended::Extended;

use super::super::left::LAST_WORDS;
use super::super::register::MAX_LENT;
use super::*;

fn claim(n: u16, name: &str, time: u64) -> Claim<&str> {
    Claim { time, key: [u8::try_from(n % 256).unwrap(); 32], addr: at(n), name }
}

#[test]
fn a_claim_must_hold_and_names_are_unique() {
    // P-U2
    let mut directory = directory();
    let refused = |why| Verdict::Refused { why, tell: true };
    assert_eq!(directory.claim(ms(0), at(9_001), claim(3_001, "anna", 5), || false), refused(Refusal::Signature));
    let far = Claim { addr: ([127, 0, 0, 2], 3_001).into(), ..claim(3_001, "anna", 5) };
    assert_eq!(directory.claim(ms(0), at(9_001), far, || true), refused(Refusal::Address));
    assert_eq!(directory.claim(ms(0), at(9_001), claim(3_001, "anna", 5), || true), Verdict::Taken);
    assert_eq!(directory.claim(ms(0), at(9_002), claim(3_002, "anna", 5), || true), refused(Refusal::Name));
    assert_eq!(directory.claim(ms(0), at(9_002), claim(3_001, "bert", 5), || true), refused(Refusal::Port));
    assert_eq!(directory.claim(ms(0), at(9_001), claim(3_002, "bert", 5), || true), refused(Refusal::Port));
    // Said again it is known, but an old signature said again is not.
    assert_eq!(directory.claim(ms(0), at(9_003), claim(3_001, "anna", 5), || true), refused(Refusal::Signature));
    assert_eq!(directory.claim(ms(0), at(9_003), claim(3_001, "anna", 6), || true), Verdict::Known);
    assert!(directory.keepalive_extended(ms(0), at(9_003), 0) && !directory.keepalive_extended(ms(0), at(9_001), 0));
    // Legacy peers see it by one character, which a legacy peer does not get then.
    assert_eq!(directory.birth(ms(0), at(9_009), character('a'), 3_009), Verdict::Refused { why: TAKEN, tell: false });
    assert_eq!(directory.claim(ms(0), at(9_004), claim(3_004, "a", 5), || true), refused(TAKEN));
    // P-U6
    assert!(!directory.leave(ms(0), at(9_003), 7, |_| false) && !directory.leave(ms(0), at(9_003), 6, |_| true));
    assert!(directory.leave(ms(0), at(9_003), 7, |key| key == &claim(3_001, "anna", 5).key) && directory.is_empty());
    assert!(directory.is_sound());
}

#[test]
fn who_left_has_a_last_word_for_a_moment_and_not_where_another_is_by_then() {
    // P-U7
    let mut directory = directory();
    let speaker = |directory: &mut DrivenDirectory, now: Duration, n, signed| {
        directory.directory.speaker_at(Timestamp::at(now), at(n), signed).map(|member| member.name())
    };
    for (n, name) in [(3_001, "anna"), (3_002, "bert")] {
        assert_eq!(directory.claim(ms(0), at(n + 6_000), claim(n, name, 5), || true), Verdict::Taken);
        assert!(directory.leave(ms(10), at(n + 6_000), 7, |_| true));
    }
    let before = ms(10) + LAST_WORDS;
    for (now, signed, heard) in
        [(ms(10), Some(6), true), (ms(10), Some(7), false), (ms(10), None, false), (before, Some(6), false)]
    {
        assert_eq!(speaker(&mut directory, now, 3_001, signed).is_some(), heard, "{now:?} {signed:?}");
    }
    assert_eq!(directory.claim(ms(20), at(9_009), claim(3_002, "carl", 5), || true), Verdict::Taken);
    assert_eq!(speaker(&mut directory, ms(20), 3_002, Some(6)).as_deref(), Some("carl"));
}

#[test]
fn letters_are_lent_sparingly() {
    let mut directory = directory();
    for n in 0..100u16 {
        let name = format!("peer{n}");
        assert_eq!(directory.claim(ms(0), at(9_000 + n), claim(3_000 + n, &name, 1), || true), Verdict::Taken);
    }
    assert_eq!(directory.characters.len(), MAX_LENT);
    let free: Vec<_> = NameChar::all().filter(|l| !directory.characters.contains_key(l)).collect();
    assert_eq!(directory.birth(ms(0), at(9_900), free[0], 4_000), Verdict::Taken);
}

/// What a member of the extended form makes of what it is sent.
#[derive(Default)]
struct Reader {
    version: u64,
    peers: BTreeSet<SocketAddr>,
    coming: Vec<SocketAddr>,
}

impl Reader {
    fn read(&mut self, bytes: &[u8]) {
        match Datagram::parse(bytes).unwrap() {
            Datagram::Extended(Extended::Part(part)) => {
                if part.offset == 0 {
                    self.coming.clear();
                }
                assert_eq!(usize::try_from(part.offset), Ok(self.coming.len()), "in order");
                self.coming.extend(part.iter().map(|entry| entry.addr));
                if self.coming.len() == usize::try_from(part.total).unwrap() {
                    (self.version, self.peers) = (part.version, self.coming.drain(..).collect());
                }
            }
            Datagram::Extended(Extended::Changes(changes)) => {
                assert_eq!(changes.base, self.version, "they lead on");
                for change in changes.iter() {
                    self.version += 1;
                    match change {
                        rumormill_wire::udp_mesh::extended::Change::Came(entry) => self.peers.insert(entry.addr),
                        rumormill_wire::udp_mesh::extended::Change::Went(addr) => self.peers.remove(&addr),
                    };
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_was_lost_on_the_way_is_sent_again() {
    // P-U3: the version that a heartbeat names.
    let mut directory = directory();
    directory.claim(ms(0), at(9_001), claim(3_001, "anna", 1), || true);
    let mut anna = Reader::default();
    directory.shows(ms(0), at(9_001), at(3_001));
    sent(&mut directory, ms(100)).iter().for_each(|(_, bytes)| anna.read(bytes));
    directory.claim(ms(300), at(9_002), claim(3_002, "bert", 1), || true);
    directory.shows(ms(300), at(9_002), at(3_002));
    assert_eq!(sent(&mut directory, ms(500)).len(), 1, "what both were sent is lost");
    assert!(directory.keepalive_extended(ms(600), at(9_001), anna.version));
    assert!(sent(&mut directory, ms(600)).is_empty(), "it may be on its way");
    assert!(directory.keepalive_extended(ms(1_600), at(9_001), anna.version));
    assert!(directory.keepalive_extended(ms(1_600), at(9_002), 0));
    let again = sent(&mut directory, ms(1_600));
    assert_eq!(again.iter().map(|(to, _)| to.port()).collect::<Vec<_>>(), [3_001, 3_002]);
    anna.read(&again[0].1);
    assert_eq!((anna.peers.len(), anna.version), (2, directory.version()));
    assert!(matches!(Datagram::parse(&again[1].1), Ok(Datagram::Extended(Extended::Part(_)))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_comes_it_stays_sound_and_everyone_ends_up_with_the_same_list(
        ops in proptest::collection::vec((0u8..7, 0u16..12, 0u16..12, 0u64..300), 1..250)
    ) {
        let mut directory = DrivenDirectory::new(Limits { members: 14, by_address: 10, ..limits() }, 1);
        let mut now = ms(0);
        let (mut readers, mut old): (BTreeMap<SocketAddr, Reader>, BTreeMap<SocketAddr, Vec<u8>>) = Default::default();
        let mut last: BTreeMap<SocketAddr, Duration> = BTreeMap::new();
        let mut time = 0;
        for (op, a, b, step) in ops {
            now += ms(step);
            time += 1;
            let from = SocketAddr::from(([127, 0, 0, 1 + u8::from(a > 8)], 9_000 + a));
            let addr = SocketAddr::new(from.ip(), 3_000 + b);
            let name = format!("peer{a}");
            match op {
                0 | 1 => { directory.birth(now, from, NameChar::all().nth(usize::from(a)).unwrap(), 3_000 + b); }
                2 | 3 => {
                    let claim = Claim { time, key: [1; 32], addr, name: name.as_str() };
                    if directory.claim(now, from, claim, || b != 3) == Verdict::Taken {
                        readers.insert(addr, Reader::default());
                    }
                }
                4 => { directory.keepalive(now, from, NameChar::all().nth(usize::from(a)).unwrap()); }
                5 => { directory.leave(now, from, time, |_| true); }
                _ => directory.look(now),
            }
            prop_assert!(directory.is_sound() && directory.len() <= 14);
            for (to, bytes) in sent(&mut directory, now) {
                if let Some(before) = last.insert(to, now) {
                    prop_assert!(now - before >= ms(12), "a burst");
                }
                if directory.directory.member_at(to).is_some_and(|m| m.own.is_some()) {
                    readers.get_mut(&to).unwrap().read(&bytes);
                } else {
                    old.insert(to, bytes);
                }
            }
        }
        for _ in 0..100 {
            now += ms(100);
            // Heartbeats of the extended form say what was received, a page as well.
            let beating: Vec<_> = directory.others().filter(|m| m.own.is_some()).map(|m| (m.birth, m.addr)).collect();
            for (birth, addr) in beating {
                directory.keepalive_extended(now, birth.unwrap(), readers[&addr].version);
            }
            for (to, bytes) in sent(&mut directory, now) {
                if directory.directory.member_at(to).is_some_and(|m| m.own.is_some()) {
                    readers.get_mut(&to).unwrap().read(&bytes);
                } else {
                    old.insert(to, bytes);
                }
            }
        }
        let all: BTreeSet<_> = directory.others().map(|m| m.addr).collect();
        let shown: String = directory.characters.keys().map(|l| l.get()).collect();
        for member in directory.others() {
            match member.own {
                Some(_) => prop_assert_eq!(&readers[&member.addr].peers, &all),
                None => prop_assert_eq!(listed(&old[&member.addr]), shown.clone()),
            }
        }
    }
}
