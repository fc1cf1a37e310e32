//! What the nodes of the world show, for the tests to compare.

use std::collections::BTreeSet;

use rumormill_gossip::LinkStats;
use rumormill_wire::native::BundleView;

use super::*;

impl World {
    pub fn describe(&self) -> String {
        let mut out = String::new();
        for (n, node) in self.nodes.iter().enumerate() {
            let frontier: Vec<_> =
                node.engine.frontier().map(|e| (e.origin.incarnation.0, e.next.0, e.state)).collect();
            out += &format!(
                "{n} alive {} {frontier:?}\n   {:?}\n   closed {:?}\n",
                node.alive,
                node.engine.stats(),
                node.closed
            );
        }
        out
    }

    /// What the node shows: committed, without what a limit withdraws, in the one order.
    pub fn log(&self, n: usize) -> Vec<(Clock, Origin, Seq, String)> {
        let node = &self.nodes[n];
        let limits: BTreeMap<_, _> = node.engine.limits().collect();
        let mut all = Vec::new();
        for (origin, bundles) in &node.disk.bundles {
            for bytes in bundles {
                for m in BundleView::parse(bytes).unwrap().messages() {
                    if limits.get(origin).is_none_or(|limit| m.seq < *limit) {
                        all.push((m.clock, *origin, m.seq, String::from_utf8(m.body.to_vec()).unwrap()));
                    }
                }
            }
        }
        all.sort();
        all
    }

    pub fn texts(&self, n: usize) -> Vec<String> {
        self.log(n).into_iter().map(|(_, _, _, text)| text).collect()
    }

    pub fn same_logs(&self, messages: usize) -> bool {
        let alive: Vec<_> = (0..self.nodes.len()).filter(|n| self.nodes[*n].alive).collect();
        let first = self.log(alive[0]);
        first.len() == messages && alive.iter().all(|n| self.log(*n) == first)
    }

    pub fn same_fingerprints(&self) -> bool {
        let alive = self.nodes.iter().filter(|node| node.alive);
        alive.map(|node| node.engine.fingerprint()).collect::<BTreeSet<_>>().len() == 1
    }

    pub fn nothing_unreleased(&self) -> bool {
        self.nodes.iter().filter(|node| node.alive).all(|node| node.unreleased.values().all(|open| *open == 0))
    }

    pub fn disk_proofs(&self, n: usize) -> usize {
        self.nodes[n].disk.proofs.len()
    }
}

/// Whether all nodes withdraw the same messages of a chain, from this number on.
pub fn all_agree(world: &World, chain: Life, place: u64) -> bool {
    let limit =
        |n: usize| world.nodes[n].engine.limits().find(|(origin, _)| *origin == chain.origin()).map(|(_, at)| at.0);
    (0..world.nodes.len()).all(|n| limit(n) == Some(place)) && world.same_fingerprints()
}

/// How often a node told of two histories.
pub fn equivocations(world: &World, n: usize) -> usize {
    world.nodes[n].events.iter().filter(|event| matches!(event, Event::Equivocation { .. })).count()
}

pub fn nobody_was_closed(world: &World) {
    assert!(world.nodes.iter().all(|node| node.closed.is_empty()), "{}", world.describe());
}

pub fn link_stats(world: &World, node: usize, link: usize) -> LinkStats {
    let id = LinkId(u64::try_from(link).unwrap());
    world.nodes[node].engine.link_stats(id).unwrap()
}
