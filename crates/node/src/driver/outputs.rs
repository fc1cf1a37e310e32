//! What the engine asks for, done.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rumormill_gossip::{Event, Keep, LinkId, Output, Ticket};
use rumormill_store::{BundleRow, Record, StoreError};
use rumormill_wire::native::ByeCode;

use super::commit::{incarnation_record, record};
use super::links::seconds;
use super::state::{Driver, State};
use crate::check::Job;
use crate::committed::Committed;
use crate::counters::Counters;
use crate::disk::{Answer, Read};
use crate::outcome::{Receipt, SubmitError};

impl Driver {
    pub(super) fn perform_all(&self, state: &mut State, jobs: &mut VecDeque<Job>) {
        while let Some(output) = state.engine.poll_output() {
            self.perform(state, output, jobs);
        }
    }

    pub(super) fn perform(&self, state: &mut State, output: Output, jobs: &mut VecDeque<Job>) {
        match output {
            Output::Send { link, frame } => {
                if let Some(link) = state.links.get(&link) {
                    link.send(frame);
                }
            }
            Output::SendBundle { link, bundle, want_status, answers_range } => {
                if let Some(link) = state.links.get(&link) {
                    link.send_bundle(bundle.bytes(), want_status, answers_range);
                }
            }
            Output::Release { link, bytes } => {
                if let Some(link) = state.links.get(&link) {
                    link.release(bytes);
                }
            }
            Output::Verify { check, raw } => jobs.push_back(Job::Bundle { check, raw }),
            Output::Append { bundle } => {
                state.appends = state.appends.saturating_add(1);
                if bundle.header().origin.node == self.checker.me {
                    state.bundle_pacer.appended(state.appends, bundle.bytes().len());
                }
                let received_us = self.clock.now().0.saturating_add_signed(state.wall_offset);
                state.records.push(Record::Bundle(BundleRow { bytes: bundle.bytes().clone(), received_us }));
                state.uncommitted.push_back(Committed { bundle, received_us, until_us: 0 });
            }
            Output::ReadRange { link, origin, from, until, max_bytes } => {
                self.read(state, Read::Range { link, origin, from, until, max_bytes });
            }
            Output::LookUp { origin, at } => self.read(state, Read::LookUp { origin, at }),
            Output::CheckMember { link, node, evidence, known } => {
                jobs.push_back(Job::Member { link, node, evidence, known });
            }
            Output::CheckProof { link, raw } => jobs.push_back(Job::Proof { link, raw }),
            Output::CheckRevocations { link, bytes } => jobs.push_back(Job::Revocations { link, bytes }),
            Output::Keep(Keep::Revocations(part)) => self.keep_list(state, part),
            Output::Keep(keep) => state.records.push(record(keep)),
            Output::Close { link, code, reason, ban_us } => self.close_link(state, link, code, reason, ban_us),
            Output::Event(event) => self.event(state, event),
        }
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
        let ban = Duration::from_micros(ban_us);
        if ban.is_zero() {
            link.bye(code, reason);
            return;
        }
        link.bye_for(code, reason, seconds(ban));
        state.bans.ban(link.facts.peer, ban, Instant::now());
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
            Event::Greedy { node } => tracing::warn!(%node, "an author is over its rate and held back"),
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
