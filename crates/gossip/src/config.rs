//! What an engine is made with.

use rumormill_limits::Rate;
use rumormill_wire::native::SignedHeader;
use rumormill_wire::{Clock, NetworkId, Origin, Seq};

use crate::ingress::quota::Quota;
use crate::proof::VerifiedProof;
use crate::revocation::Revocations;

/// Origins that each member may have, however many others have (docs/protocol.md, P-G2).
pub(crate) const MIN_ORIGINS: usize = 32;

/// Bytes that may be on their way to one neighbour over a fast link: eight of the longest bundles, or 5 MB/s where a round trip takes 100 ms,
/// more than twice an author's pace.
pub const LINK_WINDOW: usize = 512 * 1024;

/// How new messages spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dissemination {
    /// To every neighbour that is not known to have it.
    #[default]
    Eager,
    /// To one random neighbour, on by coin flip (rumor mongering).
    Mongering,
}

/// Settings and bounds of an engine. Times in microseconds, sizes in bytes. The engine takes any value; what people may set has
/// its range in the node's configuration. [`EngineConfig::new`] says why its numbers are what they are.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The network whose bundles are valid here.
    pub network: NetworkId,
    /// How new messages spread.
    pub dissemination: Dissemination,
    /// Mean time between two rounds of comparisons, each with four random neighbours.
    pub anti_entropy_us: u64,
    /// How long to wait for neighbours' word on our own chain before writing.
    pub recovery_us: u64,
    /// How long a monger waits for a STATUS.
    pub monger_timeout_us: u64,
    /// How many bytes may be on their way to one neighbour, until [`crate::Input::Window`] says otherwise.
    pub link_window: usize,
    /// Recent bundles kept in memory.
    pub cache_bytes: usize,
    /// Bytes that a node is given at once, over all its links, beyond what each link gets once.
    pub answer_bytes: u64,
    /// Bytes of those a second after.
    pub answer_bytes_per_s: u64,
    /// Bytes that new links of a node are given at once, of what was there before; four whole logs, if that is more.
    pub fresh_bytes: u64,
    /// Bytes of those a second after.
    pub fresh_bytes_per_s: u64,
    /// Bundles accepted and not yet committed; above this, readers are not released.
    pub backlog_bytes: usize,
    /// Bundles being checked at once.
    pub max_checks: usize,
    /// Messages of our own that wait for a bundle.
    pub max_pending: usize,
    /// Their bytes in all.
    pub max_pending_bytes: usize,
    /// Cursors a link; over this, the rest is found by comparison later.
    pub max_cursors: usize,
    /// Origins known; beyond this, a new one is taken only of a node that has less than its share.
    pub max_origins: usize,
    /// Origins of one node id.
    pub max_origins_per_node: usize,
    /// Accepted bytes a node id may add in a day; 0 is without limit.
    pub quota_bytes_per_day: u64,
    /// Incarnations a node id may add in a day; 0 is without limit.
    pub quota_incarnations_per_day: u64,
    /// Days of incarnations that it may add at once: a newcomer is shown all that a node has had in its life, which a node that is
    /// started anew each day has many of.
    pub quota_incarnation_days: u64,
    /// How often the places where chains of a node id end may fall at once; 0 is without limit.
    pub quota_places: u64,
    /// After so long one more may, in microseconds. A fall is a row that is replaced and a frame for each neighbour: once in ten
    /// seconds that is less than 5 MB a day. It is how long honest nodes may differ about one fork of many (P-E4).
    pub quota_place_us: u64,
    /// Accepted bytes a node id may add in a second, beyond a burst; 0 is without limit.
    pub pace_bytes_per_s: u64,
    /// Bytes of a node id that are taken at once.
    pub pace_burst_bytes: u64,
}

impl EngineConfig {
    /// The defaults, for a network. None of them decides what is valid (docs/protocol.md, G).
    #[must_use]
    pub const fn new(network: NetworkId) -> Self {
        Self {
            network,
            dissemination: Dissemination::Eager,
            // What was lost waits for this (Demers et al. 1987, 1.3); where nothing was, it costs four short frames each way.
            anti_entropy_us: 10_000_000,
            // Neighbours on this machine or near answer within milliseconds, and nobody waits longer for a first message.
            recovery_us: 1_000_000,
            // As long as a verdict may stay unsaid (P-S2), and several round trips of a link around the world (P-S10).
            monger_timeout_us: 1_000_000,
            link_window: LINK_WINDOW,
            // What one author may bring in a second: a neighbour that is no further behind is served without the store.
            cache_bytes: 2 * 1024 * 1024,
            // P-G5: at once for a node that has lost something; in the long run 128 KiB/s are all that asking again brings.
            answer_bytes: 16 * 1024 * 1024,
            answer_bytes_per_s: 128 * 1024,
            // A log of 8 MB is taken eight times at once, and every four seconds after: as fast as one author's pace.
            fresh_bytes: 64 * 1024 * 1024,
            fresh_bytes_per_s: 2 * 1024 * 1024,
            // 64 of the longest bundles: what one commit may gather before readers are to feel it.
            backlog_bytes: 4 * 1024 * 1024,
            // P-G3; a check takes some 60 microseconds, so all of them are a sixtieth of a second of one core.
            max_checks: 256,
            // 16 full bundles of 512, and 256 of the longest messages (32 KiB).
            max_pending: 8_192,
            max_pending_bytes: 8 * 1024 * 1024,
            // As many origins as one member may have (P-G2), so one that brings all of its own overflows no link by itself.
            max_cursors: 4_096,
            // P-G2 and P-G1: what one member, and all together, may cost in memory and on the disk.
            max_origins: 200_000,
            max_origins_per_node: 4_096,
            quota_bytes_per_day: 64 * 1024 * 1024,
            quota_incarnations_per_day: 32,
            quota_incarnation_days: 8,
            // P-E4; the time is explained with its field.
            quota_places: 1_024,
            quota_place_us: 10_000_000,
            // P-G6: half a second of the pace at once.
            pace_bytes_per_s: 2 * 1024 * 1024,
            pace_burst_bytes: 1024 * 1024,
        }
    }
}

impl EngineConfig {
    /// What one author may add.
    pub(crate) fn quota(&self) -> Quota {
        let places = Rate::every(self.quota_places, self.quota_place_us);
        let a_day = self.quota_incarnations_per_day;
        let at_once = a_day.saturating_mul(self.quota_incarnation_days.max(1));
        Quota::new(
            (self.quota_bytes_per_day > 0).then(|| Rate::per_day(self.quota_bytes_per_day)),
            (a_day > 0).then(|| Rate::daily(at_once, a_day)),
            (self.quota_places > 0).then_some(places),
        )
    }
}

/// One chain as the store has it.
#[derive(Debug, Clone)]
pub struct RecoveredChain {
    /// Its last bundle, which the next one has to name as its predecessor.
    pub head: SignedHeader,
    /// Clock of its last message.
    pub last_clock: Clock,
    /// The lowest number still kept.
    pub kept: Seq,
}

/// What a node knows when it starts.
#[derive(Debug, Clone)]
pub struct Recovered {
    /// Our node and the incarnation to write under.
    pub me: Origin,
    /// All chains of the store.
    pub chains: Vec<RecoveredChain>,
    /// Bytes of all bundles of the store.
    pub bytes: u64,
    /// All members: node and certificate.
    pub members: Vec<(rumormill_wire::NodeId, crate::members::Evidence)>,
    /// The proof that counts of each origin that is known to have forked.
    pub proofs: Vec<VerifiedProof>,
    /// The revocation list in force, its signatures checked.
    pub revocations: Revocations,
}

impl Recovered {
    /// What a store holds that has just been made.
    #[must_use]
    pub fn empty(me: Origin) -> Self {
        Self {
            me,
            chains: Vec::new(),
            bytes: 0,
            members: Vec::new(),
            proofs: Vec::new(),
            revocations: Revocations::default(),
        }
    }
}
