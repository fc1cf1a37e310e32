//! A link that has greeted comes up, or does not.

use core::time::Duration;

use rumormill_limits::{LinkId, Timestamp};
use rumormill_wire::NodeId;

use crate::io::{Close, Output};
use crate::link::{Link, LinkStage};
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
        if self.told.iter().any(|(told, _)| *told == node) {
            new.stage = LinkStage::Greeted;
            return;
        }
        let rejoins = self.rejoining.contains(&node) || self.up().any(|(_, link)| link.peer.node == node);
        if self.stopping && !rejoins {
            return self.refuse(id, Refusal::Leaving);
        }
        if let Some(left) = self.bans.remaining(&node, now) {
            return self.refuse(id, Refusal::Banned(left));
        }
        if let Some((other, verdict)) = self.rival_of(now, id) {
            return match verdict {
                Rival::OldWins if older != Some(other) => self.refuse(id, Refusal::Duplicate),
                Rival::Test if older != Some(other) => self.test(now, id, other),
                _ => self.replace(now, id, other),
            };
        }
        let up = self.up().map(|(id, link)| (id, link.peer.who()));
        let Some(new) = self.links.get(&id) else { return };
        match self.named().place(up, new.peer.who(), self.max_links) {
            Place::Free => self.bring_up(id),
            Place::InPlaceOf(other) => {
                self.end(other, Close::Displaced { by: id });
                self.bring_up(id);
            }
            Place::Kept => self.refuse(id, Refusal::Kept),
            Place::None => self.refuse(id, Refusal::Full),
        }
    }

    /// The first link that is up with the peer of this one, by its key or its name, and which of the two stays.
    fn rival_of(&self, now: Timestamp, id: LinkId) -> Option<(LinkId, Rival)> {
        let new = &self.links.get(&id)?.peer;
        let same =
            |link: &Link| link.stage == LinkStage::Up && (link.peer.node == new.node || link.peer.name == new.name);
        let (other, old) = self.links.iter().find(|(_, link)| same(link))?;
        Some((*other, rival(self.me, old.peer.end(), old.since, new.end(), now)))
    }

    /// A link takes the place of an older one with the same peer. Of another one, of the same key or name, is decided then.
    fn replace(&mut self, now: Timestamp, id: LinkId, other: LinkId) {
        self.end(other, Close::Duplicate);
        if self.rival_of(now, id).is_some() {
            self.admit(now, id, None);
        } else {
            self.bring_up(id);
        }
    }

    fn end(&mut self, link: LinkId, why: Close) {
        self.outputs.push_back(Output::Close { link, why });
        self.outputs.push_back(Output::Down { link });
        self.links.remove(&link);
    }

    fn test(&mut self, now: Timestamp, id: LinkId, older: LinkId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.stage = LinkStage::Testing { older, asked: now, until: now.after(RIVAL_PING) };
            self.outputs.push_back(Output::SendPing { link: older });
        }
    }

    fn bring_up(&mut self, id: LinkId) {
        let named = self.named();
        let Some(link) = self.links.get_mut(&id) else { return };
        link.stage = LinkStage::Up;
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
            let LinkStage::Testing { older, asked, until } = link.stage else { return None };
            match self.links.get(&older).filter(|older| older.stage == LinkStage::Up) {
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
        self.told.retain(|(told, _)| *told != node);
        let held = self.links.iter().filter(|(_, link)| link.peer.node == node).map(|(id, link)| (*id, link.stage));
        for (id, stage) in held.collect::<Vec<_>>() {
            match stage {
                LinkStage::Held => self.greet(now, id),
                LinkStage::Greeted => self.admit(now, id, None),
                _ => {}
            }
        }
    }
}
