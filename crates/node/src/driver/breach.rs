//! What a neighbour does wrong below the frames that the engine sees.

use rumormill_limits::{BAN, LinkId};
use rumormill_peering::Input;
use rumormill_wire::native::ByeCode;

use super::state::Driver;
use crate::clock::micros;
use crate::counters::Counters;
use crate::link::Link;
use crate::lock;

impl Driver {
    /// Ends a link that broke the form, and takes no other of its member for a while.
    pub(crate) fn breach(&self, link: &Link, reason: &'static str) {
        Counters::add(&self.counters.breaches, 1);
        let mut state = lock(&self.state);
        self.close_link(&mut state, link.id, ByeCode::PROTOCOL, reason, micros(BAN));
        let jobs = self.peer_locked(&mut state, Input::Ban { link: link.id, lasts: BAN });
        drop(state);
        self.finish(jobs);
    }

    /// The same of a link that was not up yet.
    pub(crate) fn breach_in_greeting(&self, link: LinkId) {
        Counters::add(&self.counters.breaches, 1);
        self.peer(Input::Ban { link, lasts: BAN });
    }
}
