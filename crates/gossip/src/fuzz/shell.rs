//! An honest node of the fuzzer as a shell: what an engine wants is looked at before it is done.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use rumormill_wire::native::{ByeCode, ListPart};
use rumormill_wire::{NetworkId, NodeId};

use super::cast::{self, ENDS, NETWORK};
use super::finding::{Finding, claim};
use super::job::Job;
use super::spent::Spent;
use super::world::World;
use crate::bundle::{Invalid, RawBundle, VerifiedBundle};
use crate::engine::Engine;
use crate::io::{Event, Input, LinkId, Output, Reject, Timestamp};
use crate::members::{Checked, Evidence};
use crate::proof::VerifiedProof;
use crate::revocation::Judged;
use crate::shell::{Check, Drive, Judge, Read, Shell};

/// Outputs of one input; an engine that goes on beyond this does not end.
const MAX_OUTPUTS: usize = 4_096;

/// The node at one end, while it does what came of one input.
pub(super) struct At<'a, 'w> {
    pub world: &'a mut World<'w>,
    pub end: usize,
    /// Outputs of this input so far.
    outputs: usize,
    /// What a test has planted in the place of the last one.
    planted: VecDeque<Output>,
}

impl<'a, 'w> At<'a, 'w> {
    pub(super) fn new(world: &'a mut World<'w>, end: usize) -> Self {
        Self { world, end, outputs: 0, planted: VecDeque::new() }
    }

    fn job(&mut self, job: Job) -> Result<(), Finding> {
        self.world.nodes[self.end].jobs.push_back(job);
        Ok(())
    }
}

impl World<'_> {
    /// Gives an input, does what comes out, and looks at the bounds.
    pub(super) fn give(&mut self, end: usize, input: Input) -> Result<(), Finding> {
        self.spent = Spent::of(&input);
        let ticket = if let Input::Submit { ticket, .. } = &input { Some(ticket.0) } else { None };
        // It may end at once.
        self.nodes[end].tickets.extend(ticket);
        let now = Timestamp(self.now);
        match (At::new(self, end).feed(now, input)?, ticket) {
            (Ok(()), _) => {}
            (Err(Reject::Busy | Reject::Invalid(_) | Reject::StoreFull | Reject::Revoked), Some(ticket)) => {
                self.nodes[end].tickets.remove(&ticket);
            }
            (Err(why), _) => return Err(Finding(format!("an input was refused: {why}"))),
        }
        self.bounds(end)
    }
}

impl Shell for At<'_, '_> {
    type Fault = Finding;

    fn send(&mut self, link: LinkId, frame: Bytes) -> Result<(), Finding> {
        self.world.spent.control(link, frame.len());
        self.world.transmit(self.end, link, frame)
    }

    fn send_bundle(&mut self, link: LinkId, bundle: RawBundle, ask: bool, answers: bool) -> Result<(), Finding> {
        let header = bundle.header();
        let durable = self.world.own.contains_key(&(header.origin, header.first));
        claim(durable || header.origin.node != cast::id(ENDS[self.end]), || {
            "a message of our own was sent before it was durable".to_owned()
        })?;
        if answers {
            self.world.reach("RANGE answered");
        }
        self.world.transmit_bundle(self.end, link, &bundle, ask, answers)
    }

    fn credit(&mut self, link: LinkId, bytes: usize) -> Result<(), Finding> {
        self.world.release(self.end, link, bytes)
    }

    fn close(&mut self, link: LinkId, code: ByeCode, reason: &'static str, _: u64) -> Result<(), Finding> {
        self.world.close(self.end, link, code, reason)
    }

    fn check(&mut self, check: Check) -> Result<(), Finding> {
        self.job(Job::Check(check))
    }

    fn read(&mut self, read: Read) -> Result<(), Finding> {
        if let Read::Range { link, .. } = read {
            let there = self.world.place(self.end, link).is_some() || self.world.nodes[self.end].lost.contains(&link);
            claim(there, || "a range for a link that is down".to_owned())?;
        }
        self.job(Job::Read(read))
    }

    fn append(&mut self, bundle: Arc<VerifiedBundle>) -> Result<(), Finding> {
        self.world.append(self.end, bundle)
    }

    fn persist_member(&mut self, node: NodeId, evidence: Bytes) -> Result<(), Finding> {
        let known = cast::evidence(&node, &evidence).map(|evidence| (node, evidence));
        self.world.nodes[self.end].disk.members.extend(known);
        Ok(())
    }

    fn persist_proof(&mut self, proof: VerifiedProof) -> Result<(), Finding> {
        self.world.nodes[self.end].disk.proofs.insert(proof.origin(), proof);
        Ok(())
    }

    fn persist_revocations(&mut self, part: Arc<ListPart>) -> Result<(), Finding> {
        self.job(Job::KeepList { part })
    }

    fn event(&mut self, event: Event) -> Result<(), Finding> {
        self.world.event(self.end, event)
    }
}

impl Drive for At<'_, '_> {
    fn engine(&mut self) -> &mut Engine {
        &mut self.world.nodes[self.end].engine
    }

    fn next_output(&mut self) -> Result<Option<Output>, Finding> {
        while self.planted.is_empty() {
            let Some(output) = self.engine().poll_output() else { return Ok(None) };
            self.outputs += 1;
            claim(self.outputs <= MAX_OUTPUTS, || "the outputs of one input do not end".to_owned())?;
            if let Some(trace) = &mut self.world.trace {
                trace.update(format!("{} {output:?}\n", self.end).as_bytes());
            }
            self.planted.extend(self.world.plant.output(self.end, output));
        }
        Ok(self.planted.pop_front())
    }
}

/// The CA of the fuzzer, with the parts of the revocation list that it has signed so far.
pub(super) struct Ca<'a>(pub &'a [Arc<ListPart>]);

impl Judge for Ca<'_> {
    fn network(&self) -> NetworkId {
        NETWORK
    }

    fn bundle(&self, raw: &RawBundle) -> Result<Arc<VerifiedBundle>, Invalid> {
        cast::checked(raw)
    }

    fn evidence(&self, node: &NodeId, certificate: &Bytes) -> Option<Evidence> {
        cast::evidence(node, certificate)
    }

    fn member(&self, _: NodeId, evidence: Evidence) -> Checked {
        Checked::Holds(evidence)
    }

    fn revocations(&self, bytes: &Bytes) -> Judged {
        self.0.iter().find(|part| part.bytes() == bytes).cloned().map_or(Judged::False, Judged::Holds)
    }
}
