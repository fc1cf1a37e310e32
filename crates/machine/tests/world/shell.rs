//! What a node of the world does for its machine: each answer comes later, at a time that the seed decides.

use std::convert::Infallible;
use std::sync::Arc;

use rumormill_gossip::{Check, Event as News, RawBundle, Read, Shell, VerifiedBundle, VerifiedProof};
use rumormill_machine::{Machine, Shell as Whole};
use rumormill_peering::{Ended, Farewell, Output as Links, whole_seconds};
use rumormill_wire::native::{ByeCode, Frame, Hello, ListPart, VERSION, rumor_prefix};

use super::gossip::{NETWORK, Vouched};
use super::*;

pub struct At<'a> {
    pub world: &'a mut World,
    pub n: usize,
}

fn closed_here() -> Ended {
    Ended::passing("closed here")
}

impl At<'_> {
    fn node(&mut self) -> &mut Node {
        &mut self.world.nodes[self.n]
    }

    fn answer(&mut self, delay: u64, input: Input) -> Result<(), Infallible> {
        self.world.later(self.n, delay, Event::Answer(input));
        Ok(())
    }

    fn work(&mut self) -> u64 {
        self.world.rng.random_range(20..200)
    }

    fn put(&mut self, link: LinkId, frame: &[u8]) -> Result<(), Infallible> {
        self.world.trace.update(&self.n.to_be_bytes()).update(&link.0.to_be_bytes()).update(frame);
        let leaves = self.world.transmit(self.n, link, frame);
        let written = Event::Written { link, bytes: frame.len() };
        self.world.later(self.n, leaves + 30, written);
        Ok(())
    }

    fn own(&mut self, link: LinkId, frame: &Frame<'_>) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes).unwrap();
        self.world.transmit(self.n, link, &bytes);
    }
}

impl Shell for At<'_> {
    type Fault = Infallible;

    fn send(&mut self, link: LinkId, frame: Bytes) -> Result<(), Infallible> {
        self.put(link, &frame)
    }

    fn send_bundle(&mut self, link: LinkId, bundle: RawBundle, ask: bool, answers: bool) -> Result<(), Infallible> {
        let prefix = rumor_prefix(ask, answers, bundle.bytes().len()).unwrap();
        self.put(link, &[&prefix[..], bundle.bytes()].concat())
    }

    fn credit(&mut self, _: LinkId, _: usize) -> Result<(), Infallible> {
        Ok(())
    }

    fn close(&mut self, link: LinkId, code: ByeCode, reason: &'static str, ban_us: u64) -> Result<(), Infallible> {
        self.node().closed.push(reason);
        let retry_after_s = whole_seconds(std::time::Duration::from_micros(ban_us));
        self.world.say_bye(self.n, link, Farewell { code, reason, retry_after_s }, closed_here());
        Ok(())
    }

    fn check(&mut self, check: Check) -> Result<(), Infallible> {
        let delay = self.work();
        self.answer(delay, check.run(&Vouched { pinned: false }))
    }

    fn read(&mut self, read: Read) -> Result<(), Infallible> {
        let delay = self.work();
        let disk = &self.node().disk;
        let input = match read {
            Read::Range { link, origin, from, until, max_bytes } => {
                Input::RangeRead { link, origin, bundles: disk.range(origin, from, until, max_bytes) }
            }
            Read::LookUp { origin, at } => {
                let bundle = disk.holding(origin, at).map(|(_, raw)| raw);
                Input::LookedUp { origin, at, bundle }
            }
        };
        self.answer(delay, input)
    }

    fn append(&mut self, bundle: Arc<VerifiedBundle>) -> Result<(), Infallible> {
        let now = self.world.now;
        let node = self.node();
        node.appends += 1;
        node.disk_free_at = node.disk_free_at.max(now) + 200;
        let (delay, appends) = (node.disk_free_at - now, node.appends);
        if node.room == Some(0) {
            let first = !std::mem::replace(&mut node.full, true);
            return if first { self.answer(delay, Input::StoreFull) } else { Ok(()) };
        }
        node.room = node.room.map(|room| room - 1);
        node.queue.push(bundle.bytes().clone());
        self.answer(delay, Input::Committed { appends })
    }

    fn persist_member(&mut self, node: NodeId, evidence: Bytes) -> Result<(), Infallible> {
        self.node().disk.persist_member(node, &evidence);
        Ok(())
    }

    fn persist_proof(&mut self, proof: VerifiedProof) -> Result<(), Infallible> {
        self.node().disk.persist_proof(proof);
        Ok(())
    }

    fn persist_revocations(&mut self, part: Arc<ListPart>) -> Result<(), Infallible> {
        self.answer(200, Input::RevocationsKept { part })
    }

    fn event(&mut self, event: News) -> Result<(), Infallible> {
        if let News::Durable { ticket, .. } = &event {
            self.node().durable.insert(*ticket);
        }
        self.node().events.push(event);
        Ok(())
    }
}

impl Whole for At<'_> {
    fn machine(&mut self) -> &mut Machine {
        &mut self.node().machine
    }

    fn link(&mut self, output: Links) -> Result<(), Infallible> {
        self.world.trace.update(format!("{} {output:?}", self.n).as_bytes());
        let n = self.n;
        match output {
            Links::Dial { neighbour } => {
                let at = self.node().neighbours[neighbour.0];
                let delay = self.world.delay();
                self.world.later(n, delay, Event::Arrives { neighbour, at });
            }
            Links::SendHello { link } => {
                let hello = Hello {
                    min: VERSION,
                    max: VERSION,
                    network: NETWORK,
                    features: 0,
                    name: "n".into(),
                    agent: "".into(),
                };
                self.own(link, &Frame::Hello(hello));
            }
            Links::SendPing { link } => self.own(link, &Frame::Ping(self.world.now)),
            Links::Up { link, .. } => {
                let now = self.world.now;
                let end = self.node().ends.get_mut(&link).unwrap();
                (end.up, end.since) = (true, now);
                self.world.later(n, 0, Event::Read { link });
            }
            Links::Refused { link, why } => match why.farewell() {
                Some(told) => self.world.say_bye(n, link, told, Ended::from(&why)),
                None => self.world.later(n, 1, Event::Closed { link, ended: Ended::from(&why), replaced: false }),
            },
            Links::Close { link, why } => self.world.say_bye(n, link, why.farewell(), closed_here()),
            // What is on its way is still written.
            Links::Down { link } => self.node().ends.get_mut(&link).into_iter().for_each(|end| end.up = false),
            Links::Drop { link } => {
                self.world.later(n, 1, Event::Closed { link, ended: closed_here(), replaced: false });
            }
            Links::NoLink { .. } => {}
        }
        Ok(())
    }
}
