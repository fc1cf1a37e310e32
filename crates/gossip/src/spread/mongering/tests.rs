use rand::SeedableRng;
use rand::rngs::StdRng;
use rumormill_wire::{Incarnation, Seq};

use super::*;

const TIMEOUT: u64 = 1_000;

struct Play {
    machine: Mongering,
    rng: StdRng,
    now: Timestamp,
}

impl Play {
    fn new(seed: u64, links: u64) -> Self {
        let mut play = Self { machine: Mongering::new(TIMEOUT), rng: StdRng::seed_from_u64(seed), now: Timestamp(7) };
        (0..links).for_each(|link| play.up(link, link));
        play
    }

    /// A link of a node.
    fn up(&mut self, link: u64, node: u64) {
        let mut id = NodeId::ZERO;
        id.0[..8].copy_from_slice(&node.to_be_bytes());
        assert_eq!(self.put(Input::LinkUp { link: LinkId(link), node: id }), []);
    }

    /// One input, and whom it gives what.
    fn put(&mut self, input: Input) -> Vec<(u64, u64)> {
        self.machine.handle(self.now, &mut self.rng, input);
        let outputs = std::iter::from_fn(|| self.machine.poll_output());
        outputs
            .map(|output| match output {
                Output::Monger { link, origin } => (link.0, origin.incarnation.0),
                Output::Give { .. } => unreachable!("nothing goes to all"),
            })
            .collect()
    }

    fn fresh(&mut self, rumor: u64, from: Option<u64>) -> Vec<(u64, u64)> {
        let from = from.map(LinkId).into_iter().collect();
        self.put(Input::Fresh { origin: origin(rumor), first: Seq::FIRST, from })
    }

    fn status(&mut self, link: u64, in_sync: bool) -> Vec<(u64, u64)> {
        self.put(Input::Status { link: LinkId(link), in_sync })
    }

    /// The next time-out, if there is one.
    fn expire(&mut self) -> Option<Vec<(u64, u64)>> {
        self.now = self.machine.next_timeout()?;
        Some(self.put(Input::Timeout))
    }
}

fn origin(rumor: u64) -> Origin {
    Origin { incarnation: Incarnation(rumor), ..Origin::MIN }
}

#[test]
fn silence_costs_a_rumor_one_timeout_for_each_that_is_silent_and_later_ones_nothing() {
    const SILENT: u64 = 4;
    // Two that answer: one alone is not taken at its word.
    let honest = |asked: &[(u64, u64)]| asked.iter().any(|(link, _)| *link >= SILENT);
    let answer = |play: &mut Play, mut asked: Vec<(u64, u64)>| {
        while let Some((link, _)) = asked.pop() {
            if link >= SILENT {
                asked.extend(play.status(link, true));
            }
        }
    };
    for seed in 0..200 {
        let mut play = Play::new(seed, SILENT + 2);
        for rumor in 1..60 {
            let (begun, before) = (play.now, play.machine.silent());
            let mut asked = play.fresh(rumor, None);
            while !honest(&asked) {
                asked = play.expire().expect("nobody stops at silence");
            }
            let found = u64::try_from(play.machine.silent() - before).unwrap();
            assert!(play.now.since(begun) <= found * TIMEOUT, "seed {seed}, rumor {rumor}: {:?}", play.now);
            // It may go on to one that is silent.
            answer(&mut play, asked);
        }
        while let Some(asked) = play.expire() {
            answer(&mut play, asked);
        }
        let (timed_out, silent) = (play.machine.rounds().1, play.machine.silent());
        assert_eq!(timed_out, u64::try_from(silent).unwrap(), "seed {seed}: each costs one time-out, once");
        assert_eq!(silent, 4, "seed {seed}: all were found");
    }
}

#[test]
fn one_that_answers_is_chosen_again() {
    let mut play = Play::new(1, 2);
    while play.machine.silent() == 0 {
        let asked = play.fresh(1, None);
        assert_eq!(asked.len(), 1);
        if asked[0].0 == 0 {
            play.expire();
        }
        play.status(1, true);
    }
    for rumor in 2..20 {
        assert_eq!(play.fresh(rumor, None), [(1, rumor)], "the silent one is not chosen");
        play.status(1, true);
    }
    play.status(0, false);
    assert_eq!(play.machine.silent(), 1, "not by what it sends a moment later");
    play.now = play.now.plus(TIMEOUT);
    play.status(0, false);
    assert_eq!(play.machine.silent(), 0);
    let mut chosen = BTreeSet::new();
    for rumor in 20..60 {
        let asked = play.fresh(rumor, None);
        chosen.insert(asked[0].0);
        play.status(asked[0].0, true);
    }
    assert_eq!(chosen, BTreeSet::from([0, 1]));
}

/// It says something four times in each time-out, never that it has what it was given, and comes with a new link now and then.
#[test]
fn one_that_is_silent_again_and_again_is_chosen_ever_more_rarely() {
    let mut play = Play::new(3, 2);
    let (mut link, mut waited) = (0, 0);
    for step in 0..400 {
        let given = play.fresh(step, None);
        waited += u64::from(given.iter().all(|(to, _)| *to != 1));
        play.status(1, true);
        let until = play.now.plus(TIMEOUT / 4);
        while play.machine.next_timeout().is_some_and(|at| at <= until) {
            play.expire();
            play.status(1, true);
        }
        play.now = until;
        play.status(link, false);
        if step % 40 == 39 {
            play.put(Input::LinkDown(LinkId(link)));
            link = 100 + step;
            play.up(link, 0);
        }
    }
    // By its links alone, or by what it says in between, it were half of them.
    assert!((1..=40).contains(&waited), "{waited} of 400");
}

#[test]
fn what_joins_a_round_does_not_keep_it_open() {
    for seed in 0..50 {
        // Two that are silent and one that answers, and something new four times in each time-out.
        let (mut play, mut had) = (Play::new(seed, 3), BTreeSet::new());
        let begun = play.now;
        for step in 0..40 {
            let mut given = play.fresh(step, None);
            let until = play.now.plus(TIMEOUT / 4);
            while play.machine.next_timeout().is_some_and(|at| at <= until) {
                given.extend(play.expire().unwrap());
            }
            play.now = until;
            while let Some((_, rumor)) = given.iter().position(|(link, _)| *link == 0).map(|n| given.swap_remove(n)) {
                had.insert(rumor);
                given.extend(play.status(0, true));
            }
            let late = play.now.since(begun).saturating_sub(2 * TIMEOUT) / (TIMEOUT / 4);
            assert!((0..late).all(|rumor| had.contains(&rumor)), "seed {seed}, step {step}: {had:?}");
        }
        assert!(play.machine.silent() <= 2);
    }
}

#[test]
fn where_all_are_silent_each_is_asked_and_the_rumor_ends() {
    for seed in 0..50 {
        let mut play = Play::new(seed, 5);
        let mut asked: Vec<_> = play.fresh(1, None).into_iter().map(|(link, _)| link).collect();
        let mut steps = 0;
        while let Some(given) = play.expire() {
            asked.extend(given.into_iter().map(|(link, _)| link));
            steps += 1;
            assert!(steps < 50, "seed {seed}: it never ends");
        }
        assert_eq!(BTreeSet::from_iter(asked), BTreeSet::from([0, 1, 2, 3, 4]), "seed {seed}");
        assert_eq!(play.machine.silent(), 5);
        // What is new goes to all of them, but to the one that it came from.
        assert_eq!(play.fresh(2, Some(3)), [(0, 2), (1, 2), (2, 2), (4, 2)]);
        // One that answers then is chosen by the others' time-outs.
        play.status(1, true);
        let given: Vec<_> = std::iter::from_fn(|| play.expire()).flatten().collect();
        assert!(given.contains(&(1, 2)), "seed {seed}: {given:?}");
    }
}

#[test]
fn one_that_lacks_things_for_ever_keeps_a_rumor_for_three_timeouts() {
    let mut longest = 0;
    for seed in 0..50 {
        let (mut play, begun) = (Play::new(seed, 1), Timestamp(7));
        assert_eq!(play.fresh(1, None), [(0, 1)]);
        while play.machine.in_round(LinkId(0), &origin(1)) {
            assert!(play.now.since(begun) < ROUND_TIMEOUTS * TIMEOUT);
            play.now = play.now.plus(TIMEOUT - 1);
            if play.machine.next_timeout().is_some_and(|at| at <= play.now) {
                play.expire();
                longest = longest.max(play.now.since(begun));
            } else {
                assert_eq!(play.status(0, false), [(0, 1)], "it is brought what it lacks");
            }
        }
        assert_eq!(play.machine.silent(), 1, "it is chosen last for a while");
    }
    assert_eq!(longest, ROUND_TIMEOUTS * TIMEOUT);
}

#[test]
fn a_rumor_does_not_go_back_to_where_it_came_from() {
    for seed in 0..50 {
        let mut play = Play::new(seed, 4);
        let mut all = play.fresh(1, Some(2));
        let mut also = play.fresh(2, Some(0));
        for _ in 0..20 {
            also.extend(play.expire().into_iter().flatten());
        }
        all.extend(also);
        assert!(!all.contains(&(2, 1)) && !all.contains(&(0, 2)), "seed {seed}: {all:?}");
    }
}

#[test]
fn a_neighbour_that_goes_is_remembered_no_longer() {
    let mut play = Play::new(1, 3);
    play.fresh(1, None);
    while play.expire().is_some() {}
    assert_eq!(play.machine.silent(), 3);
    (0..3).for_each(|link| drop(play.put(Input::LinkDown(LinkId(link)))));
    assert_eq!((play.machine.silent(), play.machine.rounds.len(), play.machine.next_timeout()), (0, 0, None));
}

/// Neighbours that say at once that nothing is missing there, to whatever they are given. Whom the rumor is given in all, and how many
/// rounds that takes, without any time.
fn all_in_sync(play: &mut Play, rumor: u64, from: Option<u64>) -> (BTreeSet<u64>, usize) {
    let mut given = Vec::new();
    let mut asked = play.fresh(rumor, from);
    while let Some((link, _)) = asked.pop() {
        given.push(link);
        asked.extend(play.status(link, true));
    }
    let rounds = given.len();
    (given.into_iter().collect(), rounds)
}

#[test]
fn the_word_of_one_node_ends_nothing_over_however_many_links() {
    for seed in 0..200 {
        // One that answers beside it, or two.
        for honest in 1..3 {
            let mut play = Play::new(seed, honest);
            (10..13).for_each(|link| play.up(link, 10));
            for rumor in 0..20 {
                let (given, _) = all_in_sync(&mut play, rumor, None);
                assert!(given.iter().any(|link| *link < 10), "seed {seed}, {honest} beside it: {given:?}");
            }
            // It brings one itself.
            let (given, _) = all_in_sync(&mut play, 20, Some(10));
            assert!(given.iter().any(|link| *link < 10), "seed {seed}, {honest} beside it: {given:?}");
        }
    }
}

#[test]
fn a_rumor_stops_after_two_nodes_and_a_coin() {
    // Of so many neighbours: all where there are two at most, then one more than the two of a coin alone.
    for (links, least, most) in [(1, 1.0, 1.0), (2, 2.0, 2.0), (3, 2.7, 3.1), (10, 2.7, 3.1)] {
        let (mut all, mut rumors) = (0, 0);
        for seed in 0..200 {
            let mut play = Play::new(seed, links);
            for rumor in 0..20 {
                let (given, rounds) = all_in_sync(&mut play, rumor, None);
                assert!(given.len() >= usize::try_from(links.min(2)).unwrap());
                assert_eq!(play.machine.rounds.len(), 0, "it ends");
                (all, rumors) = (all + u32::try_from(rounds).unwrap(), rumors + 1);
            }
        }
        let mean = f64::from(all) / f64::from(rumors);
        assert!((least..=most).contains(&mean), "{links} neighbours: {mean} rounds for each rumor");
    }
}

#[test]
fn what_two_liars_leave() {
    // Both asked first, and the coin: a sixth of the rumors beside one honest neighbour.
    let mut stopped = 0;
    for seed in 0..3_000 {
        let (given, _) = all_in_sync(&mut Play::new(seed, 3), 1, None);
        stopped += u32::from(!given.contains(&0));
    }
    assert!((400..600).contains(&stopped), "{stopped} of 3000");
}

#[test]
fn beside_one_that_answers_alone_those_that_are_silent_are_given_it_too() {
    for seed in 0..50 {
        let mut play = Play::new(seed, 3);
        // All were silent once; one has answered since.
        play.fresh(1, None);
        while play.expire().is_some() {}
        play.status(2, false);
        assert_eq!(play.machine.silent(), 2);
        assert_eq!(play.fresh(2, None), [(2, 2)]);
        assert_eq!(play.status(2, true), [(0, 2), (1, 2)], "seed {seed}");
        while play.expire().is_some() {}
        assert_eq!(play.fresh(3, Some(1)), [(2, 3)]);
        assert_eq!(play.status(2, true), [(0, 3)], "seed {seed}: not where it came from");
    }
}

#[test]
fn one_that_lacks_things_for_ever_is_not_taken_at_its_word_either() {
    for seed in 0..50 {
        let mut play = Play::new(seed, 2);
        play.up(10, 10);
        let mut asked = play.fresh(1, None);
        let mut given = BTreeSet::new();
        while let Some((link, _)) = asked.pop() {
            given.insert(link);
            if link < 10 {
                asked.extend(play.status(link, true));
                continue;
            }
            let begun = play.now;
            while play.machine.in_round(LinkId(10), &origin(1)) {
                assert!(play.now.since(begun) <= ROUND_TIMEOUTS * TIMEOUT, "seed {seed}: the round does not end");
                play.now = play.now.plus(TIMEOUT - 1);
                if play.machine.next_timeout().is_some_and(|at| at <= play.now) {
                    asked.extend(play.put(Input::Timeout));
                } else {
                    play.status(10, false);
                }
            }
        }
        assert!(given.iter().any(|link| *link < 10), "seed {seed}: {given:?}");
    }
}

#[test]
fn two_rumors_of_one_origin_in_one_round_keep_what_holds_for_both() {
    let (id, other) = (Some(NodeId::ZERO), Some(NodeId([1; 32])));
    let rumor = |from: Option<u64>, word| Rumor { from: from.map(LinkId), word };
    let joined = |mut a: Rumor, b: Rumor| {
        a.join(&b);
        a
    };
    assert_eq!(joined(rumor(Some(1), id), rumor(Some(1), id)), rumor(Some(1), id));
    assert_eq!(joined(rumor(Some(1), id), rumor(Some(2), None)), rumor(None, None));
    assert_eq!(joined(rumor(None, id), rumor(Some(2), other)), rumor(None, None));
    // One is over at one neighbour, and joins the other one, which is newer, at the next: nobody has said that the newer one is anywhere.
    for seed in 0..50 {
        let mut play = Play::new(seed, 2);
        let first = play.fresh(1, None)[0].0;
        let second = 1 - first;
        while play.fresh(1, None) != [(second, 1)] {}
        assert_eq!(play.status(first, true), [(second, 1)]);
        assert_eq!(play.status(second, true), [(first, 1)], "seed {seed}");
    }
}
