//! Neighbours without a link are dialled.

use core::time::Duration;

use rumormill_limits::Timestamp;

use crate::dial::CHECKED;
use crate::ended::Ended;
use crate::io::{Output, Reject};
use crate::neighbour::NeighbourId;
use crate::state::Peering;

impl Peering {
    /// Dials those whose time has come, and those who have lost their link.
    pub(crate) fn redial(&mut self, now: Timestamp) {
        for n in 0..self.dials.len() {
            let Some(linked) = self.dials.get(n).map(|dial| self.linked(n, dial, CHECKED)) else { return };
            let Some(dial) = self.dials.get_mut(n) else { return };
            if !dial.is_due(now, linked) {
                continue;
            }
            let name = dial.neighbour.name.as_deref();
            let named = name.and_then(|name| self.bans.remaining_of(name, now));
            let known = dial.node.and_then(|node| self.bans.remaining(&node, now));
            if let Some(left) = named.max(known) {
                dial.leave_alone(now, left);
                continue;
            }
            dial.dial();
            self.outputs.push_back(Output::Dial { neighbour: NeighbourId(n) });
        }
    }

    /// Something was changed here that may be why we were refused.
    pub(crate) fn retry(&mut self, now: Timestamp) {
        self.dials.iter_mut().for_each(|dial| dial.changed(now));
        self.changed = true;
    }

    pub(crate) fn dial_ended(
        &mut self,
        now: Timestamp,
        neighbour: NeighbourId,
        ended: Ended,
        lived: Duration,
    ) -> Result<(), Reject> {
        let not_dialled = Reject::NotDialled(neighbour);
        let linked =
            self.dials.get(neighbour.0).map(|dial| self.linked(neighbour.0, dial, CHECKED)).ok_or(not_dialled)?;
        let dial = self.dials.get_mut(neighbour.0).filter(|dial| dial.is_dialled()).ok_or(not_dialled)?;
        if self.stopping {
            return Ok(());
        }
        let news = dial.ended(now, (ended, lived), linked, &mut self.rng);
        self.outputs.extend(news.map(|(ended, next)| Output::NoLink { neighbour, ended, next }));
        self.changed = true;
        Ok(())
    }
}
