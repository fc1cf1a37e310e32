//! The machines joined: what one says that concerns another is told to it here.

use core::time::Duration;
use std::collections::BTreeMap;

use rumormill_gossip::{self as gossip, Engine, Evidence};
use rumormill_limits::{LinkId, Timestamp};
use rumormill_peering::{self as peering, Peering};
use rumormill_wire::NodeId;
use rumormill_wire::native::RUMOR_PREFIX;

use crate::io::{Input, Output, Reject};
use crate::pacer::Pacer;
use crate::window::MIN_WINDOW;

/// A link that is there.
#[derive(Debug)]
enum Stage {
    /// Not up yet: whose messages are taken once it is.
    Opening(NodeId, Evidence),
    Up,
}

/// One whole node, without IO and without a clock.
#[derive(Debug)]
pub struct Machine {
    now: Timestamp,
    gossip: Engine,
    peering: Peering,
    pacer: Pacer,
    /// As many as link policy knows.
    links: BTreeMap<LinkId, Stage>,
    /// Gossip has heard of a bundle of ours, and what it sends of it has not all come out.
    sending: bool,
}

impl Machine {
    /// Joins the two. Gossip's wall clock, its own certificate and its start are told to it as its driver owes them.
    #[must_use]
    pub fn new(gossip: Engine, peering: Peering) -> Self {
        let me = gossip.me().node;
        let pacer = Pacer::new(me);
        Self { now: Timestamp::ZERO, gossip, peering, pacer, links: BTreeMap::new(), sending: false }
    }

    /// Takes what happened. What is to be done about it comes from [`Machine::poll_output`], to be drained before the next input.
    ///
    /// # Errors
    /// [`Reject`]: the input was not taken, and nothing has changed.
    pub fn handle(&mut self, now: Timestamp, input: Input<'_>) -> Result<(), Reject> {
        self.now = self.now.max(now);
        match input {
            Input::Gossip(gossip::Input::LinkUp { .. } | gossip::Input::LinkDown { .. })
            | Input::Links(peering::Input::Opened { .. }) => return Err(Reject::NotJoined),
            Input::Gossip(input) => self.tell_gossip(input)?,
            Input::Opened { link, peer, evidence, neighbour } => {
                let stage = Stage::Opening(peer.node, evidence);
                self.peering.handle(now, peering::Input::Opened { link, peer, neighbour })?;
                self.links.insert(link, stage);
            }
            Input::Links(peering::Input::LinkDown { link, replaced }) => {
                self.peering.handle(now, peering::Input::LinkDown { link, replaced })?;
                self.end(link);
            }
            Input::Links(input) => self.peering.handle(now, input)?,
            Input::Timeout => self.run_timers()?,
        }
        Ok(())
    }

    fn tell_gossip(&mut self, input: gossip::Input) -> Result<(), Reject> {
        match input {
            // The word of our own bundle is held back while the one before is on its way.
            gossip::Input::Committed { appends } => {
                let appends = self.pacer.committed(appends, self.now);
                self.gossip.handle(self.now, gossip::Input::Committed { appends })?;
            }
            gossip::Input::StoreFull => {
                if let Some(appends) = self.pacer.give_up() {
                    self.gossip.handle(self.now, gossip::Input::Committed { appends })?;
                }
                self.gossip.handle(self.now, gossip::Input::StoreFull)?;
            }
            gossip::Input::Submit { ticket, kind, room, body } => {
                let bytes = body.len().saturating_add(room.len());
                self.gossip.handle(self.now, gossip::Input::Submit { ticket, kind, room, body })?;
                self.pacer.submitted(bytes);
            }
            gossip::Input::Writable { link, bytes } => {
                if let Some(bytes) = self.pacer.written(link, bytes, self.now) {
                    self.gossip.handle(self.now, gossip::Input::Window { link, bytes })?;
                }
                self.gossip.handle(self.now, gossip::Input::Writable { link, bytes })?;
            }
            input => self.gossip.handle(self.now, input)?,
        }
        Ok(())
    }

    fn run_timers(&mut self) -> Result<(), Reject> {
        if self.judges_links(self.now) {
            self.peering.handle(self.now, peering::Input::Tick)?;
        }
        Ok(self.gossip.handle(self.now, gossip::Input::Timeout)?)
    }

    /// What is to be done next; `None` once that is all.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.gossip.poll_output() {
                self.hear_gossip(&output);
                return Some(Output::Gossip(output));
            }
            if core::mem::take(&mut self.sending) {
                self.pacer.sent();
            }
            if let Some(output) = self.peering.poll_output() {
                self.hear_peering(&output);
                return Some(Output::Links(output));
            }
            let appends = self.pacer.due(self.now)?;
            let _ = self.gossip.handle(self.now, gossip::Input::Committed { appends });
            self.sending = true;
        }
    }

    /// What gossip wants done concerns others, too.
    fn hear_gossip(&mut self, output: &gossip::Output) {
        match output {
            gossip::Output::Send { link, frame } => self.pacer.given(*link, frame.len(), self.now),
            gossip::Output::SendBundle { link, bundle, .. } => {
                self.pacer.given(*link, bundle.bytes().len().saturating_add(RUMOR_PREFIX), self.now);
            }
            gossip::Output::Append { bundle } => self.pacer.appended(bundle, self.now),
            gossip::Output::Close { link, ban_us, .. } if *ban_us > 0 => {
                let lasts = Duration::from_micros(*ban_us);
                let _ = self.peering.handle(self.now, peering::Input::Ban { link: *link, lasts });
            }
            _ => {}
        }
    }

    /// What link policy decides concerns others, too.
    fn hear_peering(&mut self, output: &peering::Output) {
        match *output {
            peering::Output::Up { link, named } => {
                if let Some(Stage::Opening(peer, evidence)) = self.links.insert(link, Stage::Up) {
                    self.pacer.link_up(link);
                    let _ = self.gossip.handle(self.now, gossip::Input::Admit { node: peer, evidence });
                    let _ = self.gossip.handle(self.now, gossip::Input::LinkUp { link, peer, named });
                    let _ = self.gossip.handle(self.now, gossip::Input::Window { link, bytes: MIN_WINDOW });
                }
            }
            peering::Output::Down { link } => self.end(link),
            peering::Output::Drop { link } if matches!(self.links.get(&link), Some(Stage::Opening(..))) => {
                self.links.remove(&link);
            }
            _ => {}
        }
    }

    fn end(&mut self, link: LinkId) {
        if let Some(Stage::Up) = self.links.remove(&link) {
            self.pacer.link_down(link);
            let _ = self.gossip.handle(self.now, gossip::Input::LinkDown { link });
        }
    }

    /// When the machine wants [`Input::Timeout`] at the latest. Earlier does no harm.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Timestamp> {
        let others = [self.peering.next_timeout(), self.pacer.deadline(self.now)];
        self.gossip.next_timeout().into_iter().chain(others.into_iter().flatten()).min()
    }

    /// Whether link policy is about to judge its links: what was heard over them has to be told before.
    #[must_use]
    pub fn judges_links(&self, now: Timestamp) -> bool {
        self.peering.next_timeout().is_some_and(|at| at <= now)
    }

    /// The logs.
    #[must_use]
    pub const fn gossip(&self) -> &Engine {
        &self.gossip
    }

    /// The links.
    #[must_use]
    pub const fn peering(&self) -> &Peering {
        &self.peering
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use rumormill_gossip::{EngineConfig, Recovered, Signer};
    use rumormill_peering::{Config, Direction, Peer};
    use rumormill_wire::{Incarnation, NetworkId, Origin, Signature};

    use super::*;

    const NETWORK: NetworkId = NetworkId([7; 32]);

    struct Nobody;

    impl Signer for Nobody {
        fn node(&self) -> NodeId {
            NodeId([1; 32])
        }
        fn sign(&self, _: &[u8]) -> Signature {
            Signature([0; 64])
        }
    }

    fn machine() -> Machine {
        let me = NodeId([1; 32]);
        let store = Recovered::empty(Origin { node: me, incarnation: Incarnation(1) });
        let rng = Box::new(StdRng::seed_from_u64(1));
        let engine = Engine::new(EngineConfig::new(NETWORK), Box::new(Nobody), store, rng);
        let (ping, hello_deadline) = (Duration::from_secs(5), Duration::from_secs(10));
        let config = Config { me, network: NETWORK, max_links: 4, ping, hello_deadline, neighbours: Vec::new() };
        Machine::new(engine, Peering::new(config, StdRng::seed_from_u64(2)))
    }

    fn opened(link: u64, node: u8) -> Input<'static> {
        let peer = Peer { node: NodeId([node; 32]), name: format!("n{node}"), direction: Direction::Inbound };
        let evidence = Evidence { bytes: Bytes::from_static(b"certificate"), since: 0 };
        Input::Opened { link: LinkId(link), peer, evidence, neighbour: None }
    }

    #[test]
    fn connections_that_come_and_go_leave_nothing_behind() {
        let mut machine = machine();
        for link in 1..=100 {
            let node = u8::try_from(link % 50).unwrap() + 2;
            machine.handle(Timestamp(link), opened(link, node)).unwrap();
            let mut dropped = Vec::new();
            while let Some(output) = machine.poll_output() {
                if let Output::Links(peering::Output::Drop { link }) = output {
                    dropped.push(link);
                }
            }
            assert!(dropped.iter().all(|link| !machine.links.contains_key(link)));
            assert!(machine.links.len() <= 16, "{}", machine.links.len());
        }
        for link in machine.links.keys().copied().collect::<Vec<_>>() {
            let down = peering::Input::LinkDown { link, replaced: false };
            machine.handle(Timestamp(200), Input::Links(down)).unwrap();
        }
        assert!(machine.links.is_empty());
    }

    #[test]
    fn links_come_and_go_for_all_machines_at_once() {
        let mut machine = machine();
        let peer = Peer { node: NodeId([2; 32]), name: "n2".into(), direction: Direction::Inbound };
        let link = LinkId(1);
        let alone = peering::Input::Opened { link, peer, neighbour: None };
        assert_eq!(machine.handle(Timestamp(0), Input::Links(alone)), Err(Reject::NotJoined));
        for input in
            [gossip::Input::LinkUp { link, peer: NodeId([2; 32]), named: false }, gossip::Input::LinkDown { link }]
        {
            assert_eq!(machine.handle(Timestamp(0), Input::Gossip(input)), Err(Reject::NotJoined));
        }
        machine.handle(Timestamp(0), opened(1, 2)).unwrap();
        let again = machine.handle(Timestamp(0), opened(1, 2));
        assert_eq!(again, Err(Reject::Links(peering::Reject::KnownLink(link))));
    }
}
