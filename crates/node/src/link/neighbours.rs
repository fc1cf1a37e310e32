//! The neighbours that this node dials, and why one has no link: what `rumormill peers` says of them.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rumormill_wire::{ForeignText, NodeId};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::ended::Ended;
use crate::config::Neighbour;
use crate::lock;

/// A configured neighbour without a link, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighbourInfo {
    /// Its name, if one is expected.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// Where it is dialled.
    pub addr: SocketAddr,
    /// Tries without a link since there was one.
    pub tries: u64,
    /// Why the last one gave none; empty before the first has ended.
    pub reason: String,
    /// What the other side said, if it did.
    #[serde(skip_serializing_if = "Option::is_none", default, with = "crate::foreign_json::option")]
    pub said: Option<ForeignText>,
    /// How long ago that was, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failed_s: Option<u64>,
    /// In how many seconds it is tried again; absent while it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_s: Option<u64>,
}

#[derive(Debug)]
struct State {
    neighbour: Neighbour,
    node: Option<NodeId>,
    tries: u64,
    last: Option<(Ended, Instant)>,
    next: Option<Instant>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    all: Mutex<Vec<State>>,
    again: Notify,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot(usize);

impl Neighbours {
    pub(crate) fn add(&self, neighbour: Neighbour) -> Slot {
        let mut all = lock(&self.all);
        all.push(State { neighbour, node: None, tries: 0, last: None, next: None });
        Slot(all.len().saturating_sub(1))
    }

    fn with(&self, slot: Slot, change: impl FnOnce(&mut State)) {
        let mut all: MutexGuard<'_, Vec<State>> = lock(&self.all);
        if let Some(state) = all.get_mut(slot.0) {
            change(state);
        }
    }

    /// Who answers there.
    pub(crate) fn is(&self, slot: Slot, node: NodeId) {
        self.with(slot, |state| state.node = Some(node));
    }

    /// There is a link, or was for a while.
    pub(crate) fn linked(&self, slot: Slot) {
        self.with(slot, |state| (state.tries, state.last, state.next) = (0, None, None));
    }

    /// A try has ended without a link that lived.
    pub(crate) fn failed(&self, slot: Slot, ended: Ended, next: Duration) {
        self.with(slot, |state| {
            let now = Instant::now();
            state.tries = state.tries.saturating_add(1);
            (state.last, state.next) = (Some((ended, now)), Some(now + next));
        });
    }

    /// It is not tried for so long, without a try that has failed.
    pub(crate) fn waits(&self, slot: Slot, why: Ended, next: Duration) {
        self.with(slot, |state| {
            let now = Instant::now();
            (state.last, state.next) = (Some((why, now)), Some(now + next));
        });
    }

    pub(crate) fn dials(&self, slot: Slot) {
        self.with(slot, |state| state.next = None);
    }

    /// Something was changed here that may be why we were refused: all are tried at once.
    pub(crate) fn try_again(&self) {
        self.again.notify_waiters();
    }

    pub(crate) async fn trying_again(&self) {
        self.again.notified().await;
    }

    /// Those of which `linked` says no.
    pub(crate) fn unlinked(&self, linked: impl Fn(Option<&str>, Option<NodeId>) -> bool) -> Vec<NeighbourInfo> {
        let now = Instant::now();
        let all = lock(&self.all);
        let without = all.iter().filter(|state| !linked(state.neighbour.name.as_deref(), state.node));
        without
            .map(|State { neighbour, tries, last, next, .. }| NeighbourInfo {
                name: neighbour.name.clone(),
                addr: neighbour.addr,
                tries: *tries,
                reason: last.as_ref().map(|(ended, _)| ended.reason.clone()).unwrap_or_default(),
                said: last.as_ref().and_then(|(ended, _)| Some(ended.said.as_ref()?.reason.clone())),
                failed_s: last.as_ref().map(|(_, at)| now.saturating_duration_since(*at).as_secs()),
                next_s: next.map(|at| at.saturating_duration_since(now).as_secs()),
            })
            .collect()
    }
}
