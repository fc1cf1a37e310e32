//! How much is written to the log, whoever makes the node write (SECURITY.md, "Log volume"). It knows no clock: time is given.
//!
//! A line belongs to a **kind**: the place in the program (its callsite) and, where a line has one, the reason that it gives. A kind has a
//! bucket for each **subject** (a peer, a member, a prefix of addresses, a door), and a callsite has one for all.
//! All lines together have a bucket of bytes. The first line of a kind is always written, and errors of the node itself are
//! held to the first two buckets alone. What is left out is counted by kind and subject, and said.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Lines of one kind about one subject at once, and how long it takes until there is one more.
pub(crate) const SUBJECT_BURST: u32 = 8;
pub(crate) const SUBJECT_EVERY: Duration = Duration::from_secs(10);
/// Lines of one callsite at once, and how long it takes until there is one more; of debug lines ten times as many.
pub(crate) const CALLSITE_BURST: u32 = 40;
pub(crate) const CALLSITE_EVERY: Duration = Duration::from_secs(1);
/// Of debug lines a callsite has so many times as many.
const DEBUG_TIMES: u32 = 10;
/// Bytes of all lines at once and in a second: with what is always written less than 1 MiB in 60 s.
pub(crate) const TOTAL_BURST: u64 = 128 * 1024;
pub(crate) const TOTAL_PER_S: u64 = 6 * 1024;
/// Subjects whose lines are counted apart; those not heard of for longest make room.
pub(crate) const MAX_SUBJECTS: usize = 4_096;
/// Places in the program; there are fewer, but libraries log too.
const MAX_CALLSITES: usize = 1_024;
/// Reasons of one callsite that are told apart: some hold what a peer has chosen.
pub(crate) const MAX_REASONS: usize = 32;
/// What was left out is said so often, in at most so many lines.
pub(crate) const SUMMARY_EVERY: Duration = Duration::from_secs(30);
pub(crate) const MAX_SUMMARY: usize = 8;
/// Subjects that such a line names.
pub(crate) const MAX_NAMED: usize = 3;

/// What is asked of a line.
#[derive(Debug, Clone)]
pub(crate) struct Ask<'a> {
    /// The place in the program that logs it.
    pub(crate) callsite: Callsite,
    /// What it says, without what changes.
    pub(crate) message: &'a str,
    /// The reason that it gives.
    pub(crate) reason: &'a str,
    /// Whom the line is about: a peer, a prefix of addresses, a door.
    pub(crate) subject: &'a str,
    /// Bytes of the line as it is written.
    pub(crate) bytes: usize,
    /// It is an error of the node itself.
    pub(crate) error: bool,
    /// It is there for who looks for a fault.
    pub(crate) debug: bool,
}

/// A place in the program that logs, by its file and line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Callsite(pub(crate) usize, pub(crate) u32);

/// Whose bucket: lines of one kind about one subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct BucketKey {
    callsite: Callsite,
    reason: String,
    subject: String,
}

/// A bucket that fills with time.
#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Duration,
}

impl Bucket {
    fn new(burst: f64, now: Duration) -> Self {
        Self { left: burst, at: now }
    }

    fn fill(&mut self, burst: f64, per_s: f64, now: Duration) {
        let gone = now.saturating_sub(self.at).as_secs_f64();
        self.left = (self.left + gone * per_s).min(burst);
        self.at = now.max(self.at);
    }
}

/// The bucket of a subject, and how many of its lines were not written.
#[derive(Debug)]
struct Subject {
    bucket: Bucket,
    left_out: u64,
}

/// What is known of a callsite.
#[derive(Debug)]
struct CallsiteState {
    bucket: Bucket,
    message: String,
    reasons: BTreeSet<String>,
    /// Of subjects that made room for others, by reason.
    gone: BTreeMap<String, Sum>,
}

/// Lines left out of some subjects. One that made room and came again is two.
#[derive(Debug, Default)]
struct Sum {
    lines: u64,
    subjects: u64,
    /// Those with most, most first.
    most: Vec<(u64, String)>,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.lines = self.lines.saturating_add(other.lines);
        self.subjects = self.subjects.saturating_add(other.subjects);
        self.most.extend(other.most);
        self.most.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.cmp(other)));
        self.most.truncate(MAX_NAMED);
    }

    fn of(subject: &str, lines: u64) -> Self {
        Self { lines, subjects: 1, most: vec![(lines, subject.to_owned())] }
    }
}

/// What was left out, to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) lines: u64,
    pub(crate) message: String,
    pub(crate) reason: String,
    /// About how many, and those of them with most lines.
    pub(crate) subjects: u64,
    pub(crate) most: Vec<(u64, String)>,
    /// In the last so many seconds.
    pub(crate) within: Duration,
}

/// The bounds of one log.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    subjects: BTreeMap<BucketKey, Subject>,
    callsites: BTreeMap<Callsite, CallsiteState>,
    total: Option<Bucket>,
    said_at: Duration,
    waiting: u64,
    /// Lines left out since the start.
    pub(crate) left_out: u64,
}

impl Limiter {
    /// Whether a line is written; if not, it is counted.
    pub(crate) fn take(&mut self, ask: &Ask<'_>, now: Duration) -> bool {
        let (reason, first) = self.kind(ask, now);
        let key = BucketKey { callsite: ask.callsite, reason, subject: ask.subject.to_owned() };
        self.make_room(&key);
        let burst = f64::from(SUBJECT_BURST);
        let subject =
            self.subjects.entry(key).or_insert_with(|| Subject { bucket: Bucket::new(burst, now), left_out: 0 });
        subject.bucket.fill(burst, 1.0 / SUBJECT_EVERY.as_secs_f64(), now);
        let times = if ask.debug { f64::from(DEBUG_TIMES) } else { 1.0 };
        let callsite_burst = f64::from(CALLSITE_BURST) * times;
        let Some(callsite) = self.callsites.get_mut(&ask.callsite) else { return false };
        callsite.bucket.fill(callsite_burst, times / CALLSITE_EVERY.as_secs_f64(), now);
        let (total_burst, per_s) = (as_f64(TOTAL_BURST), as_f64(TOTAL_PER_S));
        let total = self.total.get_or_insert_with(|| Bucket::new(total_burst, now));
        total.fill(total_burst, per_s, now);
        let bytes = as_f64(u64::try_from(ask.bytes).unwrap_or(u64::MAX));
        // Who looks for a fault sees what one peer does in full, as long as there is room for all.
        let of_subject = ask.debug || subject.bucket.left >= 1.0;
        let room = of_subject && callsite.bucket.left >= 1.0 && (ask.error || total.left >= bytes);
        if !(room || first) {
            subject.left_out = subject.left_out.saturating_add(1);
            self.left_out = self.left_out.saturating_add(1);
            self.waiting = self.waiting.saturating_add(1);
            return false;
        }
        subject.bucket.left = (subject.bucket.left - 1.0).max(0.0);
        callsite.bucket.left = (callsite.bucket.left - 1.0).max(0.0);
        total.left = (total.left - bytes).max(0.0);
        true
    }

    /// The reason by which a line is counted, and whether it is the first of its kind.
    fn kind(&mut self, ask: &Ask<'_>, now: Duration) -> (String, bool) {
        if self.callsites.len() >= MAX_CALLSITES && !self.callsites.contains_key(&ask.callsite) {
            self.callsites.pop_first();
        }
        let times = if ask.debug { DEBUG_TIMES } else { 1 };
        let callsite = self.callsites.entry(ask.callsite).or_insert_with(|| CallsiteState {
            bucket: Bucket::new(f64::from(CALLSITE_BURST.saturating_mul(times)), now),
            message: ask.message.to_owned(),
            reasons: BTreeSet::new(),
            gone: BTreeMap::new(),
        });
        if callsite.reasons.contains(ask.reason) {
            return (ask.reason.to_owned(), false);
        }
        if callsite.reasons.len() < MAX_REASONS {
            callsite.reasons.insert(ask.reason.to_owned());
            return (ask.reason.to_owned(), true);
        }
        (String::new(), false)
    }

    fn make_room(&mut self, key: &BucketKey) {
        if self.subjects.len() < MAX_SUBJECTS || self.subjects.contains_key(key) {
            return;
        }
        // A quarter at once: whoever comes with a new subject each time must not make us look through all each time.
        let mut heard: Vec<_> = self.subjects.values().map(|subject| subject.bucket.at).collect();
        let (_, oldest, _) = heard.select_nth_unstable(MAX_SUBJECTS / 4);
        let (oldest, callsites) = (*oldest, &mut self.callsites);
        self.subjects.retain(|key, subject| {
            let goes = subject.bucket.at <= oldest;
            if let Some(callsite) = callsites.get_mut(&key.callsite).filter(|_| goes && subject.left_out > 0) {
                // No more of them than a callsite has reasons, and one for all others.
                callsite.gone.entry(key.reason.clone()).or_default().add(Sum::of(&key.subject, subject.left_out));
            }
            !goes
        });
    }

    /// What was left out since it was last said, one for each callsite and reason, most first; nothing if that was not long ago and
    /// nobody presses.
    pub(crate) fn summary(&mut self, now: Duration, at_once: bool) -> Vec<LeftOut> {
        let within = now.saturating_sub(self.said_at);
        if self.waiting == 0 || !(at_once || within >= SUMMARY_EVERY) {
            return Vec::new();
        }
        let mut kinds: BTreeMap<(Callsite, String), Sum> = BTreeMap::new();
        for (callsite, state) in &mut self.callsites {
            kinds.extend(std::mem::take(&mut state.gone).into_iter().map(|(reason, sum)| ((*callsite, reason), sum)));
        }
        for (key, subject) in &mut self.subjects {
            let lines = std::mem::take(&mut subject.left_out);
            if lines > 0 {
                let sum = kinds.entry((key.callsite, key.reason.clone())).or_default();
                sum.add(Sum::of(&key.subject, lines));
            }
        }
        let said = |message: String, reason, Sum { lines, subjects, most }| LeftOut {
            lines,
            message,
            reason,
            subjects,
            most,
            within,
        };
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.lines));
        let rest = kinds.split_off(kinds.len().min(MAX_SUMMARY));
        let message = |callsite: Callsite| {
            self.callsites.get(&callsite).map(|callsite| callsite.message.clone()).unwrap_or_default()
        };
        let mut all: Vec<_> =
            kinds.into_iter().map(|((callsite, reason), sum)| said(message(callsite), reason, sum)).collect();
        if !rest.is_empty() {
            let mut others = Sum::default();
            rest.into_iter().for_each(|(_, sum)| others.add(sum));
            all.push(said("other lines".to_owned(), String::new(), others));
        }
        (self.said_at, self.waiting) = (now, 0);
        all
    }
}

#[expect(clippy::cast_precision_loss, reason = "bytes of a log, far below 2^53 where it matters")]
fn as_f64(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
#[path = "limit_tests.rs"]
mod tests;
