//! The neighbours of the configuration, and why one has no link: what `rumormill peers` says of them.

use std::net::SocketAddr;

use rumormill_api::NeighbourInfo;
use rumormill_peering::{Input, Standing};
use rumormill_wire::NodeId;

use super::state::Driver;
use crate::lock;

impl Driver {
    /// Configured neighbours without a link, and why they have none.
    pub(crate) fn unlinked(&self) -> Vec<NeighbourInfo> {
        let (state, now) = (lock(&self.state), self.clock.now());
        let info = |Standing { neighbour, tries, last, next, .. }: Standing<'_>| NeighbourInfo {
            name: neighbour.name.clone(),
            addr: neighbour.addr,
            tries,
            reason: last.map(|(ended, _)| ended.reason.clone()).unwrap_or_default(),
            said: last.and_then(|(ended, _)| Some(ended.said.as_ref()?.reason.clone())),
            failed_s: last.map(|(_, at)| now.elapsed(at).as_secs()),
            next_s: next.map(|at| at.elapsed(now).as_secs()),
        };
        state.machine.peering().neighbours().filter(|standing| !standing.linked).map(info).collect()
    }

    /// The names of those at these addresses, and who answered there last.
    pub(crate) fn neighbours_at(&self, fits: impl Fn(SocketAddr) -> bool) -> Vec<(Option<String>, Option<NodeId>)> {
        let state = lock(&self.state);
        let there = state.machine.peering().neighbours().filter(|standing| fits(standing.neighbour.addr));
        there.map(|standing| (standing.neighbour.name.clone(), standing.node)).collect()
    }

    /// Something was changed here that may be why we were refused: all are tried at once, but for those that want to be left alone.
    pub(crate) fn try_again(&self) {
        self.peer(Input::Changed);
    }

    /// Whether no link with this node is taken for now.
    pub(crate) fn is_banned(&self, node: &NodeId) -> bool {
        lock(&self.state).machine.peering().is_banned(node, self.clock.now())
    }

    /// How many tries of each have ended so far.
    pub(super) fn tries_ended(&self) -> Vec<u64> {
        lock(&self.state).machine.peering().ended()
    }

    /// Whether each is linked, or has been tried to no avail since those had `ended`, or is not tried now.
    pub(super) fn settled(&self, ended: &[u64]) -> bool {
        lock(&self.state).machine.peering().settled(ended)
    }

    /// Neighbours that keep another link with us, which is not up yet, while this node stops.
    pub(super) fn rejoining(&self) -> usize {
        lock(&self.state).machine.peering().rejoining()
    }
}
