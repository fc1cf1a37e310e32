//! Takes inputs and the time, gives outputs.

use core::time::Duration;

use rumormill_limits::{LinkId, Timestamp};

use crate::dial::Dial;
use crate::io::{Close, Input, Output, Reject};
use crate::link::{Link, LinkStage};
use crate::silence::{Silence, silence};
use crate::state::Peering;

/// The longest time between two rounds in which silent neighbours are looked for.
const ROUND: Duration = Duration::from_secs(1);

impl Peering {
    /// Takes what happened; what is to be done about it comes from [`Peering::poll_output`].
    ///
    /// # Errors
    /// The driver speaks of a link or a neighbour of which this is not so; nothing has changed.
    pub fn handle(&mut self, now: Timestamp, input: Input<'_>) -> Result<(), Reject> {
        self.now = self.now.max(now);
        match input {
            Input::Opened { link, peer, neighbour } => self.opened(now, link, peer, neighbour)?,
            Input::Hello { link, frame } => self.hello(now, link, frame)?,
            Input::Ban { link, lasts } => {
                let link = self.links.get(&link).ok_or(Reject::UnknownLink(link))?;
                self.bans.ban(link.peer.who(), lasts, now);
                return Ok(());
            }
            Input::Heard { link, at } => {
                let link = self.link(link)?;
                link.heard = link.heard.max(at);
            }
            Input::Closing { link } => {
                let link = self.link(link)?;
                if link.is_up() {
                    link.stage = LinkStage::Closing;
                }
            }
            Input::LinkDown { link, replaced } => self.down(link, replaced)?,
            Input::DialEnded { neighbour, ended, lived } => self.dial_ended(now, neighbour, ended, lived)?,
            Input::Changed => self.retry(now),
            Input::ToldAll { node, name } if !self.is_told(&node) => self.told.push((node, name.to_owned())),
            Input::ToldAll { .. } => {}
            Input::NotTold { node } => self.not_told(now, node),
            Input::Stopping => self.stopping = true,
            Input::Tick => self.tick(now),
        }
        self.settle(now);
        if core::mem::take(&mut self.changed) && !self.stopping {
            self.redial(now);
        }
        Ok(())
    }

    /// What is to be done next; `None` once that is all.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When an [`Input::Tick`] is due.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Timestamp> {
        let waits = self.links.values().filter_map(|link| match link.stage {
            LinkStage::Greeting { until } | LinkStage::Testing { until, .. } => Some(until),
            _ => None,
        });
        let round = self.up().next().map(|_| self.round);
        let others = round.into_iter().chain(self.dials.iter().filter_map(Dial::next));
        waits.chain(others.filter(|_| !self.stopping)).min()
    }

    fn link(&mut self, id: LinkId) -> Result<&mut Link, Reject> {
        self.links.get_mut(&id).ok_or(Reject::UnknownLink(id))
    }

    fn down(&mut self, id: LinkId, replaced: bool) -> Result<(), Reject> {
        let link = self.links.remove(&id).ok_or(Reject::UnknownLink(id))?;
        if let Some(seat) = link.seat {
            self.greetings.leave(seat);
        }
        if replaced && self.stopping && link.is_up() {
            self.rejoining.insert(link.peer.node);
        }
        self.changed = true;
        Ok(())
    }

    fn tick(&mut self, now: Timestamp) {
        if now >= self.round && !self.stopping {
            self.round = now.after(self.ping.min(ROUND));
            self.ping_silent(now);
        }
        self.end_silent_greetings(now);
        self.changed = true;
    }

    fn ping_silent(&mut self, now: Timestamp) {
        for (id, state) in self.links.iter().filter(|(_, link)| link.is_up()) {
            let link = *id;
            self.outputs.extend(match silence(state.heard, self.ping, now) {
                Silence::Nothing => None,
                Silence::Ping => Some(Output::SendPing { link }),
                Silence::Farewell => Some(Output::Close { link, why: Close::Silent(now.elapsed(state.heard)) }),
                Silence::Close => Some(Output::Drop { link }),
            });
        }
    }
}
