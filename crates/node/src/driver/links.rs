//! Links come and go.

use std::collections::VecDeque;
use std::sync::Arc;

use rumormill_gossip::{Check, Input, LinkId};
use rumormill_peering as peering;
use tokio::sync::watch;

use super::state::{Driver, State};
use crate::check::evidence_of;
use crate::link::Link;
use crate::lock;

impl Driver {
    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        lock(&self.state).links.values().cloned().collect()
    }

    /// Tells the engine of a link that is up.
    pub(super) fn bring_up(&self, state: &mut State, link: &Arc<Link>, named: bool) -> VecDeque<Check> {
        state.links.insert(link.id, Arc::clone(link));
        let (node, evidence) = (link.facts.peer, evidence_of(&link.facts.certificate));
        self.checker.names.learn(node, &link.facts.name, &evidence);
        let (_, mut jobs) = self.feed_locked(state, Input::Admit { node, evidence });
        jobs.extend(self.feed_locked(state, Input::LinkUp { link: link.id, peer: node, named }).1);
        self.links_changed.send_modify(|version| *version = version.wrapping_add(1));
        jobs
    }

    /// Tells the engine of one that is not up any more. `None` if it was told already.
    pub(super) fn take_down(&self, state: &mut State, id: LinkId) -> Option<VecDeque<Check>> {
        state.links.remove(&id)?;
        let (_, jobs) = self.feed_locked(state, Input::LinkDown { link: id });
        self.links_changed.send_modify(|version| *version = version.wrapping_add(1));
        Some(jobs)
    }

    /// A link that was up has ended.
    pub(crate) fn link_down(&self, link: &Link) {
        link.close_now();
        let mut state = lock(&self.state);
        let Some(mut jobs) = self.take_down(&mut state, link.id) else { return };
        let down = peering::Input::LinkDown { link: link.id, replaced: link.is_replaced() };
        jobs.extend(self.peer_locked(&mut state, down));
        drop(state);
        self.finish(jobs);
    }

    /// Changes whenever a link comes or goes.
    pub(crate) fn links_changed(&self) -> watch::Receiver<u64> {
        self.links_changed.subscribe()
    }
}
