//! Connections become links.

use std::sync::Arc;
use std::time::Duration;

use rumormill_gossip::{Evidence, LinkId};
use rumormill_machine as machine;
use rumormill_peering::{Ended, Input, Neighbour, NeighbourId, Peer};
use tokio::sync::watch;

use super::state::Driver;
use crate::link::{Fate, Link, Opening};
use crate::lock;

impl Driver {
    /// A handshake has ended: names the link that may come of it, and says what is decided about it.
    pub(crate) fn open(
        &self,
        peer: Peer,
        evidence: Evidence,
        neighbour: Option<NeighbourId>,
    ) -> (LinkId, watch::Receiver<Fate>) {
        let mut state = lock(&self.state);
        state.last_link = state.last_link.saturating_add(1);
        let link = LinkId(state.last_link);
        let (fate, decided) = watch::channel(Fate::Waits);
        state.openings.push(Opening { id: link, fate, link: None });
        let opened = machine::Input::Opened { link, peer, evidence, neighbour };
        let (_, jobs) = self.take_locked(&mut state, opened);
        drop(state);
        self.finish(jobs);
        (link, decided)
    }

    /// The first frame of its peer.
    pub(crate) fn hello(&self, link: &Arc<Link>, frame: &[u8]) {
        let mut state = lock(&self.state);
        if let Some(opening) = state.opening(link.id) {
            opening.link = Some(Arc::clone(link));
        }
        self.tell_links(&mut state);
        let jobs = self.peer_locked(&mut state, Input::Hello { link: link.id, frame });
        drop(state);
        self.finish(jobs);
    }

    /// The task of a link that never came up has ended.
    pub(crate) fn abandon(&self, link: LinkId) {
        let mut state = lock(&self.state);
        let Some(opening) = state.end_opening(link) else { return };
        if *opening.fate.borrow() == Fate::Dropped {
            return;
        }
        let jobs = self.peer_locked(&mut state, Input::LinkDown { link, replaced: false });
        drop(state);
        self.finish(jobs);
    }

    /// Something was heard of a link for which the link policy waits.
    pub(crate) fn heard(&self, link: &Link) {
        self.peer(Input::Heard { link: link.id, at: link.heard_at(self.clock.now()) });
    }

    /// The neighbours that are to be dialled now, as soon as there are some.
    pub(crate) async fn next_dials(&self) -> Vec<(NeighbourId, Neighbour)> {
        loop {
            let more = self.to_dial.notified();
            let dials = self.take_dials();
            if !dials.is_empty() {
                return dials;
            }
            more.await;
        }
    }

    fn take_dials(&self) -> Vec<(NeighbourId, Neighbour)> {
        let mut state = lock(&self.state);
        let dials = core::mem::take(&mut state.dials);
        let named = |id: NeighbourId| Some((id, state.machine.peering().neighbours().nth(id.0)?.neighbour.clone()));
        dials.into_iter().filter_map(named).collect()
    }

    /// A dial has ended, or the link that it gave.
    pub(crate) fn dial_ended(&self, neighbour: NeighbourId, ended: Ended, lived: Duration) {
        self.peer(Input::DialEnded { neighbour, ended, lived });
    }
}
