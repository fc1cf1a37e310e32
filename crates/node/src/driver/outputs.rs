//! What the engine asks for, done.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumormill_gossip::{
    Check, Event, LinkId, RawBundle, Read, Shell, Ticket, Timestamp, VerifiedBundle, VerifiedProof,
};
use rumormill_machine::{self as machine, Machine, Shell as _};
use rumormill_peering::{self as peering, whole_seconds};
use rumormill_store::{BundleRow, Record, StoreError};
use rumormill_wire::NodeId;
use rumormill_wire::native::{ByeCode, ListPart};

use super::commit::incarnation_record;
use super::state::{Driver, State};
use crate::committed::Committed;
use crate::counters::Counters;
use crate::disk::Answer;
use crate::outcome::{Receipt, SubmitError};

/// The node while the lock is held: what the engine wants is done, and checks are put aside for when it is not.
pub(super) struct Locked<'a> {
    driver: &'a Driver,
    state: &'a mut State,
    checks: &'a mut VecDeque<Check>,
}

impl Locked<'_> {
    /// Feeds one input and does what comes of it.
    pub(super) fn feed(mut self, now: Timestamp, input: machine::Input<'_>) -> Result<(), machine::Reject> {
        let Ok(taken) = self.take(now, input);
        taken
    }
}

impl Shell for Locked<'_> {
    type Fault = Infallible;

    fn send(&mut self, link: LinkId, frame: Bytes) -> Result<(), Infallible> {
        if let Some(link) = self.state.links.get(&link) {
            link.send(frame);
        }
        Ok(())
    }

    fn send_bundle(&mut self, link: LinkId, bundle: RawBundle, ask: bool, answers: bool) -> Result<(), Infallible> {
        if let Some(link) = self.state.links.get(&link) {
            link.send_bundle(bundle.bytes(), ask, answers);
        }
        Ok(())
    }

    fn credit(&mut self, link: LinkId, bytes: usize) -> Result<(), Infallible> {
        if let Some(link) = self.state.links.get(&link) {
            link.release(bytes);
        }
        Ok(())
    }

    fn close(&mut self, id: LinkId, code: ByeCode, reason: &'static str, ban_us: u64) -> Result<(), Infallible> {
        self.driver.close_link(self.state, id, code, reason, ban_us);
        Ok(())
    }

    fn check(&mut self, check: Check) -> Result<(), Infallible> {
        self.checks.push_back(check);
        Ok(())
    }

    fn read(&mut self, read: Read) -> Result<(), Infallible> {
        self.driver.read(self.state, read);
        Ok(())
    }

    fn append(&mut self, bundle: Arc<VerifiedBundle>) -> Result<(), Infallible> {
        let state = &mut *self.state;
        state.appends = state.appends.saturating_add(1);
        let received_us = self.driver.clock.now().0.saturating_add_signed(state.wall_offset);
        state.records.push(Record::Bundle(BundleRow { bytes: bundle.bytes().clone(), received_us }));
        state.uncommitted.push_back(Committed { bundle, received_us, until_us: 0 });
        Ok(())
    }

    fn persist_member(&mut self, node: NodeId, evidence: Bytes) -> Result<(), Infallible> {
        self.state.records.push(Record::Member { node, evidence });
        Ok(())
    }

    fn persist_proof(&mut self, proof: VerifiedProof) -> Result<(), Infallible> {
        let [a, b] = [proof.proof().a.to_bytes(), proof.proof().b.to_bytes()];
        self.state.records.push(Record::Proof { origin: proof.origin(), bytes: Bytes::from([a, b].concat()) });
        Ok(())
    }

    fn persist_revocations(&mut self, part: Arc<ListPart>) -> Result<(), Infallible> {
        self.driver.keep_list(self.state, part);
        Ok(())
    }

    fn event(&mut self, event: Event) -> Result<(), Infallible> {
        self.driver.event(self.state, event);
        Ok(())
    }
}

impl machine::Shell for Locked<'_> {
    fn machine(&mut self) -> &mut Machine {
        &mut self.state.machine
    }

    fn link(&mut self, output: peering::Output) -> Result<(), Infallible> {
        self.driver.do_for_links(self.state, output);
        Ok(())
    }
}

impl Driver {
    pub(super) fn shell<'a>(&'a self, state: &'a mut State, checks: &'a mut VecDeque<Check>) -> Locked<'a> {
        Locked { driver: self, state, checks }
    }

    /// The queue has room for one read a link and some look-ups. A read that finds none is answered with nothing, so
    /// that the engine does not wait for it; the next comparison asks again.
    pub(super) fn read(&self, state: &mut State, read: Read) {
        if let Some(nothing) = self.disk.read(read) {
            Counters::add(&self.counters.reads_dropped, 1);
            state.answers.push_back(nothing);
        }
    }

    pub(super) fn close_link(&self, state: &mut State, id: LinkId, code: ByeCode, reason: &'static str, ban_us: u64) {
        let Some(link) = state.links.get(&id) else { return };
        tracing::info!(peer = %link.facts.name, addr = %link.facts.addr, reason, "closing a link");
        link.bye_for(code, reason, whole_seconds(Duration::from_micros(ban_us)));
    }

    pub(super) fn event(&self, state: &mut State, event: Event) {
        match event {
            Event::Durable { ticket, origin, seq, clock } => {
                self.ticket_ends(state, ticket, Ok(Receipt { origin, seq, clock }));
            }
            Event::NotWritten { ticket, reason } => {
                self.ticket_ends(state, ticket, Err(SubmitError::Rejected(reason)));
            }
            Event::NewIncarnation { origin, reason } => {
                tracing::warn!(
                    incarnation = origin.incarnation.0,
                    reason,
                    "our messages go on under a new incarnation"
                );
                if let Some(incarnations) = &mut state.incarnations {
                    incarnations.note(origin.incarnation);
                }
                state.records.push(incarnation_record(origin.incarnation));
            }
            Event::Equivocation { origin, place } => {
                let name = self.checker.names.of(&origin.node).unwrap_or_default();
                let (node, incarnation) = (origin.node, origin.incarnation.0);
                tracing::warn!(%node, name, incarnation, place = place.0, "an author has signed two histories; the rest is withdrawn");
            }
            Event::Misbehaviour { peer, reason } => {
                let name = self.checker.names.of(&peer).unwrap_or_default();
                tracing::warn!(%peer, name, reason, "a neighbour broke the protocol");
            }
            Event::OverQuota { node } => tracing::warn!(%node, "an author is over its rate and held back"),
            Event::Revocations { list } => {
                // `reload` says that it is in force, once all its parts are.
                let me = self.checker.me;
                if list.revokes(&me) && !self.checker.revoked.revokes(&me) {
                    tracing::error!("this node is revoked: nobody takes a link with it; see who keeps the CA");
                }
                self.checker.revoked.set(list);
            }
        }
    }

    /// Whoever waits for a message of ours hears how it ended. Whoever asked may have gone away.
    fn ticket_ends(&self, state: &mut State, ticket: Ticket, how: Result<Receipt, SubmitError>) {
        if how.is_err() {
            Counters::add(&self.counters.submits_not_written, 1);
        }
        if let Some(waiting) = state.tickets.remove(&ticket.0) {
            let _ = waiting.send(how);
        }
        self.space.notify_waiters();
    }

    /// What the reading thread has read.
    pub(crate) fn was_read(&self, Answer { input, failed }: Answer) {
        if let Some(error) = failed {
            self.read_failed(&error);
        }
        self.spawn_drive(input);
    }

    /// A read found damage or failed.
    pub(super) fn read_failed(&self, error: &StoreError) {
        Counters::add(&self.counters.reads_failed, 1);
        tracing::error!(%error, "the store could not be read");
    }
}
