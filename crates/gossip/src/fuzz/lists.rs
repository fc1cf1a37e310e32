//! The CA: parts of the revocation list that hold, because it made them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rumormill_wire::native::{ListPart, Revisions, Revoked};
use rumormill_wire::{NodeId, Seq, Signature};

use super::cast;
use super::finding::Finding;
use super::ops::ARGS;
use super::world::World;
use crate::io::Input;

/// 2026-01-01, and a year later, in seconds.
const ISSUED: u64 = 1_767_225_600;
const NOT_AFTER: u64 = ISSUED + 31_536_000;

impl World<'_> {
    /// `step, who, cut, who, cut`: a part for each. A cut of 0 is none, 1 cuts at a number, 2 leaves nothing, 3 cuts where
    /// node 0 stands.
    pub(super) fn issue(&mut self, args: [u8; ARGS]) {
        for pair in args[1..5].chunks(2) {
            let (node, cut) = (cast::id(cast::who(pair[0])), pair[1]);
            let at = Seq(u64::from(cut >> 2));
            let cut = match cut % 4 {
                0 => None,
                1 => Some((0..4).map(|index| (super::author::incarnation(index), at)).collect()),
                2 => Some(BTreeMap::new()),
                _ => {
                    let ours = self.nodes[0].engine.frontier().filter(|entry| entry.origin.node == node);
                    Some(ours.map(|entry| (entry.origin.incarnation, Seq(entry.next.0.saturating_sub(1)))).collect())
                }
            };
            // A CA never uses a number twice.
            let last = self.lists.last().map_or(0, |part| part.number());
            let number = last + 1 + u64::from(args[0]);
            let nodes = BTreeMap::from([(node, Revoked { not_after: NOT_AFTER, cut })]);
            let signed = ListPart::encode(node.0[0], number, ISSUED, &nodes);
            let part = signed.ok().and_then(|signed| ListPart::sealed(signed, &Signature([5; 64])).ok());
            self.lists.extend(part.map(Arc::new));
        }
    }

    /// Whether the CA ever revoked it.
    pub(super) fn revoked(&self, node: &NodeId) -> bool {
        self.lists.iter().any(|part| part.nodes().contains_key(node))
    }

    /// `slot or end, which, how`: a part as it is in a frame, changed in a frame, or from a file.
    pub(super) fn revoke(&mut self, slot: usize, which: u8, how: u8) -> Result<(), Finding> {
        let Some(part) = self.lists.get(usize::from(which) % self.lists.len().max(1)).cloned() else { return Ok(()) };
        if how % 4 == 2 {
            return self.give(slot % 2, Input::Revoked { link: None, part });
        }
        let mut bytes = part.bytes().to_vec();
        if let Some(last) = bytes.last_mut().filter(|_| how % 4 == 1) {
            *last ^= 1;
        }
        self.say_frame(slot, &rumormill_wire::native::Frame::Revoked(&bytes))
    }

    /// `slot, how many, numbers`: the liar says which parts it has, of the places that there are.
    pub(super) fn revisions(&mut self, args: [u8; ARGS]) -> Result<(), Finding> {
        let numbers = args[2..].iter().map(|number| u64::from(*number).max(1));
        let places: BTreeMap<u8, u64> = cast::members().map(|(_, id)| id.0[0]).zip(numbers).collect();
        let listed: Vec<_> = places.into_iter().take(usize::from(args[1] % 8)).collect();
        let frame = rumormill_wire::native::Frame::Revisions(Revisions::from(listed.as_slice()));
        self.say_frame(usize::from(args[0] % 4), &frame)
    }
}
