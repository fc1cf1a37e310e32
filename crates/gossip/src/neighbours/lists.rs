//! What we tell a neighbour of what we have: a summary, lines of some origins, or all from one origin to another (docs/protocol.md, S).

use rumormill_wire::native::{Coverage, Frame, MAX_STATUS_ENTRIES, Status, StatusEntries, StatusEntry};
use rumormill_wire::{Incarnation, Origin};

use super::Neighbours;
use crate::acks;
use crate::io::LinkId;
use crate::reconcile::{Input, Summary};
use crate::replica::Replica;
use crate::stats::bump;

impl Neighbours {
    /// What we have from `low` to `high`, in as many frames as it takes; with `ask` each wants the same of the neighbour.
    pub(super) fn send_range_status(&mut self, replica: &Replica, id: LinkId, low: Origin, high: Origin, ask: bool) {
        let entries = self.range_entries(replica, id, low, high);
        let mut from = low;
        let mut rest = entries.as_slice();
        loop {
            let (now, later) = rest.split_at(rest.len().min(MAX_STATUS_ENTRIES));
            self.charge_list(id, now.len());
            let to = if later.is_empty() { high } else { now.last().map_or(high, |entry| entry.origin) };
            let sent = self.send_status(replica, id, Coverage::Range { low: from, high: to }, now, ask);
            self.compare_later_unless(replica, id, sent);
            rest = later;
            if rest.is_empty() {
                return;
            }
            from = Origin { incarnation: Incarnation(to.incarnation.0.saturating_add(1)), ..to };
        }
    }

    /// Answers what a neighbour listed, line by line; one that has had its share hears of them later, and less often (P-G5).
    pub(super) fn answer_listed(&mut self, replica: &Replica, id: LinkId, origins: &[Origin]) {
        if origins.is_empty() {
            return;
        }
        if self.lists_are_over(id) {
            bump(&mut self.stats.answers_over, 1);
            origins.iter().for_each(|origin| self.acks.handle(self.now, acks::Input::SayLater(id, *origin)));
            return;
        }
        self.charge_list(id, origins.len());
        self.send_listed_status(replica, id, origins);
    }

    /// What we have of these origins; unknown ones are named as wanted from the start.
    pub(super) fn send_listed_status(&mut self, replica: &Replica, id: LinkId, origins: &[Origin]) {
        let mut entries: Vec<_> = origins.iter().map(|origin| self.listed_entry(replica, id, *origin)).collect();
        entries.sort_unstable_by_key(|entry| entry.origin);
        entries.dedup_by_key(|entry| entry.origin);
        for some in entries.chunks(MAX_STATUS_ENTRIES) {
            let sent = self.send_status(replica, id, Coverage::Listed, some, false);
            self.compare_later_unless(replica, id, sent);
        }
    }

    /// A neighbour that does not read now is told later, by a comparison.
    fn compare_later_unless(&mut self, replica: &Replica, id: LinkId, sent: bool) {
        if sent {
            return;
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.overflow = true;
        }
        self.note_reconcile(replica, Input::Unsent(id));
    }

    fn send_status(
        &mut self,
        replica: &Replica,
        id: LinkId,
        coverage: Coverage,
        entries: &[StatusEntry],
        want_status: bool,
    ) -> bool {
        let heard = self.acks.verdicts(id);
        let ours = replica.logs().chains.whole();
        let status = Status {
            want_status,
            hold: replica.logs().full,
            heard,
            fingerprint: ours.fingerprint,
            origins: ours.entries,
            coverage,
            entries: StatusEntries::from(entries),
        };
        let sent = self.send(id, &Frame::Status(status));
        bump(&mut self.stats.status_sent, u64::from(sent));
        self.told_heard(replica, id, want_status && sent);
        sent
    }

    /// Sends a STATUS without entries: fingerprint and count alone.
    pub(super) fn send_summary(&mut self, replica: &Replica, id: LinkId, want_status: bool) {
        self.send_status(replica, id, Coverage::Listed, &[], want_status);
    }

    /// Asks what the neighbour has of the chain that we write, and of later incarnations. Nothing is written in earlier ones any more, and
    /// they may be more than one list holds.
    pub(super) fn ask_own(&mut self, replica: &Replica, id: LinkId) {
        let low = replica.author().origin();
        let high = Origin { node: low.node, ..Origin::MAX };
        let entries: Vec<_> = replica.logs().chains.entries(low, high).take(MAX_STATUS_ENTRIES).collect();
        let high = if entries.len() < MAX_STATUS_ENTRIES { high } else { entries.last().map_or(high, |e| e.origin) };
        if let Some(link) = self.links.get_mut(&id) {
            link.own_from = Some(low);
        }
        self.send_status(replica, id, Coverage::Range { low, high }, &entries, true);
    }

    /// Asks one neighbour where it stands on an origin.
    pub(super) fn ask_status(&mut self, replica: &Replica, id: LinkId, origin: Origin) {
        let entry = self.listed_entry(replica, id, origin);
        self.send_status(replica, id, Coverage::Listed, &[entry], true);
    }
}
