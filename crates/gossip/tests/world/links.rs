//! Links between the nodes of the world, and what goes over them.

use rumormill_wire::native::rumor_prefix;

use super::*;

#[derive(Clone, Copy, Debug)]
pub struct End {
    pub node: usize,
    pub link: LinkId,
}

pub(super) struct Wire {
    pub(super) to: End,
    pub(super) free_at: u64,
}

impl World {
    pub fn link(&mut self, a: usize, b: usize) -> (End, End) {
        self.next_link += 1;
        let link = LinkId(self.next_link);
        let (ea, eb) = (End { node: a, link }, End { node: b, link });
        self.wires.insert((a, link), Wire { to: eb, free_at: self.now });
        self.wires.insert((b, link), Wire { to: ea, free_at: self.now });
        for (end, other) in [(ea, b), (eb, a)] {
            let peer = Key::new(self.nodes[other].key).id();
            self.give(end.node, Input::Admit { node: peer, evidence: certificate(peer, "") });
            self.give(end.node, Input::LinkUp { link, peer, named: true });
        }
        (ea, eb)
    }

    /// An end without an engine behind it: what `n` sends there is lost, and the test speaks for it.
    pub fn stranger(&mut self, n: usize, key: u8) -> LinkId {
        self.open_end(n, key, false)
    }

    /// The same, of a neighbour that people named.
    pub fn named(&mut self, n: usize, key: u8) -> LinkId {
        self.open_end(n, key, true)
    }

    fn open_end(&mut self, n: usize, key: u8, named: bool) -> LinkId {
        self.next_link += 1;
        let link = LinkId(self.next_link);
        let peer = Key::new(key).id();
        self.give(n, Input::Admit { node: peer, evidence: certificate(peer, "") });
        self.give(n, Input::LinkUp { link, peer, named });
        link
    }

    pub fn line(&mut self) {
        for n in 1..self.nodes.len() {
            self.link(n - 1, n);
        }
    }

    pub fn cut(&mut self, end: End) {
        let Some(wire) = self.wires.remove(&(end.node, end.link)) else { return };
        self.wires.remove(&(wire.to.node, wire.to.link));
        for e in [end, wire.to] {
            self.nodes[e.node].unreleased.remove(&e.link);
            self.give(e.node, Input::LinkDown { link: e.link });
        }
    }

    pub(super) fn transmit_bundle(
        &mut self,
        n: usize,
        link: LinkId,
        bundle: &[u8],
        want_status: bool,
        answers_range: bool,
    ) {
        let mut frame = rumor_prefix(want_status, answers_range, bundle.len()).unwrap().to_vec();
        frame.extend_from_slice(bundle);
        self.transmit(n, link, &frame);
    }

    pub(super) fn transmit(&mut self, n: usize, link: LinkId, frame: &[u8]) {
        let bytes = frame.len();
        if let Ok(Frame::Revoked(part)) = Frame::decode(&frame[4..]) {
            let part = RevocationPart::parse(part).unwrap();
            let durable = self.nodes[n].disk.revocations.number_of(part.place());
            assert!(part.number() <= durable, "a list is durable before it is passed on");
        }
        self.nodes[n].wire_bytes += u64::try_from(bytes).unwrap();
        self.nodes[n].frames += 1;
        let delay = self.rng.random_range(50..500);
        self.later(n, 30, Input::Writable { link, bytes });
        let Some(wire) = self.wires.get_mut(&(n, link)) else {
            self.overheard.iter_mut().for_each(|heard| heard.push((link, Bytes::copy_from_slice(&frame[4..]))));
            return;
        };
        wire.free_at = wire.free_at.max(self.now + delay) + 1;
        let (to, when) = (wire.to, wire.free_at);
        let life = self.nodes[to.node].life;
        let input = Input::Frame { link: to.link, bytes: Bytes::copy_from_slice(&frame[4..]) };
        self.at(when, Happening::Input { node: to.node, life, input });
    }
}
