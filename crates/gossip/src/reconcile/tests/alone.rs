//! One machine: what it says to each thing that it is told.

use super::*;

/// A machine of which outputs are looked at.
struct Alone(Reconcile<u16>, Map, StdRng);

impl Alone {
    fn new(links: u64, seed: u64) -> Self {
        let mut alone = Self(Reconcile::new(PERIOD, 1, SHORT), Map::default(), StdRng::seed_from_u64(seed));
        (1..=links).for_each(|link| drop(alone.put(0, Input::LinkUp(LinkId(link)))));
        alone
    }

    fn put(&mut self, now: u64, input: Input<u16>) -> Vec<Output<u16>> {
        self.0.handle(Timestamp(now), &mut self.2, &self.1, input);
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

const ALL: Output<u16> = Output::List { link: LINK, low: 0, high: u16::MAX, ask: false };

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
    assert_eq!(alone.summary(1, true, false, false), [ALL], "something can change again");
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
        let outputs = alone.put(0, Input::Parts { link: LINK, theirs, asks: false, over: false });
        let (low, high) = Map::part(0x2a);
        let list = |ask| [Output::List { link: LINK, low, high, ask }];
        assert!(
            outputs.is_empty() || [list(false), list(true)].contains(&outputs[..].try_into().unwrap()),
            "{outputs:?}"
        );
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

/// It answers, and never with what differs: "something else", in whatever words, is no answer for long.
#[test]
fn one_that_says_that_it_has_something_else_owes_a_list_of_it() {
    let mut alone = Alone::new(1, 1);
    alone.put(1, Input::Asked(LINK));
    assert_eq!(alone.summary(1, false, false, false), [Output::List { link: LINK, low: 0, high: u16::MAX, ask: true }]);
    alone.put(5, Input::Asked(LINK));
    assert_eq!(alone.0.owes_since(LINK), Some(Timestamp(0)), "the first time counts");
    alone.summary(2, false, false, false);
    alone.put(6, Input::List { link: LINK, range: None, over: false });
    assert_eq!(alone.0.owes_since(LINK), Some(Timestamp(0)), "some lines are not all");
    alone.put(7, Input::List { link: LINK, range: Some((0, u16::MAX)), over: false });
    assert_eq!(alone.0.owes_since(LINK), None);

    // By parts: the first time it may be about to say what it lacks.
    let parts = |alone: &mut Alone, now, part: u8| {
        let theirs = Box::new([[part; 16]; 256]);
        alone.put(now, Input::Asked(LINK));
        let asks = |output: &Output<u16>| matches!(output, Output::List { ask: true, .. });
        let asked = alone.put(now, Input::Parts { link: LINK, theirs, asks: false, over: false });
        (asked.iter().filter(|output| asks(output)).count(), alone.0.owes_since(LINK))
    };
    assert_eq!(parts(&mut alone, 8, 1), (0, None));
    assert_eq!(parts(&mut alone, 9, 2), (1, Some(Timestamp(9))), "it has something else each time, and we the same");
    alone.put(10, Input::List { link: LINK, range: Some(Map::part(3)), over: false });
    assert_eq!(alone.0.owes_since(LINK), None);
    assert_eq!(parts(&mut alone, 11, 3), (1, Some(Timestamp(11))));
}

#[test]
fn one_that_had_what_we_had_when_it_was_asked_is_told_nothing_and_owes_nothing() {
    let mut alone = Alone::new(1, 1);
    let before = alone.1.whole();
    alone.put(1, Input::Asked(LINK));
    alone.1.0.insert(7, 1);
    let same = Input::Summary { link: LINK, theirs: before, ask: false, stands: false, over: false };
    assert_eq!(alone.put(2, same), []);
    assert!(alone.0.compared(LINK) && alone.0.owes_since(LINK).is_none());
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
    assert_eq!(alone.put(0, Input::Parts { link: LINK, theirs: theirs.clone(), asks: false, over: true }), later);
    assert_eq!(alone.put(0, Input::Parts { link: LINK, theirs, asks: false, over: false }).len(), 256);
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
        alone.0.handle(Timestamp(SOON_US), &mut alone.2, &alone.1, Input::Timeout);
        assert_eq!(alone.put(SOON_US, end), []);
    }
}
