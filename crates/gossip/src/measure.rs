//! What an engine holds, counted: for the fuzz target, which asserts that each has a bound.

use rumormill_wire::Origin;

use crate::replica::Replica;

/// How many of each thing an engine holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Copies of bundles that are checked or wait for it.
    pub checks: usize,
    /// Origins of which anything is known here.
    pub origins: usize,
    /// Chains that a proof has ended.
    pub proofs: usize,
    /// Members that are taken as authors.
    pub members: usize,
    /// Certificates given to the driver whose verdict is due.
    pub member_checks: usize,
    /// Searches for the place of a fork.
    pub suspects: usize,
    /// Proofs that wait for the verdict on messages of their origin.
    pub early_proofs: usize,
    /// Readers that wait for a commit.
    pub owed: usize,
    /// Bytes of RUMOR frames that those readers wait for.
    pub owed_bytes: usize,
    /// Accepted and not yet committed, in bytes.
    pub uncommitted: usize,
    /// Messages of our own that wait.
    pub waiting: usize,
    /// Links that are up.
    pub links: usize,
    /// The most that one link holds.
    pub link: HeldByLink,
}

/// How many of each thing a link holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeldByLink {
    /// Origins that the neighbour lacks.
    pub cursors: usize,
    /// Claims of what the neighbour has.
    pub behind: usize,
    /// Origins sent and not yet heard.
    pub last_sent: usize,
    /// Runs of frames not yet heard, and origins with something new that it was not given.
    pub unacked: usize,
    /// Frames without a verdict.
    pub open: usize,
    /// RANGE requests of the neighbour that wait to be answered.
    pub range_requests: usize,
    /// Origins to say something about.
    pub dirty: usize,
}

impl Replica {
    /// What is counted of it, with nothing of links.
    pub(crate) fn held(&self) -> Held {
        let (owed, owed_bytes) = self.ingress().credit.sizes();
        let chains = &self.logs().chains;
        Held {
            checks: self.ingress().len(),
            origins: chains.len(),
            proofs: chains.range(Origin::MIN, Origin::MAX).filter(|(_, chain)| chain.fork.is_some()).count(),
            members: self.members().len(),
            member_checks: self.members().checking(),
            suspects: self.search().len(),
            early_proofs: self.proofs().waiting(),
            owed,
            owed_bytes,
            uncommitted: self.logs().cache.uncommitted(),
            waiting: self.author().waiting(),
            ..Held::default()
        }
    }
}
