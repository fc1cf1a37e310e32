//! Machines that compare small maps, two by two.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

mod alone;

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

    fn whole(&self) -> Whole {
        Whole { fingerprint: self.hash(Self::all()), entries: u32::try_from(self.0.len()).unwrap() }
    }

    fn parts(&self) -> Parts {
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
        self.machine.handle(Timestamp(now), &mut self.rng, &self.map, input);
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
            self.machine.handle(Timestamp(now), &mut self.rng, &self.map, Input::Asked(LINK));
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
            Message::Parts(theirs) => self.put(now, Input::Parts { link, theirs, asks: false, over }, &[]),
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
            prop_assert!(node.in_sync > 0 && node.machine.compared(LINK) && node.machine.owes_since(LINK).is_none());
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
