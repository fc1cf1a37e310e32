//! Links come and go.

use std::sync::Arc;

use rumormill_gossip::LinkId;
use rumormill_peering::Input;
use tokio::sync::watch;

use super::state::{Driver, State};
use crate::link::Link;
use crate::lock;

impl Driver {
    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        lock(&self.state).links.values().cloned().collect()
    }

    /// A link is up; the machine knows.
    pub(super) fn is_up(&self, state: &mut State, link: Arc<Link>) {
        self.checker.names.learn(link.facts.peer, &link.facts.name, &link.facts.evidence);
        state.links.insert(link.id, link);
        self.links_changed.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// One is not up any more. `None` if that is known already.
    pub(super) fn is_down(&self, state: &mut State, id: LinkId) -> Option<Arc<Link>> {
        let link = state.links.remove(&id)?;
        self.links_changed.send_modify(|version| *version = version.wrapping_add(1));
        Some(link)
    }

    /// A link that was up has ended.
    pub(crate) fn link_down(&self, link: &Link) {
        link.close_now();
        let mut state = lock(&self.state);
        if self.is_down(&mut state, link.id).is_none() {
            return;
        }
        let down = Input::LinkDown { link: link.id, replaced: link.is_replaced() };
        let jobs = self.peer_locked(&mut state, down);
        drop(state);
        self.finish(jobs);
    }

    /// Changes whenever a link comes or goes.
    pub(crate) fn links_changed(&self) -> watch::Receiver<u64> {
        self.links_changed.subscribe()
    }
}
