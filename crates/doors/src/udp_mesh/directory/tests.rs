use proptest::prelude::*;
use std::collections::BTreeSet;

use rumormill_wire::udp_mesh::extended::{Extended, Refusal};
use rumormill_wire::udp_mesh::{Datagram, Letter};

use super::register::MAX_LENT;
use super::*;

fn limits() -> Limits {
    Limits { members: 200, by_address: 150, look: ms(500), silence: ms(1_500), home: [127, 0, 0, 1].into() }
}

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn at(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn letter(c: char) -> Letter {
    Letter::new(c).unwrap()
}

/// What became of a BIRTH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Taken,
    Known,
    Refused { why: Refusal, tell: bool },
}

/// A directory with somebody who checks signatures, and what it said.
struct Driven {
    directory: Directory,
    gone: Vec<SocketAddr>,
}

impl std::ops::Deref for Driven {
    type Target = Directory;
    fn deref(&self) -> &Directory {
        &self.directory
    }
}

impl Driven {
    fn new(limits: Limits, version: u64) -> Self {
        Self { directory: Directory::new(limits, version), gone: Vec::new() }
    }

    fn told(
        &mut self,
        now: Duration,
        input: Input<'_>,
        holds: impl FnOnce(&[u8; 32]) -> bool,
    ) -> (Result<(), Reject>, Vec<Output>) {
        let now = Timestamp::at(now);
        let mut taken = self.directory.handle(now, input);
        let (mut outputs, mut holds) = (Vec::new(), Some(holds));
        while let Some(output) = self.directory.poll_output() {
            match output {
                Output::Verify { key, .. } => {
                    let holds = holds.take().expect("asked once")(&key);
                    taken = self.directory.handle(now, Input::Verified { holds });
                }
                Output::Gone { addr } => self.gone.push(addr),
                output => outputs.push(output),
            }
        }
        (taken, outputs)
    }

    fn verdict(&mut self, now: Duration, input: Input<'_>, holds: impl FnOnce(&[u8; 32]) -> bool) -> Verdict {
        match self.told(now, input, holds) {
            (Ok(()), outputs) if outputs.is_empty() => Verdict::Known,
            (Ok(()), outputs) => {
                assert!(matches!(outputs[..], [Output::Joined { .. }]), "{outputs:?}");
                Verdict::Taken
            }
            (Err(Reject { why, tell }), outputs) => {
                assert_eq!(outputs, []);
                Verdict::Refused { why, tell }
            }
        }
    }

    fn birth(&mut self, now: Duration, from: SocketAddr, letter: Letter, port: u16) -> Verdict {
        self.verdict(now, Input::Birth { from, letter, port }, |_| panic!("a legacy BIRTH has no signature"))
    }

    fn claim(&mut self, now: Duration, from: SocketAddr, claim: Claim<&str>, holds: impl FnOnce() -> bool) -> Verdict {
        self.verdict(now, Input::Claim { from, claim }, |_| holds())
    }

    fn keepalive(&mut self, now: Duration, from: SocketAddr, letter: Letter) -> bool {
        let verdict = self.verdict(now, Input::KeepAlive { from, letter }, |_| true);
        assert!(!matches!(verdict, Verdict::Refused { tell: true, .. }));
        verdict == Verdict::Known
    }

    fn keepalive_extended(&mut self, now: Duration, from: SocketAddr, version: u64) -> bool {
        self.verdict(now, Input::KeepAliveExtended { from, version }, |_| true) == Verdict::Known
    }

    fn leave(&mut self, now: Duration, from: SocketAddr, time: u64, holds: impl FnOnce(&[u8; 32]) -> bool) -> bool {
        self.verdict(now, Input::Leave { from, time }, holds) == Verdict::Known
    }

    fn look(&mut self, now: Duration) {
        assert_eq!(self.told(now, Input::Timeout, |_| true), (Ok(()), vec![]));
    }

    fn restore(&mut self, now: Duration, saved: Saved) -> bool {
        self.directory.restore(Timestamp::at(now), saved)
    }

    /// All that goes out up to now.
    fn sent(&mut self, now: Duration) -> Vec<(SocketAddr, Vec<u8>)> {
        let next = || match self.told(now, Input::Writable, |_| true).1.as_slice() {
            [] => None,
            [Output::Datagram { to, bytes }] => Some((*to, bytes.to_vec())),
            more => panic!("one, as there is room for one: {more:?}"),
        };
        std::iter::from_fn(next).collect()
    }
}

fn directory() -> Driven {
    Driven::new(limits(), 1)
}

fn sent(directory: &mut Driven, now: Duration) -> Vec<(SocketAddr, Vec<u8>)> {
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
    assert_eq!(directory.birth(ms(0), at(9_001), letter('A'), 3_001), Verdict::Taken);
    assert_eq!(
        sent(&mut directory, ms(0)).iter().map(|(to, b)| (*to, listed(b))).collect::<Vec<_>>(),
        [(at(3_001), "A".into())]
    );
    let refused = |why| Verdict::Refused { why, tell: false };
    assert_eq!(directory.birth(ms(200), at(9_002), letter('A'), 3_002), refused(TAKEN));
    assert_eq!(sent(&mut directory, ms(200)).len(), 1, "the members get the directory again");
    assert_eq!(directory.birth(ms(400), at(9_003), letter('B'), 3_001), refused(Refusal::Port));
    assert_eq!(directory.birth(ms(400), at(9_005), letter('B'), 3_002), Verdict::Taken);
    let all = sent(&mut directory, ms(400));
    assert_eq!(all.iter().map(|(_, b)| listed(b)).collect::<Vec<_>>(), ["AB", "AB"]);
    assert_eq!(directory.birth(ms(900), at(9_005), letter('B'), 3_002), Verdict::Known);
    assert_eq!(sent(&mut directory, ms(900)).len(), 2);
}

#[test]
fn who_asks_twice_is_one_of_ours_and_is_told() {
    let mut directory = directory();
    directory.birth(ms(0), at(9_001), letter('A'), 3_001);
    assert_eq!(directory.birth(ms(0), at(9_002), letter('A'), 3_002), Verdict::Refused { why: TAKEN, tell: false });
    assert_eq!(directory.birth(ms(9), at(9_002), letter('A'), 3_002), Verdict::Refused { why: TAKEN, tell: true });
}

#[test]
fn the_silent_are_dropped_and_a_heartbeat_does_not_bring_them_back() {
    let mut directory = directory();
    directory.birth(ms(0), at(9_001), letter('A'), 3_001);
    directory.birth(ms(0), at(9_002), letter('B'), 3_002);
    let mut dropped = None;
    for now in (0..4_000).step_by(100).map(ms) {
        if now.as_millis() % 500 == 0 {
            assert!(directory.keepalive(now, at(9_002), letter('B')));
        }
        directory.look(now);
        if directory.len() == 1 && dropped.is_none() {
            dropped = Some(now);
        }
    }
    assert_eq!(dropped, Some(ms(2_000)), "the first look after 1,500 ms");
    assert_eq!(directory.gone, [at(3_001)]);
    assert!(!directory.keepalive(ms(4_000), at(9_001), letter('A')));
    assert_eq!(directory.len(), 1);
    assert_eq!(directory.birth(ms(4_000), at(9_001), letter('A'), 3_001), Verdict::Taken);
}

#[test]
fn a_heartbeat_under_a_foreign_name_keeps_nobody_alive() {
    let mut directory = directory();
    directory.birth(ms(0), at(9_001), letter('A'), 3_001);
    for now in (0..4_000).step_by(500).map(ms) {
        assert!(!directory.keepalive(now, at(9_009), letter('A')));
        directory.look(now);
    }
    assert!(directory.is_empty());
}

#[test]
fn who_was_started_again_before_it_was_missed_lives_on_and_a_double_does_not() {
    let lives = |first_beats: bool| {
        let mut directory = directory();
        directory.birth(ms(0), at(9_001), letter('A'), 3_001);
        assert_eq!(directory.birth(ms(300), at(9_002), letter('A'), 3_001), Verdict::Known);
        assert_eq!(sent(&mut directory, ms(300)).len(), 1, "the members get the directory again");
        for now in (500..6_000).step_by(500).map(ms) {
            // The first is silent from the third second on in any case.
            if first_beats && now < ms(3_000) {
                assert!(directory.keepalive(now, at(9_001), letter('A')));
            }
            directory.keepalive(now + ms(300), at(9_002), letter('A'));
            assert!(!directory.keepalive(now, at(9_003), letter('A')));
            directory.look(now + ms(400));
        }
        !directory.is_empty()
    };
    assert!(lives(false) && !lives(true));
}

#[test]
fn after_a_restart_members_are_listed_until_they_fall_silent() {
    let mut before = directory();
    before.birth(ms(0), at(9_001), letter('A'), 3_001);
    before.birth(ms(0), at(9_002), letter('B'), 3_002);
    let mut saved = before.saved();
    // Of one we do not know where its BIRTH came from: the first heartbeat tells.
    saved[1].birth = None;
    let mut after = Driven::new(limits(), before.version() + 1);
    assert!(saved.into_iter().all(|member| after.restore(ms(0), member)));
    assert_eq!(sent(&mut after, ms(0)).len(), 2, "and they are told");
    assert!(!after.keepalive(ms(500), at(9_009), letter('A')));
    assert!(after.keepalive(ms(500), at(9_008), letter('B')) && !after.keepalive(ms(600), at(9_007), letter('B')));
    after.look(ms(600));
    after.look(ms(1_900));
    assert_eq!(after.saved().iter().map(|m| m.letter).collect::<Vec<_>>(), [Some(letter('B'))]);
}

#[test]
fn while_more_comes_than_can_be_heard_silence_proves_little() {
    let mut directory = directory();
    directory.birth(ms(0), at(9_001), letter('A'), 3_001);
    for now in (0..=60_000).step_by(500).map(ms) {
        (0..FLOOD * 2).for_each(|_| directory.directory.handle(Timestamp::at(now), Input::Traffic).unwrap());
        directory.look(now);
        let patient = now <= ms(1_500) * PATIENCE;
        assert_eq!(directory.len(), usize::from(patient), "{now:?}");
    }
    directory.birth(ms(60_000), at(9_001), letter('A'), 3_001);
    for now in (60_500..65_000).step_by(500).map(ms) {
        directory.look(now);
    }
    assert!(directory.is_empty(), "no flood, no patience");
}

#[test]
fn members_are_bounded_by_address_and_in_all() {
    let few = Limits { members: 5, by_address: 3, ..limits() };
    let mut directory = Driven::new(few, 1);
    let from = |host: u8, port| SocketAddr::from(([127, 0, 0, host], port));
    let full = Verdict::Refused { why: Refusal::Full, tell: false };
    let letters: Vec<_> = Letter::all().collect();
    let verdicts: Vec<_> = (0..8u16)
        .map(|n| directory.birth(ms(0), from(1 + u8::from(n > 3), n), letters[usize::from(n)], 3_000 + n))
        .collect();
    assert_eq!(verdicts.iter().filter(|v| **v == Verdict::Taken).count(), 5);
    assert_eq!((verdicts[3], verdicts[6], verdicts[7]), (full, full, full));
}

#[test]
fn a_burst_of_births_is_told_in_few_datagrams_and_a_single_one_at_once() {
    let mut directory = directory();
    let mut datagrams = 0;
    for (n, name) in (0..80u16).zip(Letter::all()) {
        directory.birth(ms(u64::from(n)), at(9_000 + n), name, 3_000 + n);
        datagrams += sent(&mut directory, ms(u64::from(n))).len();
    }
    datagrams += sent(&mut directory, ms(200)).len();
    assert!((81..=300).contains(&datagrams), "{datagrams}");
    assert!(directory.is_sound());
    directory.birth(ms(500), at(9_500), letter('~'), 3_500);
    assert_eq!(sent(&mut directory, ms(500)).len(), 81);
    // Whoever makes changes all the time does not use up what an old peer can take.
    let busy = (1_000..6_000).map(|now| {
        directory.birth(ms(now), at(9_501), letter('A'), 3_501);
        sent(&mut directory, ms(now)).iter().filter(|(to, _)| *to == at(3_500)).count()
    });
    assert!((45..=60).contains(&busy.sum::<usize>()));
}

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
    // Old peers see it by one character, which an old peer does not get then.
    assert_eq!(directory.birth(ms(0), at(9_009), letter('a'), 3_009), Verdict::Refused { why: TAKEN, tell: false });
    assert_eq!(directory.claim(ms(0), at(9_004), claim(3_004, "a", 5), || true), refused(TAKEN));
    // P-U6
    assert!(!directory.leave(ms(0), at(9_003), 7, |_| false) && !directory.leave(ms(0), at(9_003), 6, |_| true));
    assert!(directory.leave(ms(0), at(9_003), 7, |key| key == &claim(3_001, "anna", 5).key) && directory.is_empty());
    assert!(directory.is_sound());
}

#[test]
fn letters_are_lent_sparingly() {
    let mut directory = directory();
    for n in 0..100u16 {
        let name = format!("peer{n}");
        assert_eq!(directory.claim(ms(0), at(9_000 + n), claim(3_000 + n, &name, 1), || true), Verdict::Taken);
    }
    assert_eq!(directory.letters.len(), MAX_LENT);
    let free: Vec<_> = Letter::all().filter(|l| !directory.letters.contains_key(l)).collect();
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
    sent(&mut directory, ms(0)).iter().for_each(|(_, bytes)| anna.read(bytes));
    directory.claim(ms(500), at(9_002), claim(3_002, "bert", 1), || true);
    assert_eq!(sent(&mut directory, ms(500)).len(), 2, "and both are lost");
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
        let mut directory = Driven::new(Limits { members: 14, by_address: 10, ..limits() }, 1);
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
                0 | 1 => { directory.birth(now, from, Letter::all().nth(usize::from(a)).unwrap(), 3_000 + b); }
                2 | 3 => {
                    let claim = Claim { time, key: [1; 32], addr, name: name.as_str() };
                    if directory.claim(now, from, claim, || b != 3) == Verdict::Taken {
                        readers.insert(addr, Reader::default());
                    }
                }
                4 => { directory.keepalive(now, from, Letter::all().nth(usize::from(a)).unwrap()); }
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
            for (to, bytes) in sent(&mut directory, now) {
                if directory.directory.member_at(to).is_some_and(|m| m.own.is_some()) {
                    readers.get_mut(&to).unwrap().read(&bytes);
                } else {
                    old.insert(to, bytes);
                }
            }
        }
        let all: BTreeSet<_> = directory.others().map(|m| m.addr).collect();
        let shown: String = directory.letters.keys().map(|l| l.get()).collect();
        for member in directory.others() {
            match member.own {
                Some(_) => prop_assert_eq!(&readers[&member.addr].peers, &all),
                None => prop_assert_eq!(listed(&old[&member.addr]), shown.clone()),
            }
        }
    }
}
