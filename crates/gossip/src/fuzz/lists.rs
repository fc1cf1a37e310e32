//! The CA: revocation lists that hold, because it made them.

use std::collections::BTreeMap;

use bytes::Bytes;
use rumormill_wire::native::{Cut, RevocationEntry, RevocationList};
use rumormill_wire::{Incarnation, NodeId, Seq, Signature};

use super::cast;
use super::ops::ARGS;
use super::world::World;
use crate::revocation::Revocations;

/// A list that the CA signed.
#[derive(Debug, Clone)]
pub struct List {
    pub list: Revocations,
    pub bytes: Bytes,
}

impl World<'_> {
    /// `step, who, cut, who, cut`. A cut of 0 is none, 1 cuts at a number, 2 leaves nothing, 3 cuts where node 0 stands.
    pub fn issue(&mut self, args: [u8; ARGS]) {
        let mut cuts: BTreeMap<NodeId, Option<BTreeMap<Incarnation, Seq>>> = BTreeMap::new();
        for pair in args[1..5].chunks(2) {
            let (node, cut) = (cast::id(cast::who(pair[0])), pair[1]);
            let at = Seq(u64::from(cut >> 2));
            let cut = match cut % 4 {
                0 => None,
                1 => Some((0..4).map(|idx| (super::author::incarnation(idx), at)).collect()),
                2 => Some(BTreeMap::new()),
                _ => {
                    let ours = self.nodes[0].engine.frontier().filter(|entry| entry.origin.node == node);
                    Some(ours.map(|entry| (entry.origin.incarnation, Seq(entry.next.0.saturating_sub(1)))).collect())
                }
            };
            cuts.insert(node, cut);
        }
        // A CA never uses a number twice.
        let last = self.lists.last().map_or(0, |list| list.list.number);
        let number = last + 1 + u64::from(args[0]);
        let lasts: Vec<Option<Vec<(Incarnation, Seq)>>> =
            cuts.values().map(|cut| cut.as_ref().map(|cut| cut.iter().map(|(a, b)| (*a, *b)).collect())).collect();
        let entries: Vec<_> = cuts
            .keys()
            .zip(&lasts)
            .map(|(node, lasts)| RevocationEntry {
                node: *node,
                cut: lasts.as_ref().map_or(Cut::Links, |lasts| Cut::Last(lasts.as_slice().into())),
            })
            .collect();
        let Ok(signed) = RevocationList::encode(number, 1_767_225_600, &entries) else { return };
        let bytes = Bytes::from(RevocationList::seal(signed, &Signature([5; 64])));
        self.lists.push(List { list: Revocations { number, nodes: cuts }, bytes });
    }

    /// Whether the CA ever revoked it.
    pub fn revoked(&self, node: &NodeId) -> bool {
        self.lists.iter().any(|list| list.list.revokes(node))
    }
}
