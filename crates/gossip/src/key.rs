//! Which 32 bytes may be a node id (docs/protocol.md, "Words"; RFC 8032, 5.1.3).
//!
//! A key of small order would let anybody sign for it, and one that is not canonical gives one point two names.

use rumormill_wire::NodeId;

/// y-coordinates of the points of small order on edwards25519, sign bit cleared, canonical forms only.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
];

/// Why bytes are no node id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// The point has small order.
    #[error("the key is a point of small order")]
    SmallOrder,
    /// The y-coordinate is not below 2^255 - 19.
    #[error("the key is not in canonical form")]
    NotCanonical,
}

/// Whether a node id may be admitted.
///
/// # Errors
/// [`BadKey`] names the reason. Whether the bytes are a point on the curve at all is left to the signature check.
pub fn check_node_id(node: &NodeId) -> Result<(), BadKey> {
    let mut y = node.0;
    if let Some(top) = y.last_mut() {
        *top &= 0x7f;
    }
    let [low, middle @ .., high] = &y;
    if *high == 0x7f && *low >= 0xed && middle.iter().all(|b| *b == 0xff) {
        return Err(BadKey::NotCanonical);
    }
    if SMALL_ORDER.contains(&y) { Err(BadKey::SmallOrder) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_order_points_are_refused_with_either_sign() {
        for y in SMALL_ORDER {
            let mut signed = y;
            signed[31] |= 0x80;
            assert_eq!(check_node_id(&NodeId(y)), Err(BadKey::SmallOrder));
            assert_eq!(check_node_id(&NodeId(signed)), Err(BadKey::SmallOrder));
        }
    }

    #[test]
    fn a_coordinate_of_p_or_more_is_refused() {
        for low in 0xed..=0xff {
            let mut y = [0xff; 32];
            y[0] = low;
            y[31] = 0x7f;
            assert_eq!(check_node_id(&NodeId(y)), Err(BadKey::NotCanonical));
        }
    }
}
