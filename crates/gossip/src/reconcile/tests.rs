//! Machines that compare small maps, alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

const SHORT: usize = 8;
const PERIOD: u64 = 10_000_000;
const LINK: LinkId = LinkId(1);

/// Versions by key; there is no version 0. The high byte of a key is its part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Map(BTreeMap<u16, u8>);

impl Map {
    fn get(&self, key: u16) -> u8 {
        self.0.get(&key).copied().unwrap_or(0)
    }

    fn hash(&self, (low, high): (u16, u16)) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new();
        for (key, version) in self.0.range(low..=high) {
            hasher.update(&key.to_be_bytes()).update(&[*version]);
        }
        hasher.finalize().as_bytes()[..16].try_into().unwrap()
    }
}

impl Summary for Map {
    type Key = u16;

    fn whole(&mut self) -> Whole {
        Whole { fingerprint: self.hash(Self::all()), entries: u32::try_from(self.0.len()).unwrap() }
    }

    fn parts(&mut self) -> Parts {
        core::array::from_fn(|part| self.hash(Self::part(u8::try_from(part).unwrap())))
    }

    fn part(part: u8) -> (u16, u16) {
        (u16::from_be_bytes([part, 0]), u16::from_be_bytes([part, u8::MAX]))
    }

    fn all() -> (u16, u16) {
        (0, u16::MAX)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Message {
    Summary(Whole, bool),
    Parts(Box<Parts>),
    List(Option<(u16, u16)>, Vec<(u16, u8)>),
    Entry(u16, u8),
}

/// One end of a link.
struct Node {
    machine: Reconcile<u16>,
    map: Map,
    rng: StdRng,
    out: VecDeque<Message>,
    in_sync: u32,
}

impl Node {
    fn new(map: &Map, seed: u64) -> Self {
        let machine = Reconcile::new(PERIOD, 1, SHORT);
        Self { machine, map: map.clone(), rng: StdRng::seed_from_u64(seed), out: VecDeque::new(), in_sync: 0 }
    }

    fn put(&mut self, now: u64, input: Input<u16>, entries: &[(u16, u8)]) {
        let range = if let Input::List { range, .. } = &input { *range } else { None };
        self.machine.handle(Timestamp(now), &mut self.rng, &mut self.map, input);
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Round => {}
                Output::Turn(_) => self.say_summary(now, true),
                Output::Summary { ask, .. } => self.say_summary(now, ask),
                Output::Parts(_) => self.out.push_back(Message::Parts(Box::new(self.map.parts()))),
                Output::List { low, high, .. } => {
                    let entries = self.map.0.range(low..=high).map(|(key, version)| (*key, *version)).collect();
                    self.out.push_back(Message::List(Some((low, high)), entries));
                }
                Output::Entries { .. } => self.compare(range, entries),
                Output::InSync(_) => self.in_sync += 1,
                Output::Later(_) => unreachable!("nobody is over a share here"),
            }
        }
    }

    fn say_summary(&mut self, now: u64, ask: bool) {
        self.out.push_back(Message::Summary(self.map.whole(), ask));
        if ask {
            self.machine.handle(Timestamp(now), &mut self.rng, &mut self.map, Input::Asked(LINK));
        }
    }

    /// What the other lacks is sent, and what we lack is named.
    fn compare(&mut self, range: Option<(u16, u16)>, entries: &[(u16, u8)]) {
        let listed: BTreeMap<_, _> = entries.iter().copied().collect();
        let unlisted = range.into_iter().flat_map(|(low, high)| self.map.0.range(low..=high));
        let unlisted = unlisted.filter(|(key, _)| !listed.contains_key(key)).map(|(key, _)| (*key, 0));
        let (mut lacks, mut wants) = (Vec::new(), Vec::new());
        for (key, theirs) in listed.iter().map(|(key, version)| (*key, *version)).chain(unlisted) {
            let ours = self.map.get(key);
            if theirs < ours {
                lacks.push(Message::Entry(key, ours));
            } else if theirs > ours {
                wants.push((key, ours));
            }
        }
        self.out.extend(lacks);
        if !wants.is_empty() {
            self.out.push_back(Message::List(None, wants));
        }
    }

    fn hear(&mut self, now: u64, message: Message) {
        let (link, over) = (LINK, false);
        match message {
            Message::Summary(theirs, ask) => {
                self.put(now, Input::Summary { link, theirs, ask, stands: false, over }, &[]);
            }
            Message::Parts(theirs) => self.put(now, Input::Parts { link, theirs, over }, &[]),
            Message::List(range, entries) => self.put(now, Input::List { link, range, over }, &entries),
            Message::Entry(key, version) => {
                self.map.0.insert(key, self.map.get(key).max(version));
                self.put(now, Input::Judged(link), &[]);
            }
        }
    }
}

/// Two ends of a link, and all that was said.
struct Pair {
    nodes: [Node; 2],
    now: u64,
    said: Vec<Message>,
}

impl Pair {
    fn new(maps: [&Map; 2]) -> Self {
        Self { nodes: [Node::new(maps[0], 1), Node::new(maps[1], 2)], now: 0, said: Vec::new() }
    }

    fn link_up(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.put(self.now, Input::LinkUp(LINK), &[]));
    }

    /// Delivers all that is on its way; the end whose turn it is to be heard is drawn.
    fn deliver(&mut self, draw: &mut impl FnMut() -> bool) {
        while self.nodes.iter().any(|node| !node.out.is_empty()) {
            let from = usize::from(draw());
            if let Some(message) = self.nodes[from].out.pop_front() {
                self.said.push(message.clone());
                assert!(self.said.len() < 10_000, "it never ends");
                self.nodes[1 - from].hear(self.now, message);
            }
        }
    }

    /// Until nothing is on its way and no time-out is left. No rounds begin here.
    fn play_out(&mut self, draw: &mut impl FnMut() -> bool) {
        self.deliver(draw);
        while let Some(at) = self.nodes.iter().filter_map(|node| node.machine.next_timeout()).min() {
            self.now = at.0;
            self.nodes.iter_mut().for_each(|node| node.put(at.0, Input::Timeout, &[]));
            self.deliver(draw);
        }
    }

    fn count(&self, which: impl Fn(&Message) -> bool) -> usize {
        self.said.iter().filter(|message| which(message)).count()
    }
}

fn in_turns() -> impl FnMut() -> bool {
    let mut turn = false;
    move || {
        turn = !turn;
        turn
    }
}

fn long_map() -> Map {
    Map((0..100).map(|n| (u16::from_be_bytes([n, n]), 1)).collect())
}

/// Few parts and few keys of each, so that two maps often meet.
fn any_map() -> impl Strategy<Value = Map> {
    let entry = ((0..12_u8, 0..3_u8), 1..4_u8);
    proptest::collection::btree_map(entry.0, entry.1, 0..30).prop_map(|map| {
        Map(map.into_iter().map(|((part, low), version)| (u16::from_be_bytes([part, low]), version)).collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_two_maps_become_the_same_in_a_bounded_number_of_messages(a in any_map(), b in any_map(), seed: u64) {
        let keys: BTreeSet<_> = a.0.keys().chain(b.0.keys()).copied().collect();
        let differ: Vec<_> = keys.iter().copied().filter(|key| a.get(*key) != b.get(*key)).collect();
        let parts: BTreeSet<_> = differ.iter().map(|key| key.to_be_bytes()[0]).collect();
        let mut rng = StdRng::seed_from_u64(seed);
        let mut pair = Pair::new([&a, &b]);
        pair.link_up();
        pair.play_out(&mut || rng.random());

        let newest = Map(keys.iter().map(|key| (*key, a.get(*key).max(b.get(*key)))).collect());
        for node in &pair.nodes {
            prop_assert_eq!(&node.map, &newest);
            prop_assert!(node.in_sync > 0 && node.machine.compared(LINK) && node.machine.asked_since(LINK).is_none());
        }
        // A summary each at the start, one each when all has come, and an answer to each; a list of each part that differs, or of all.
        let summaries = pair.count(|message| matches!(message, Message::Summary(..)));
        prop_assert!(summaries <= 8, "{:?}", pair.said);
        let lists = pair.count(|message| matches!(message, Message::List(..) | Message::Parts(_)));
        prop_assert!(lists <= 4 * parts.len() + 6, "{:?}", pair.said);
        let entries = pair.count(|message| matches!(message, Message::Entry(..)));
        prop_assert!(entries <= 3 * differ.len(), "{:?}", pair.said);
    }
}

#[test]
fn maps_that_are_the_same_cost_two_summaries() {
    for map in [Map::default(), long_map()] {
        let mut pair = Pair::new([&map, &map]);
        pair.link_up();
        pair.play_out(&mut in_turns());
        pair.said.clear();
        pair.nodes[0].put(pair.now, Input::Start, &[]);
        pair.now = pair.nodes[0].machine.next_timeout().unwrap().0;
        assert!((PERIOD / 2..=PERIOD * 3 / 2).contains(&pair.now), "{}", pair.now);
        pair.nodes[0].put(pair.now, Input::Timeout, &[]);
        pair.deliver(&mut in_turns());
        let whole = map.clone().whole();
        assert_eq!(pair.said, [Message::Summary(whole, true), Message::Summary(whole, false)]);
    }
}

#[test]
fn a_long_map_goes_by_parts_and_only_the_part_that_differs_is_listed() {
    let (ours, mut theirs) = (long_map(), long_map());
    theirs.0.insert(0x2a00, 7);
    let mut pair = Pair::new([&ours, &theirs]);
    pair.link_up();
    pair.nodes[1].out.clear();
    pair.deliver(&mut in_turns());
    let part = Some(Map::part(0x2a));
    let said = [
        Message::Summary(ours.clone().whole(), true),
        Message::Parts(Box::new(theirs.clone().parts())),
        Message::List(part, vec![(0x2a2a, 1)]),
        Message::Entry(0x2a00, 7),
    ];
    assert_eq!(pair.said, said);
    assert_eq!(pair.nodes[0].map, theirs);
}

/// A machine of which outputs are looked at.
struct Alone(Reconcile<u16>, Map, StdRng);

impl Alone {
    fn new(links: u64, seed: u64) -> Self {
        let mut alone = Self(Reconcile::new(PERIOD, 1, SHORT), Map::default(), StdRng::seed_from_u64(seed));
        (1..=links).for_each(|link| drop(alone.put(0, Input::LinkUp(LinkId(link)))));
        alone
    }

    fn put(&mut self, now: u64, input: Input<u16>) -> Vec<Output<u16>> {
        self.0.handle(Timestamp(now), &mut self.2, &mut self.1, input);
        core::iter::from_fn(|| self.0.poll_output()).collect()
    }

    /// The next time-out: all of a round but its beginning.
    fn round(&mut self) -> Vec<LinkId> {
        let now = self.0.next_timeout().unwrap().0;
        let outputs = self.put(now, Input::Timeout);
        assert_eq!(outputs[0], Output::Round);
        let turn =
            |output: &Output<u16>| if let Output::Turn(link) = output { *link } else { unreachable!("{output:?}") };
        outputs[1..].iter().map(turn).collect()
    }

    fn summary(&mut self, other: u8, ask: bool, stands: bool, over: bool) -> Vec<Output<u16>> {
        let theirs = Whole { fingerprint: [other; 16], entries: 3 };
        self.put(0, Input::Summary { link: LINK, theirs, ask, stands, over })
    }
}

const fn summary(ask: bool) -> Output<u16> {
    Output::Summary { link: LINK, ask }
}

const ALL: Output<u16> = Output::List { link: LINK, low: 0, high: u16::MAX };

#[test]
fn each_neighbour_has_its_turn_before_any_has_another() {
    for seed in 0..20 {
        let mut alone = Alone::new(8, seed);
        alone.put(0, Input::Start);
        for _ in 0..3 {
            let turns: BTreeSet<_> = (0..8).flat_map(|_| alone.round()).collect();
            assert_eq!(turns.len(), 8, "in eight rounds of one each");
        }
    }
}

#[test]
fn those_that_come_again_and_again_put_off_nobody() {
    for seed in 0..20 {
        let mut alone = Alone::new(4, seed);
        alone.put(0, Input::Start);
        let first = alone.round();
        let mut seen: BTreeSet<_> = first.into_iter().collect();
        for n in 0..3 {
            // Three links come and go before each round.
            for k in 0..3 {
                alone.put(1, Input::LinkUp(LinkId(100 + n * 3 + k)));
            }
            seen.extend(alone.round());
            (0..3).for_each(|k| drop(alone.put(1, Input::LinkDown(LinkId(100 + n * 3 + k)))));
        }
        assert!((1..=4).all(|link| seen.contains(&LinkId(link))), "{seen:?}");
    }
}

#[test]
fn one_that_owes_an_answer_is_passed_over_and_a_round_asks_four_at_most() {
    let prompt = LinkId(8);
    let (mut first, mut reached) = (0, 0);
    for seed in 0..400 {
        let mut alone = Alone::new(8, seed);
        alone.put(0, Input::Start);
        assert_eq!(alone.round().len(), 1, "nobody owes an answer");
        (1..8).for_each(|link| drop(alone.put(0, Input::Asked(LinkId(link)))));
        let turns = alone.round();
        assert!(turns.len() <= MAX_TURNS);
        let until = turns.iter().position(|link| *link == prompt);
        assert_eq!(
            until.unwrap_or(MAX_TURNS - 1) + 1,
            turns.len(),
            "it goes on to the first that owes none: {turns:?}"
        );
        first += u32::from(turns[0] == prompt);
        reached += u32::from(until.is_some());
        assert_eq!(alone.put(1, Input::Closing(prompt)), []);
        assert!(!alone.round().contains(&prompt), "it takes nothing more");
        // Any answer settles what is owed.
        (1..8).for_each(|link| drop(alone.put(2, Input::List { link: LinkId(link), range: None, over: false })));
        assert_eq!(alone.round().len(), 1);
        (1..8).for_each(|link| drop(alone.put(3, Input::LinkDown(LinkId(link)))));
        assert_eq!(alone.round(), [], "nobody is there");
    }
    // One in eight, and 1 - (7/8)^4.
    assert!((20..=90).contains(&first) && (120..=210).contains(&reached), "{first}, {reached}");
}

#[test]
fn nothing_is_said_again_where_nothing_can_change() {
    let mut alone = Alone::new(1, 1);
    assert_eq!(alone.summary(1, true, true, false), [ALL], "the first time it is told");
    assert_eq!(alone.summary(1, true, true, false), [summary(false)]);
    assert_eq!(alone.summary(1, false, true, false), []);
    assert_eq!(alone.summary(1, false, false, false), [ALL], "something can change again");
    assert_eq!(alone.summary(2, true, true, false), [ALL], "it has something else");
    assert_eq!(alone.summary(2, true, true, false), [summary(false)]);
    alone.1.0.insert(7, 1);
    assert_eq!(alone.summary(2, true, true, false), [ALL], "we have something else");
    alone.put(0, Input::LinkDown(LINK));
    alone.put(0, Input::LinkUp(LINK));
    assert_eq!(alone.summary(2, true, true, false), [ALL], "it was told over another link");
}

#[test]
fn a_part_that_differs_as_before_is_told_ever_more_rarely() {
    let mut alone = Alone::new(1, 1);
    let answered = |alone: &mut Alone, part: u8, asked: bool| {
        let mut theirs = Box::new(alone.1.parts());
        theirs[0x2a] = [part; 16];
        if asked {
            alone.put(0, Input::Asked(LINK));
        }
        let outputs = alone.put(0, Input::Parts { link: LINK, theirs, over: false });
        let (low, high) = Map::part(0x2a);
        assert!(outputs.is_empty() || outputs == [Output::List { link: LINK, low, high }], "{outputs:?}");
        !outputs.is_empty()
    };
    let told: Vec<_> = (0..80).filter(|_| answered(&mut alone, 1, true)).collect();
    assert_eq!(told, [0, 1, 3, 7, 15, 31, 47, 63, 79]);
    assert!(answered(&mut alone, 2, true), "it has something else");
    assert!(answered(&mut alone, 2, true) && !answered(&mut alone, 2, true));
    alone.1.0.insert(0x2a00, 1);
    assert!(answered(&mut alone, 2, true), "we have something else");
    assert!(answered(&mut alone, 2, true) && !answered(&mut alone, 2, true));
    assert!(answered(&mut alone, 2, false), "it goes on by itself");
    assert!(answered(&mut alone, 2, true) && !answered(&mut alone, 2, true));
    alone.put(0, Input::Unsent(LINK));
    assert!(answered(&mut alone, 2, true), "it did not go");
}

#[test]
fn what_differs_again_goes_by_parts_where_they_are_shorter_than_the_list() {
    let entries = |n: usize| Map((0..n).map(|n| (u16::try_from(n).unwrap(), 1)).collect());
    let mut alone = Alone::new(1, 1);
    alone.0.short = 2 * FEW;
    alone.1 = entries(FEW);
    assert_eq!([1, 2].map(|n| alone.summary(n, true, false, false)), [[ALL], [ALL]]);
    alone.1 = entries(FEW + 1);
    assert_eq!(alone.summary(3, true, false, false), [Output::Parts(LINK)]);
    let theirs = alone.1.whole();
    alone.put(0, Input::Summary { link: LINK, theirs, ask: false, stands: false, over: false });
    assert_eq!(alone.summary(4, true, false, false), [ALL], "they had the same meanwhile");
    assert_eq!(alone.summary(4, true, false, false), [Output::Parts(LINK)]);
    alone.1 = entries(2 * FEW + 1);
    alone.put(0, Input::LinkUp(LINK));
    assert_eq!(alone.summary(4, true, false, false), [Output::Parts(LINK)], "the list is long");
}

#[test]
fn who_has_had_its_share_of_lists_is_answered_later() {
    let mut alone = Alone::new(1, 1);
    let later = [Output::Later(LINK)];
    assert_eq!(alone.summary(1, true, true, true), later);
    assert_eq!(alone.summary(1, true, true, false), [ALL], "what was put off was not told");
    let theirs = Box::new([[1; 16]; 256]);
    assert_eq!(alone.put(0, Input::Parts { link: LINK, theirs: theirs.clone(), over: true }), later);
    assert_eq!(alone.put(0, Input::Parts { link: LINK, theirs, over: false }).len(), 256);
    let list = |range, over| Input::List { link: LINK, range, over };
    assert_eq!(alone.put(0, list(Some(Map::all()), true)), later);
    assert_eq!(alone.0.first_list(LINK), None, "it was not looked at");
    // Some entries are few, and an equal map costs no list.
    assert_eq!(alone.put(0, list(None, true)), [Output::Entries { link: LINK, all: false }]);
    let theirs = alone.1.whole();
    let equal = Input::Summary { link: LINK, theirs, ask: true, stands: false, over: true };
    assert_eq!(alone.put(0, equal), [summary(false), Output::InSync(LINK)]);
}

#[test]
fn what_is_too_much_to_remember_goes_by_parts_where_the_map_is_long() {
    let again = |lacks_more| Input::Again { link: LINK, lacks_more };
    let mut alone = Alone::new(1, 1);
    assert_eq!(alone.put(0, again(true)), [summary(true)]);
    alone.1 = long_map();
    assert_eq!(alone.put(0, again(true)), [Output::Parts(LINK)]);
    assert_eq!(alone.put(0, again(false)), [summary(true)]);
}

#[test]
fn the_first_comparison_goes_on_until_it_has_come_to_its_end() {
    let mut alone = Alone::new(1, 1);
    let judged = Input::Judged(LINK);
    assert_eq!(alone.put(10, judged.clone()), []);
    assert_eq!(alone.put(20, judged.clone()), []);
    assert_eq!(alone.0.next_timeout(), Some(Timestamp(20 + SOON_US)), "when nothing has come for a while");
    assert_eq!(alone.put(19 + SOON_US, Input::Timeout), []);
    assert_eq!(alone.put(20 + SOON_US, Input::Timeout), [summary(true)]);
    assert_eq!(alone.0.next_timeout(), None, "once, until more has come");
    // One that owes an answer is not asked again.
    alone.put(30, judged.clone());
    alone.put(30, Input::Asked(LINK));
    assert_eq!(alone.put(30 + SOON_US, Input::Timeout), []);

    let list = |range| Input::List { link: LINK, range, over: false };
    assert_eq!(alone.put(40, list(Some(Map::part(3)))), [Output::Entries { link: LINK, all: false }]);
    assert_eq!(alone.0.first_list(LINK), None);
    assert_eq!(alone.put(50, list(Some(Map::all()))), [Output::Entries { link: LINK, all: true }]);
    alone.put(60, list(Some(Map::all())));
    assert_eq!(
        (alone.0.first_list(LINK), alone.0.compared(LINK)),
        (Some(Timestamp(50)), false),
        "the first one counts"
    );
    alone.put(70, judged.clone());
    assert_eq!(alone.put(80, Input::Settled(LINK)), []);
    assert_eq!((alone.0.first_list(LINK), alone.0.compared(LINK)), (None, true));
    assert_eq!(alone.0.next_timeout(), None);
    alone.put(90, judged);
    assert_eq!(alone.0.next_timeout(), None, "from then on its turn comes by timer");
}

#[test]
fn a_turn_that_asks_is_enough_and_who_is_gone_is_not_asked() {
    let mut node = Node::new(&Map::default(), 1);
    node.put(0, Input::LinkUp(LINK), &[]);
    node.put(0, Input::Start, &[]);
    node.hear(0, Message::List(None, Vec::new()));
    node.hear(0, Message::Entry(1, 1));
    node.out.clear();
    // Both are due.
    node.put(2 * PERIOD, Input::Timeout, &[]);
    assert_eq!(node.out.len(), 1, "{:?}", node.out);

    for end in [Input::Closing(LINK), Input::LinkDown(LINK), Input::Settled(LINK)] {
        let mut alone = Alone::new(1, 1);
        alone.put(0, Input::Judged(LINK));
        alone.put(0, end.clone());
        assert_eq!((alone.0.next_timeout(), alone.put(0, Input::Judged(LINK))), (None, vec![]));
        assert_eq!((alone.0.next_timeout(), alone.put(SOON_US, Input::Timeout)), (None, vec![]));
        // What is done at its time may end it.
        let mut alone = Alone::new(1, 1);
        alone.put(0, Input::Judged(LINK));
        alone.0.handle(Timestamp(SOON_US), &mut alone.2, &mut alone.1, Input::Timeout);
        assert_eq!(alone.put(SOON_US, end), []);
    }
}
