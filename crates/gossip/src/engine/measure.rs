//! What an engine holds, counted: for the fuzz target, which asserts that each has a bound.

use super::Engine;

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
    pub unheard: usize,
    /// Frames without a verdict.
    pub open: usize,
    /// RANGE requests of the neighbour that wait to be answered.
    pub pulls: usize,
    /// Origins to say something about.
    pub dirty: usize,
}

impl Engine {
    /// How often a link was looked at since the start, after an input that concerned it or to send to everybody.
    #[must_use]
    pub const fn visits(&self) -> u64 {
        self.links.visits()
    }

    /// Counts everything; of links the most that one holds. Looks at all of them.
    #[must_use]
    pub fn held(&self) -> Held {
        let most = |count: fn(&crate::link::Link) -> usize| self.links.values().map(count).max().unwrap_or(0);
        Held {
            checks: self.ingress.len(),
            origins: self.logs.chains.len(),
            proofs: self
                .logs
                .chains
                .range(rumormill_wire::Origin::MIN, rumormill_wire::Origin::MAX)
                .filter(|(_, chain)| chain.fork.is_some())
                .count(),
            members: self.members.len(),
            member_checks: self.members.checking(),
            suspects: self.search.len(),
            early_proofs: self.proofs.waiting(),
            owed: self.ingress.credit.sizes().0,
            owed_bytes: self.ingress.credit.sizes().1,
            uncommitted: self.logs.cache.uncommitted(),
            waiting: self.author.waiting(),
            links: self.links.len(),
            link: HeldByLink {
                cursors: most(|link| link.cursors.len()),
                behind: self.claims.most(),
                last_sent: most(|link| link.unheard.origins()),
                unheard: most(|link| link.unheard.remembered()),
                open: self.acks.sizes().0,
                pulls: most(|link| link.pulls.len()),
                dirty: self.acks.sizes().1,
            },
        }
    }
}
