//! Certificates end: links end with them, and people are told days before.

use std::collections::BTreeMap;
use std::time::SystemTime;

use rumormill_api::Standing;
use rumormill_limits::DAY_S;
use rumormill_transport::Endpoint;
use rumormill_wire::NodeId;
use rumormill_wire::native::ByeCode;

use crate::clock::seconds;
use crate::counters::Counters;
use crate::driver::Driver;

/// Nodes whose certificates were warned of, remembered for a day.
const MAX_SAID: usize = 1_024;

/// What was said already. A warning comes once a day for each node, ours among them.
#[derive(Debug, Default)]
pub(crate) struct Validity {
    said: BTreeMap<NodeId, (Standing, u64)>,
}

impl Validity {
    /// Ends the links whose certificates have ended, and warns of those that will.
    pub(crate) fn look(&mut self, driver: &Driver, endpoint: &Endpoint, now: SystemTime) {
        let (now, ours) = (seconds(now), endpoint.identity());
        let (from, until) = (seconds(ours.valid().0), seconds(ours.valid().1));
        if let Some(why) = self.warning(ours.node(), from, until, now) {
            tracing::warn!("our certificate {why}");
        }
        for link in driver.links() {
            let facts = &link.facts;
            let ended = if now > facts.until {
                Some((facts.name.as_str(), "your certificate has expired"))
            } else {
                (now > facts.ours_until).then_some((ours.name(), "the certificate of this side has expired"))
            };
            if let Some((name, reason)) = ended {
                if link.bye(ByeCode::EXPIRED, reason) {
                    Counters::add(&driver.counters.links_expired, 1);
                    tracing::warn!(peer = %facts.name, addr = %facts.addr, "the certificate of {name} has expired: closing the link");
                }
            } else if let Some(why) = self.warning(facts.peer, 0, facts.until, now) {
                tracing::warn!(peer = %facts.name, "the certificate of a neighbour {why}");
            }
        }
    }

    /// What is to be said of a node's certificate now, if it was not said today.
    fn warning(&mut self, node: NodeId, from: u64, until: u64, now: u64) -> Option<String> {
        let standing = Standing::of(from, until, now);
        let text = standing.warning(from, until)?;
        let kind = core::mem::discriminant(&standing);
        let today = |(said, at): &(Standing, u64)| core::mem::discriminant(said) == kind && now.abs_diff(*at) < DAY_S;
        if self.said.get(&node).is_some_and(today) {
            return None;
        }
        if self.said.len() >= MAX_SAID {
            self.said.retain(|_, (_, at)| now.abs_diff(*at) < DAY_S);
        }
        if self.said.len() < MAX_SAID || self.said.contains_key(&node) {
            self.said.insert(node, (standing, now));
            return Some(text);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_comes_once_a_day_for_each_node_and_costs_bounded_memory() {
        let mut validity = Validity::default();
        let until = 100 * DAY_S;
        let mut said = 0;
        for minute in 0..10 * 24 * 60 {
            let now = until - 9 * DAY_S + minute * 60;
            said += u32::from(validity.warning(NodeId([1; 32]), 0, until, now).is_some());
        }
        assert_eq!(said, 9, "each of the last seven days, the last minute, and that it has ended");
        for n in 0..5_000_u16 {
            let mut node = [2; 32];
            node[..2].copy_from_slice(&n.to_be_bytes());
            let _ = validity.warning(NodeId(node), 0, until, until);
        }
        assert!(validity.said.len() <= MAX_SAID);
    }
}
