//! A valid member can still be greedy: above a rate for each node id its chains stop advancing here, which others see
//! as lag (docs/protocol.md, G). Nothing is refused for good.

use std::collections::BTreeMap;

use rumormill_limits::Rate;
use rumormill_wire::NodeId;

use crate::config::EngineConfig;
use crate::io::Timestamp;

/// What one author may still add; `None` is without limit.
#[derive(Debug, Clone, Copy)]
struct Account {
    bytes: Option<Rate>,
    incarnations: Option<Rate>,
    places: Option<Rate>,
}

/// What each node id may still add. One account for each author that was admitted, so bounded by the members.
#[derive(Debug)]
pub struct Quota {
    fresh: Account,
    accounts: BTreeMap<NodeId, Account>,
}

fn holds(rate: Option<Rate>, amount: u64, now: Timestamp) -> bool {
    rate.is_none_or(|rate| rate.holds(amount, now))
}

fn take(rate: &mut Option<Rate>, amount: u64, now: Timestamp) {
    if let Some(rate) = rate {
        rate.take_up_to(amount, now);
    }
}

impl Quota {
    /// As a node is configured.
    pub(crate) fn of(config: &EngineConfig) -> Self {
        let places = Rate::every(config.quota_places, config.quota_place_us);
        let a_day = config.quota_incarnations_per_day;
        let at_once = a_day.saturating_mul(config.quota_incarnation_days.max(1));
        Self::new(
            (config.quota_bytes_per_day > 0).then(|| Rate::per_day(config.quota_bytes_per_day)),
            (a_day > 0).then(|| Rate::daily(at_once, a_day)),
            (config.quota_places > 0).then_some(places),
        )
    }

    /// Rates of bytes, of incarnations, and of places that fall, as each author has them at first; `None` is without limit.
    #[must_use]
    pub const fn new(bytes: Option<Rate>, incarnations: Option<Rate>, places: Option<Rate>) -> Self {
        Self { fresh: Account { bytes, incarnations, places }, accounts: BTreeMap::new() }
    }

    /// Whether a node may add a bundle that costs so much now (not what it takes to send it: small ones most of all), and a new incarnation if `fresh`. Charges nothing.
    #[must_use]
    pub fn allows(&self, node: &NodeId, cost: u64, fresh: bool, now: Timestamp) -> bool {
        let account = self.account(node);
        holds(account.bytes, cost, now) && (!fresh || holds(account.incarnations, 1, now))
    }

    /// Whether a place where a chain of this node's ends may fall once more now (P-E4). Charges nothing.
    #[must_use]
    pub fn allows_place(&self, node: &NodeId, now: Timestamp) -> bool {
        holds(self.account(node).places, 1, now)
    }

    /// Charges a place that fell.
    pub fn charge_place(&mut self, node: &NodeId, now: Timestamp) {
        take(&mut self.account_mut(node).places, 1, now);
    }

    /// Charges a bundle that was accepted.
    pub fn charge(&mut self, node: &NodeId, cost: u64, fresh: bool, now: Timestamp) {
        let account = self.account_mut(node);
        take(&mut account.bytes, cost, now);
        take(&mut account.incarnations, u64::from(fresh), now);
    }

    fn account(&self, node: &NodeId) -> Account {
        self.accounts.get(node).copied().unwrap_or(self.fresh)
    }

    fn account_mut(&mut self, node: &NodeId) -> &mut Account {
        self.accounts.entry(*node).or_insert(self.fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000;

    #[test]
    fn a_day_of_bytes_is_refilled_by_the_hour() {
        let node = NodeId([1; 32]);
        let mut greed = Quota::new(Some(Rate::per_day(24 * 1_000)), None, None);
        for _ in 0..24 {
            assert!(greed.allows(&node, 1_000, false, Timestamp(0)));
            greed.charge(&node, 1_000, false, Timestamp(0));
        }
        assert!(!greed.allows(&node, 1, false, Timestamp(0)));
        assert!(!greed.allows(&node, 2_000, false, Timestamp(HOUR)));
        assert!(greed.allows(&node, 1_000, false, Timestamp(HOUR)));
        assert!(!greed.allows(&node, 1_000, false, Timestamp(HOUR - 1)));
        assert!(greed.allows(&NodeId([2; 32]), 1 << 40, false, Timestamp(0)), "another author has its own account");
    }

    #[test]
    fn incarnations_are_counted_apart_and_small_steps_are_not_lost() {
        let node = NodeId([1; 32]);
        let mut greed = Quota::new(None, Some(Rate::per_day(24)), None);
        for _ in 0..24 {
            assert!(greed.allows(&node, 1 << 40, true, Timestamp(0)));
            greed.charge(&node, 1 << 40, true, Timestamp(0));
        }
        assert!(!greed.allows(&node, 1, true, Timestamp(0)));
        for minute in 1..60 {
            greed.charge(&node, 0, false, Timestamp(minute * HOUR / 60));
        }
        assert!(greed.allows(&node, 1, true, Timestamp(HOUR)));
    }

    #[test]
    fn places_that_fall_are_counted_apart_too() {
        const PLACE_US: u64 = 10_000_000;
        let node = NodeId([1; 32]);
        let mut greed = Quota::new(None, None, Some(Rate::every(24, PLACE_US)));
        for _ in 0..24 {
            assert!(greed.allows_place(&node, Timestamp(0)));
            greed.charge_place(&node, Timestamp(0));
        }
        assert!(!greed.allows_place(&node, Timestamp(PLACE_US - 1)));
        assert!(greed.allows(&node, 1, true, Timestamp(0)), "messages have their own account");
        assert!(greed.allows_place(&node, Timestamp(PLACE_US)));
        greed.charge_place(&node, Timestamp(PLACE_US));
        assert!(!greed.allows_place(&node, Timestamp(PLACE_US)));
    }
}
