//! The end of a node: what was taken becomes durable, neighbours are given it, and all are told.

use std::collections::BTreeSet;
use std::time::Duration;

use rumormill_gossip::{Input, LinkId};
use rumormill_wire::native::ByeCode;
use tokio::time::Instant;

use super::state::Driver;
use crate::clock::after;
use crate::counters::Counters;
use crate::lock;
use crate::outcome::SubmitError;

/// A drain looks so often whether all was written.
const PAUSE: Duration = Duration::from_millis(2);
/// How long after that the rest is written, goodbyes, and read by neighbours that then close. One that does not by then is left: what
/// it lacks is in our log, and everybody else waits for our next start.
const FAREWELL: Duration = Duration::from_millis(250);
/// How long a neighbour may take to be given what this node wrote. One that has not said yet what it has, or takes little, gets
/// the rest from others, or at our next start.
const GIVING: Duration = Duration::from_secs(1);

impl Driver {
    /// Waits until our messages are durable and all links have said goodbye, or the deadline.
    pub(crate) async fn drain(&self, within: Duration) {
        let deadline = after(within);
        // What waits for a neighbour's proof of our own chain is not waited for.
        let _ = self.drive(Input::Leaving);
        while self.outstanding() > 0 && Instant::now() < deadline {
            tokio::time::sleep(PAUSE).await;
        }
        self.end_tickets(&SubmitError::Stopping);
        let links = self.links().len();
        if links > 0 {
            tracing::info!(links, "saying goodbye to all");
        }
        let _ = self.drive(Input::Leaving);
        self.goodbyes(deadline).await;
        self.drained.send_replace(true);
    }

    /// A neighbour had its time to read our farewell, and did not close.
    pub(crate) fn farewell_unread(&self, link: LinkId) {
        lock(&self.state).farewells_unread.insert(link);
    }

    async fn goodbyes(&self, deadline: Instant) {
        let (give_by, told_by) = (after(GIVING), after(GIVING.saturating_add(FAREWELL)));
        // Those that may lack something, and those of them that have it if they read our farewell.
        let (mut late, mut unconfirmed) = (0_usize, BTreeSet::new());
        loop {
            let (links, now) = (self.links(), Instant::now());
            let rejoining = self.rejoining();
            if links.is_empty() && (rejoining == 0 || now >= give_by) || now >= deadline {
                late = late.saturating_add(rejoining);
                break;
            }
            for link in links {
                if !link.is_closing() {
                    if now < give_by && !self.with_engine(|engine| engine.all_given(link.id)) {
                        continue;
                    }
                    if self.with_engine(|engine| engine.lacks_own(link.id)) {
                        late = late.saturating_add(1);
                    } else if self.with_engine(|engine| engine.unconfirmed_own(link.id)) {
                        unconfirmed.insert(link.id);
                    }
                    link.bye(ByeCode::LEAVING, "the node shuts down");
                }
                if now >= told_by && !link.is_closed() {
                    if link.written() < link.put_in() {
                        tracing::info!(peer = %link.facts.name, "a neighbour that takes nothing is not told that the node ends");
                    }
                    self.farewell_unread(link.id);
                    link.close_now();
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        // What was written may have waited in our system, which drops it when we close before it was read.
        late = late.saturating_add(lock(&self.state).farewells_unread.intersection(&unconfirmed).count());
        Counters::set(&self.counters.left_behind, u64::try_from(late).unwrap_or(u64::MAX));
        if late > 0 {
            tracing::warn!(
                neighbours = late,
                "neighbours that did not take all of it within {GIVING:?} may lack some of what this node said last, until they have it from others or this node is back"
            );
        }
    }
}
