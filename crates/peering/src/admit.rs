//! A link that has greeted comes up, or does not.

use core::time::Duration;

use rumormill_limits::Timestamp;
use rumormill_wire::NodeId;

use crate::io::{Close, Output};
use crate::link::{Link, Stage};
use crate::link_id::LinkId;
use crate::places::Place;
use crate::refusal::Refusal;
use crate::rival::{Rival, rival};
use crate::state::Peering;

/// How long the link that is there already has to answer a PING when another with the same peer comes: some round trips, and short
/// enough for the new one to wait.
const RIVAL_PING: Duration = Duration::from_secs(1);

impl Peering {
    /// Decides whether a link comes up that has said its HELLO. `older` names one that did not answer a PING.
    pub(crate) fn admit(&mut self, now: Timestamp, id: LinkId, older: Option<LinkId>) {
        let Some(new) = self.links.get_mut(&id) else { return };
        let node = new.peer.node;
        if self.told.contains_key(&node) {
            new.stage = Stage::Greeted;
            return;
        }
        let rejoins = self.rejoining.contains(&node) || self.up().any(|(_, link)| link.peer.node == node);
        if self.stopping && !rejoins {
            return self.refuse(id, Refusal::Leaving);
        }
        if let Some(left) = self.bans.remaining(&node, now) {
            return self.refuse(id, Refusal::Banned(left));
        }
        match self.room(now, id, older) {
            Ok(None) => self.bring_up(id),
            Ok(Some((other, why))) => {
                self.outputs.push_back(Output::Close { link: other, why });
                self.outputs.push_back(Output::Down { link: other });
                self.links.remove(&other);
                self.bring_up(id);
            }
            Err(Some(why)) => self.refuse(id, why),
            // The older one is asked.
            Err(None) => {}
        }
    }

    /// Whether there is room for a link, and who has to end for it.
    fn room(
        &mut self,
        now: Timestamp,
        id: LinkId,
        older: Option<LinkId>,
    ) -> Result<Option<(LinkId, Close)>, Option<Refusal>> {
        let Some(new) = self.links.get(&id) else { return Err(None) };
        let rivals = |link: &Link| {
            link.stage == Stage::Up && (link.peer.node == new.peer.node || link.peer.name == new.peer.name)
        };
        if let Some((other, old)) = self.links.iter().find(|(_, link)| rivals(link)) {
            let (other, gone) = (*other, older == Some(*other));
            match rival(self.me, old.peer.end(), old.since, new.peer.end(), now) {
                Rival::OldWins if !gone => return Err(Some(Refusal::Duplicate)),
                Rival::Test if !gone => {
                    self.test(now, id, other);
                    return Err(None);
                }
                _ => return Ok(Some((other, Close::Duplicate))),
            }
        }
        let up = self.up().map(|(id, link)| (id, link.peer.who()));
        match self.named().place(up, new.peer.who(), self.max_links) {
            Place::Free => Ok(None),
            Place::InPlaceOf(other) => Ok(Some((other, Close::Displaced { by: id }))),
            Place::Kept => Err(Some(Refusal::Kept)),
            Place::None => Err(Some(Refusal::Full)),
        }
    }

    fn test(&mut self, now: Timestamp, id: LinkId, older: LinkId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.stage = Stage::Testing { older, asked: now, until: now.after(RIVAL_PING) };
            self.outputs.push_back(Output::SendPing { link: older });
        }
    }

    fn bring_up(&mut self, id: LinkId) {
        let named = self.named();
        let Some(link) = self.links.get_mut(&id) else { return };
        link.stage = Stage::Up;
        if let Some(seat) = link.seat.take() {
            self.greetings.leave(seat);
        }
        self.rejoining.remove(&link.peer.node);
        self.outputs.push_back(Output::Up { link: id, named: named.has(link.peer.who()) });
        self.changed = true;
    }

    /// Decides about links that wait for what an older one answers.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        while let Some((id, older, answers)) = self.links.iter().find_map(|(id, link)| {
            let Stage::Testing { older, asked, until } = link.stage else { return None };
            match self.links.get(&older).filter(|older| older.stage == Stage::Up) {
                Some(other) if other.heard > asked => Some((*id, older, true)),
                Some(_) if now < until => None,
                _ => Some((*id, older, false)),
            }
        }) {
            if answers {
                self.refuse(id, Refusal::Duplicate);
            } else {
                self.admit(now, id, Some(older));
            }
        }
    }

    /// Links with a node that was told all go on.
    pub(crate) fn not_told(&mut self, now: Timestamp, node: NodeId) {
        self.told.remove(&node);
        let held = self.links.iter().filter(|(_, link)| link.peer.node == node).map(|(id, link)| (*id, link.stage));
        for (id, stage) in held.collect::<Vec<_>>() {
            match stage {
                Stage::Held => self.greet(now, id),
                Stage::Greeted => self.admit(now, id, None),
                _ => {}
            }
        }
    }
}
