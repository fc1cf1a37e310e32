//! Whether the message still counts that a letter or a key came in (P-L8).

use std::collections::BTreeMap;
use std::sync::Arc;

use rumormill_wire::native::Revocations;
use rumormill_wire::{Incarnation, Origin, Seq};

use crate::handle::NodeHandle;

/// What is withdrawn at one moment, by a proof or a revocation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counting {
    /// Of chains in the log, the first number that does not count.
    limits: Arc<BTreeMap<Origin, Seq>>,
    /// Of all others: a log in memory has forgotten what letters on the disk came from.
    revoked: Arc<Revocations>,
}

impl Counting {
    /// What is withdrawn at this moment, by all that the node knows.
    pub(crate) fn now(node: &NodeHandle) -> Self {
        Self { limits: node.rules().limits, revoked: node.0.driver.checker.revoked.get() }
    }

    /// Whether it is the same as then. What is held is never changed, so it is enough to look whether it is that.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.limits, &other.limits) && Arc::ptr_eq(&self.revoked, &other.revoked)
    }

    /// Whether what stands there counts. Number 0 is that of letters in files of before, which did not say where: they count
    /// while nothing of their author is withdrawn.
    pub(crate) fn counts(&self, origin: &Origin, seq: Seq) -> bool {
        if seq.0 == 0 {
            let [first, last] = [0, u64::MAX].map(|n| Origin { incarnation: Incarnation(n), ..*origin });
            return self.limits.range(first..=last).next().is_none() && self.revoked.limit(origin).is_none();
        }
        let within = |limit: Option<Seq>| limit.is_none_or(|limit| seq < limit);
        within(self.limits.get(origin).copied()) && within(self.revoked.limit(origin))
    }
}

#[cfg(test)]
impl Counting {
    /// Nothing from this number on.
    pub(crate) fn without(origin: Origin, from: Seq) -> Self {
        Self { limits: Arc::new([(origin, from)].into()), ..Self::default() }
    }
}
