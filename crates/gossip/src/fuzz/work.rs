//! The shell does what an engine asks of it, and brings frames from one node to the other.

use std::sync::Arc;

use rumormill_wire::native::Frame;
use rumormill_wire::{Origin, Seq};

use super::finding::Finding;
use super::job::Job;
use super::liar::MAX_UNJUDGED;
use super::shell::Ca;
use super::world::World;
use crate::bundle::RawBundle;
use crate::io::{Input, LinkId};
use crate::members::Checked;
use crate::shell::Read;

impl World<'_> {
    /// Does one thing that the engine at `end` asked for, the oldest or the newest.
    pub(super) fn work(&mut self, end: usize, newest: bool) -> Result<bool, Finding> {
        let jobs = &mut self.nodes[end].jobs;
        let Some(job) = (if newest { jobs.pop_back() } else { jobs.pop_front() }) else { return Ok(false) };
        match job {
            Job::Check(check) => {
                let answer = check.run(&Ca(&self.lists));
                self.note_verdict(end, &answer);
                self.give(end, answer)?;
            }
            Job::Read(Read::LookUp { origin, at }) => {
                let found = self.nodes[end].disk.holding(origin, at).cloned();
                let bundle = found.and_then(|bundle| RawBundle::peek(bundle.bytes().clone()).ok());
                self.reach(if bundle.is_some() { "a look-up that finds something" } else { "a look-up in vain" });
                self.give(end, Input::LookedUp { origin, at, bundle })?;
            }
            Job::Read(Read::Range { link, origin, from, until, max_bytes }) => {
                self.read(end, link, (origin, from, until), max_bytes)?;
            }
            Job::KeepList { part } => {
                // The store has the newest of each place, and whoever asked hears of his own.
                self.nodes[end].disk.list.take(Arc::clone(&part));
                self.give(end, Input::RevocationsKept { part })?;
            }
            Job::Down { link } => {
                self.nodes[end].lost.remove(&link);
                self.give(end, Input::LinkDown { link })?;
            }
        }
        Ok(true)
    }

    /// What a check has shown, for the claims and the list of what was reached.
    fn note_verdict(&mut self, end: usize, answer: &Input) {
        let what = match answer {
            Input::Verified { verdict: Ok(bundle), .. } => {
                self.nodes[end].verified.insert(bundle.digest());
                return;
            }
            Input::MemberVerdict { verdict: Checked::False, .. } => "a false MEMBER",
            Input::MemberVerdict { .. } => "a true MEMBER",
            Input::ProofVerdict { verdict: Some(_), .. } => "a valid PROOF",
            Input::ProofVerdict { verdict: None, .. } => "an invalid PROOF",
            Input::Revoked { .. } => "a valid REVOKED",
            Input::RevocationsVoid { .. } => "a REVOKED without a CA",
            Input::RevocationsRefused { .. } => "an invalid REVOKED",
            _ => return,
        };
        self.reach(what);
    }

    fn read(
        &mut self,
        end: usize,
        link: LinkId,
        (origin, from, until): (Origin, Seq, Seq),
        max_bytes: usize,
    ) -> Result<(), Finding> {
        if self.place(end, link).is_none() {
            return Ok(());
        }
        let (mut next, mut bytes, mut bundles) = (from, 0, Vec::new());
        while next < until && (bytes == 0 || bytes < max_bytes) {
            let Some(bundle) = self.nodes[end].disk.holding(origin, next).cloned() else { break };
            next = bundle.header().next();
            bytes += bundle.bytes().len() + 6;
            bundles.push(RawBundle::of(&bundle));
        }
        if !bundles.is_empty() {
            self.reach("a range read from the store");
        }
        self.give(end, Input::RangeRead { link, origin, bundles })
    }

    /// So many frames that the node at `from` sent arrive at the other. Says how many there were.
    pub(super) fn deliver(&mut self, from: usize, count: usize) -> Result<usize, Finding> {
        let to = 1 - from;
        for n in 0..count {
            let Some(wire) = &mut self.wire else { return Ok(n) };
            let links = wire.links;
            let held = self.nodes[to].unjudged.get(&links[to]).is_some_and(|bytes| *bytes >= MAX_UNJUDGED);
            if held {
                return Ok(n);
            }
            let Some(frame) = wire.queues[from].pop_front() else { return Ok(n) };
            self.give(from, Input::Writable { link: links[from], bytes: frame.len() })?;
            let bytes = frame.slice(4..);
            if matches!(Frame::decode(&bytes), Ok(Frame::Rumor(_))) {
                *self.nodes[to].unjudged.entry(links[to]).or_default() += bytes.len();
            }
            if self.place(to, links[to]).is_some() {
                self.give(to, Input::Frame { link: links[to], bytes })?;
            }
        }
        Ok(count)
    }
}
