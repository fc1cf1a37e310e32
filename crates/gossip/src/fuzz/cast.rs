//! Who takes part, their keys, and what signing and checking cost: each signature is made and checked once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use rumormill_wire::{NetworkId, NodeId, Signature};

use crate::bundle::{Invalid, RawBundle, Signer, VerifiedBundle, verify};
use crate::members::Evidence;

pub(super) const NETWORK: NetworkId = NetworkId([7; 32]);
/// 2026-01-01 in microseconds.
pub(super) const WALL_US: i64 = 1_767_225_600_000_000;

/// The two that run engines.
pub(super) const ENDS: [u8; 2] = [100, 101];
/// Members whose keys the liar has.
pub(super) const LIARS: [u8; 3] = [1, 2, 3];
/// A member that keeps to the protocol and is linked to neither; the liar carries what it signs.
pub(super) const HONEST: u8 = 50;
/// A key without a certificate.
pub(super) const OUTSIDER: u8 = 4;

/// Whom an argument means.
pub(super) const fn who(arg: u8) -> u8 {
    match arg % 8 {
        0 => 1,
        1 => 2,
        2 => 3,
        3 => HONEST,
        4 => OUTSIDER,
        5 => ENDS[0],
        6 => ENDS[1],
        _ => 5,
    }
}

pub(super) fn is_liar(n: u8) -> bool {
    LIARS.contains(&n)
}

/// Whether the CA of this network gave it a certificate.
pub(super) fn is_member(n: u8) -> bool {
    is_liar(n) || n == HONEST || ENDS.contains(&n)
}

pub(super) fn certificate(node: &NodeId) -> Vec<u8> {
    [b"certificate of ".as_slice(), node.as_bytes()].concat()
}

/// A second certificate of the same node, with another name.
pub(super) fn second_certificate(node: &NodeId) -> Vec<u8> {
    [b"another name of ".as_slice(), node.as_bytes()].concat()
}

/// What a certificate is worth, if the CA issued it. Which of a node's two is the later one depends on the node.
pub(super) fn evidence(node: &NodeId, bytes: &[u8]) -> Option<Evidence> {
    let [first, second] = [certificate(node), second_certificate(node)];
    let later = u64::from(node.as_bytes().first().is_some_and(|byte| byte & 1 == 1));
    let since = if bytes == first {
        1
    } else if bytes == second {
        later * 2
    } else {
        return None;
    };
    let member = members().any(|(_, id)| id == *node);
    member.then(|| Evidence { bytes: bytes::Bytes::copy_from_slice(bytes), since })
}

/// The members' ids.
pub(super) fn members() -> impl Iterator<Item = (u8, NodeId)> {
    LIARS.into_iter().chain(ENDS).chain([HONEST]).map(|n| (n, id(n)))
}

fn pairs() -> &'static BTreeMap<u8, (Ed25519KeyPair, NodeId)> {
    static PAIRS: OnceLock<BTreeMap<u8, (Ed25519KeyPair, NodeId)>> = OnceLock::new();
    PAIRS.get_or_init(|| {
        let all = (0..=u8::MAX).map(who).chain(LIARS).chain(ENDS);
        let made = all.filter_map(|n| {
            let pair = Ed25519KeyPair::from_seed_unchecked(&[n; 32]).ok()?;
            let id = NodeId(pair.public_key().as_ref().try_into().ok()?);
            Some((n, (pair, id)))
        });
        made.collect()
    })
}

pub(super) fn id(n: u8) -> NodeId {
    pairs().get(&n).map_or(NodeId([0; 32]), |(_, id)| *id)
}

/// One that signs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pen(pub u8);

/// What is remembered at once.
const MAX_KNOWN: usize = 16_384;

/// Answers by the hash of the question.
type Known<T> = RefCell<BTreeMap<[u8; 32], T>>;

thread_local! {
    static SIGNED: Known<Signature> = const { RefCell::new(BTreeMap::new()) };
    static CHECKED: Known<Result<Arc<VerifiedBundle>, Invalid>> = const { RefCell::new(BTreeMap::new()) };
}

fn once<T: Clone>(known: &Known<T>, question: &[&[u8]], answer: impl FnOnce() -> T) -> T {
    let key = *blake3::hash(&question.concat()).as_bytes();
    if let Some(answer) = known.borrow().get(&key) {
        return answer.clone();
    }
    let answer = answer();
    let mut known = known.borrow_mut();
    if known.len() >= MAX_KNOWN {
        known.clear();
    }
    known.insert(key, answer.clone());
    answer
}

impl Signer for Pen {
    fn node(&self) -> NodeId {
        id(self.0)
    }

    fn sign(&self, message: &[u8]) -> Signature {
        let sign = || {
            let bytes = pairs().get(&self.0).map(|(pair, _)| pair.sign(message));
            Signature(bytes.and_then(|bytes| bytes.as_ref().try_into().ok()).unwrap_or([0; 64]))
        };
        SIGNED.with(|known| once(known, &[&[self.0], message], sign))
    }
}

/// The verdict of [`verify`], which depends on the bytes alone.
pub(super) fn checked(raw: &RawBundle) -> Result<Arc<VerifiedBundle>, Invalid> {
    CHECKED.with(|known| once(known, &[raw.bytes()], || verify(raw, &NETWORK).map(Arc::new)))
}
