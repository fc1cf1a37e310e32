//! How what is new spreads: who is given it at once.
//!
//! [`Spread`] is one machine of several ways. It hears what became new and what came again, what a neighbour's STATUS says, which links
//! there are and that time passed, and says whom to give what. It knows no chains and no cursors: whether a neighbour has it already is
//! for whoever does what it says. What it leaves out, or what is lost, the comparisons find.

mod eager;
mod io;
mod mongering;

use rand::Rng;
use rumormill_wire::Origin;

pub use self::io::{Input, Output};
pub use eager::Eager;
pub use mongering::{MAX_ROUND_ORIGINS, Mongering, ROUND_TIMEOUTS};

use crate::config::{Dissemination, EngineConfig};
use crate::io::{LinkId, Timestamp};

/// The ways to spread.
#[derive(Debug)]
pub enum Spread {
    /// To every neighbour at once (flooding).
    Eager(Eager),
    /// To one at a time.
    Mongering(Box<Mongering>),
}

impl Spread {
    /// The way that the configuration names.
    #[must_use]
    pub fn new(config: &EngineConfig) -> Self {
        match config.dissemination {
            Dissemination::Eager => Self::Eager(Eager::default()),
            Dissemination::Mongering => Self::Mongering(Box::new(Mongering::new(config.monger_timeout_us))),
        }
    }

    /// Takes what happened; what is to be done about it comes from [`Spread::poll_output`].
    pub fn handle(&mut self, now: Timestamp, rng: &mut dyn Rng, input: Input) {
        match self {
            Self::Eager(eager) => eager.handle(input),
            Self::Mongering(mongering) => mongering.handle(now, rng, input),
        }
    }

    /// What is to be done; drain it until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        match self {
            Self::Eager(eager) => eager.poll_output(),
            Self::Mongering(mongering) => mongering.poll_output(),
        }
    }

    /// When it wants [`Input::Timeout`].
    #[must_use]
    pub fn next_timeout(&self) -> Option<Timestamp> {
        match self {
            Self::Eager(_) => None,
            Self::Mongering(mongering) => mongering.next_timeout(),
        }
    }

    /// Whether the last that a neighbour is given of an origin asks for a STATUS: it waits for one.
    #[must_use]
    pub fn waits_for_status(&self, link: LinkId, origin: &Origin) -> bool {
        match self {
            Self::Eager(_) => false,
            Self::Mongering(mongering) => mongering.in_round(link, origin),
        }
    }

    /// Whether a neighbour may lack something new that it was not to be given: its turn comes, or a comparison.
    #[must_use]
    pub const fn leaves_out(&self) -> bool {
        matches!(self, Self::Mongering(_))
    }

    /// Rounds begun, and those that ended by time-out.
    #[must_use]
    pub const fn rounds(&self) -> (u64, u64) {
        match self {
            Self::Eager(_) => (0, 0),
            Self::Mongering(mongering) => mongering.rounds(),
        }
    }

    /// Neighbours that did not answer a round in time and have answered nothing since.
    #[must_use]
    pub fn silent(&self) -> usize {
        match self {
            Self::Eager(_) => 0,
            Self::Mongering(mongering) => mongering.silent(),
        }
    }
}
