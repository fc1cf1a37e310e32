//! What a node of the deterministic world does for its engine: each answer comes later, at a time that the seed decides.

use std::convert::Infallible;

use super::*;

/// One node of a world.
pub struct At<'a> {
    pub world: &'a mut World,
    pub n: usize,
}

/// Whom the keys and the CA of these tests vouch for.
pub struct Vouched {
    /// The node trusts pins alone.
    pub pinned: bool,
}

impl Judge for Vouched {
    fn network(&self) -> NetworkId {
        NETWORK
    }
    fn evidence(&self, node: &NodeId, certificate: &Bytes) -> Option<Evidence> {
        judge(*node, certificate)
    }
    fn member(&self, _: NodeId, evidence: Evidence) -> Checked {
        Checked::Holds(evidence)
    }
    fn revocations(&self, bytes: &Bytes) -> Judged {
        match checked_part(bytes) {
            _ if self.pinned => Judged::Void,
            Some(part) => Judged::Holds(part),
            None => Judged::False,
        }
    }
}

impl At<'_> {
    fn node(&mut self) -> &mut Node {
        &mut self.world.nodes[self.n]
    }

    fn later(&mut self, delay: u64, input: Input) -> Result<(), Infallible> {
        self.world.later(self.n, delay, input);
        Ok(())
    }

    /// The time that work takes.
    fn delay(&mut self) -> u64 {
        self.world.rng.random_range(20..200)
    }
}

impl Shell for At<'_> {
    type Fault = Infallible;

    fn send(&mut self, link: LinkId, frame: Bytes) -> Result<(), Infallible> {
        self.world.transmit(self.n, link, &frame);
        Ok(())
    }

    fn send_bundle(&mut self, link: LinkId, bundle: RawBundle, ask: bool, answers: bool) -> Result<(), Infallible> {
        self.world.transmit_bundle(self.n, link, bundle.bytes(), ask, answers);
        Ok(())
    }

    fn credit(&mut self, link: LinkId, bytes: usize) -> Result<(), Infallible> {
        if let Some(open) = self.node().unreleased.get_mut(&link) {
            *open = open.checked_sub(bytes).expect("released more than was received");
        }
        Ok(())
    }

    fn close(&mut self, link: LinkId, _: ByeCode, reason: &'static str, _: u64) -> Result<(), Infallible> {
        self.node().closed.push((link, reason));
        self.world.cut(End { node: self.n, link });
        Ok(())
    }

    fn check(&mut self, check: Check) -> Result<(), Infallible> {
        self.node().verifies += u64::from(matches!(check, Check::Bundle { .. }));
        let (delay, pinned) = (self.delay(), self.world.pinned == Some(self.n));
        self.later(delay, check.run(&Vouched { pinned }))
    }

    fn read(&mut self, read: Read) -> Result<(), Infallible> {
        self.node().reads += 1;
        let (delay, slow) = (self.delay(), self.world.read_us);
        match read {
            Read::Range { link, origin, from, until, max_bytes } => {
                let bundles = self.node().disk.range(origin, from, until, max_bytes);
                self.later(delay + slow, Input::RangeRead { link, origin, bundles })
            }
            Read::LookUp { origin, at } => {
                let bundle = self.node().disk.holding(origin, at).map(|(_, raw)| raw);
                self.later(delay, Input::LookedUp { origin, at, bundle })
            }
        }
    }

    fn append(&mut self, bundle: Arc<VerifiedBundle>) -> Result<(), Infallible> {
        let (now, commit_us) = (self.world.now, self.world.commit_us);
        let node = self.node();
        assert!(!node.full || node.disk_free_at > now, "appended to a store that said it is full");
        node.appends += 1;
        node.disk_free_at = node.disk_free_at.max(now) + commit_us;
        let (delay, appends) = (node.disk_free_at - now, node.appends);
        if node.room == Some(0) {
            let first = !std::mem::replace(&mut node.full, true);
            return if first { self.later(delay, Input::StoreFull) } else { Ok(()) };
        }
        node.room = node.room.map(|room| room - 1);
        node.queue.push(bundle.bytes().clone());
        self.later(delay, Input::Committed { appends })
    }

    fn persist_member(&mut self, node: NodeId, evidence: Bytes) -> Result<(), Infallible> {
        self.node().disk.persist_member(node, &evidence);
        Ok(())
    }

    fn persist_proof(&mut self, proof: VerifiedProof) -> Result<(), Infallible> {
        self.node().disk.persist_proof(proof);
        Ok(())
    }

    /// Before all that waits, and durable only once it is told.
    fn persist_revocations(&mut self, part: Arc<ListPart>) -> Result<(), Infallible> {
        self.later(self.world.commit_us, Input::RevocationsKept { part })
    }

    fn event(&mut self, event: Event) -> Result<(), Infallible> {
        if let Event::Revocations { list } = &event {
            assert_eq!(**list, self.node().disk.revocations, "a list is durable before it is in force");
        }
        self.node().events.push(event);
        Ok(())
    }
}

impl Drive for At<'_> {
    fn engine(&mut self) -> &mut Engine {
        &mut self.node().engine
    }

    fn next_output(&mut self) -> Result<Option<Output>, Infallible> {
        let output = self.engine().poll_output();
        if let Some(output) = output.as_ref().filter(|_| self.world.tracing) {
            self.world.trace.update(format!("{} {output:?}\n", self.n).as_bytes());
        }
        Ok(output)
    }
}
