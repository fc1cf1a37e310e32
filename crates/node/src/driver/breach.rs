//! What a neighbour does wrong below the frames that the engine sees.

use std::time::Duration;

use rumormill_wire::NodeId;
use rumormill_wire::native::ByeCode;

use super::state::Driver;
use crate::clock::micros;
use crate::counters::Counters;
use crate::link::Link;
use crate::lock;

/// As long as the engine bans for a frame that breaks the form.
const BAN: Duration = Duration::from_secs(60);

impl Driver {
    /// Ends a link that broke the form, and takes no other of its member for a while.
    pub(crate) fn breach(&self, link: &Link, reason: &'static str) {
        Counters::add(&self.counters.breaches, 1);
        self.close_link(&mut lock(&self.state), link.id, ByeCode::PROTOCOL, reason, micros(BAN));
    }

    /// The same of a link that was not up yet.
    pub(crate) fn breach_in_greeting(&self, node: NodeId) {
        Counters::add(&self.counters.breaches, 1);
        lock(&self.state).bans.ban(node, BAN, self.clock.now());
    }
}
