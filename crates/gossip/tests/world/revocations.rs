//! Parts of the revocation list, as the CA of these tests signs them.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use rumormill_wire::native::{Revoked, SIGN_REVOCATION_CONTEXT, place_of};

use super::*;

/// The key of the CA.
const CA: u8 = 250;

fn to_sign(part: &[u8]) -> Vec<u8> {
    [SIGN_REVOCATION_CONTEXT, NETWORK.as_bytes(), blake3::hash(part).as_bytes()].concat()
}

/// What still counts of each revoked node.
pub type Cuts = BTreeMap<NodeId, Option<BTreeMap<Incarnation, Seq>>>;

/// A part of the revocation list in bytes, signed by the CA. All its nodes have to begin with one byte.
pub fn signed_part(number: u64, cuts: &Cuts) -> Bytes {
    let place = cuts.keys().next().map_or(0, place_of);
    let nodes = cuts.iter().map(|(node, cut)| (*node, Revoked { not_after: u64::MAX, cut: cut.clone() }));
    let part = ListPart::encode(place, number, number, &nodes.collect()).unwrap();
    let signature = Key::new(CA).sign(&to_sign(&part));
    Bytes::from(RevocationPart::seal(part, &signature))
}

/// The part, if the CA signed it: what the shell does between `CheckRevocations` and `Revoked`.
pub fn checked_part(bytes: &[u8]) -> Option<Arc<ListPart>> {
    let part = RevocationPart::parse(bytes).ok()?;
    UnparsedPublicKey::new(&ED25519, Key::new(CA).id().as_bytes())
        .verify(&to_sign(part.signed_part()), part.signature().as_bytes())
        .ok()?;
    ListPart::decode(bytes).ok().map(Arc::new)
}
