//! A connection greets: from its handshake to the first frame of its peer.

use rumormill_limits::{BAN, LinkId, Timestamp};

use crate::direction::Direction;
use crate::greetings::Room;
use crate::hello::{HelloError, judge};
use crate::io::{Output, Reject};
use crate::link::{Link, LinkStage};
use crate::neighbour::NeighbourId;
use crate::peer::Peer;
use crate::refusal::Refusal;
use crate::state::Peering;

impl Peering {
    pub(crate) fn opened(
        &mut self,
        now: Timestamp,
        id: LinkId,
        peer: Peer,
        neighbour: Option<NeighbourId>,
    ) -> Result<(), Reject> {
        if self.links.contains_key(&id) {
            return Err(Reject::KnownLink(id));
        }
        if let Some(neighbour) = neighbour {
            let dial = self.dials.get_mut(neighbour.0).filter(|dial| dial.is_dialled());
            let dial = dial.ok_or(Reject::NotDialled(neighbour))?;
            (dial.node, dial.met) = (Some(peer.node), now);
        }
        let seat = (peer.direction == Direction::Inbound).then(|| self.take_seat(id, &peer));
        self.links.insert(id, Link { peer, neighbour, stage: LinkStage::Held, seat, since: now, heard: now });
        self.greet(now, id);
        Ok(())
    }

    /// A place among those that greet. Those who make room for it end.
    fn take_seat(&mut self, id: LinkId, peer: &Peer) -> u64 {
        let named = self.named();
        let room = if named.has(peer.who()) {
            Room::Own
        } else {
            let up = self.up().map(|(_, link)| link.peer.who());
            Room::Shared(self.max_links.saturating_sub(up.clone().count()).saturating_sub(named.kept(up)))
        };
        let (seat, ended) = self.greetings.enter(peer.node, id, room);
        for link in ended {
            self.links.remove(&link);
            self.outputs.push_back(Output::Drop { link });
        }
        seat
    }

    /// Whether HELLOs are exchanged.
    pub(crate) fn greet(&mut self, now: Timestamp, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let node = link.peer.node;
        if self.told.iter().any(|(told, _)| *told == node) {
            link.stage = LinkStage::Held;
        } else if let Some(left) = self.bans.remaining(&node, now) {
            // Not even our HELLO: what it says is not waited for.
            self.refuse(id, Refusal::Banned(left));
        } else {
            link.stage = LinkStage::Greeting { until: now.after(self.hello_deadline) };
            self.outputs.push_back(Output::SendHello { link: id });
        }
    }

    pub(crate) fn hello(&mut self, now: Timestamp, id: LinkId, frame: &[u8]) -> Result<(), Reject> {
        let link = self.links.get_mut(&id).ok_or(Reject::UnknownLink(id))?;
        if !matches!(link.stage, LinkStage::Greeting { .. }) {
            return Err(Reject::NotGreeting(id));
        }
        (link.since, link.heard) = (now, now);
        if link.peer.node == self.me {
            self.refuse(id, Refusal::Ourselves);
            return Ok(());
        }
        match judge(frame, self.network) {
            Ok(()) => self.admit(now, id, None),
            Err(error) => {
                if error == HelloError::Broken {
                    self.bans.ban(link.peer.who(), BAN, now);
                }
                self.refuse(id, error.into());
            }
        }
        Ok(())
    }

    /// Lets those go who say nothing.
    pub(crate) fn end_silent_greetings(&mut self, now: Timestamp) {
        let late = |link: &Link| matches!(link.stage, LinkStage::Greeting { until } if now >= until);
        let late: Vec<_> = self.links.iter().filter(|(_, link)| late(link)).map(|(id, _)| *id).collect();
        for id in late {
            self.refuse(id, Refusal::NoHello(self.hello_deadline));
        }
    }

    pub(crate) fn refuse(&mut self, id: LinkId, why: Refusal) {
        if let Some(link) = self.links.get_mut(&id) {
            link.stage = LinkStage::Refused;
            self.outputs.push_back(Output::Refused { link: id, why });
        }
    }
}
