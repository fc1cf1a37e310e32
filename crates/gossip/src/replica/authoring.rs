//! What the machine that writes our own chain says, done (ARCHITECTURE.md, "Decisions that shape the rest").

use std::sync::Arc;

use rumormill_wire::{Clock, Origin, Seq};

use super::{Replica, ReplicaOutput};
use crate::author::{ChainEnd, Input, Output};
use crate::bundle::VerifiedBundle;
use crate::clock::MAX_FOLLOW_US;
use crate::io::{Event, Reject, Ticket};
use crate::stats::bump;

impl Replica {
    /// Tells the author, and does what it says.
    pub(crate) fn tell_author(&mut self, input: Input) {
        // Only messages that are submitted are refused.
        let _ = self.ask_author(input);
    }

    /// The same, for what may be refused.
    pub(crate) fn ask_author(&mut self, input: Input) -> Result<(), Reject> {
        let taken = self.author.handle(self.now, input);
        while let Some(output) = self.author.poll_output() {
            match output {
                Output::Append(bundle) => {
                    self.append(&bundle);
                    self.own_append = Some(self.logs.appends);
                }
                Output::Durable { bundle, tickets } => self.own_durable(&bundle, &tickets),
                Output::NotWritten { ticket, reason } => {
                    bump(&mut self.stats.own_not_written, 1);
                    self.event(Event::NotWritten { ticket, reason });
                }
                Output::NewIncarnation { origin, reason } => {
                    self.event(Event::NewIncarnation { origin, reason });
                    let cut = Input::Cut(self.logs.revocations.limit(&origin));
                    let _ = self.author.handle(self.now, cut);
                }
            }
        }
        taken
    }

    /// What the store knows of our own chains.
    pub(super) fn restore_author(&mut self) {
        let me = self.author.origin();
        let (low, high) = own_range(me);
        let known: Vec<_> = self.logs.chains.range(low, high).map(|(origin, _)| origin.incarnation.0).collect();
        known.into_iter().for_each(|incarnation| self.tell_author(Input::Incarnation(incarnation)));
        if let Some(chain) = self.logs.chains.get(&me) {
            let end = ChainEnd { next: chain.next, digest: chain.digest, last_clock: chain.last_clock };
            self.tell_author(Input::End(end));
        }
        if self.logs.fork_place(&me).is_some() {
            self.tell_author(Input::Forked);
        }
    }

    pub(crate) fn set_wall_offset(&mut self, offset: i64) {
        self.wall_offset = offset;
        // The highest reading near enough is as good as all of them.
        let seen = self.logs.chains.highest_clock(Clock(self.wall_us().saturating_add(MAX_FOLLOW_US)));
        self.tell_author(Input::WallOffset { offset, seen });
    }

    /// A bundle is taken or passes on. Of our own chain, somebody else has to have it from us.
    pub(super) fn note_own(&mut self, origin: Origin) {
        let me = self.author.origin();
        if origin.node == me.node {
            self.tell_author(Input::Incarnation(origin.incarnation.0));
        }
        if origin == me {
            self.tell_author(Input::NotOurs);
        }
    }

    /// All up to this append is durable.
    pub(crate) fn commit(&mut self, appends: u64) {
        self.logs.commit(appends);
        self.release_credit();
        if self.own_append.is_some_and(|own| own <= appends) {
            self.tell_author(Input::Committed);
        }
    }

    fn own_durable(&mut self, bundle: &Arc<VerifiedBundle>, tickets: &[(Ticket, Clock)]) {
        let Some(append) = self.own_append.take() else { return };
        let header = bundle.header();
        self.logs.chains.advance(bundle.signed_header(), bundle.digest(), bundle.last_clock());
        self.logs.cache.insert(Arc::clone(bundle), append);
        let mut seq = header.first;
        for (ticket, clock) in tickets {
            self.event(Event::Durable { ticket: *ticket, origin: header.origin, seq, clock: *clock });
            seq = Seq(seq.0.saturating_add(1));
        }
        bump(&mut self.stats.messages_own, u64::from(header.count));
        self.output.push_back(ReplicaOutput::Own(Arc::clone(bundle)));
    }
}

/// All origins of a node.
const fn own_range(me: Origin) -> (Origin, Origin) {
    let node = me.node;
    (Origin { node, ..Origin::MIN }, Origin { node, ..Origin::MAX })
}
