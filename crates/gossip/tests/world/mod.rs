//! A small deterministic world of engines: a store that commits after a while, links that deliver in order after a while,
//! a verifier that answers after a while. One seed, one run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rumormill_gossip::{
    Ask, Check, Checked, Dissemination, Drive, Engine, EngineConfig, Event, Evidence, Input, Judge, Judged, LinkId,
    Output, RawBundle, Read, Recovered, RecoveredChain, Revocations, Shell, Signer, Ticket, Timestamp, VerifiedBundle,
    VerifiedProof, verify,
};
use rumormill_wire::native::{ByeCode, Frame, ListPart, MessageKind, RevocationPart};
use rumormill_wire::{Clock, Incarnation, NetworkId, NodeId, Origin, Seq, Signature};

mod author;
mod disk;
pub mod frames;
mod keys;
mod links;
mod node;
pub mod pair;
mod revocations;
mod shell;
pub mod shown;
mod time;

// Not every test has such members.
#[allow(unused_imports, reason = "each test file uses its part")]
pub use author::{Author, Life, bring};
pub use disk::Disk;
pub use keys::{Key, certificate, judge};
pub use links::End;
pub use node::Node;
// Not every test speaks of revocation.
#[allow(unused_imports, reason = "each test file uses its part")]
pub use revocations::{Cuts, checked_part, signed_part};
// Another crate tests with this world, too.
#[allow(unused_imports, reason = "each test file uses its part")]
pub use shell::{At, Vouched};

use links::Wire;
use time::Happening;

pub const NETWORK: NetworkId = NetworkId([7; 32]);

/// 2026-01-01 in microseconds.
pub const WALL: i64 = 1_767_225_600_000_000;
pub const NOW: u64 = WALL.unsigned_abs();

pub struct World {
    pub now: u64,
    pub rng: StdRng,
    pub nodes: Vec<Node>,
    pub config: EngineConfig,
    /// Whether every output is put into `trace`.
    pub tracing: bool,
    pub trace: blake3::Hasher,
    /// What nodes send to strangers, if it is to be kept.
    pub overheard: Option<Vec<(LinkId, Bytes)>>,
    /// The node that trusts pins and has no CA, if one does.
    pub pinned: Option<usize>,
    /// How many appends a commit takes with it and how long it takes, in microseconds.
    pub commit_us: u64,
    /// How much longer than usual a read of the store takes.
    pub read_us: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    order: u64,
    wires: BTreeMap<(usize, LinkId), Wire>,
    next_link: u64,
    next_ticket: u64,
}

pub fn config(dissemination: Dissemination) -> EngineConfig {
    EngineConfig {
        dissemination,
        quota_bytes_per_day: 0,
        quota_incarnations_per_day: 0,
        quota_incarnation_days: 1,
        pace_bytes_per_s: 0,
        ..EngineConfig::new(NETWORK)
    }
}

/// The same, with a comparison each second.
pub fn quick(dissemination: Dissemination) -> EngineConfig {
    EngineConfig { anti_entropy_us: 1_000_000, ..config(dissemination) }
}

/// Bodies of which two do not go into one bundle.
pub fn long(n: usize) -> String {
    format!("{n:4} {}", "x".repeat(32_000))
}

impl World {
    pub fn new(seed: u64, nodes: u8, config: EngineConfig) -> Self {
        let mut world = Self {
            now: 1,
            rng: StdRng::seed_from_u64(seed),
            nodes: Vec::new(),
            config,
            tracing: false,
            trace: blake3::Hasher::new(),
            overheard: None,
            pinned: None,
            commit_us: 200,
            read_us: 0,
            queue: BTreeMap::new(),
            order: 0,
            wires: BTreeMap::new(),
            next_link: 0,
            next_ticket: 0,
        };
        for n in 0..nodes {
            world.add(n + 1, Disk::default(), 0);
        }
        world
    }
}
