//! The revocation list in force, decoded: one value that the engine, the handshakes and the people of a process share.
//! Copying it copies pointers to its parts.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::{EncodeError, WireError};
use super::revocation::{Cut, Lasts, RevocationEntry, RevocationPart, place_of};
use crate::{Incarnation, NodeId, Origin, Seq, Signature};

/// What is said of a node that is out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// When its certificate ends, in seconds since the Unix epoch; `u64::MAX` where nobody knows.
    pub not_after: u64,
    /// What of its messages still counts: `None` leaves all, a map those of each incarnation up to a number and of any
    /// other none (P-R3).
    pub cut: Option<BTreeMap<Incarnation, Seq>>,
}

/// A part of the list, decoded, with the bytes that the CA signed. Make one only of bytes whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPart {
    place: u8,
    number: u64,
    issued: u64,
    nodes: BTreeMap<NodeId, Revoked>,
    bytes: Vec<u8>,
}

impl ListPart {
    /// Decodes a part. Its signature is not checked here (P-R1).
    ///
    /// # Errors
    /// The first rule of form that is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let part = RevocationPart::parse(bytes)?;
        let nodes = part.entries().map(|entry| {
            let cut = match entry.cut {
                Cut::Links => None,
                Cut::Last(lasts) => Some(lasts.iter().collect()),
            };
            (entry.node, Revoked { not_after: entry.not_after, cut })
        });
        Ok(Self {
            place: part.place(),
            number: part.number(),
            issued: part.issued(),
            nodes: nodes.collect(),
            bytes: bytes.to_vec(),
        })
    }

    /// The bytes to be signed of a part with these nodes (P-R1); [`RevocationPart::seal`] adds the signature.
    ///
    /// # Errors
    /// They do not fit, or one of them belongs elsewhere.
    pub fn encode(
        place: u8,
        number: u64,
        issued: u64,
        nodes: &BTreeMap<NodeId, Revoked>,
    ) -> Result<Vec<u8>, EncodeError> {
        let flat = |cut: &BTreeMap<Incarnation, Seq>| cut.iter().map(|(i, seq)| (*i, *seq)).collect::<Vec<_>>();
        let cuts: Vec<_> = nodes.values().map(|revoked| revoked.cut.as_ref().map(flat)).collect();
        let entries: Vec<_> = nodes
            .iter()
            .zip(&cuts)
            .map(|((node, revoked), cut)| RevocationEntry {
                node: *node,
                not_after: revoked.not_after,
                cut: cut.as_deref().map_or(Cut::Links, |lasts| Cut::Last(Lasts::from(lasts))),
            })
            .collect();
        RevocationPart::encode(place, number, issued, &entries)
    }

    /// A part from what [`ListPart::encode`] gave and the CA's signature.
    ///
    /// # Errors
    /// The signed part is none.
    pub fn sealed(signed_part: Vec<u8>, signature: &Signature) -> Result<Self, WireError> {
        Self::decode(&RevocationPart::seal(signed_part, signature))
    }

    /// The first byte of all its node ids (P-R2).
    #[must_use]
    pub const fn place(&self) -> u8 {
        self.place
    }
    /// A higher one replaces a lower of the same place.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }
    /// When it was made, in seconds since the Unix epoch.
    #[must_use]
    pub const fn issued(&self) -> u64 {
        self.issued
    }
    /// The nodes that this part revokes, all with its place as their first byte.
    #[must_use]
    pub const fn nodes(&self) -> &BTreeMap<NodeId, Revoked> {
        &self.nodes
    }
    /// As the CA signed it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// All parts in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revocations {
    parts: BTreeMap<u8, Arc<ListPart>>,
}

impl Revocations {
    /// Takes a part, if its number is above that of the one in its place (P-R2). Says whether it did.
    pub fn take(&mut self, part: Arc<ListPart>) -> bool {
        let newer = part.number > self.number_of(part.place);
        if newer {
            self.parts.insert(part.place, part);
        }
        newer
    }

    /// The number of the part in this place; 0 for none.
    #[must_use]
    pub fn number_of(&self, place: u8) -> u64 {
        self.parts.get(&place).map_or(0, |part| part.number)
    }

    /// The part in this place.
    #[must_use]
    pub fn part(&self, place: u8) -> Option<&Arc<ListPart>> {
        self.parts.get(&place)
    }

    /// All parts, by place.
    pub fn parts(&self) -> impl Iterator<Item = &Arc<ListPart>> {
        self.parts.values()
    }

    fn newest(&self) -> Option<&Arc<ListPart>> {
        self.parts.values().max_by_key(|part| part.number)
    }

    /// The number of the list: the highest of its parts; 0 for none.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.newest().map_or(0, |part| part.number)
    }

    /// When the newest part was made, in seconds since the Unix epoch; 0 for none.
    #[must_use]
    pub fn issued(&self) -> u64 {
        self.newest().map_or(0, |part| part.issued)
    }

    /// What is said of a node.
    #[must_use]
    pub fn get(&self, node: &NodeId) -> Option<&Revoked> {
        self.parts.get(&place_of(node))?.nodes.get(node)
    }

    /// Whether a node is out.
    #[must_use]
    pub fn revokes(&self, node: &NodeId) -> bool {
        self.get(node).is_some()
    }

    /// The first number of this origin that does not count, if there is one (P-R3).
    #[must_use]
    pub fn limit(&self, origin: &Origin) -> Option<Seq> {
        let cut = self.get(&origin.node)?.cut.as_ref()?;
        let last = cut.get(&origin.incarnation).map_or(0, |seq| seq.0);
        Some(Seq(last.saturating_add(1)))
    }

    /// The nodes that are revoked, in order of their ids.
    pub fn nodes(&self) -> impl Iterator<Item = (&NodeId, &Revoked)> {
        self.parts.values().flat_map(|part| &part.nodes)
    }

    /// How many nodes are revoked.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.values().map(|part| part.nodes.len()).sum()
    }

    /// Whether no node is revoked, with or without parts in force.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    type Lasts<'a> = Option<&'a [(u64, u64)]>;

    fn part(place: u8, number: u64, nodes: &[(NodeId, Lasts<'_>)]) -> Arc<ListPart> {
        let nodes = nodes.iter().map(|(node, cut)| {
            let cut = cut.map(|cut| cut.iter().map(|(i, n)| (Incarnation(*i), Seq(*n))).collect());
            (*node, Revoked { not_after: 9, cut })
        });
        let signed = ListPart::encode(place, number, number, &nodes.collect()).unwrap();
        Arc::new(ListPart::sealed(signed, &Signature([3; 64])).unwrap())
    }

    #[test]
    fn a_part_replaces_an_older_one_of_its_place_and_no_other() {
        let (one, two) = (NodeId([1; 32]), NodeId([2; 32]));
        let mut list = Revocations::default();
        assert!(list.take(part(1, 5, &[(one, None)])) && list.take(part(2, 3, &[(two, Some(&[]))])));
        assert!(!list.take(part(1, 5, &[])) && !list.take(part(1, 4, &[])), "not newer");
        assert_eq!((list.number(), list.issued(), list.len()), (5, 5, 2));
        assert!(list.take(part(1, 6, &[])));
        assert!(!list.revokes(&one) && list.revokes(&two));
    }

    #[test]
    fn a_cut_leaves_what_it_names_and_nothing_of_other_incarnations() {
        let node = NodeId([1; 32]);
        let origin = |incarnation| Origin { node, incarnation: Incarnation(incarnation) };
        let mut list = Revocations::default();
        list.take(part(1, 1, &[(node, Some(&[(4, 7)]))]));
        assert_eq!(list.limit(&origin(4)), Some(Seq(8)));
        assert_eq!((list.limit(&origin(3)), list.limit(&origin(5))), (Some(Seq(1)), Some(Seq(1))));
        list.take(part(1, 2, &[(node, None)]));
        assert_eq!(list.limit(&origin(4)), None, "all messages stay");
    }
}
