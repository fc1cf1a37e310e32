//! A valid member can still be greedy: above a rate for each node id its chains stop advancing here, which others see
//! as lag (docs/protocol.md, G). Nothing is refused for good.

use std::collections::BTreeMap;

use rumormill_limits::Rate;
use rumormill_wire::NodeId;

use crate::io::Timestamp;

#[derive(Debug, Clone, Copy)]
struct Account {
    bytes: Rate,
    incarnations: Rate,
    places: Option<Rate>,
}

/// What each node id may still add. One account for each author that was admitted, so bounded by the members.
#[derive(Debug)]
pub struct Greed {
    bytes_per_day: u64,
    incarnations_per_day: u64,
    /// A new account's; `None` is without limit.
    places: Option<Rate>,
    accounts: BTreeMap<NodeId, Account>,
}

impl Greed {
    /// Bytes and incarnations a day, and how often places may fall; 0 is without limit.
    #[must_use]
    pub const fn new(bytes_per_day: u64, incarnations_per_day: u64, places: Option<Rate>) -> Self {
        Self { bytes_per_day, incarnations_per_day, places, accounts: BTreeMap::new() }
    }

    /// Whether a node may add a bundle that costs so much now (not what it takes to send it: small ones most of all), and a new incarnation if `fresh`. Charges nothing.
    #[must_use]
    pub fn allows(&self, node: &NodeId, cost: u64, fresh: bool, now: Timestamp) -> bool {
        let account = self.account(node);
        (self.bytes_per_day == 0 || account.bytes.holds(cost, now))
            && (!fresh || self.incarnations_per_day == 0 || account.incarnations.holds(1, now))
    }

    /// Whether a place where a chain of this node's ends may fall once more now (P-E4). Charges nothing.
    #[must_use]
    pub fn allows_place(&self, node: &NodeId, now: Timestamp) -> bool {
        self.account(node).places.is_none_or(|places| places.holds(1, now))
    }

    /// Charges a place that fell.
    pub fn charge_place(&mut self, node: &NodeId, now: Timestamp) {
        let mut account = self.account(node);
        if let Some(places) = &mut account.places {
            places.take_up_to(1, now);
            self.accounts.insert(*node, account);
        }
    }

    /// Charges a bundle that was accepted.
    pub fn charge(&mut self, node: &NodeId, cost: u64, fresh: bool, now: Timestamp) {
        if self.bytes_per_day == 0 && self.incarnations_per_day == 0 {
            return;
        }
        let mut account = self.account(node);
        account.bytes.take_up_to(cost, now);
        account.incarnations.take_up_to(u64::from(fresh), now);
        self.accounts.insert(*node, account);
    }

    /// A new one holds a day's worth.
    fn account(&self, node: &NodeId) -> Account {
        let full = || Account {
            bytes: Rate::per_day(self.bytes_per_day),
            incarnations: Rate::per_day(self.incarnations_per_day),
            places: self.places,
        };
        self.accounts.get(node).copied().unwrap_or_else(full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000;

    #[test]
    fn a_day_of_bytes_is_refilled_by_the_hour() {
        let node = NodeId([1; 32]);
        let mut greed = Greed::new(24 * 1_000, 0, None);
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
        let mut greed = Greed::new(0, 24, None);
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
        let mut greed = Greed::new(0, 0, Some(Rate::every(24, PLACE_US)));
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
