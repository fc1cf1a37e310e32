//! Certificates end: links end with them, and people are told days before.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use rumormill_transport::Endpoint;
use rumormill_wire::NodeId;
use rumormill_wire::native::ByeCode;

use crate::counters::Counters;
use crate::hub::Hub;
use crate::view::utc;

/// So long before its end a certificate is warned of.
pub const WARNED_BEFORE_S: u64 = 7 * DAY_S;
const DAY_S: u64 = 86_400;
/// Nodes whose certificates were warned of, remembered for a day.
const MAX_SAID: usize = 1_024;

/// Seconds since the Unix epoch; 0 before it.
pub(crate) fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A second in UTC, as people read it.
#[must_use]
pub fn date(seconds: u64) -> String {
    let text = utc(seconds.saturating_mul(1_000_000));
    format!("{}Z", text.split('.').next().unwrap_or_default())
}

/// Where a certificate stands by our clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its time has not come: it, or our clock, is wrong.
    NotYet,
    /// It holds, for long.
    Holds,
    /// It ends within days: how many whole ones are left.
    Ends(u64),
    /// It has ended.
    Expired,
}

impl Standing {
    /// Where a certificate of these dates stands, all in seconds since the Unix epoch.
    #[must_use]
    pub const fn of(not_before: u64, not_after: u64, now: u64) -> Self {
        if now < not_before {
            return Self::NotYet;
        }
        match not_after.checked_sub(now) {
            None => Self::Expired,
            Some(left) if left <= WARNED_BEFORE_S => Self::Ends(left / DAY_S),
            Some(_) => Self::Holds,
        }
    }

    /// What there is to say of it; nothing of one that holds.
    #[must_use]
    pub fn warning(self, not_before: u64, not_after: u64) -> Option<String> {
        match self {
            Self::Holds => None,
            Self::NotYet => Some(format!("is not valid yet: it begins {}; it or the clock is wrong", date(not_before))),
            Self::Ends(1) => Some(format!("ends in 1 day, {}; renew it", date(not_after))),
            Self::Ends(days) => Some(format!("ends in {days} days, {}; renew it", date(not_after))),
            Self::Expired => Some(format!("has expired: it ended {}; renew it", date(not_after))),
        }
    }
}

/// What was said already. A warning comes once a day for each node, ours among them.
#[derive(Debug, Default)]
pub(crate) struct Validity {
    said: BTreeMap<NodeId, (Standing, u64)>,
}

impl Validity {
    /// Ends the links whose certificates have ended, and warns of those that will.
    pub(crate) fn look(&mut self, hub: &Hub, endpoint: &Endpoint, now: SystemTime) {
        let (now, ours) = (seconds(now), endpoint.identity());
        let (from, until) = (seconds(ours.valid().0), seconds(ours.valid().1));
        if let Some(why) = self.warning(ours.node(), from, until, now) {
            tracing::warn!("our certificate {why}");
        }
        for link in hub.links() {
            let facts = &link.facts;
            let ended = if now > facts.until {
                Some((facts.name.as_str(), "your certificate has expired"))
            } else {
                (now > facts.ours_until).then_some((ours.name(), "the certificate of this side has expired"))
            };
            if let Some((name, reason)) = ended {
                if link.bye(ByeCode::EXPIRED, reason) {
                    Counters::add(&hub.counters.links_expired, 1);
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
    fn a_certificate_before_its_time_is_told_from_one_after_it() {
        let standing = |now| Standing::of(1_000_000, 9_000_000, now);
        assert_eq!(standing(999_999), Standing::NotYet);
        assert_eq!(
            (standing(1_000_000), standing(9_000_000 - WARNED_BEFORE_S - 1)),
            (Standing::Holds, Standing::Holds)
        );
        assert_eq!(standing(9_000_000 - WARNED_BEFORE_S), Standing::Ends(7));
        assert_eq!((standing(9_000_000), standing(9_000_001)), (Standing::Ends(0), Standing::Expired));
        let text = |now| standing(now).warning(1_000_000, 9_000_000).unwrap_or_default();
        assert!(text(1).contains("not valid yet: it begins 1970-01-12T13:46:40Z"), "{}", text(1));
        assert!(text(9_000_001).contains("has expired: it ended 1970-04-15T04:00:00Z"), "{}", text(9_000_001));
        assert_eq!(text(2_000_000), "");
    }

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
