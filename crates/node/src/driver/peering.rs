//! Inputs go to the link policy, and what it wants is done.

use std::collections::VecDeque;

use rumormill_gossip::{Check, LinkId};
use rumormill_machine as machine;
use rumormill_peering::{Close, Ended, Input, NeighbourId, Output, Refusal};
use rumormill_wire::native::Frame;

use super::state::{Driver, State};
use crate::counters::Counters;
use crate::link::{Fate, said};
use crate::lock;

impl Driver {
    /// Tells link policy something, and does all that comes of it.
    pub(crate) fn peer(&self, input: Input<'_>) {
        let mut state = lock(&self.state);
        let jobs = self.peer_locked(&mut state, input);
        drop(state);
        self.finish(jobs);
    }

    /// The same under the lock; the checks that come of it are for later.
    pub(super) fn peer_locked(&self, state: &mut State, input: Input<'_>) -> VecDeque<Check> {
        let (taken, jobs) = self.take_locked(state, machine::Input::Links(input));
        if let Err(why) = taken {
            // A link may end on both sides of the lock.
            tracing::debug!(%why, "nothing for the link policy");
        }
        jobs
    }

    /// What was heard of each link, and which are closed. What comes of it is done with the input that follows.
    pub(super) fn tell_links(&self, state: &mut State) {
        let (State { machine, links, .. }, now) = (state, self.clock.now());
        for link in links.values() {
            let heard = Input::Heard { link: link.id, at: link.heard_at(now) };
            let _ = machine.handle(now, machine::Input::Links(heard));
            if link.is_closed() {
                let _ = machine.handle(now, machine::Input::Links(Input::Closing { link: link.id }));
            }
        }
    }

    /// Does what link policy wants.
    pub(super) fn do_for_links(&self, state: &mut State, output: Output) {
        match output {
            Output::Dial { neighbour } => state.dials.push(neighbour),
            Output::SendHello { link } => {
                if let Some(opening) = state.opening(link) {
                    opening.fate.send_replace(Fate::Greets);
                }
            }
            Output::SendPing { link } => {
                if let Some(link) = state.links.get(&link) {
                    link.set_awaited();
                    link.send_own(&Frame::Ping(self.clock.now().0));
                }
            }
            Output::Up { link, .. } => {
                if let Some(opening) = state.end_opening(link) {
                    opening.link.into_iter().for_each(|link| self.is_up(state, link));
                    opening.fate.send_replace(Fate::Up);
                }
            }
            Output::Refused { link, why } => self.refused(state, link, why),
            Output::Close { link, why } => self.close_for(state, link, why),
            Output::Down { link } => drop(self.is_down(state, link)),
            Output::Drop { link } => {
                if let Some(opening) = state.opening(link) {
                    Counters::add(&self.counters.greetings_evicted, 1);
                    opening.fate.send_replace(Fate::Dropped);
                } else if let Some(link) = state.links.get(&link) {
                    link.close_now();
                }
            }
            Output::NoLink { neighbour, ended, next } => tell_no_link(state, neighbour, &ended, next.as_millis()),
        }
    }

    fn refused(&self, state: &mut State, link: LinkId, why: Refusal) {
        match why {
            Refusal::Kept => Counters::add(&self.counters.links_refused_kept, 1),
            Refusal::Full => Counters::add(&self.counters.links_refused_full, 1),
            _ => {}
        }
        if let Some(opening) = state.opening(link) {
            opening.fate.send_replace(Fate::Refused(why));
        }
    }

    fn close_for(&self, state: &State, id: LinkId, why: Close) {
        let Some(link) = state.links.get(&id) else { return };
        let (facts, told) = (&link.facts, why.farewell());
        let first = link.bye_for(told.code, told.reason, told.retry_after_s);
        match why {
            Close::Duplicate => {}
            Close::Displaced { by } => {
                Counters::add(&self.counters.links_displaced, 1);
                let by = state.openings.iter().find(|opening| opening.id == by);
                let by = by.and_then(|opening| opening.link.as_ref());
                let by = by.map(|by| by.facts.name.as_str()).unwrap_or_default();
                tracing::info!(peer = %facts.name, addr = %facts.addr, neighbour = %by, "{}", told.reason);
            }
            Close::Silent(silent) if first => {
                Counters::add(&self.counters.idle_closed, 1);
                let silent_ms = silent.as_millis();
                tracing::info!(peer = %facts.name, silent_ms, "a neighbour does not answer");
            }
            Close::Silent(_) => {}
        }
    }
}

/// Said once, not at every try; `rumormill peers` says how often.
fn tell_no_link(state: &State, id: NeighbourId, ended: &Ended, next_ms: u128) {
    let Some(standing) = state.machine.peering().neighbours().nth(id.0) else { return };
    let (name, addr) = (standing.neighbour.name.as_deref().unwrap_or("anybody"), standing.neighbour.addr);
    let reason = &ended.reason;
    tracing::info!(neighbour = name, %addr, reason, said = said(ended), next_ms, "no link yet; trying again");
}
