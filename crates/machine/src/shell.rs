//! What has to be done for a whole node, as a trait: that of gossip, and what link policy wants.

use rumormill_gossip as gossip;
use rumormill_limits::Timestamp;
use rumormill_peering as peering;

use crate::io::{Input, Output, Reject};
use crate::machine::Machine;

/// What drives a whole node.
pub trait Shell: gossip::Shell {
    /// The machine that is driven.
    fn machine(&mut self) -> &mut Machine;

    /// Does what link policy wants, or begins it.
    ///
    /// # Errors
    /// It may not go on.
    fn link(&mut self, output: peering::Output) -> Result<(), Self::Fault>;

    /// Feeds one input, and does all that comes of it, in the order in which it comes.
    ///
    /// # Errors
    /// The shell may not go on. Whether the machine took the input is in the value.
    fn take(&mut self, now: Timestamp, input: Input<'_>) -> Result<Result<(), Reject>, Self::Fault> {
        let taken = self.machine().handle(now, input);
        while let Some(output) = self.machine().poll_output() {
            match output {
                Output::Gossip(output) => self.perform(output)?,
                Output::Links(output) => self.link(output)?,
            }
        }
        Ok(taken)
    }
}
