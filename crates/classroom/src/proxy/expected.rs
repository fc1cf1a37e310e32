//! What each process is to show: which messages were said before through this proxy, and whom they can have reached.
//!
//! Processes stand in a line, and what is said to one reaches all that run beside it without a gap. So each process is
//! expected to show what was said to those it was joined with at the time, or is joined with since. A log is compared by its
//! entries: a comma inside a message cannot be told from one between two, so both sides are cut at all of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

/// Bytes of messages that are remembered; beyond that logs are shown as they come.
pub(crate) const MAX_REMEMBERED: usize = 64 << 20;

/// A message that was said.
#[derive(Debug)]
struct Said {
    /// On which line of the input.
    line: u64,
    /// Its parts between commas; `None` for one that a process may show differently.
    parts: Vec<Option<String>>,
}

impl Said {
    /// Whether it is known how it is shown.
    fn is_known(&self) -> bool {
        self.parts.iter().all(Option::is_some)
    }
}

/// What is expected of a process that was started once.
#[derive(Debug, Default)]
struct Expectation {
    running: bool,
    /// Which messages it is to show.
    has: Runs,
    /// Of what was said to it, this and all after it was not seen elsewhere yet.
    unseen: Option<usize>,
}

/// What a log lacks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Messages that the process should have.
    pub late: Vec<usize>,
    /// Messages that cannot have reached it.
    pub apart: Vec<usize>,
}

/// All that was said, and what is expected of whom.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    said: Vec<Said>,
    bytes: usize,
    processes: BTreeMap<u32, Expectation>,
    /// Told once as missing at a process: not waited for again.
    given_up: BTreeSet<(u32, usize)>,
}

impl Expected {
    /// A process runs; those beside it and it share what they have.
    pub(crate) fn started(&mut self, id: u32) {
        self.processes.entry(id).or_default().running = true;
        let line = self.line_of(id);
        let mut all = Runs::default();
        for process in self.processes.range(line.clone()).map(|(_, process)| process) {
            all.add(&process.has);
        }
        for (_, process) in self.processes.range_mut(line) {
            process.has.clone_from(&all);
        }
    }

    /// A process runs no more.
    pub(crate) fn ended(&mut self, id: u32) {
        if let Some(process) = self.processes.get_mut(&id) {
            (process.running, process.unseen) = (false, None);
        }
    }

    /// Something was said to a process. Says whether it is remembered.
    pub(crate) fn said(&mut self, id: u32, line: u64, text: &str) -> bool {
        if self.bytes.saturating_add(text.len()) > MAX_REMEMBERED {
            return false;
        }
        self.bytes = self.bytes.saturating_add(text.len());
        let number = self.said.len();
        self.said.push(Said { line, parts: text.split(',').map(plain).collect() });
        let beside = self.line_of(id);
        for (_, process) in self.processes.range_mut(beside) {
            process.has.push(number);
        }
        if let Some(process) = self.processes.get_mut(&id) {
            process.unseen.get_or_insert(number);
        }
        true
    }

    /// Which ids run beside this one without a gap, itself included.
    fn line_of(&self, id: u32) -> Range<u32> {
        let runs = |id: &u32| self.processes.get(id).is_some_and(|process| process.running);
        let mut ids = id..id.saturating_add(1);
        while let Some(before) = ids.start.checked_sub(1).filter(runs) {
            ids.start = before;
        }
        while runs(&ids.end) {
            ids.end = ids.end.saturating_add(1);
        }
        ids
    }

    /// What a process's log lacks of all that was said.
    pub(crate) fn missing(&self, id: u32, payload: &str) -> Missing {
        let mut shown = Parts::of(payload);
        let none = Runs::default();
        let has = self.processes.get(&id).map_or(&none, |process| &process.has);
        let mut missing = Missing::default();
        // Those that it should have come first: of two with one text, the other may be the one that is missing. And of them
        // those whose text is known: what may be shown in any way takes what is left.
        let all = || self.said.iter().enumerate();
        let ours = |expected: bool, known: bool| {
            all().filter(move |(number, said)| has.contains(*number) == expected && said.is_known() == known)
        };
        for (expected, known) in [(true, true), (true, false), (false, true), (false, false)] {
            let lacks = ours(expected, known).filter(|(_, said)| !shown.take(said)).map(|(number, _)| number);
            if expected { missing.late.extend(lacks) } else { missing.apart.extend(lacks) }
        }
        missing.late.sort_unstable();
        missing.apart.sort_unstable();
        missing
    }

    /// Whether there is any use in waiting for what is late.
    pub(crate) fn worth_waiting(&self, id: u32, missing: &Missing) -> bool {
        missing.late.iter().any(|number| !self.given_up.contains(&(id, *number)))
    }

    /// What is late was waited for in vain.
    pub(crate) fn give_up(&mut self, id: u32, missing: &Missing) {
        self.given_up.extend(missing.late.iter().map(|number| (id, *number)));
    }

    /// On which line of the input a message was said.
    pub(crate) fn line_number(&self, number: usize) -> u64 {
        self.said.get(number).map_or(0, |said| said.line)
    }

    /// Who runs beside a process to which something was said that nobody was seen to have yet.
    pub(crate) fn witnesses(&self, id: u32) -> Vec<u32> {
        if self.processes.get(&id).is_none_or(|process| process.unseen.is_none()) {
            return Vec::new();
        }
        let line = self.line_of(id);
        [id.checked_sub(1), id.checked_add(1)].into_iter().flatten().filter(|beside| line.contains(beside)).collect()
    }

    /// Of what a log lacks, that which was said to `id` and not seen elsewhere.
    pub(crate) fn of(&self, id: u32, missing: &Missing) -> usize {
        let unseen = self.processes.get(&id).and_then(|process| process.unseen);
        missing.late.iter().filter(|number| unseen.is_some_and(|unseen| **number >= unseen)).count()
    }
}

/// A part as it is compared: blanks in one form. What holds other than plain characters may be shown in another way.
fn plain(part: &str) -> Option<String> {
    let usual = |c: char| c.is_alphanumeric() || c.is_ascii_graphic() || matches!(c, ' ' | '\t');
    part.chars()
        .all(usual)
        .then(|| part.split([' ', '\t']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "))
}

/// The entries of a log, each to be taken once.
struct Parts {
    plain: HashMap<String, usize>,
    all: usize,
}

impl Parts {
    fn of(payload: &str) -> Self {
        let mut parts = Self { plain: HashMap::new(), all: 0 };
        // An empty log has no entry, and no message is empty.
        for part in payload.split(',').filter(|_| !payload.is_empty()) {
            parts.all = parts.all.saturating_add(1);
            if let Some(part) = plain(part) {
                let count = parts.plain.entry(part).or_default();
                *count = count.saturating_add(1);
            }
        }
        parts
    }

    /// Takes a message out; false if it is not there as a whole.
    fn take(&mut self, said: &Said) -> bool {
        if self.all < said.parts.len() {
            return false;
        }
        let mut taken = Vec::new();
        for part in said.parts.iter().flatten() {
            match self.plain.get_mut(part).filter(|count| **count > 0) {
                Some(count) => {
                    *count = count.saturating_sub(1);
                    taken.push(part);
                }
                None => {
                    self.give_back(&taken);
                    return false;
                }
            }
        }
        self.all = self.all.saturating_sub(said.parts.len());
        true
    }

    fn give_back(&mut self, taken: &[&String]) {
        for part in taken {
            if let Some(count) = self.plain.get_mut(*part) {
                *count = count.saturating_add(1);
            }
        }
    }
}

/// Numbers in ascending runs without gaps.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Runs(Vec<Range<usize>>);

impl Runs {
    /// A number above all others.
    fn push(&mut self, number: usize) {
        let after = number.saturating_add(1);
        match self.0.last_mut() {
            Some(last) if last.end == number => last.end = after,
            _ => self.0.push(number..after),
        }
    }

    fn add(&mut self, other: &Self) {
        let mut all: Vec<_> = self.0.drain(..).chain(other.0.iter().cloned()).collect();
        all.sort_by_key(|run| run.start);
        for run in all {
            match self.0.last_mut() {
                Some(last) if last.end >= run.start => last.end = last.end.max(run.end),
                _ => self.0.push(run),
            }
        }
    }

    fn contains(&self, number: usize) -> bool {
        let at = self.0.partition_point(|run| run.end <= number);
        self.0.get(at).is_some_and(|run| run.contains(&number))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn late(expected: &Expected, id: u32, payload: &str) -> Vec<usize> {
        expected.missing(id, payload).late
    }

    #[test]
    fn all_in_one_line_are_to_show_what_is_said_to_any() {
        let mut expected = Expected::default();
        for id in 0..3 {
            expected.started(id);
        }
        assert!(expected.said(0, 4, "a") && expected.said(2, 5, "b, with a  comma") && expected.said(0, 6, "a"));
        assert!(late(&expected, 1, "a,b, with a comma,a").is_empty());
        assert_eq!(late(&expected, 1, "a,b, with a  comma"), [2], "a text that was said twice is two messages");
        assert_eq!(late(&expected, 2, ""), [0, 1, 2]);
        assert_eq!(late(&expected, 2, "a,b,x,a"), [1]);
        assert_eq!(expected.line_number(2), 6);
    }

    #[test]
    fn a_gap_parts_the_line_and_who_comes_back_joins_it_again() {
        let mut expected = Expected::default();
        for id in 0..3 {
            expected.started(id);
        }
        expected.said(0, 4, "before");
        expected.ended(1);
        expected.said(0, 6, "left");
        expected.said(2, 7, "right");
        let missing = expected.missing(2, "before,right");
        assert_eq!((missing.late, missing.apart), (vec![], vec![1]));
        expected.started(1);
        assert_eq!(late(&expected, 1, ""), [0, 1, 2]);
        assert_eq!(late(&expected, 2, "before,right"), [1]);
        assert_eq!(expected.missing(0, "before,left,right"), Missing::default());
        expected.started(9);
        assert_eq!(expected.missing(9, ""), Missing { late: vec![], apart: vec![0, 1, 2] });
    }

    #[test]
    fn what_was_missed_once_is_not_waited_for_again() {
        let mut expected = Expected::default();
        expected.started(0);
        expected.said(0, 1, "a");
        let missing = expected.missing(0, "");
        assert!(expected.worth_waiting(0, &missing));
        expected.give_up(0, &missing);
        assert!(!expected.worth_waiting(0, &missing));
        expected.said(0, 2, "b");
        assert!(expected.worth_waiting(0, &expected.missing(0, "")));
    }

    #[test]
    fn before_a_crash_those_beside_it_are_looked_at() {
        let mut expected = Expected::default();
        for id in [0, 1, 2, 4] {
            expected.started(id);
        }
        assert!(expected.witnesses(1).is_empty(), "nothing was said to it");
        expected.said(0, 1, "elsewhere");
        expected.said(1, 2, "a");
        assert_eq!(expected.witnesses(1), [0, 2]);
        assert_eq!(expected.of(1, &expected.missing(0, "")), 1);
        assert_eq!(expected.of(1, &expected.missing(0, "a")), 0);
        expected.ended(1);
        assert!(expected.witnesses(1).is_empty());
        expected.said(4, 3, "b");
        assert!(expected.witnesses(4).is_empty(), "nobody is beside it");
    }

    #[test]
    fn what_may_be_shown_in_another_way_is_only_counted() {
        let mut expected = Expected::default();
        expected.started(0);
        expected.said(0, 1, "a\u{202e}b");
        assert!(late(&expected, 0, "a\\u{202e}b").is_empty());
        assert_eq!(late(&expected, 0, ""), [0]);
        expected.said(0, 2, "plain");
        assert_eq!(late(&expected, 0, "plain"), [0]);
        expected.said(0, 3, "plain,too");
        assert_eq!(late(&expected, 0, "x,plain"), [2], "a part of a message is none");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut expected = Expected::default();
        expected.started(0);
        expected.bytes = MAX_REMEMBERED - 2;
        assert!(!expected.said(0, 1, "too"));
        assert!(expected.said(0, 2, "it") && !expected.said(0, 3, "x"));
        assert_eq!(late(&expected, 0, ""), [0], "what is not remembered is not missed");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn runs_are_sets(a in prop::collection::btree_set(0_usize..40, 0..20), b in prop::collection::btree_set(0_usize..40, 0..20)) {
            let runs = |set: &BTreeSet<usize>| {
                let mut runs = Runs::default();
                set.iter().for_each(|number| runs.push(*number));
                runs
            };
            let mut both = runs(&a);
            both.add(&runs(&b));
            let all: BTreeSet<_> = a.union(&b).copied().collect();
            prop_assert_eq!(&both, &runs(&all));
            prop_assert!((0..41).all(|number| both.contains(number) == all.contains(&number)));
        }
    }
}
