//! What has to be done for what the engine says, once for whatever drives it: a node with sockets and a disk, a world in which time is a
//! number, a fuzzer that looks for what may never come out.
//!
//! A [`Shell`] does single things. In which order they are done, and what becomes of a check, stands here.

use std::sync::Arc;

use bytes::Bytes;
use rumormill_wire::native::{ByeCode, ListPart};
use rumormill_wire::{NetworkId, NodeId, Origin, Seq};

use crate::bundle::{Invalid, RawBundle, VerifiedBundle, verify};
use crate::engine::Engine;
use crate::io::{CheckId, Event, Input, LinkId, Output, Persist, Reject, Timestamp};
use crate::members::{Checked, Evidence};
use crate::proof::{RawProof, VerifiedProof, verify_proof};
use crate::revocation::Judged;

/// A signature or certificate to be checked, away from the engine: nothing of it needs more than these bytes and a [`Judge`].
#[derive(Debug, Clone)]
pub enum Check {
    /// The signature of a bundle.
    Bundle {
        /// To be named in the answer.
        check: CheckId,
        /// The bundle.
        raw: RawBundle,
    },
    /// A member's certificate.
    Member {
        /// The link that sent it.
        link: LinkId,
        /// Whose it is to be.
        node: NodeId,
        /// The certificate in DER.
        evidence: Bytes,
        /// The one that counts now.
        known: Option<Evidence>,
    },
    /// Both signatures of an equivocation proof.
    Proof {
        /// The link that sent it.
        link: LinkId,
        /// The proof.
        raw: Box<RawProof>,
    },
    /// The CA's signature on a part of the revocation list.
    Revocations {
        /// The link that sent it.
        link: LinkId,
        /// The part.
        bytes: Bytes,
    },
}

/// Who belongs to a network, and what its CA has signed.
pub trait Judge {
    /// The network that signatures are bound to.
    fn network(&self) -> NetworkId;

    /// The verdict on a bundle, which depends on its bytes and the network alone.
    ///
    /// # Errors
    /// Why it does not hold.
    fn bundle(&self, raw: &RawBundle) -> Result<Arc<VerifiedBundle>, Invalid> {
        verify(raw, &self.network()).map(Arc::new)
    }

    /// A certificate with its age, as it says itself; `None` if it can be none of this node.
    fn evidence(&self, node: &NodeId, certificate: &Bytes) -> Option<Evidence>;

    /// Whether this is a certificate for that node that counts here. What does not beat the known one was left out before.
    fn member(&self, node: NodeId, evidence: Evidence) -> Checked;

    /// What a part of the revocation list is worth here: form and the CA's signature.
    fn revocations(&self, bytes: &Bytes) -> Judged;
}

impl Check {
    /// Does it, however long that takes. Gives the answer that the engine waits for.
    pub fn run(self, judge: &impl Judge) -> Input {
        match self {
            Self::Bundle { check, raw } => Input::Verified { check, verdict: judge.bundle(&raw) },
            Self::Member { link, node, evidence, known } => {
                let verdict = match judge.evidence(&node, &evidence) {
                    Some(new) if known.is_some_and(|known| !new.beats(&known)) => Checked::Void,
                    Some(new) => judge.member(node, new),
                    None => Checked::False,
                };
                Input::MemberVerdict { link, node, evidence, verdict }
            }
            Self::Proof { link, raw } => {
                Input::ProofVerdict { link, verdict: verify_proof(&raw, &judge.network()).ok().map(Box::new) }
            }
            Self::Revocations { link, bytes } => match judge.revocations(&bytes) {
                Judged::Holds(part) => Input::Revoked { link: Some(link), part },
                Judged::Void => Input::RevocationsVoid { link },
                Judged::False => Input::RevocationsRefused { link },
            },
        }
    }
}

/// What is wanted from the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// Bundles from the one that holds `from` on, up to `until` or `max_bytes`, one at least; the answer is [`Input::RangeRead`].
    Range {
        /// For which link.
        link: LinkId,
        /// Whose chain.
        origin: Origin,
        /// First number.
        from: Seq,
        /// First number not wanted.
        until: Seq,
        /// Stop after so many bytes.
        max_bytes: usize,
    },
    /// The bundle that holds `at`; the answer is [`Input::LookedUp`].
    LookUp {
        /// Whose chain.
        origin: Origin,
        /// A number in it.
        at: Seq,
    },
}

impl Read {
    /// The answer where there is nothing, or nothing can be read now: the next comparison asks again.
    #[must_use]
    pub const fn nothing(self) -> Input {
        match self {
            Self::Range { link, origin, .. } => Input::RangeRead { link, origin, bundles: Vec::new() },
            Self::LookUp { origin, at } => Input::LookedUp { origin, at, bundle: None },
        }
    }
}

/// What drives an engine, by itself ([`Drive`]) or as a part of more. Each method does one thing or begins it; what has an answer is
/// answered by an [`Input`] later.
pub trait Shell {
    /// Why it cannot go on; [`core::convert::Infallible`] where nothing is a reason.
    type Fault;

    /// Puts a frame on its way over a link; one that is gone drops it.
    ///
    /// # Errors
    /// It may not go on.
    fn send(&mut self, link: LinkId, frame: Bytes) -> Result<(), Self::Fault>;

    /// The same for a RUMOR frame with its two flags.
    ///
    /// # Errors
    /// It may not go on.
    fn send_bundle(
        &mut self,
        link: LinkId,
        bundle: RawBundle,
        want_status: bool,
        answers_range: bool,
    ) -> Result<(), Self::Fault>;

    /// The link's reader may take so many bytes of RUMOR frames more.
    ///
    /// # Errors
    /// It may not go on.
    fn credit(&mut self, link: LinkId, bytes: usize) -> Result<(), Self::Fault>;

    /// Says BYE and closes; no link with this peer is taken for so many microseconds.
    ///
    /// # Errors
    /// It may not go on.
    fn close(&mut self, link: LinkId, code: ByeCode, reason: &'static str, ban_us: u64) -> Result<(), Self::Fault>;

    /// Begins a check; [`Check::run`] does it.
    ///
    /// # Errors
    /// It may not go on.
    fn check(&mut self, check: Check) -> Result<(), Self::Fault>;

    /// Begins to read.
    ///
    /// # Errors
    /// It may not go on.
    fn read(&mut self, read: Read) -> Result<(), Self::Fault>;

    /// Gives the store the next bundle. They become durable in this order.
    ///
    /// # Errors
    /// It may not go on.
    fn append(&mut self, bundle: Arc<VerifiedBundle>) -> Result<(), Self::Fault>;

    /// Gives the store a member's certificate.
    ///
    /// # Errors
    /// It may not go on.
    fn persist_member(&mut self, node: NodeId, evidence: Bytes) -> Result<(), Self::Fault>;

    /// Gives the store an equivocation proof, in place of that of its origin.
    ///
    /// # Errors
    /// It may not go on.
    fn persist_proof(&mut self, proof: VerifiedProof) -> Result<(), Self::Fault>;

    /// Gives the store a part of the revocation list, before all else that waits; [`Input::RevocationsKept`] once it is durable.
    ///
    /// # Errors
    /// It may not go on.
    fn persist_revocations(&mut self, part: Arc<ListPart>) -> Result<(), Self::Fault>;

    /// Something happened that others want to know.
    ///
    /// # Errors
    /// It may not go on.
    fn event(&mut self, event: Event) -> Result<(), Self::Fault>;

    /// Does one thing.
    ///
    /// # Errors
    /// The shell may not go on.
    fn perform(&mut self, output: Output) -> Result<(), Self::Fault> {
        match output {
            Output::Send { link, frame } => self.send(link, frame),
            Output::SendBundle { link, bundle, want_status, answers_range } => {
                self.send_bundle(link, bundle, want_status, answers_range)
            }
            Output::Credit { link, bytes } => self.credit(link, bytes),
            Output::Close { link, code, reason, ban_us } => self.close(link, code, reason, ban_us),
            Output::Verify { check, raw } => self.check(Check::Bundle { check, raw }),
            Output::CheckMember { link, node, evidence, known } => {
                self.check(Check::Member { link, node, evidence, known })
            }
            Output::CheckProof { link, raw } => self.check(Check::Proof { link, raw }),
            Output::CheckRevocations { link, bytes } => self.check(Check::Revocations { link, bytes }),
            Output::ReadRange { link, origin, from, until, max_bytes } => {
                self.read(Read::Range { link, origin, from, until, max_bytes })
            }
            Output::LookUp { origin, at } => self.read(Read::LookUp { origin, at }),
            Output::Append { bundle } => self.append(bundle),
            Output::Persist(Persist::Member { node, evidence }) => self.persist_member(node, evidence),
            Output::Persist(Persist::Proof(proof)) => self.persist_proof(*proof),
            Output::Persist(Persist::Revocations(part)) => self.persist_revocations(part),
            Output::Event(event) => self.event(event),
        }
    }
}

/// A shell with an engine and no other machine.
pub trait Drive: Shell {
    /// The engine that is driven.
    fn engine(&mut self) -> &mut Engine;

    /// The next thing to do. A shell that looks at all of them does so here.
    ///
    /// # Errors
    /// It may not go on.
    fn next_output(&mut self) -> Result<Option<Output>, Self::Fault> {
        Ok(self.engine().poll_output())
    }

    /// Feeds one input, and does all that comes of it, in the order in which it comes.
    ///
    /// # Errors
    /// The shell may not go on. Whether the engine took the input is in the value.
    fn feed(&mut self, now: Timestamp, input: Input) -> Result<Result<(), Reject>, Self::Fault> {
        let taken = self.engine().handle(now, input);
        while let Some(output) = self.next_output()? {
            self.perform(output)?;
        }
        Ok(taken)
    }
}
