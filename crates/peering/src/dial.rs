//! One neighbour of the configuration: whether it is to be dialled, and how its tries went.

use core::time::Duration;

use rand::Rng;
use rumormill_limits::Timestamp;
use rumormill_wire::NodeId;

use crate::ended::Ended;
use crate::neighbour::Neighbour;
use crate::plan::Plan;

/// A link that lived so long makes the next delay the first again: whoever ends one for what it found in the handshake or HELLO has done
/// so by then.
const LIVED: Duration = Duration::from_secs(5);
/// Who answered at an address that goes without a name is that neighbour for so long, over whatever link it is there. Then the address is
/// dialled again: somebody else may be there by now, and whoever left it holds nobody off.
pub(crate) const CHECKED: Duration = Duration::from_secs(60);
/// For so long people are told that it is linked: a dial takes its time.
pub(crate) const SHOWN: Duration = Duration::from_secs(70);
const BANNED: &str = "banned here for a while: it broke the protocol";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DialStage {
    /// There is a link, whoever opened it, since then.
    Linked(Timestamp),
    /// It is being dialled, or the link of that is there. `again` is whether something was changed here since.
    Dialled { again: bool },
    /// It is tried then; before that if something changes, unless it is left `alone`.
    Waits { until: Timestamp, alone: bool },
}

#[derive(Debug)]
pub(crate) struct Dial {
    pub(crate) neighbour: Neighbour,
    /// Who answered there last, and when.
    pub(crate) node: Option<NodeId>,
    pub(crate) met: Timestamp,
    pub(crate) stage: DialStage,
    plan: Plan,
    /// Tries since the last link that lived.
    pub(crate) tries: u64,
    /// How the last one ended, and when.
    pub(crate) last: Option<(Ended, Timestamp)>,
    /// Tries that have ended without a link since the start. One that ended because another link is kept is none.
    pub(crate) ended: u64,
    /// What was told last of why there is no link: the same is not told at every try.
    said: String,
    /// The last try ended because another link is kept.
    duplicate: bool,
}

impl Dial {
    pub(crate) fn new(neighbour: Neighbour) -> Self {
        let plan = Plan::new(neighbour.addr.ip(), neighbour.name.as_deref());
        let stage = DialStage::Waits { until: Timestamp::ZERO, alone: false };
        Self {
            neighbour,
            node: None,
            met: Timestamp::ZERO,
            stage,
            plan,
            tries: 0,
            last: None,
            ended: 0,
            said: String::new(),
            duplicate: false,
        }
    }

    /// It asked to be left alone for a time, or is banned here: it is not tried sooner.
    pub(crate) const fn is_left_alone(&self) -> bool {
        matches!(self.stage, DialStage::Waits { alone: true, .. })
    }

    /// Whether whoever answered there last still stands for the address, as it does for so long.
    pub(crate) fn stands(&self, now: Timestamp, lasts: Duration) -> bool {
        self.neighbour.name.is_some() || now.elapsed(self.met) < lasts
    }

    /// Whether the end of a try is waited for.
    pub(crate) const fn is_dialled(&self) -> bool {
        matches!(self.stage, DialStage::Dialled { .. })
    }

    /// When it is tried next, if that is known.
    pub(crate) const fn next(&self) -> Option<Timestamp> {
        match self.stage {
            DialStage::Waits { until, .. } => Some(until),
            _ => None,
        }
    }

    /// Whether it is to be dialled now, where `linked` is whether there is a link with it.
    pub(crate) fn is_due(&mut self, now: Timestamp, linked: bool) -> bool {
        match self.stage {
            DialStage::Linked(since) if !linked => {
                if now.elapsed(since) >= LIVED {
                    self.worked();
                }
                true
            }
            DialStage::Waits { .. } if linked => {
                self.stage = DialStage::Linked(now);
                false
            }
            DialStage::Waits { until, .. } => now >= until,
            _ => false,
        }
    }

    pub(crate) fn dial(&mut self) {
        self.stage = DialStage::Dialled { again: false };
    }

    /// It is banned here for so much longer, and not tried before.
    pub(crate) fn leave_alone(&mut self, now: Timestamp, left: Duration) {
        self.last = Some((Ended::refused(BANNED), now));
        self.stage = DialStage::Waits { until: now.after(left), alone: true };
    }

    /// Something was changed here.
    pub(crate) fn changed(&mut self, now: Timestamp) {
        match self.stage {
            DialStage::Waits { alone: false, .. } => {
                self.plan.changed();
                self.stage = DialStage::Waits { until: now, alone: false };
            }
            DialStage::Dialled { .. } => self.stage = DialStage::Dialled { again: true },
            _ => {}
        }
    }

    /// A try has ended, or the link that it gave. What is to be told of it, if that was not told yet: how it ended, and the delay before
    /// the next try.
    pub(crate) fn ended(
        &mut self,
        now: Timestamp,
        (ended, lived): (Ended, Duration),
        linked: bool,
        rng: &mut impl Rng,
    ) -> Option<(Ended, Duration)> {
        if lived >= LIVED {
            self.worked();
        }
        let delay = self.plan.next(&ended, now, rng);
        // Not where there is a link, nor where the one that is kept is about to be up here too.
        let quiet = linked || (ended.duplicate && !self.duplicate);
        self.duplicate = ended.duplicate;
        let news = (ended.reason != self.said && !quiet).then(|| (ended.clone(), delay));
        if news.is_some() {
            self.said.clone_from(&ended.reason);
        }
        self.tries = self.tries.saturating_add(1);
        self.ended = self.ended.saturating_add(u64::from(!ended.duplicate));
        let alone = !ended.retry_after().is_zero();
        let again = matches!(self.stage, DialStage::Dialled { again: true });
        self.last = Some((ended, now));
        self.stage = DialStage::Waits { until: now.after(delay), alone };
        if again {
            self.changed(now);
        }
        news
    }

    /// A link lived.
    fn worked(&mut self) {
        self.plan.worked();
        (self.tries, self.last) = (0, None);
        self.said.clear();
    }
}
