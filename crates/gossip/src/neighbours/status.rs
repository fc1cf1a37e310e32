//! STATUS and BUCKETS: what the machine that compares is told of them, and what it says, done (docs/protocol.md, S).
//!
//! A comparison begins with a summary: the fingerprint alone, 40 bytes with its frame. In sync, it is answered by one of
//! the same size. Otherwise the answer lists the frontier, or the fingerprints of 256 parts when that is long, and each side then sends
//! what the other lacks and names what it lacks itself.

use rumormill_wire::Origin;
use rumormill_wire::native::{Buckets, Coverage, EntryState, Frame, Status};

use super::timer::Timer;
use super::{NeighbourOutput, Neighbours};
use crate::io::LinkId;
use crate::link::Parked;
use crate::reconcile::{Input, Output, Summary, Whole};
use crate::replica::Replica;
use crate::spread;
use crate::stats::bump;

/// A BUCKETS frame.
const BUCKETS_LEN: usize = 5 + 256 * 16;

impl Neighbours {
    /// Tells the machine that compares, and does what it says.
    pub(super) fn tell_reconcile(&mut self, replica: &Replica, input: Input<Origin>) {
        self.note_reconcile(replica, input);
        self.reconcile_outputs(replica, None);
    }

    /// Tells it something, of which nothing is to be done before [`Engine::reconcile_outputs`].
    pub(super) fn note_reconcile(&mut self, replica: &Replica, input: Input<Origin>) {
        self.reconcile.handle(self.now, self.rng.as_mut(), &replica.logs().chains, input);
    }

    /// Does what it says; `said` is the STATUS that it was told of just now.
    pub(super) fn reconcile_outputs(&mut self, replica: &Replica, said: Option<&Status<'_>>) {
        while let Some(output) = self.reconcile.poll_output() {
            match output {
                Output::Round => self.output.push_back(NeighbourOutput::Round),
                Output::Turn(link) => self.turn(replica, link),
                Output::Summary { link, ask } => self.send_summary(replica, link, ask),
                Output::Parts(link) => self.send_buckets(replica, link),
                Output::List { link, low, high, ask } => self.send_range_status(replica, link, low, high, ask),
                Output::Entries { link, all } => {
                    if let Some(status) = said {
                        self.entries(replica, link, status, all);
                    }
                }
                Output::InSync(link) => self.in_sync(replica, link),
                Output::Later(link) => self.answer_later(link),
            }
        }
        self.timers.set(Timer::Reconcile, self.reconcile.next_timeout());
    }

    pub(crate) fn status(&mut self, replica: &Replica, id: LinkId, status: &Status<'_>) {
        bump(&mut self.stats.status_received, 1);
        let Some(link) = self.links.get_mut(&id) else { return };
        if status.heard > link.unacked.frames() {
            return self.misbehaved(replica, id, "a STATUS that heard more than was said");
        }
        link.unacked.acked(status.heard);
        self.note_hold(replica, id, status.hold);
        let over = self.lists_are_over(id);
        let stands = replica.logs().full || status.hold;
        self.note_reconcile(
            replica,
            match status.coverage {
                Coverage::Listed if status.entries.is_empty() => {
                    let theirs = Whole { fingerprint: status.fingerprint, entries: status.origins };
                    Input::Summary { link: id, theirs, ask: status.want_status, stands, over }
                }
                Coverage::Listed => Input::List { link: id, range: None, over },
                Coverage::Range { low, high } => Input::List { link: id, range: Some((low, high)), over },
            },
        );
        self.reconcile_outputs(replica, Some(status));
    }

    /// The neighbour's parts.
    pub(crate) fn buckets(&mut self, replica: &Replica, id: LinkId, buckets: &Buckets<'_>) {
        let mut theirs = Box::new([[0; 16]; 256]);
        theirs.iter_mut().zip(buckets.iter()).for_each(|(part, theirs)| *part = theirs);
        let over = self.lists_are_over(id);
        // Of what a full node lacks nothing is sent, and it wants nothing: each of the two has to list what it has.
        let asks = replica.logs().full || self.links.get(&id).is_some_and(|link| link.hold);
        self.tell_reconcile(replica, Input::Parts { link: id, theirs, asks, over });
    }

    /// A neighbour listed some origins, or all between two.
    fn entries(&mut self, replica: &Replica, id: LinkId, status: &Status<'_>, all: bool) {
        if let Some(link) = self.links.get_mut(&id).filter(|_| all) {
            // Whatever was too much to remember is told anew.
            (link.unsure, link.branches) = (false, false);
        }
        let mut wants = Vec::new();
        let mut in_sync = true;
        for entry in status.entries.iter() {
            // What it does not want is not missing to a round of mongering: sent again, it would be refused again.
            let not_wanted = status.hold || matches!(entry.state, EntryState::Hold | EntryState::Forked);
            in_sync &= not_wanted || entry.next >= replica.logs().chains.wanted(&entry.origin);
            if self.compare_entry(replica, id, &entry) {
                wants.push(entry.origin);
            }
        }
        if let Coverage::Range { low, high } = status.coverage {
            self.unlisted_are_lacking(replica, id, low, high, &status.entries, &mut wants);
            self.unlisted_are_not_there(replica, id, low, high, &status.entries);
            let me = replica.author().origin();
            if low.node <= me.node && me.node <= high.node {
                self.own_known(replica, id, low, high, status.entries.iter());
            }
        }
        if let Some(link) = self.links.get_mut(&id).filter(|_| all) {
            link.denies = link.has_cursor() && (link.denies || link.wavered_at == Some(self.now));
        }
        match status.coverage {
            Coverage::Range { low, high } if status.want_status => {
                self.send_range_status(replica, id, low, high, false)
            }
            Coverage::Listed if status.want_status => {
                let origins: Vec<_> = status.entries.iter().map(|entry| entry.origin).collect();
                self.answer_listed(replica, id, &origins);
            }
            _ => self.answer_listed(replica, id, &wants),
        }
        self.tell_spread(replica, spread::Input::Status { link: id, in_sync });
    }

    /// The neighbour has what we have.
    fn in_sync(&mut self, replica: &Replica, id: LinkId) {
        let chains = &replica.logs().chains;
        let more = self.claims.of_link(id).any(|(origin, behind)| behind.next > chains.wanted(origin));
        self.claims.clear(id);
        let now = self.now;
        if let Some(link) = self.links.get_mut(&id) {
            // It has what we have, and said before that it has more, or that a chain ends elsewhere.
            if more || !link.disputed.is_empty() {
                link.wavered_at = Some(now);
            }
            (link.unsure, link.branches, link.denies) = (false, false, false);
            link.unacked.clear();
            link.cursors.clear();
            link.disputed.clear();
        }
        self.tell_spread(replica, spread::Input::Status { link: id, in_sync: true });
    }

    fn send_buckets(&mut self, replica: &Replica, id: LinkId) {
        let parts = replica.logs().chains.parts();
        self.shares.charge_lists(id, BUCKETS_LEN, self.now);
        self.send(id, &Frame::Buckets(Buckets::from(&parts)));
    }

    /// Compares again with a neighbour that differed in too much to remember, now that there is room to.
    pub(super) fn compare_again(&mut self, replica: &Replica, id: LinkId) {
        let full = replica.logs().full;
        let Some(link) = self.links.get_mut(&id) else { return };
        link.overflow = false;
        let lacks_more = core::mem::take(&mut link.lacks_more) && !link.hold && !full;
        self.tell_reconcile(replica, Input::Again { link: id, lacks_more });
    }

    /// A neighbour's turn has come by timer. One that lacks more than we remember is compared with when it has taken what we do.
    fn turn(&mut self, replica: &Replica, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.unpark(Parked::Store);
        self.ask_for_released(replica, id);
        if !self.links.get(&id).is_some_and(|link| link.lacks_more && link.has_cursor()) {
            self.send_summary(replica, id, true);
        }
    }
}
