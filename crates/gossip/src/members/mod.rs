//! Members: whose certificates are taken, and which of two of one node counts (docs/protocol.md, P-G4).
//!
//! What counts is the same at all who know both certificates, whichever came first, so a name is the same everywhere. One
//! that begins to count goes to all neighbours once.
//!
//! [`Members`] is a machine of its own: it is told what neighbours show and what a check found, and says what is to be checked and
//! which certificate counts from now on. It checks none itself and sends nothing.

mod checks;
mod evidence;
#[cfg(test)]
mod tests;

use core::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use rumormill_limits::LinkId;
use rumormill_wire::{Digest, NodeId};

pub use self::evidence::{Admission, Checked, Evidence};

use self::checks::Checks;
use crate::key::check_node_id;

/// What the machine is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A neighbour shows a certificate.
    Shown {
        /// The link that it came over.
        link: LinkId,
        /// The node at its other end.
        peer: NodeId,
        /// Whose it is said to be.
        node: NodeId,
        /// In DER, unchecked.
        evidence: Bytes,
    },
    /// It was checked.
    Verdict {
        /// The link that it came over.
        link: LinkId,
        /// Whose it is said to be.
        node: NodeId,
        /// As it was shown.
        evidence: Bytes,
        /// What was found.
        verdict: Checked,
    },
    /// A node has proven itself with a certificate, or is pinned; `from` gave it to us, if a neighbour did.
    Admit {
        /// Whose it is.
        node: NodeId,
        /// It holds.
        evidence: Evidence,
        /// The link that it came over.
        from: Option<LinkId>,
    },
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Check it, and tell [`Input::Verdict`].
    Check {
        /// The link that it came over.
        link: LinkId,
        /// Whose it is said to be.
        node: NodeId,
        /// As it was shown.
        evidence: Bytes,
        /// The one that counts now.
        known: Option<Evidence>,
    },
    /// One is not checked, since too many are.
    Full,
    /// A neighbour shows what no honest one does.
    Misbehaved(LinkId, &'static str),
    /// Nothing that was shown for this node holds, and nothing more of it is being checked: what waits for that is void.
    Void(NodeId),
    /// A certificate counts from now on. It is to be kept, and goes to all but whom it came from.
    Counts {
        /// Whose it is.
        node: NodeId,
        /// The certificate, or nothing of a node that is pinned.
        evidence: Evidence,
        /// The link that it came over.
        from: Option<LinkId>,
        /// There was none before: this node is a member from now on.
        fresh: bool,
    },
}

/// The machine that takes certificates.
#[derive(Debug, Default)]
pub struct Members {
    known: BTreeMap<NodeId, Evidence>,
    /// Bytes of all of them.
    bytes: usize,
    checks: Checks,
    output: VecDeque<Output>,
}

/// What tells certificates apart while they are being checked.
fn mark(evidence: &[u8]) -> Digest {
    Digest(*blake3::hash(evidence).as_bytes())
}

impl Members {
    /// A machine that knows these.
    #[must_use]
    pub fn new(known: impl IntoIterator<Item = (NodeId, Evidence)>) -> Self {
        let known: BTreeMap<_, _> = known.into_iter().collect();
        let bytes = known.values().map(|evidence| evidence.bytes.len()).fold(0, usize::saturating_add);
        Self { known, bytes, ..Self::default() }
    }

    /// Takes one input. What is to be done then comes out of [`Members::poll_output`].
    pub fn handle(&mut self, input: Input) {
        match input {
            Input::Shown { link, peer, node, evidence } => self.shown(link, peer, node, evidence),
            Input::Verdict { link, node, evidence, verdict } => self.verdict(link, node, &evidence, verdict),
            Input::Admit { node, evidence, from } => self.admit(node, evidence, from),
        }
    }

    /// What is to be done; drain it until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    fn shown(&mut self, link: LinkId, peer: NodeId, node: NodeId, evidence: Bytes) {
        let known = self.known.get(&node);
        if known.is_some_and(|known| known.is_empty() || known.bytes == evidence) {
            return;
        }
        let known = known.cloned();
        if check_node_id(&node).is_err() {
            let why = "a certificate for a key that can be no node";
            return self.output.push_back(Output::Misbehaved(link, why));
        }
        let which = (node, mark(&evidence));
        if self.checks.has(&which) {
            return;
        }
        let begun = self.checks.begin(which, peer);
        self.output.push_back(if begun { Output::Check { link, node, evidence, known } } else { Output::Full });
    }

    fn verdict(&mut self, link: LinkId, node: NodeId, evidence: &Bytes, verdict: Checked) {
        self.checks.end((node, mark(evidence)));
        let is_false = match verdict {
            Checked::Holds(evidence) => return self.admit(node, evidence, Some(link)),
            Checked::Void => false,
            Checked::False => true,
        };
        if self.admission(&node) == Admission::Unknown {
            self.output.push_back(Output::Void(node));
        }
        if is_false {
            self.output.push_back(Output::Misbehaved(link, "a certificate that does not belong to this network"));
        }
    }

    fn admit(&mut self, node: NodeId, evidence: Evidence, from: Option<LinkId>) {
        let known = self.known.get(&node);
        // Who is pinned needs no certificate, whatever it shows.
        let counts = known.is_none_or(|known| !known.is_empty() && evidence.beats(known));
        if !counts || check_node_id(&node).is_err() {
            return;
        }
        let fresh = known.is_none();
        let before = known.map_or(0, |known| known.bytes.len());
        self.bytes = self.bytes.saturating_sub(before).saturating_add(evidence.bytes.len());
        self.known.insert(node, evidence.clone());
        self.output.push_back(Output::Counts { node, evidence, from, fresh });
    }

    /// Which certificate of a node counts here.
    #[must_use]
    pub fn get(&self, node: &NodeId) -> Option<&Evidence> {
        self.known.get(node)
    }

    /// Whether messages of a node may be taken.
    #[must_use]
    pub fn admission(&self, node: &NodeId) -> Admission {
        if self.known.contains_key(node) {
            Admission::Admitted
        } else if self.checks.of_node(node) {
            Admission::Pending
        } else {
            Admission::Unknown
        }
    }

    /// So many of those that are valid from the latest times on, the newest first. Looks at all.
    #[must_use]
    pub fn newest(&self, most: usize) -> Vec<NodeId> {
        let mut newest: Vec<_> = self.known.iter().collect();
        newest.sort_unstable_by_key(|(node, evidence)| (Reverse(evidence.since), **node));
        newest.into_iter().take(most).map(|(node, _)| *node).collect()
    }

    /// How many members are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether nobody is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Bytes of all their certificates.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Certificates that are being checked.
    #[must_use]
    pub fn checking(&self) -> usize {
        self.checks.len()
    }
}
