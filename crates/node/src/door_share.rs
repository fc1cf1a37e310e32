//! What a door may bring into the log, by whatever way: what is said in the room, letters, what a control port says.
//!
//! Others hold a node back that adds more than it should (docs/protocol.md, P-G1). What comes in by doors is of anybody who
//! reaches them, so all doors together bring half of that at most, and none of them takes the part of another.

use std::sync::Mutex;

use rumormill_doors::ServiceError;
use rumormill_gossip::cost;
use rumormill_limits::{Clock, Rate};

use crate::lock;

/// Messages that one door may bring, 1,000 at once and 200 a second; what is over waits, and datagrams are dropped at the door.
const MESSAGES: Rate = Rate::new(1_000, 200);
/// What one door may bring in a day, by what it costs to keep (P-G1).
const PER_DAY: u64 = 16 << 20;
/// The same for all doors of a node together: half of what others take of a node in a day, so that the other half is left to its
/// own people. With more than two doors each has an equal part.
pub(crate) const ALL_PER_DAY: u64 = 32 << 20;
/// What a bundle of one message has beside the text, at most: so each message is charged, since a door cannot know with how
/// many others it will be in one.
const ALONE: usize = 176;

/// What one door may bring.
#[derive(Debug)]
pub(crate) struct Share {
    /// First come, first served: whoever waits for it holds it.
    messages: tokio::sync::Mutex<Rate>,
    day: Mutex<Rate>,
    per_day: u64,
    clock: Clock,
}

/// A door has brought its share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this door has brought its share of {per_day} bytes a day")]
pub(crate) struct Over {
    per_day: u64,
}

impl From<Over> for ServiceError {
    fn from(over: Over) -> Self {
        Self::OverShare { per_day: over.per_day }
    }
}

impl Share {
    /// Of each door, where a node has so many.
    pub(crate) fn of_each(doors: usize) -> Self {
        let part = ALL_PER_DAY.checked_div(u64::try_from(doors).unwrap_or(u64::MAX)).unwrap_or(PER_DAY);
        Self::of_day(part.min(PER_DAY))
    }

    /// Of a port that is the only way in there is.
    pub(crate) fn of_the_only_way_in() -> Self {
        Self::of_day(ALL_PER_DAY)
    }

    fn of_day(per_day: u64) -> Self {
        let day = Mutex::new(Rate::per_day(per_day));
        Self { messages: tokio::sync::Mutex::new(MESSAGES), day, per_day, clock: Clock::start() }
    }

    /// Waits until there is one more of the messages.
    pub(crate) async fn turn(&self) {
        let mut messages = self.messages.lock().await;
        while let Err(wait) = messages.take_n(1, self.clock.now()) {
            tokio::time::sleep(wait).await;
        }
    }

    /// Charges a message with so long a text.
    ///
    /// # Errors
    /// The day's share does not hold it. Nothing is charged then.
    pub(crate) fn charge(&self, text: usize) -> Result<(), Over> {
        let cost = cost::charged(text.saturating_add(ALONE), 1);
        lock(&self.day).take_n(cost, self.clock.now()).map_err(|_| Over { per_day: self.per_day })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use rumormill_wire::native::{BundleBuilder, MessageKind};
    use rumormill_wire::{Digest, Incarnation, NodeId, Origin, Seq, Signature};

    use super::*;

    fn brought(share: &Share, text: usize) -> u64 {
        (0..1 << 18).take_while(|_| share.charge(text).is_ok()).count().try_into().unwrap()
    }

    #[test]
    fn a_door_brings_no_more_than_its_share_however_short_its_messages_are() {
        for text in [0, 20, 500, 4_200, 32_000] {
            let others_charge = cost::charged(text + ALONE, 1);
            let taken = brought(&Share::of_each(1), text) * others_charge;
            assert!(taken <= PER_DAY && taken > PER_DAY - others_charge, "{text}: {taken}");
        }
        assert_eq!(brought(&Share::of_each(1), 1 << 20), 15);
    }

    #[test]
    fn all_doors_together_leave_half_of_the_nodes_day_to_its_people() {
        let of_others = crate::config::Limits::default().greedy_bytes_per_day;
        for doors in 1..40 {
            let share = Share::of_each(doors);
            assert!(share.per_day <= PER_DAY && share.per_day * u64::try_from(doors).unwrap() <= of_others / 2);
        }
        assert_eq!((Share::of_each(2).per_day, Share::of_each(4).per_day), (PER_DAY, PER_DAY / 2));
        assert_eq!(Share::of_the_only_way_in().per_day, of_others / 2);
    }

    #[test]
    fn a_message_is_charged_at_least_what_its_bundle_costs_others() {
        let origin = Origin { node: NodeId([7; 32]), incarnation: Incarnation(u64::MAX) };
        for text in [0, 1, 127, 128, 300, 32_768] {
            let mut builder = BundleBuilder::new(origin, Seq(1 << 50), Digest([1; 32]));
            builder.push(rumormill_wire::Clock(1 << 60), MessageKind::BRIDGED, "", &vec![b'x'; text]).unwrap();
            let bundle = builder.seal(Signature([1; 64]));
            assert!(bundle.len() <= text + ALONE, "{text}: {}", bundle.len());
        }
    }

    #[tokio::test]
    async fn a_thousand_messages_at_once_and_then_two_hundred_a_second() {
        let share = Share::of_each(1);
        let begun = Instant::now();
        for _ in 0..1_100 {
            share.turn().await;
        }
        assert!(begun.elapsed() >= Duration::from_millis(490), "the last hundred wait");
    }
}
